/**
 * Proxy classes: what configuration may depend on of a proxy, and nothing else. Proxies with equal
 * classes get equal configuration, apart from their identity; a thousand pods of one Deployment
 * are one class.
 */
import { createHash } from "node:crypto";
import type { Gateway } from "../api/gateway/schema.ts";
import type { Sidecar } from "../api/sidecar/schema.ts";
import type { Brand } from "../base/brand.ts";
import type { Collection, Graph, Index, Reader, SelectorIndex } from "../flow/types.ts";
import { augmentedLabels } from "./augmented-labels.ts";
import { type InboundSet, inboundSet, servicesOf, targetPortOf } from "./inbound.ts";
import { objectKey } from "./inputs.ts";
import { type MeshNames, meshNames } from "./mesh.ts";
import { byAge } from "./order.ts";
import { type PlacedHosts, type PlacedHostsByAudience, placedHostsFor } from "./placed-hosts.ts";
import type { PodAddresses } from "./pod-addresses.ts";
import { isCarried } from "./protocol.ts";
import { gatewayScopeKey, type ScopeKey, scopeKey } from "./scopes.ts";
import type {
  ConnectedProxy,
  Locality,
  MetricsForm,
  ProxyType,
  Service,
  VhdsUse,
} from "./types.ts";
import { labelsOfSourceSelector } from "./virtual-services.ts";
import type { Workload } from "./workloads.ts";

export type ClassKey = Brand<string, "ClassKey">;
export type InboundKey = Brand<string, "InboundKey">;
export type GatewayKey = Brand<string, "GatewayKey">;

export interface ProxyClass {
  readonly key: ClassKey;
  readonly type: ProxyType;
  readonly namespace: string;
  readonly scope: ScopeKey;
  readonly cluster: string;
  readonly network: string;
  readonly locality: Locality;
  readonly flavour: ConnectedProxy["flavour"];
  readonly vhds: VhdsUse;
  readonly metrics: MetricsForm;
  readonly interceptionMode: ConnectedProxy["interceptionMode"];
  readonly ipFamilies: IpFamilies;
  /** Its node, where some service's endpoints depend on it; else "", so that nodes share a class. */
  readonly node: string;
  /** Services whose endpoints depend on where the proxy runs. */
  readonly placed: readonly PlacedHosts[];
  /**
   * Those of its addresses that clients of a headless service dial: it must not catch what its own
   * application sends to itself. Empty for most, so that they share a class.
   */
  readonly ownAddresses: readonly string[];
  /** Ids of the source selectors of VirtualServices that select the proxy. */
  readonly sourceMatches: readonly string[];
  /** Key of the row of `inboundSets`; sidecars only. */
  readonly inbound: InboundKey | undefined;
  /** Key of the row of `gatewaySets`; routers only. */
  readonly gateway: GatewayKey | undefined;
}

export type IpFamilies = "IPv4" | "IPv6" | "dual";

/** Which Gateways a router carries out, and where its Service leads its ports. */
export interface GatewaySet {
  /** `namespace/name`, ascending. */
  readonly gateways: readonly string[];
  /** Target ports by service port. */
  readonly targetPorts: Readonly<Record<number, number>>;
}

/** One proxy, classed. */
export interface ProxyRow {
  readonly class: ProxyClass;
  readonly inbound: InboundSet | undefined;
  readonly gateway: GatewaySet | undefined;
}

export interface Proxies {
  /** By the key of the input row. */
  readonly rows: Collection<ProxyRow>;
  readonly classes: Collection<ProxyClass>;
  readonly inboundSets: Collection<InboundSet>;
  readonly gatewaySets: Collection<GatewaySet>;
  readonly servicesBySelector: SelectorIndex<Service>;
}

export interface ProxySources {
  readonly proxies: Collection<ConnectedProxy>;
  readonly pods: Collection<Workload>;
  readonly services: Collection<Service>;
  readonly sidecars: Collection<Sidecar>;
  readonly gateways: Collection<Gateway>;
  readonly sourceSelectors: Collection<string>;
  readonly podAddresses: Collection<PodAddresses>;
  readonly placedHosts: PlacedHostsByAudience;
  readonly names: Collection<MeshNames>;
}

interface Lookups {
  readonly pods: Collection<Workload>;
  readonly names: Collection<MeshNames>;
  readonly services: SelectorIndex<Service>;
  readonly sidecars: SelectorIndex<Sidecar>;
  readonly wideSidecars: Index<Sidecar>;
  readonly gateways: SelectorIndex<Gateway>;
  readonly sources: SelectorIndex<string>;
  readonly dialled: Index<PodAddresses>;
  readonly placedHosts: PlacedHostsByAudience;
}

export function createProxies(graph: Graph, sources: ProxySources): Proxies {
  const lookups = createLookups(graph, sources);
  const rows = graph.derive<ConnectedProxy, ProxyRow>(
    sources.proxies,
    { name: "proxies classed", reads: readsOf(lookups) },
    (_key, proxy, read) => proxyRow(proxy, read, lookups),
  );
  return {
    rows,
    servicesBySelector: lookups.services,
    classes: graph.deriveMany<ProxyRow, ProxyClass>(rows, { name: "proxy classes" }, (_, row) => [
      [row.class.key, row.class],
    ]),
    inboundSets: graph.deriveMany<ProxyRow, InboundSet>(rows, { name: "inbound sets" }, (_, row) =>
      row.class.inbound === undefined || row.inbound === undefined
        ? []
        : [[row.class.inbound, row.inbound]],
    ),
    gatewaySets: graph.deriveMany<ProxyRow, GatewaySet>(rows, { name: "gateway sets" }, (_, row) =>
      row.class.gateway === undefined || row.gateway === undefined
        ? []
        : [[row.class.gateway, row.gateway]],
    ),
  };
}

function readsOf({ placedHosts, ...lookups }: Lookups) {
  return [...Object.values(lookups), ...Object.values(placedHosts)];
}

function createLookups(graph: Graph, sources: ProxySources): Lookups {
  return {
    pods: sources.pods,
    names: sources.names,
    placedHosts: sources.placedHosts,
    services: graph.selectorIndex(sources.services, "services by selector", (_key, row) =>
      row.selector === undefined
        ? undefined
        : { namespace: row.namespace, matchLabels: row.selector },
    ),
    sidecars: graph.selectorIndex(sources.sidecars, "Sidecars by selector", (_key, row) => {
      const { workloadSelector } = row.spec;
      if (workloadSelector === undefined) return undefined;
      return { namespace: row.metadata.namespace, matchLabels: workloadSelector.labels };
    }),
    wideSidecars: graph.index(sources.sidecars, "Sidecars of namespaces", (_key, row) =>
      row.spec.workloadSelector === undefined ? [row.metadata.namespace] : [],
    ),
    gateways: graph.selectorIndex(sources.gateways, "Gateways by selector", (_key, row) => ({
      namespace: undefined,
      matchLabels: row.spec.selector,
    })),
    sources: graph.selectorIndex(sources.sourceSelectors, "source labels by selector", id => ({
      namespace: undefined,
      matchLabels: labelsOfSourceSelector(id),
    })),
    dialled: graph.index(sources.podAddresses, "headless services by address", (_key, row) => [
      ...new Set(Object.values(row).flat()),
    ]),
  };
}

function proxyRow(proxy: ConnectedProxy, read: Reader, lookups: Lookups): ProxyRow {
  const pod = read.get(lookups.pods, objectKey(proxy));
  const { namespace } = proxy;
  const labels = pod?.labels ?? augmentedLabels(proxy.labels, proxy);
  const ownLabels = pod?.ownLabels ?? proxy.labels;
  const [address = ""] = proxy.ipAddresses;
  const workload = { namespace, labels, ownLabels, namedPorts: pod?.namedPorts ?? {}, address };
  const isRouter = proxy.type === "router";
  const sidecar = isRouter ? undefined : sidecarOf(namespace, labels, read, lookups);
  const inbound = isRouter ? undefined : inboundSet(workload, read, lookups.services, sidecar);
  const gateway = isRouter ? gatewaySet(workload, read, lookups) : undefined;
  const placed = placedHostsFor(read, lookups.placedHosts, proxy);
  const base = {
    type: proxy.type,
    namespace,
    scope: isRouter ? gatewayScopeKey(namespace) : sidecarScopeKey(namespace, sidecar),
    cluster: proxy.cluster,
    network: pod?.network || proxy.network,
    locality: pod?.locality ?? proxy.locality,
    flavour: proxy.flavour,
    vhds: proxy.vhds,
    metrics: proxy.metrics,
    interceptionMode: proxy.interceptionMode,
    ipFamilies: ipFamilies(proxy.ipAddresses),
    node: placed.some(({ byNode }) => byNode) ? pod?.nodeName || proxy.nodeName : "",
    ownAddresses: proxy.ipAddresses.filter(own => read.keysOf(lookups.dialled, own).length > 0),
    sourceMatches: isRouter ? [] : read.selectedBy(lookups.sources, { namespace, labels }),
    inbound: inbound && (digest(inbound) as InboundKey),
    gateway: gateway && (digest(gateway) as GatewayKey),
  };
  const key = digest({ ...base, placed: placed.map(({ version }) => version) }) as ClassKey;
  return { class: { key, ...base, placed }, inbound, gateway };
}

function sidecarScopeKey(namespace: string, sidecar: Sidecar | undefined): ScopeKey {
  return scopeKey(namespace, sidecar === undefined ? "" : objectKey(sidecar.metadata));
}

/** Short, because keys of cells are made of it; 96 bits, because nothing compares the content. */
function digest(value: object): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("base64url").slice(0, 16);
}

/** The Sidecar that holds: one that selects the proxy, its namespace's, the mesh's, or none. */
function sidecarOf(
  namespace: string,
  labels: Readonly<Record<string, string>>,
  read: Reader,
  lookups: Lookups,
): Sidecar | undefined {
  const { rootNamespace } = meshNames(read, lookups.names);
  return (
    oldest(read.selectedBy(lookups.sidecars, { namespace, labels })) ??
    oldest(read.rows(lookups.wideSidecars, namespace)) ??
    oldest(read.rows(lookups.wideSidecars, rootNamespace))
  );
}

function oldest(sidecars: readonly Sidecar[]): Sidecar | undefined {
  return [...sidecars].sort((a, b) => byAge(a.metadata, b.metadata))[0];
}

function gatewaySet(
  workload: Parameters<typeof servicesOf>[0] & { namedPorts: Workload["namedPorts"] },
  read: Reader,
  lookups: Lookups,
): GatewaySet {
  const { namespace, labels } = workload;
  const targetPorts: Record<number, number> = Object.create(null);
  for (const service of servicesOf(workload, read, lookups.services))
    for (const port of service.ports) {
      if (!isCarried(port.protocol)) continue;
      const target = targetPortOf(port, workload.namedPorts);
      if (target !== undefined) targetPorts[port.number] ??= target;
    }
  const gateways = read
    .selectedBy(lookups.gateways, { namespace, labels })
    .map(row => objectKey(row.metadata));
  return { gateways: gateways.sort(), targetPorts };
}

function ipFamilies(addresses: readonly string[]): IpFamilies {
  const v6 = addresses.some(address => address.includes(":"));
  const v4 = addresses.some(address => address.includes("."));
  if (v6 && v4) return "dual";
  return v6 ? "IPv6" : "IPv4";
}
