/** Clusters of sidecars and gateways towards services, and what all proxies have. */
import type {
  CircuitBreakers,
  CircuitBreakers_Thresholds,
} from "@lateen/envoy-api/envoy/config/cluster/v3/circuit_breaker.js";
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
  type Cluster_TransportSocketMatch,
} from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import type { TransportSocket } from "@lateen/envoy-api/envoy/config/core/v3/base.js";
import { CaresDnsResolverConfig } from "@lateen/envoy-api/envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver.js";
import { HttpProtocolOptions } from "@lateen/envoy-api/envoy/extensions/upstreams/http/v3/http_protocol_options.js";
import { isHttp2 } from "../model/protocol.ts";
import type { IpFamilies } from "../model/proxies.ts";
import type {
  ClientTls,
  Endpoint,
  LoadBalancer,
  ObjectRef,
  Protocol,
  Service,
  ServicePort,
  Subset,
  TrafficPolicy,
} from "../model/types.ts";
import { loadAssignment } from "./endpoint.ts";
import { inboundBind } from "./ip-families.ts";
import {
  ENDPOINTS_OVER_ADS,
  extension,
  filterMetadata,
  type Json,
  milliseconds,
  seconds,
} from "./message.ts";
import {
  BLACK_HOLE_CLUSTER,
  configPath,
  INBOUND_PASSTHROUGH_CLUSTER,
  METADATA_NAMESPACE,
  meshSni,
  outboundClusterName,
  PASSTHROUGH_CLUSTER,
  statName,
} from "./names.ts";
import { meshClientSocket, originationSocket, PLAINTEXT_SOCKET } from "./tls.ts";

/** Where the endpoints of a cluster come from: Envoy's types of clusters. */
export type Discovery = "EDS" | "STRICT_DNS" | "LOGICAL_DNS" | "ORIGINAL_DST";

/**
 * Gateways can not go where the client meant to go, which is the gateway itself: they choose among the
 * endpoints that there are (Istio: convertResolution).
 */
export function discoveryOf(
  { resolution }: Service,
  { loadBalancer }: TrafficPolicy,
  proxyType: string,
): Discovery {
  const passthrough = resolution === "Passthrough" || loadBalancer.kind === "PASSTHROUGH";
  if (passthrough && proxyType !== "router") return "ORIGINAL_DST";
  return DISCOVERY[resolution];
}

const DISCOVERY: Readonly<Record<Service["resolution"], Discovery>> = {
  ClientSideLB: "EDS",
  DNSLB: "STRICT_DNS",
  DNSRoundRobinLB: "LOGICAL_DNS",
  Passthrough: "EDS",
};

export interface OutboundClusterInput {
  readonly service: Service;
  readonly port: ServicePort;
  readonly discovery: Discovery;
  /** undefined: the service as a whole. */
  readonly subset: Subset | undefined;
  readonly policy: TrafficPolicy;
  /** The DestinationRule that `policy` came from. */
  readonly destinationRule: ObjectRef | undefined;
  /** False when the mesh says `enableAutoMtls: false`. */
  readonly autoMtls: boolean;
  /** SPIFFE ids that the endpoints may have, sorted; empty: any of the mesh. */
  readonly spiffeIds: readonly string[];
  /**
   * Endpoints of the port: put into DNS-resolved clusters. Of services resolved by the client's own
   * address (headless), only whether all of them speak the mesh's TLS. Not read for EDS clusters,
   * so leave it empty there.
   */
  readonly endpoints: readonly Endpoint[];
  /** Without what only the full form of metrics reads, and without what Envoy does anyway. */
  readonly terse: boolean;
  /** Of the proxies of this view: what DNS is asked for. */
  readonly ipFamilies: IpFamilies;
}

export function outboundCluster(input: OutboundClusterInput): Cluster {
  const { service, port, subset, policy } = input;
  const name = outboundClusterName(port.number, subset?.name ?? "", service.hostname);
  const passthrough = input.discovery === "ORIGINAL_DST";
  const sockets = transport(input, passthrough);
  return {
    name,
    altStatName: statName(name),
    connectTimeout: seconds(10),
    circuitBreakers: UNLIMITED,
    commonLbConfig: { ...NO_PANIC, ...(passthrough ? {} : weighing(service, policy)) },
    metadata: outboundMetadata(input, sockets),
    typedExtensionProtocolOptions: protocolOptions({
      ...httpProtocol(port.protocol),
      ...automaticNames(policy.tls && checkedNames(input, policy.tls)),
    }),
    ...(passthrough ? ORIGINAL_DESTINATION : discovery(name, input)),
    ...sockets,
  };
}

const NO_PANIC: CommonLbConfig = { healthyPanicThreshold: { value: 0 } };

/** As in Istio: where near localities are preferred, each weighs what its endpoints weigh. */
function weighing({ placement }: Service, { loadBalancer }: TrafficPolicy): CommonLbConfig {
  if (placement === undefined || placement === "Local") return {};
  return loadBalancer.ownLocalities === true ? {} : { localityWeightedLbConfig: {} };
}

type CommonLbConfig = NonNullable<Cluster["commonLbConfig"]>;

const ORIGINAL_DESTINATION: Partial<Cluster> = {
  type: Cluster_DiscoveryType.ORIGINAL_DST,
  lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
};

function discovery(name: string, input: OutboundClusterInput): Partial<Cluster> {
  const lbPolicy = balancer(input.policy.loadBalancer);
  if (input.discovery === "EDS") {
    // Without a name Envoy asks by the cluster's.
    const serviceName = input.terse ? undefined : name;
    const edsClusterConfig = { edsConfig: ENDPOINTS_OVER_ADS, serviceName };
    return { type: Cluster_DiscoveryType.EDS, edsClusterConfig, lbPolicy };
  }
  const type =
    input.discovery === "STRICT_DNS"
      ? Cluster_DiscoveryType.STRICT_DNS
      : Cluster_DiscoveryType.LOGICAL_DNS;
  const labels = input.subset?.labels ?? {};
  const { endpoints, ipFamilies, terse } = input;
  return {
    type,
    lbPolicy,
    loadAssignment: loadAssignment({
      clusterName: name,
      endpoints,
      labels,
      ipFamilies,
      terse,
    }),
    dnsRefreshRate: seconds(60),
    dnsJitter: milliseconds(100),
    respectDnsTtl: true,
    dnsLookupFamily: LOOKUP_FAMILIES[ipFamilies],
    typedDnsResolverConfig: DNS_RESOLVER,
  };
}

const LOOKUP_FAMILIES: Readonly<Record<IpFamilies, Cluster_DnsLookupFamily>> = {
  IPv4: Cluster_DnsLookupFamily.V4_ONLY,
  IPv6: Cluster_DnsLookupFamily.V6_ONLY,
  dual: Cluster_DnsLookupFamily.ALL,
};

const DNS_RESOLVER = extension("envoy.network.dns_resolver.cares", CaresDnsResolverConfig, {
  udpMaxQueries: 100,
});

function balancer(loadBalancer: LoadBalancer): Cluster_LbPolicy {
  switch (loadBalancer.kind) {
    case "LEAST_REQUEST":
    // Where the client's own destination can not be used, nothing is said of how to choose.
    case "PASSTHROUGH":
      return Cluster_LbPolicy.LEAST_REQUEST;
    case "ROUND_ROBIN":
      return Cluster_LbPolicy.ROUND_ROBIN;
    case "RANDOM":
      return Cluster_LbPolicy.RANDOM;
  }
}

/** No limits, as in Istio: with Envoy's own (3 retries at a time) a rollout fails requests. */
const THRESHOLDS: CircuitBreakers_Thresholds = {
  maxConnections: 0xffffffff,
  maxPendingRequests: 0xffffffff,
  maxRequests: 0xffffffff,
  maxRetries: 0xffffffff,
};
export const UNLIMITED: CircuitBreakers = { thresholds: [THRESHOLDS] };

/**
 * Explicit TLS settings of a DestinationRule come first. Else, with auto-mTLS, each endpoint says
 * by its metadata `tlsMode` whether it speaks the mesh's TLS. Where Envoy knows no endpoint
 * metadata, because the client chose the address, all endpoints must.
 */
function transport(input: OutboundClusterInput, passthrough: boolean): Partial<Cluster> {
  const tls = input.policy.tls;
  if (tls !== undefined) {
    const transportSocket = explicitSocket(input, tls);
    return transportSocket === undefined ? {} : { transportSocket };
  }
  if (!input.autoMtls || input.service.meshExternal) return {};
  const mesh = meshSocket(input, undefined);
  if (passthrough) {
    const all =
      input.endpoints.length > 0 && input.endpoints.every(each => each.tlsMode === "istio");
    return all ? { transportSocket: mesh } : {};
  }
  const byEndpoint = { name: "tlsMode-istio", match: { tlsMode: "istio" }, transportSocket: mesh };
  return { transportSocketMatches: input.terse ? [byEndpoint] : [byEndpoint, PLAINTEXT_MATCH] };
}

/** What Envoy does with an endpoint that nothing matches, said in a sixth of a cluster's bytes. */
const PLAINTEXT_MATCH: Cluster_TransportSocketMatch = {
  name: "tlsMode-disabled",
  match: {},
  transportSocket: PLAINTEXT_SOCKET,
};

function explicitSocket(input: OutboundClusterInput, tls: ClientTls): TransportSocket | undefined {
  switch (tls.mode) {
    case "DISABLE":
      return undefined;
    case "ISTIO_MUTUAL":
      return meshSocket(input, tls);
    case "SIMPLE":
    case "MUTUAL":
      return originationSocket(
        checkedNames(input, tls),
        isHttp2(input.port.protocol) ? ["h2"] : [],
      );
  }
}

/** Names that a ServiceEntry gives hold where the DestinationRule gives none. */
function checkedNames({ service }: OutboundClusterInput, tls: ClientTls): ClientTls {
  if (tls.subjectAltNames.length > 0 || tls.insecureSkipVerify) return tls;
  return { ...tls, subjectAltNames: service.subjectAltNames };
}

function meshSocket(input: OutboundClusterInput, tls: ClientTls | undefined): TransportSocket {
  const { port, service, subset } = input;
  const names = tls !== undefined && tls.subjectAltNames.length > 0 ? tls.subjectAltNames : null;
  return meshClientSocket(
    tls?.sni ?? meshSni(port.number, subset?.name ?? "", service.hostname),
    names ?? input.spiffeIds,
    meshAlpn(port.protocol),
  );
}

/**
 * What a proxy offers to another: names that only proxies of the mesh use, then the real protocol,
 * which is what gets negotiated. Sniffed ports offer TCP's here; for HTTP the connection manager
 * overrides it by request (http-filters.ts). `istio-peer-exchange` is never offered: who accepts it
 * would expect Istio's own preamble on the connection.
 */
function meshAlpn(protocol: Protocol): readonly string[] {
  if (isHttp2(protocol)) return ["istio-h2", "istio", "h2"];
  if (protocol === "HTTP") return ["istio-http/1.1", "istio", "http/1.1"];
  return ["istio"];
}

/** Declared HTTP/1 is Envoy's own default; a sniffed port speaks what the client spoke. */
export function httpProtocol(protocol: Protocol): HttpProtocolOptions {
  if (isHttp2(protocol)) return { explicitHttpConfig: { http2ProtocolOptions: {} } };
  if (protocol === "AUTO") return DOWNSTREAM_PROTOCOL;
  return {};
}

const DOWNSTREAM_PROTOCOL: HttpProtocolOptions = {
  useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions: {} },
};

/** Without an SNI in the DestinationRule, the request's host is the SNI and must be in the SANs. */
function automaticNames(tls: ClientTls | undefined): HttpProtocolOptions {
  if (tls === undefined || (tls.mode !== "SIMPLE" && tls.mode !== "MUTUAL")) return {};
  if (tls.sni !== undefined && tls.sni !== "") return {};
  const autoSanValidation = tls.subjectAltNames.length === 0 && !tls.insecureSkipVerify;
  return { upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation } };
}

const PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

export function protocolOptions(
  options: HttpProtocolOptions,
): Pick<Cluster, "typedExtensionProtocolOptions">["typedExtensionProtocolOptions"] {
  if (Object.keys(options).length === 0) return undefined;
  const chosen = hasProtocol(options)
    ? options
    : { ...options, explicitHttpConfig: { httpProtocolOptions: {} } };
  return {
    [PROTOCOL_OPTIONS]: extension("", HttpProtocolOptions, chosen).typedConfig,
  };
}

/** Envoy wants one of these in every HttpProtocolOptions. */
function hasProtocol(options: HttpProtocolOptions): boolean {
  return (
    options.explicitHttpConfig !== undefined ||
    options.useDownstreamProtocolConfig !== undefined ||
    options.autoConfig !== undefined
  );
}

function outboundMetadata(
  input: OutboundClusterInput,
  sockets: Partial<Cluster>,
): Cluster["metadata"] {
  const { service, port, policy, subset, destinationRule } = input;
  const origination = policy.tls?.mode === "SIMPLE" || policy.tls?.mode === "MUTUAL";
  const allMesh = sockets.transportSocket !== undefined && !origination;
  return filterMetadata({
    istio: dropUndefined({
      alpn_override: origination ? "false" : undefined,
      config: destinationRule && configPath(destinationRule),
      external: service.meshExternal ? true : undefined,
      services: [serviceMetadata(service)],
      subset: subset?.name,
    }),
    [METADATA_NAMESPACE]: someOf({
      ...(input.terse ? {} : serviceMetadata(service)),
      // Read by the ALPN override of the outbound connection managers.
      sniffed: port.protocol === "AUTO" && !origination ? true : undefined,
      // Read by the filter that tells the peer who we are, where no endpoint says it.
      tlsMode: allMesh ? "istio" : undefined,
    }),
  });
}

export function serviceMetadata(service: Service): {
  readonly host: string;
  readonly name: string;
  readonly namespace: string;
} {
  return { host: service.hostname, name: service.name, namespace: service.namespace };
}

function dropUndefined(record: Readonly<Record<string, Json | undefined>>): Record<string, Json> {
  const kept: Record<string, Json> = {};
  for (const [key, value] of Object.entries(record)) if (value !== undefined) kept[key] = value;
  return kept;
}

function someOf(record: Readonly<Record<string, Json | undefined>>): Json | undefined {
  const kept = dropUndefined(record);
  return Object.keys(kept).length === 0 ? undefined : kept;
}

/** Where a proxy sends what must go nowhere: no endpoint, so every request fails. */
export function blackHoleCluster(): Cluster {
  return {
    name: BLACK_HOLE_CLUSTER,
    altStatName: statName(BLACK_HOLE_CLUSTER),
    type: Cluster_DiscoveryType.STATIC,
    connectTimeout: seconds(10),
    metadata: catchAllMetadata(BLACK_HOLE_CLUSTER),
  };
}

/** Outbound traffic to addresses that no service has: to where the client meant it to go. */
export function passthroughCluster(): Cluster {
  return {
    ...originalDestinationCluster(PASSTHROUGH_CLUSTER),
    altStatName: statName(PASSTHROUGH_CLUSTER),
  };
}

/** Inbound traffic to ports that no service declares. Its statistics have Istio's name. */
export function inboundPassthroughCluster(ipFamilies: IpFamilies): Cluster {
  return {
    ...originalDestinationCluster(INBOUND_PASSTHROUGH_CLUSTER),
    altStatName: statName(PASSTHROUGH_CLUSTER),
    upstreamBindConfig: inboundBind(ipFamilies),
  };
}

function originalDestinationCluster(name: string): Cluster {
  return {
    name,
    ...ORIGINAL_DESTINATION,
    connectTimeout: seconds(10),
    circuitBreakers: UNLIMITED,
    typedExtensionProtocolOptions: protocolOptions({
      commonHttpProtocolOptions: { idleTimeout: seconds(300) },
      ...DOWNSTREAM_PROTOCOL,
    }),
    metadata: catchAllMetadata(name),
  };
}

/** So that metrics name the cluster where there is no service. */
function catchAllMetadata(name: string): Cluster["metadata"] {
  return filterMetadata({ [METADATA_NAMESPACE]: { name } });
}
