/** Who serves each service: one row a service, endpoints by the name of the service's port. */
import type { EndpointSlice, SliceEndpoint } from "../api/endpoint-slice/kind.ts";
import type { ServiceEntry } from "../api/service-entry/schema.ts";
import type { Collection, Graph, Index, Reader, SelectableIndex } from "../flow/types.ts";
import { augmentedLabels } from "./augmented-labels.ts";
import {
  type HeldNames,
  heldListing,
  type Listing,
  type OtherName,
  type OtherNames,
  otherNamesOf,
} from "./held-port-names.ts";
import { objectKey } from "./inputs.ts";
import { NOWHERE } from "./locality.ts";
import { type MeshNames, meshNames } from "./mesh.ts";
import { compare } from "./order.ts";
import { isByDns } from "./resolution.ts";
import { serviceKey } from "./services.ts";
import { entryPorts, oldestFirst, RESOLUTIONS } from "./services-entries.ts";
import type { Endpoint, Service, ServiceEndpoints, ServicePort } from "./types.ts";
import { entryWorkload } from "./workload-entries.ts";
import { LOCAL_CLUSTER, type Workload } from "./workloads.ts";

/** Label of an EndpointSlice. */
export const SERVICE_NAME = "kubernetes.io/service-name";

export interface EndpointSources {
  readonly services: Collection<Service>;
  readonly slices: Collection<EndpointSlice>;
  readonly entriesByService: Index<ServiceEntry>;
  readonly pods: Collection<Workload>;
  readonly podsByLabel: SelectableIndex<Workload>;
  readonly entriesByLabel: SelectableIndex<Workload>;
  readonly heldNames: HeldNames;
  readonly names: Collection<MeshNames>;
}

/** One row a slice, joined with its pods, so that a change of one pod costs one slice. */
interface SliceRow extends Listing<Listed> {
  readonly service: string;
}

interface Listed extends Endpoint {
  /** It leaves, and its slice says that it is ready: where pods are published in any case. */
  readonly leavesReady?: true;
}

interface Joined {
  readonly slices: Index<SliceRow>;
  readonly pods: SelectableIndex<Workload>;
  readonly workloadEntries: SelectableIndex<Workload>;
  readonly entries: Index<ServiceEntry>;
  readonly heldNames: HeldNames;
  readonly names: Collection<MeshNames>;
}

export function createServiceEndpoints(
  graph: Graph,
  sources: EndpointSources,
): Collection<ServiceEndpoints> {
  const joined: Joined = {
    slices: graph.index(createSliceRows(graph, sources), "slices by service", (_key, row) => [
      row.service,
    ]),
    pods: sources.podsByLabel,
    workloadEntries: sources.entriesByLabel,
    entries: sources.entriesByService,
    heldNames: sources.heldNames,
    names: sources.names,
  };
  const reads = Object.values(joined);
  return graph.derive<Service, ServiceEndpoints>(
    sources.services,
    { name: "service endpoints", reads },
    (_key, service, read) => ({
      key: service.key,
      byPort:
        service.registry === "Kubernetes"
          ? kubernetesEndpoints(service, read, joined)
          : entryEndpoints(service, read, joined),
    }),
  );
}

function createSliceRows(
  graph: Graph,
  { slices, pods }: Pick<EndpointSources, "slices" | "pods">,
): Collection<SliceRow> {
  const byAddress = graph.index(pods, "pods by address", (_key, pod) => pod.addresses);
  const options = { name: "joined slices", reads: [pods, byAddress] };
  return graph.derive<EndpointSlice, SliceRow>(slices, options, (_key, slice, read) => {
    const name = slice.metadata.labels[SERVICE_NAME];
    if (name === undefined || slice.addressType === "FQDN") return undefined;
    const byPort: Record<string, Listed[]> = Object.create(null);
    for (const port of slice.ports) if (port.port !== undefined) byPort[port.name] = [];
    for (const endpoint of slice.endpoints) {
      const workload = workloadOf(endpoint, slice, read, pods, byAddress);
      if (workload === "awaited") continue;
      for (const address of endpoint.addresses)
        for (const port of slice.ports) {
          if (port.port === undefined) continue;
          const at = { address, port: port.port, servicePort: port.name };
          byPort[port.name]?.push(sliceEndpoint(at, endpoint, workload));
        }
    }
    return { service: `${slice.metadata.namespace}/${name}`, slice: slice.metadata.name, byPort };
  });
}

/** "awaited": the slice names a pod that is not known (any more, or yet). */
function workloadOf(
  endpoint: SliceEndpoint,
  slice: EndpointSlice,
  read: Reader,
  pods: Collection<Workload>,
  byAddress: Index<Workload>,
): Workload | "awaited" | undefined {
  const { targetRef, addresses } = endpoint;
  if (targetRef?.kind === "Pod" && targetRef.name !== undefined) {
    const namespace = targetRef.namespace ?? slice.metadata.namespace;
    return read.get(pods, objectKey({ namespace, name: targetRef.name })) ?? "awaited";
  }
  if (targetRef !== undefined) return undefined;
  return addresses.flatMap(address => read.rows(byAddress, address))[0];
}

interface At {
  readonly address: string;
  readonly port: number;
  readonly servicePort: string;
}

function sliceEndpoint(at: At, endpoint: SliceEndpoint, workload: Workload | undefined): Listed {
  const health = sliceHealth(endpoint, workload);
  const leavesReady = health === "DRAINING" && endpoint.conditions.ready === true;
  const said = {
    health,
    hostName: endpoint.hostname ?? "",
    ...(leavesReady ? { leavesReady } : {}),
  };
  if (workload === undefined)
    return { ...UNKNOWN_WORKLOAD, ...at, ...said, nodeName: endpoint.nodeName ?? "" };
  return { ...workloadEndpoint(at, workload), ...said };
}

/** Ready unless said otherwise. A pod that is being deleted drains at once. */
function sliceHealth(
  { conditions }: SliceEndpoint,
  workload: Workload | undefined,
): Endpoint["health"] {
  if (conditions.terminating === true || workload?.health === "DRAINING") return "DRAINING";
  return conditions.ready === false ? "UNHEALTHY" : "HEALTHY";
}

const SOMEWHERE = { locality: NOWHERE, network: "", cluster: LOCAL_CLUSTER, nodeName: "" };

const UNKNOWN_WORKLOAD = {
  ...SOMEWHERE,
  labels: augmentedLabels({}, SOMEWHERE),
  tlsMode: "disabled",
  serviceAccount: "",
  namespace: "",
  workloadName: "",
  canonicalName: "",
  canonicalRevision: "",
  health: "HEALTHY",
  weight: 1,
  hostName: "",
} as const;

/** With all other addresses of the workload; whose Service lists endpoints keeps those listed. */
function workloadEndpoint(at: At, workload: Workload): Endpoint {
  const others = workload.addresses.filter(address => address !== at.address);
  return {
    address: at.address,
    ...(others.length === 0 ? {} : { otherAddresses: others }),
    port: at.port,
    servicePort: at.servicePort,
    labels: workload.labels,
    locality: workload.locality,
    network: workload.network,
    cluster: workload.cluster,
    tlsMode: workload.tlsMode,
    serviceAccount: workload.serviceAccount,
    namespace: workload.source.namespace,
    workloadName: workload.workloadName,
    canonicalName: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    health: workload.health,
    weight: workload.weight,
    nodeName: workload.nodeName,
    hostName: "",
  };
}

type ByPort = Record<string, Endpoint[]>;

/** Slices in the order of their names; WorkloadEntries that the selector selects come after. */
function kubernetesEndpoints(service: Service, read: Reader, joined: Joined): ByPort {
  const listed = new Map<string, Listed>();
  const add = (endpoint: Listed): void => {
    const id = endpointId(endpoint, endpoint.address);
    if (!listed.has(id)) listed.set(id, endpoint);
  };
  const key = objectKey(service.source);
  const held = read.get(joined.heldNames, key)?.names ?? NO_NAMES;
  for (const row of read.rows(joined.slices, key)) {
    for (const endpoints of Object.values(row.byPort)) endpoints.forEach(add);
    for (const { name } of service.ports) heldEndpoints(row, name, held).forEach(add);
  }
  for (const workload of selectedEntries(service, read, joined))
    for (const port of service.ports)
      selectedEndpoints(workload, port, otherNamesOf(held, port.name)).forEach(add);
  const byPort: ByPort = Object.create(null);
  for (const endpoint of listed.values()) {
    const whole = withListedAddresses(endpoint, service, listed);
    if (whole === undefined) continue;
    const list = byPort[whole.servicePort] ?? [];
    byPort[whole.servicePort] = list;
    list.push(published(whole, service));
  }
  return byPort;
}

const NO_NAMES: OtherNames = Object.freeze({});

/** Endpoints of a port that the slice lists under another name only. */
function heldEndpoints(row: SliceRow, servicePort: string, held: OtherNames): readonly Listed[] {
  const others = otherNamesOf(held, servicePort);
  if (others.length === 0 || row.byPort[servicePort] !== undefined) return [];
  const listed = heldListing(row, others);
  return (listed?.endpoints ?? []).map(each => ({
    ...each,
    servicePort,
    port: listed?.port ?? each.port,
  }));
}

function endpointId({ servicePort, port }: Endpoint, address: string): string {
  return `${servicePort}|${address}|${port}`;
}

/**
 * A pod with addresses of both families is one endpoint: slices list it once for each family that
 * its Service has, and the Service's first family comes first. undefined: it is there already.
 */
function withListedAddresses(
  endpoint: Listed,
  service: Service,
  listed: ReadonlyMap<string, Listed>,
): Listed | undefined {
  const { otherAddresses, ...alone } = endpoint;
  if (otherAddresses === undefined) return endpoint;
  const others = otherAddresses.filter(address => listed.has(endpointId(endpoint, address)));
  if (others.length === 0) return alone;
  const sixFirst = service.addresses[0]?.includes(":") === true;
  const all = [endpoint.address, ...others].sort(compare);
  const primary = all.find(address => address.includes(":") === sixFirst) ?? all[0];
  return primary === endpoint.address ? { ...alone, otherAddresses: others } : undefined;
}

/** `publishNotReadyAddresses`: found by clients from the start, and until they are gone. */
function published(endpoint: Listed, service: Service): Endpoint {
  const { leavesReady, ...rest } = endpoint;
  const hidden = endpoint.health === "UNHEALTHY" || leavesReady === true;
  if (hidden && service.publishNotReadyAddresses === true) return { ...rest, health: "HEALTHY" };
  return leavesReady === undefined ? endpoint : rest;
}

function selectedEntries(service: Service, read: Reader, joined: Joined): readonly Workload[] {
  if (service.selector === undefined) return [];
  const selector = { namespace: service.namespace, matchLabels: service.selector };
  return read.select(joined.workloadEntries, selector);
}

/**
 * A workload chosen by a selector serves a port where it says so, by its name or one that it had, else
 * at the target port.
 */
function selectedEndpoints(
  workload: Workload,
  port: ServicePort,
  others: readonly OtherName[] = [],
): readonly Endpoint[] {
  const target = typeof port.targetPort === "number" ? port.targetPort : undefined;
  const [said] = [port, ...others].flatMap(({ name }) => workload.namedPorts[name] ?? []);
  const number = said ?? target ?? port.number;
  return workload.addresses
    .slice(0, 1)
    .map(address => workloadEndpoint({ address, port: number, servicePort: port.name }, workload));
}

/**
 * Each entry's endpoints serve the entry's own ports; ports of one name are one, whichever entries
 * they are of. What is found in another way than this service's endpoints is not among them.
 */
function entryEndpoints(service: Service, read: Reader, joined: Joined): ByPort {
  const byPort: ByPort = Object.create(null);
  const { trustDomain } = meshNames(read, joined.names);
  const key = serviceKey(service.namespace, service.hostname);
  const entries = oldestFirst(read.rows(joined.entries, key)).filter(
    entry => RESOLUTIONS[entry.spec.resolution] === service.resolution,
  );
  const selected = [
    ...selectedEntries(service, read, joined),
    ...selectedPods(service, read, joined),
  ];
  const add = (port: ServicePort, workloads: readonly Workload[]): void => {
    const list = byPort[port.name] ?? [];
    byPort[port.name] = list;
    list.push(...workloads.flatMap(workload => selectedEndpoints(workload, port)));
  };
  for (const entry of entries) {
    const inline = inlineWorkloads(entry, service, trustDomain);
    for (const port of entryPorts(entry)) add(port, inline);
  }
  for (const part of service.parts ?? [service]) for (const port of part.ports) add(port, selected);
  return byPort;
}

/** A pod's container port names are not names of service ports. */
function selectedPods(service: Service, read: Reader, joined: Joined): readonly Workload[] {
  if (service.selector === undefined) return [];
  const selector = { namespace: service.namespace, matchLabels: service.selector };
  return read.select(joined.pods, selector).map(pod => ({ ...pod, namedPorts: {} }));
}

/** The entry's own endpoints; with DNS resolution and none given, the host itself is the one. */
function inlineWorkloads(entry: ServiceEntry, service: Service, trustDomain: string): Workload[] {
  const { spec, metadata } = entry;
  const source = {
    kind: "ServiceEntry",
    namespace: metadata.namespace,
    name: metadata.name,
  };
  const endpoints = spec.endpoints ?? [];
  if (endpoints.length > 0)
    return endpoints.flatMap((endpoint, i) => {
      const found = entryWorkload(endpoint, source, `${metadata.name}-${i}`, trustDomain);
      return found === undefined ? [] : [found];
    });
  if (!isByDns(service.resolution) || spec.workloadSelector !== undefined) return [];
  const self = { address: service.hostname, ports: {}, labels: {} };
  const found = entryWorkload(self, source, metadata.name, trustDomain);
  // As in Istio a name that stands for itself has no labels, so that no subset has it.
  return found === undefined ? [] : [{ ...found, labels: {} }];
}
