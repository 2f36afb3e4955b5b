/** ServiceEntries as services: one for each of their hosts. */
import type { ServiceEntry, ServiceEntryPort } from "../api/service-entry/schema.ts";
import { deepEqual } from "../flow/equal.ts";
import type { Collection, Graph, Index } from "../flow/types.ts";
import { byAge } from "./order.ts";
import { annotatedPreference, type NamespacePreferences } from "./placements.ts";
import { isSamePort, parseProtocol } from "./protocol.ts";
import { serviceKey } from "./services.ts";
import type {
  Placement,
  Resolution,
  Service,
  ServiceKey,
  ServicePart,
  ServicePort,
} from "./types.ts";
import { visibilityOf } from "./visibility.ts";

/** Which ServiceEntries name a host, under `namespace/host`. */
export function indexEntriesByService(
  graph: Graph,
  entries: Collection<ServiceEntry>,
): Index<ServiceEntry> {
  return graph.index(entries, "ServiceEntries by service", (_key, entry) =>
    entry.spec.hosts.map(host => serviceKey(entry.metadata.namespace, host)),
  );
}

/**
 * Entries of a namespace for one host are one service where nothing but addresses, ports and
 * endpoints tells them apart (Istio: canMergeServices); the oldest says all else. Those that can not
 * be added to it are services of their own, under the key of the oldest of them: they count where
 * the first one is not seen.
 */
export function createEntryServices(
  graph: Graph,
  byService: Index<ServiceEntry>,
  preferences: NamespacePreferences,
): Collection<Service> {
  const options = { name: "hosts of ServiceEntries", reads: [preferences] };
  const hosts = graph.group<ServiceEntry, readonly Service[]>(
    byService,
    options,
    (key, entries, read) => {
      const hostname = key.slice(key.indexOf("/") + 1);
      return mergedEntries(entries).map(([first, ...rest], index) => {
        const placement = annotatedPreference(first.metadata, each => read.get(preferences, each));
        const service = withParts(fromEntry(first, hostname, placement), rest);
        return index === 0 ? service : { ...service, key: laterKey(service) };
      });
    },
  );
  return graph.deriveMany<readonly Service[], Service>(
    hosts,
    { name: "services of ServiceEntries" },
    (_key, services) => services.map(service => [service.key, service] as const),
  );
}

type MergedEntries = readonly [ServiceEntry, ...ServiceEntry[]];

/** The entries of one host in a namespace, service by service, the oldest first. */
export function mergedEntries(entries: readonly ServiceEntry[]): readonly MergedEntries[] {
  const groups: [ServiceEntry, ...ServiceEntry[]][] = [];
  for (const entry of oldestFirst(entries)) {
    const group = groups.find(([first]) => unlike(first, entry).length === 0);
    if (group === undefined) groups.push([entry]);
    else group.push(entry);
  }
  return groups;
}

/** What keeps two entries of one host from being one service. */
export function unlike(a: ServiceEntry, b: ServiceEntry): readonly string[] {
  const seen = (entry: ServiceEntry): unknown =>
    visibilityOf(entry.spec.exportTo, entry.metadata.namespace);
  const same: Readonly<Record<string, boolean>> = {
    "spec.resolution": RESOLUTIONS[a.spec.resolution] === RESOLUTIONS[b.spec.resolution],
    "metadata.labels": deepEqual(a.metadata.labels, b.metadata.labels),
    "spec.workloadSelector": deepEqual(selectorOf(a), selectorOf(b)),
    "spec.exportTo": deepEqual(seen(a), seen(b)),
  };
  return Object.keys(same).filter(field => same[field] === false);
}

/** No host name has such a character. */
function laterKey({ key, source }: Service): ServiceKey {
  return `${key}#${source.name}` as ServiceKey;
}

function withParts(service: Service, rest: readonly ServiceEntry[]): Service {
  if (rest.length === 0) return service;
  const parts: ServicePart[] = [
    { addresses: service.addresses, ports: service.ports },
    ...rest.map(entry => ({ addresses: addressesOf(entry), ports: entryPorts(entry) })),
  ];
  const addresses = [...new Set(parts.flatMap(part => part.addresses))];
  return {
    ...service,
    addresses,
    headless: addresses.length === 0,
    ports: addedPorts(parts),
    parts,
  };
}

/** A number that an older entry has is that one's. */
function addedPorts(parts: readonly ServicePart[]): readonly ServicePort[] {
  const ports: ServicePort[] = [];
  for (const port of parts.flatMap(part => part.ports))
    if (!ports.some(other => isSamePort(other, port))) ports.push(port);
  return ports;
}

export function oldestFirst(entries: readonly ServiceEntry[]): readonly ServiceEntry[] {
  return [...entries].sort((a, b) => byAge(a.metadata, b.metadata));
}

function fromEntry(
  entry: ServiceEntry,
  hostname: string,
  placement: Placement | undefined,
): Service {
  const { metadata, spec } = entry;
  const addresses = addressesOf(entry);
  return {
    key: serviceKey(metadata.namespace, hostname),
    hostname,
    namespace: metadata.namespace,
    name: hostname,
    registry: "External",
    addresses,
    ports: entryPorts(entry),
    resolution: RESOLUTIONS[spec.resolution],
    headless: addresses.length === 0,
    meshExternal: spec.location === "MESH_EXTERNAL",
    exportTo: visibilityOf(spec.exportTo, metadata.namespace),
    labels: metadata.labels,
    selector: selectorOf(entry),
    subjectAltNames: spec.subjectAltNames,
    creationTimestamp: metadata.creationTimestamp,
    source: { kind: "ServiceEntry", namespace: metadata.namespace, name: metadata.name },
    ...(placement === undefined ? {} : { placement }),
  };
}

function selectorOf({ spec }: ServiceEntry): Service["selector"] {
  const labels = spec.workloadSelector?.labels;
  return labels === undefined || Object.keys(labels).length === 0 ? undefined : labels;
}

function addressesOf({ spec }: ServiceEntry): readonly string[] {
  return spec.addresses.map(withoutFullPrefix);
}

export function entryPorts({ spec }: ServiceEntry): readonly ServicePort[] {
  return spec.ports.map(servicePort);
}

export const RESOLUTIONS: Readonly<Record<ServiceEntry["spec"]["resolution"], Resolution>> = {
  NONE: "Passthrough",
  STATIC: "ClientSideLB",
  DNS: "DNSLB",
  DNS_ROUND_ROBIN: "DNSRoundRobinLB",
  // Said to be not carried out yet when it is applied; until then the client's own address holds.
  DYNAMIC_DNS: "Passthrough",
};

function servicePort(port: ServiceEntryPort): ServicePort {
  const { name, number, targetPort } = port;
  const base = { name, number, protocol: parseProtocol(port.protocol) };
  return targetPort === undefined ? base : { ...base, targetPort };
}

/** `10.0.0.1/32` is the address 10.0.0.1. */
function withoutFullPrefix(address: string): string {
  const [ip = "", bits] = address.split("/");
  const full = ip.includes(":") ? "128" : "32";
  return bits === undefined || bits === full ? ip : address;
}
