/** Findings of VirtualServices: gateways, hosts, destinations and subsets that are not there. */
import type { VirtualService } from "../api/virtual-service/schema.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { nearest } from "../base/nearest.ts";
import type { Collection, Graph, Index, Reader } from "../flow/types.ts";
import { findRule } from "./destination-rules.ts";
import { type Findings, findingsOf, warning } from "./finding.ts";
import { hostsForNamespace, serverHosts } from "./gateways.ts";
import { hostsOverlap } from "./hosts.ts";
import { ownerOf } from "./imports.ts";
import { objectKey } from "./inputs.ts";
import { type MeshNames, meshNames } from "./mesh.ts";
import type { Model } from "./model.ts";
import { byAge } from "./order.ts";
import { isCarried, portOfNumber } from "./protocol.ts";
import type { ServiceShape } from "./services.ts";
import {
  type DestinationRow,
  MESH_GATEWAY,
  type VirtualServiceRow,
  type VirtualServiceShape,
} from "./virtual-services.ts";
import { visibleTo } from "./visibility.ts";

interface Sources {
  readonly names: Collection<MeshNames>;
  readonly rows: Collection<VirtualServiceRow>;
  readonly meshByHost: Index<VirtualServiceShape>;
  readonly services: Index<ServiceShape>;
  readonly gateways: Model["inputs"]["gateways"];
  readonly ruleHosts: Model["rules"]["directory"]["byHost"];
  readonly ruleWildcards: Model["rules"]["directory"]["wildcards"];
  readonly subsets: Model["rules"]["subsets"];
}

export function virtualServiceFindings(graph: Graph, model: Omit<Model, "findings">): Findings {
  const { names, virtualServices, shapesByHostname, rules, inputs } = model;
  const sources: Sources = {
    names,
    rows: virtualServices.rows,
    meshByHost: graph.index(virtualServices.shapes, "mesh routes by host", (_key, shape) =>
      shape.gateways.includes(MESH_GATEWAY) ? shape.hosts : [],
    ),
    services: shapesByHostname,
    gateways: inputs.gateways,
    ruleHosts: rules.directory.byHost,
    ruleWildcards: rules.directory.wildcards,
    subsets: rules.subsets,
  };
  return findingsOf<VirtualService>(graph, "VirtualService", inputs.virtualServices, {
    reads: Object.values(sources),
    fn: (object, read) => {
      const row = read.get(sources.rows, objectKey(object.metadata));
      if (row === undefined) return [];
      return [
        ...gatewayFindings(row, read, sources),
        ...hostFindings(row, read, sources),
        ...destinationFindings(row, read, sources),
      ];
    },
  });
}

function gatewayFindings(
  row: VirtualServiceRow,
  read: Reader,
  { gateways }: Sources,
): readonly Diagnostic[] {
  return row.gateways.flatMap((gateway, i) =>
    gateway === MESH_GATEWAY || read.has(gateways, gateway)
      ? []
      : [warning(`spec.gateways[${i}]`, NOT_FOUND, `found no Gateway ${gateway}`)],
  );
}

const NOT_FOUND = "ReferencedResourceNotFound";

/** A host that another VirtualService has, or that no server of the gateways takes. */
function hostFindings(
  row: VirtualServiceRow,
  read: Reader,
  sources: Sources,
): readonly Diagnostic[] {
  const served = servedHosts(row, read, sources.gateways);
  return row.hosts.flatMap((host, i) => {
    const path = `spec.hosts[${i}]`;
    const older = olderOwner(row, host, read, sources.meshByHost);
    if (older !== undefined) {
      const message = `${older.namespace}/${older.name} is older and has the routes of ${host}`;
      return [warning(path, "ConflictingMeshGatewayVirtualServiceHosts", message)];
    }
    if (served === undefined || isServed(served, host)) return [];
    // Beside the mesh, one host of the gateway's is enough: the others are for the sidecars.
    const forMesh = row.gateways.includes(MESH_GATEWAY);
    if (forMesh && row.hosts.some(other => isServed(served, other))) return [];
    const message = `no server of its gateways takes ${host}`;
    return [warning(path, "VirtualServiceHostNotFoundInGateway", message)];
  });
}

function isServed(served: readonly string[], host: string): boolean {
  return served.some(each => hostsOverlap(each, host));
}

function olderOwner(
  row: VirtualServiceRow,
  host: string,
  read: Reader,
  meshByHost: Index<VirtualServiceShape>,
): VirtualServiceShape | undefined {
  if (!row.gateways.includes(MESH_GATEWAY)) return undefined;
  return read
    .rows(meshByHost, host)
    .filter(other => other.key !== row.key && visibleTo(other.exportTo, row.namespace))
    .find(other => byAge(other, row) < 0);
}

/** undefined: there are no gateways to ask. */
function servedHosts(
  row: VirtualServiceRow,
  read: Reader,
  gateways: Sources["gateways"],
): readonly string[] | undefined {
  const named = row.gateways.filter(gateway => gateway !== MESH_GATEWAY);
  const found = named.flatMap(gateway => read.get(gateways, gateway) ?? []);
  if (found.length === 0) return undefined;
  return found.flatMap(({ metadata, spec }) =>
    spec.servers.flatMap(server =>
      hostsForNamespace(serverHosts(server.hosts, metadata.namespace), row.namespace),
    ),
  );
}

function destinationFindings(
  row: VirtualServiceRow,
  read: Reader,
  sources: Sources,
): readonly Diagnostic[] {
  return row.routes.flatMap((route, i) =>
    route.destinations.flatMap((destination, j) => {
      const path = `spec.http[${i}].route[${j}].destination`;
      const found = destinationFinding(destination, path, row.namespace, read, sources);
      return found === undefined ? [] : [found];
    }),
  );
}

/** `has no port 81, only 80`; what no proxy carries counts as not there. */
function noPort({ ports }: ServiceShape, number: number): string {
  const other = ports.find(each => each.number === number);
  if (other !== undefined)
    return `has port ${number} for ${other.protocol} only: no proxy carries it`;
  const numbers = ports.filter(({ protocol }) => isCarried(protocol)).map(each => each.number);
  return `has no port ${number}, only ${numbers.join(", ")}`;
}

function destinationFinding(
  { hostname, port, subset }: DestinationRow,
  path: string,
  namespace: string,
  read: Reader,
  sources: Sources,
): Diagnostic | undefined {
  const service = ownerOf(read, sources.services, { namespace, forGateways: false }, hostname);
  if (service === undefined) {
    const hidden = read.keysOf(sources.services, hostname).length > 0;
    const message = hidden
      ? `${hostname} is not exported to namespace ${namespace}`
      : `found no service for host ${hostname}`;
    return warning(`${path}.host`, NOT_FOUND, message);
  }
  if (port !== undefined && portOfNumber(service.ports, port) === undefined) {
    return warning(`${path}.port.number`, NOT_FOUND, `${hostname} ${noPort(service, port)}`);
  }
  if (subset === "") return undefined;
  const directory = { byHost: sources.ruleHosts, wildcards: sources.ruleWildcards };
  const { rootNamespace } = meshNames(read, sources.names);
  const rule = findRule(read, directory, service, namespace, rootNamespace);
  const subsets = rule === undefined ? undefined : read.get(sources.subsets, rule);
  if (subsets !== undefined && Object.hasOwn(subsets, subset)) return undefined;
  const meant = nearest(subset, Object.keys(subsets ?? {}));
  const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
  const message = `no DestinationRule for ${hostname} has a subset ${subset}${hint}`;
  return warning(`${path}.subset`, NOT_FOUND, message);
}
