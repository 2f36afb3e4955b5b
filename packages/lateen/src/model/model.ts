/** The model: every derived collection of the mesh, over one set of inputs. */
import type { Gateway } from "../api/gateway/schema.ts";
import type { ServiceEntry } from "../api/service-entry/schema.ts";
import type { CellFamily, Collection, Graph, Index, SelectableIndex } from "../flow/types.ts";
import { createAliases } from "./aliases.ts";
import { type Connected, createConnected } from "./connected.ts";
import { createDestinationRules, type DestinationRules } from "./destination-rules.ts";
import { createServiceEndpoints } from "./endpoints.ts";
import type { Findings } from "./finding.ts";
import { createFindings } from "./findings.ts";
import { createImports, type Imports } from "./imports.ts";
import { createIngresses, type Ingresses } from "./ingress.ts";
import type { ModelInputs } from "./inputs.ts";
import { createNodeLocalities } from "./locality.ts";
import { createMeshNames, type MeshNames } from "./mesh.ts";
import { createPlacedHosts } from "./placed-hosts.ts";
import { createNamespacePreferences, createPlacements } from "./placements.ts";
import { createPodAddresses, type PodAddresses } from "./pod-addresses.ts";
import { createProxies, type Proxies } from "./proxies.ts";
import { createScopes, type Scope } from "./scopes.ts";
import { createServiceAccounts } from "./service-accounts.ts";
import { createKubernetesServices, createServiceShapes, type ServiceShape } from "./services.ts";
import { createEntryServices, indexEntriesByService } from "./services-entries.ts";
import { createExportedServices } from "./services-exported.ts";
import type { Placement, Service, ServiceEndpoints } from "./types.ts";
import {
  createSourceSelectors,
  createVirtualServices,
  type VirtualServiceShape,
  type VirtualServices,
} from "./virtual-services.ts";
import { createWaitingProxies, type WaitingProxy } from "./waiting.ts";
import { createEntryWorkloads } from "./workload-entries.ts";
import { createPodWorkloads, type Workload, workloadsByLabel } from "./workloads.ts";

export interface Model {
  readonly inputs: ModelInputs;
  /** Declared ones, and those made of Ingresses. */
  readonly gateways: Collection<Gateway>;
  readonly ingresses: Ingresses;
  readonly names: Collection<MeshNames>;
  readonly pods: Collection<Workload>;
  readonly workloadEntries: Collection<Workload>;
  readonly entriesByLabel: SelectableIndex<Workload>;
  /** ServiceEntries under `namespace/host`. */
  readonly entriesByService: Index<ServiceEntry>;
  readonly services: Collection<Service>;
  readonly shapes: Collection<ServiceShape>;
  readonly shapesByHostname: Index<ServiceShape>;
  /** VirtualServices bound to a Gateway, under its `namespace/name`. */
  readonly routesByGateway: Index<VirtualServiceShape>;
  readonly endpoints: Collection<ServiceEndpoints>;
  /** Of services without an address of their own: the addresses behind each port. */
  readonly podAddresses: Collection<PodAddresses>;
  /** Of services whose endpoints depend on where clients run. */
  readonly placements: Collection<Placement>;
  readonly accounts: Collection<readonly string[]>;
  readonly rules: DestinationRules;
  readonly virtualServices: VirtualServices;
  readonly scopes: CellFamily<Scope>;
  readonly imports: Imports;
  readonly proxies: Proxies;
  readonly connected: Connected;
  readonly waiting: Collection<WaitingProxy>;
  readonly findings: Findings;
}

export function createModel(graph: Graph, inputs: ModelInputs): Model {
  const names = createMeshNames(graph, inputs.mesh);
  const localities = createNodeLocalities(graph, inputs.nodes);
  const pods = createPodWorkloads(graph, inputs.pods, localities, names);
  const workloadEntries = createEntryWorkloads(graph, inputs.workloadEntries, names);
  const entriesByService = indexEntriesByService(graph, inputs.serviceEntries);
  const preferences = createNamespacePreferences(graph, inputs.namespaces);
  const services = graph.union("services", [
    createKubernetesServices(graph, inputs.services, names, preferences),
    createExportedServices(graph, inputs, names, preferences),
    createEntryServices(graph, entriesByService, preferences),
  ]);
  const aliases = createAliases(graph, inputs.services, names);
  const shapes = createServiceShapes(graph, services, aliases.byTarget);
  const podsByLabel = workloadsByLabel(graph, pods, "pods by label");
  const entriesByLabel = workloadsByLabel(graph, workloadEntries, "WorkloadEntries by label");
  const endpoints = createServiceEndpoints(graph, {
    services,
    slices: inputs.endpointSlices,
    entriesByService,
    pods,
    podsByLabel,
    entriesByLabel,
    heldNames: inputs.heldPortNames,
    names,
  });
  const registry = { services: shapes, aliases: aliases.rows };
  const ingresses = createIngresses(graph, inputs, registry, podsByLabel);
  const gateways = graph.union("gateways", [inputs.gateways, ingresses.gateways]);
  const virtualServices = createVirtualServices(graph, inputs.virtualServices, {
    names,
    aliases: aliases.rows,
    ofIngresses: ingresses.routes,
  });
  const scopes = createScopes(graph, inputs.sidecars, inputs.mesh, names);
  const { byHostname, routesByGateway, ...imports } = createImports(
    graph,
    scopes,
    shapes,
    virtualServices.shapes,
  );
  const placements = createPlacements(graph, services);
  const podAddresses = createPodAddresses(graph, shapes, endpoints);
  const proxies = createProxies(graph, {
    proxies: inputs.proxies,
    pods,
    services,
    sidecars: inputs.sidecars,
    gateways,
    sourceSelectors: createSourceSelectors(graph, virtualServices.shapes),
    podAddresses,
    placedHosts: createPlacedHosts(graph, placements.services),
    names,
  });
  const model: Omit<Model, "findings"> = {
    inputs,
    gateways,
    ingresses,
    names,
    pods,
    workloadEntries,
    entriesByLabel,
    entriesByService,
    services,
    shapes,
    shapesByHostname: byHostname,
    routesByGateway,
    podAddresses,
    placements: placements.byService,
    endpoints,
    accounts: createServiceAccounts(graph, services, endpoints),
    rules: createDestinationRules(graph, inputs.destinationRules, shapes, names),
    virtualServices,
    scopes,
    imports,
    proxies,
    connected: createConnected(graph, proxies.rows, inputs.pods),
    waiting: createWaitingProxies(graph, inputs.pods),
  };
  return { ...model, findings: createFindings(graph, model, podsByLabel) };
}
