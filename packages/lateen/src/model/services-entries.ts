/** ServiceEntries as services: one for each of their hosts. */
import type { ServiceEntry, ServiceEntryPort } from "../api/service-entry/schema.ts";
import type { Collection, Graph, Index } from "../flow/types.ts";
import { byAge } from "./order.ts";
import { annotatedPreference, type NamespacePreferences } from "./placements.ts";
import { parseProtocol } from "./protocol.ts";
import { serviceKey } from "./services.ts";
import type { Placement, Resolution, Service, ServicePort } from "./types.ts";
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

/** Where several entries of a namespace name one host, the oldest describes the service. */
export function createEntryServices(
  graph: Graph,
  byService: Index<ServiceEntry>,
  preferences: NamespacePreferences,
): Collection<Service> {
  const options = { name: "services of ServiceEntries", reads: [preferences] };
  return graph.group(byService, options, (key, entries, read) => {
    const [oldest] = oldestFirst(entries);
    if (oldest === undefined) return undefined;
    const { metadata } = oldest;
    const placement = annotatedPreference(metadata, each => read.get(preferences, each));
    return fromEntry(oldest, key.slice(key.indexOf("/") + 1), placement);
  });
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
  const selector = spec.workloadSelector?.labels;
  return {
    key: serviceKey(metadata.namespace, hostname),
    hostname,
    namespace: metadata.namespace,
    name: hostname,
    registry: "External",
    addresses: spec.addresses.map(withoutFullPrefix),
    ports: spec.ports.map(servicePort),
    resolution: RESOLUTIONS[spec.resolution],
    headless: spec.addresses.length === 0,
    meshExternal: spec.location === "MESH_EXTERNAL",
    exportTo: visibilityOf(spec.exportTo, metadata.namespace),
    labels: metadata.labels,
    selector: selector === undefined || Object.keys(selector).length === 0 ? undefined : selector,
    subjectAltNames: spec.subjectAltNames,
    creationTimestamp: metadata.creationTimestamp,
    source: { kind: "ServiceEntry", namespace: metadata.namespace, name: metadata.name },
    ...(placement === undefined ? {} : { placement }),
  };
}

const RESOLUTIONS: Readonly<Record<ServiceEntry["spec"]["resolution"], Resolution>> = {
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
