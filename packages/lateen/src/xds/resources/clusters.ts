/** Clusters (CDS): those of a scope's services, of a workload's own ports, and the fixed ones. */
import type { CellFamily, Graph, Reader } from "../../flow/types.ts";
import { holdingKey, policyFor } from "../../model/destination-rules.ts";
import { MESH_KEY } from "../../model/inputs.ts";
import type { Model } from "../../model/model.ts";
import { isCarried, portOfNumber } from "../../model/protocol.ts";
import type { IpFamilies, ProxyClass } from "../../model/proxies.ts";
import { isByDns } from "../../model/resolution.ts";
import type {
  DestinationRuleRow,
  Service,
  ServiceKey,
  ServicePort,
  TrafficPolicy,
} from "../../model/types.ts";
import {
  blackHoleCluster,
  discoveryOf,
  inboundPassthroughCluster,
  type OutboundClusterInput,
  outboundCluster,
  passthroughCluster,
} from "../cluster.ts";
import { inboundCluster } from "../cluster-inbound.ts";
import { encodeCluster } from "../encode.ts";
import { familiesOf } from "../ip-families.ts";
import {
  BLACK_HOLE_CLUSTER,
  INBOUND_PASSTHROUGH_CLUSTER,
  inboundClusterName,
  outboundClusterName,
  PASSTHROUGH_CLUSTER,
} from "../names.ts";
import type { EncodedResource } from "../resource.ts";
import { usable } from "./endpoints.ts";
import {
  detailView,
  isTerse,
  joinKey,
  sameResource,
  splitViewKey,
  type TypeResources,
  viewKey,
} from "./family.ts";
import {
  type ClusterTarget,
  type HostTarget,
  type HostTargets,
  resolveCluster,
} from "./outbound-names.ts";

type Encoded = EncodedResource | undefined;

/** `outbound|sidecar|IPv4|detail|SCOPE`: scopes hold a `|` themselves, so theirs is the last part. */
function outboundView(proxy: ProxyClass): string {
  return joinKey("outbound", proxy.type, proxy.ipFamilies, detailView(proxy), proxy.scope);
}

/** `inbound|IPv4|detail|inbound set`. */
function inboundView(proxy: ProxyClass): string {
  return joinKey("inbound", proxy.ipFamilies, detailView(proxy), proxy.inbound ?? "");
}

interface View {
  readonly direction: string;
  /** Of the proxy; "" for inbound ones. */
  readonly type: string;
  readonly families: string;
  readonly detail: string;
  /** A scope, or an inbound set. */
  readonly of: string;
}

function viewOf(view: string): View {
  const [direction = "", ...parts] = view.split("|");
  const type = direction === "inbound" ? "" : (parts.shift() ?? "");
  const [families = "", detail = "", ...of] = parts;
  return { direction, type, families, detail, of: of.join("|") };
}

export function createClusterResources(
  graph: Graph,
  model: Model,
  hosts: HostTargets,
): TypeResources {
  const outbound = createOutbound(graph, model);
  const inbound = createInbound(graph, model);
  const cells = graph.cells<Encoded>(
    { name: "CDS by view", reads: [hosts, outbound, inbound], equals: sameResource },
    (key, read) => {
      const { view, name } = splitViewKey(key);
      const { direction, families, detail, of, ...seen } = viewOf(view);
      if (direction === "inbound") return read.cell(inbound, joinKey(families, detail, of, name));
      const fixed = FIXED.get(name);
      if (fixed !== undefined) return fixed(familiesOf(families));
      const target = resolveCluster(read, hosts, of, name);
      return target && read.cell(outbound, outboundKey(target, seen.type, families, detail));
    },
  );
  return {
    cells,
    names: createNames(graph, model, hosts),
    wildcardViews: proxy =>
      proxy.type === "router" ? [outboundView(proxy)] : [outboundView(proxy), inboundView(proxy)],
    namedView: proxy => {
      const [inboundOnes, others] = [inboundView(proxy), outboundView(proxy)];
      return name => (name.startsWith("inbound|") ? inboundOnes : others);
    },
  };
}

const FIXED: ReadonlyMap<string, (families: IpFamilies) => EncodedResource> = new Map([
  [BLACK_HOLE_CLUSTER, () => encodeCluster(blackHoleCluster())],
  [PASSTHROUGH_CLUSTER, () => encodeCluster(passthroughCluster())],
  [
    INBOUND_PASSTHROUGH_CLUSTER,
    (families: IpFamilies) => encodeCluster(inboundPassthroughCluster(families)),
  ],
]);

/**
 * Sniffed ports, the client's own destination and some rules differ between sidecars and gateways,
 * DNS between IP families.
 */
function outboundKey(target: ClusterTarget, type: string, family: string, detail: string): string {
  const { service, port, protocol, resolution, subset, rule, byProxyType } = target;
  const differs = protocol === "AUTO" || resolution === "Passthrough" || byProxyType;
  const seenType = differs ? type : "";
  return joinKey(service, port, subset, seenType, isByDns(resolution) ? family : "", rule, detail);
}

function createOutbound(graph: Graph, model: Model): CellFamily<Encoded> {
  const { services, accounts, endpoints, rules, inputs } = model;
  const reads = [services, accounts, endpoints, rules.rules, inputs.mesh];
  return graph.cells<Encoded>(
    { name: "outbound clusters", reads, equals: sameResource },
    (key, read) => {
      const [service = "", port = "", subset = "", type = "", family = "", rule = "", detail = ""] =
        key.split("|");
      const row = read.get(services, service);
      const found = rule === "" ? undefined : read.get(rules.rules, rule);
      if (row === undefined) return undefined;
      const view = { port: Number(port), subset, type, family, detail };
      const input = outboundInput(read, model, row, found, view);
      return input && encodeCluster(outboundCluster(input));
    },
  );
}

interface OutboundView {
  readonly port: number;
  readonly subset: string;
  readonly type: string;
  readonly family: string;
  readonly detail: string;
}

function outboundInput(
  read: Reader,
  model: Model,
  service: Service,
  rule: DestinationRuleRow | undefined,
  view: OutboundView,
): OutboundClusterInput | undefined {
  const port = portOfNumber(service.ports, view.port);
  const subset = rule?.subsets.find(each => each.name === view.subset);
  if (port === undefined || (view.subset !== "" && subset === undefined)) return undefined;
  const policy = policyAt(view.type, policyFor(rule, view.subset, port.number));
  const discovery = discoveryOf(service, policy, view.type);
  const endpoints =
    discovery === "EDS" ? [] : usable(read.get(model.endpoints, service.key)?.byPort[port.name]);
  return {
    service,
    port: view.type === "router" ? unsniffed(port) : port,
    discovery,
    subset,
    policy,
    destinationRule: rule?.source,
    autoMtls: read.get(model.inputs.mesh, MESH_KEY)?.enableAutoMtls ?? true,
    spiffeIds: read.get(model.accounts, service.key) ?? [],
    endpoints,
    ipFamilies: familiesOf(view.family),
    terse: isTerse(view.detail),
  };
}

/** Credentials are for gateways, as in Istio: elsewhere the rule's files hold, or the system's roots. */
function policyAt(type: string, policy: TrafficPolicy): TrafficPolicy {
  if (type === "router" || policy.tls === undefined) return policy;
  return { ...policy, tls: { ...policy.tls, credentialName: undefined } };
}

/** Gateways know what their clients speak, so there is nothing to sniff. */
function unsniffed(port: ServicePort): ServicePort {
  return port.protocol === "AUTO" ? { ...port, protocol: "TCP" } : port;
}

/** Key: IP families, detail, inbound set and name of the cluster. */
function createInbound(graph: Graph, model: Model): CellFamily<Encoded> {
  const { services, proxies, rules } = model;
  const reads = [services, proxies.inboundSets, rules.holding, rules.rules];
  return graph.cells<Encoded>(
    { name: "inbound clusters", reads, equals: sameResource },
    (key, read) => {
      const [families = "", detail = "", set = "", ...rest] = key.split("|");
      const name = rest.join("|");
      const ports = (read.get(proxies.inboundSets, set)?.ports ?? []).filter(
        port => inboundClusterName(port.targetPort) === name,
      );
      const [first] = ports;
      if (first === undefined) return undefined;
      const served = new Set(ports.map(port => port.service));
      return encodeCluster(
        inboundCluster({
          targetPort: first.targetPort,
          protocol: first.servicePort.protocol,
          services: [...served].flatMap(service => read.get(services, service) ?? []),
          destinationRule: inboundRule(read, model, first.service)?.source,
          defaultEndpoint: first.defaultEndpoint,
          ipFamilies: familiesOf(families),
          terse: isTerse(detail),
        }),
      );
    },
  );
}

/** A workload is a client of its own service: what holds in the service's namespace. */
function inboundRule(
  read: Reader,
  { rules }: Model,
  service: ServiceKey,
): DestinationRuleRow | undefined {
  const namespace = service.slice(0, service.indexOf("/"));
  const rule = read.cell(rules.holding, holdingKey(namespace, service));
  return rule === "" ? undefined : read.get(rules.rules, rule);
}

function createNames(
  graph: Graph,
  model: Model,
  hosts: HostTargets,
): CellFamily<readonly string[]> {
  const { imports, proxies } = model;
  const reads = [imports.services, hosts, proxies.inboundSets];
  return graph.cells<readonly string[]>({ name: "CDS names", reads }, (view, read) => {
    const { direction, type, of } = viewOf(view);
    if (direction === "inbound") {
      const ports = read.get(proxies.inboundSets, of)?.ports ?? [];
      return [...new Set(ports.map(port => inboundClusterName(port.targetPort)))].sort();
    }
    const hostnames = new Set(read.cell(imports.services, of).map(({ hostname }) => hostname));
    const names = [...hostnames].flatMap(hostname =>
      namesOf(read.cell(hosts, viewKey(of, hostname))),
    );
    const fixed = type === "router" ? [BLACK_HOLE_CLUSTER] : FIXED.keys();
    return [...fixed, ...names].sort();
  });
}

function namesOf(host: HostTarget | undefined): readonly string[] {
  if (host === undefined) return [];
  const { service, subsets } = host;
  return service.ports.flatMap(port =>
    isCarried(port.protocol)
      ? ["", ...subsets].map(subset => outboundClusterName(port.number, subset, service.hostname))
      : [],
  );
}
