/** The listener for everything that reaches the application of a sidecar. */

import type { TransportSocket } from "@lateen/envoy-api/envoy/config/core/v3/base.js";
import { TrafficDirection } from "@lateen/envoy-api/envoy/config/core/v3/base.js";
import type { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import type {
  Filter,
  FilterChain,
  FilterChainMatch,
} from "@lateen/envoy-api/envoy/config/listener/v3/listener_components.js";
import type { RouteConfiguration } from "@lateen/envoy-api/envoy/config/route/v3/route.js";
import { isGrpc } from "../model/protocol.ts";
import type { IpFamilies } from "../model/proxies.ts";
import type {
  InboundPort,
  MeshView,
  MutualTlsMode,
  ObjectRef,
  Protocol,
  ServicePort,
} from "../model/types.ts";
import { listenerLog } from "./access-log.ts";
import { inboundConnectionManager } from "./http-connection-manager.ts";
import { type ChainKind, chainKinds, inspectors } from "./inbound-chains.ts";
import { listensOn, wildcards } from "./ip-families.ts";
import { detectionTimeout, ORIGINAL_DST, ORIGINAL_SRC, TLS_INSPECTOR } from "./listener-common.ts";
import { filterMetadata, seconds } from "./message.ts";
import {
  BLACK_HOLE_CLUSTER,
  configPath,
  DEFAULT_ROUTE,
  httpStatPrefix,
  INBOUND_PASSTHROUGH_CLUSTER,
  INBOUND_PORT,
  inboundClusterName,
  inboundVirtualHostName,
  listenerName,
  PEER_HEADER,
  statName,
  VIRTUAL_INBOUND,
  VIRTUAL_INBOUND_BLACKHOLE_CHAIN,
  VIRTUAL_INBOUND_CATCHALL_HTTP_CHAIN,
} from "./names.ts";
import { PEER_NAMESPACE, protocolFilters, singleCluster, tcpProxy } from "./network-filters.ts";
import { meshServerSocket } from "./tls.ts";

export interface InboundListenerPort extends InboundPort {
  /** From the PeerAuthentications of this workload and port. */
  readonly mtls: MutualTlsMode;
  /** "": any address; for a Sidecar ingress the one it binds to. */
  readonly bind: string;
  /** The Sidecar whose ingress this is; its `hostname` is then the Sidecar's `name.namespace`. */
  readonly sidecar?: ObjectRef | undefined;
}

export interface InboundListenerInput {
  readonly mesh: MeshView;
  /** The mesh's own first, then its aliases: whose certificates are accepted. */
  readonly trustDomains: readonly string[];
  /** One for each port that the application listens on, in any order. */
  readonly ports: readonly InboundListenerPort[];
  /** Of the ports that are not among them. */
  readonly mtls: MutualTlsMode;
  /** Interception mode TPROXY: connections keep both their addresses. */
  readonly transparent?: boolean;
  /** Of the workload's pods: where they are called. */
  readonly ipFamilies: IpFamilies;
}

/** What the listeners of all workloads of a mesh have in common, given one mode. */
export function commonInboundChains(
  input: Pick<InboundListenerInput, "mesh" | "trustDomains" | "mtls">,
): readonly FilterChain[] {
  return [blackhole(input.mesh), ...chains(input, undeclared(input.mtls))];
}

/** `common` is `commonInboundChains` of the same input, made once for many. */
export function virtualInbound(
  input: InboundListenerInput,
  common: readonly FilterChain[] = commonInboundChains(input),
): Listener {
  const ports = [...input.ports].sort((a, b) => a.targetPort - b.targetPort);
  const inspecting = inspectors(ports.map(inspected), input.mtls);
  const guessesTls = inspecting.some(filter => filter.name === TLS_INSPECTOR.name);
  const transparent = input.transparent === true;
  const anyAddress = wildcards(input.ipFamilies);
  return {
    name: VIRTUAL_INBOUND,
    ...listensOn(anyAddress, INBOUND_PORT),
    filterChains: [
      ...common,
      ...ports.flatMap(port => chains(input, declared(port, anyAddress[0]))),
    ],
    ...(transparent ? { transparent } : {}),
    listenerFilters: [ORIGINAL_DST, ...(transparent ? [ORIGINAL_SRC] : []), ...inspecting],
    listenerFiltersTimeout: detectionTimeout(input.mesh, guessesTls ? "tls" : "http"),
    continueOnListenerFiltersTimeout: true,
    trafficDirection: TrafficDirection.INBOUND,
    accessLog: listenerLog(input.mesh),
    maxConnectionsToAcceptPerSocketEvent: 1,
  };
}

function inspected(port: InboundListenerPort): {
  readonly port: number;
  readonly kinds: readonly ChainKind[];
} {
  return { port: port.targetPort, kinds: chainKinds(port.servicePort.protocol, port.mtls) };
}

/** A connection to this port itself would come back for ever. */
function blackhole(mesh: MeshView): FilterChain {
  const reporter = { side: "destination", mutualTls: false } as const;
  return {
    name: VIRTUAL_INBOUND_BLACKHOLE_CHAIN,
    filterChainMatch: { destinationPort: INBOUND_PORT },
    filters: [tcpProxy(singleCluster(BLACK_HOLE_CLUSTER), reporter, mesh, { textLog: false })],
  };
}

/** One port of the application, or all that no service declares. */
interface Target {
  readonly destinationPort: number | undefined;
  readonly protocol: Protocol;
  readonly mtls: MutualTlsMode;
  readonly cluster: string;
  readonly statPrefix: string;
  readonly routes: RouteConfiguration;
  readonly httpChainName: string;
  readonly tcpChainName: string;
  readonly source: ObjectRef | undefined;
}

function declared(port: InboundListenerPort, anyAddress: string): Target {
  const cluster = inboundClusterName(port.targetPort);
  const name = listenerName(port.bind === "" ? anyAddress : port.bind, port.targetPort);
  const { hostname, servicePort } = port;
  return {
    destinationPort: port.targetPort,
    protocol: servicePort.protocol,
    mtls: port.mtls,
    cluster,
    statPrefix: httpStatPrefix("inbound", name),
    routes: routes(cluster, servicePort, `${hostname}:${servicePort.number}/*`),
    httpChainName: name,
    tcpChainName: name,
    source: port.sidecar,
  };
}

function undeclared(mtls: MutualTlsMode): Target {
  const cluster = INBOUND_PASSTHROUGH_CLUSTER;
  return {
    destinationPort: undefined,
    protocol: "AUTO",
    mtls,
    cluster,
    statPrefix: statName(cluster),
    routes: routes(cluster, { number: 0, protocol: "AUTO" }, ":0/*"),
    httpChainName: VIRTUAL_INBOUND_CATCHALL_HTTP_CHAIN,
    tcpChainName: VIRTUAL_INBOUND,
    source: undefined,
  };
}

function chains(
  input: Pick<InboundListenerInput, "mesh" | "trustDomains">,
  target: Target,
): FilterChain[] {
  return chainKinds(target.protocol, target.mtls).map(kind => ({
    name: kind.http ? target.httpChainName : target.tcpChainName,
    filterChainMatch: match(target, kind),
    filters: filters(input.mesh, target, kind),
    metadata: target.source && filterMetadata({ istio: { config: configPath(target.source) } }),
    transportSocket: kind.mutualTls ? socket(input.trustDomains, kind) : undefined,
  }));
}

function match(target: Target, kind: ChainKind): FilterChainMatch {
  return {
    destinationPort: target.destinationPort,
    transportProtocol: kind.transportProtocol,
    applicationProtocols: [...kind.applicationProtocols],
  };
}

function filters(mesh: MeshView, target: Target, kind: ChainKind): Filter[] {
  const { mutualTls } = kind;
  const own = kind.http
    ? [inboundConnectionManager(mesh, target, mutualTls)]
    : [
        ...protocolFilters(target.protocol, target.cluster),
        tcpProxy(singleCluster(target.cluster), { side: "destination", mutualTls }, mesh),
      ];
  return mutualTls ? [PEER_NAMESPACE, ...own] : own;
}

/** HTTP is spoken by what was negotiated, so there nothing else may be. */
function socket(trustDomains: readonly string[], kind: ChainKind): TransportSocket {
  return meshServerSocket(
    trustDomains,
    kind.http ? ["h2", "http/1.1"] : ["istio", "h2", "http/1.1"],
  );
}

const RETRY = { retryOn: "reset-before-request", numRetries: 2 };

/**
 * One route for everything. A request is tried again only if the application's connection was
 * gone before it got there, and a stream of gRPC never (as in Istio: its client does that). What a plaintext client says of itself does not get through.
 */
function routes(
  cluster: string,
  { number, protocol }: Pick<ServicePort, "number" | "protocol">,
  operation: string,
): RouteConfiguration {
  return {
    name: cluster,
    validateClusters: false,
    requestHeadersToRemove: [PEER_HEADER],
    virtualHosts: [
      {
        name: inboundVirtualHostName(number),
        domains: ["*"],
        routes: [
          {
            name: DEFAULT_ROUTE,
            match: { prefix: "/" },
            route: {
              cluster,
              timeout: seconds(0),
              retryPolicy: isGrpc(protocol) ? undefined : RETRY,
              maxStreamDuration: {
                maxStreamDuration: seconds(0),
                grpcTimeoutHeaderMax: seconds(0),
              },
            },
            decorator: { operation },
          },
        ],
      },
    ],
  };
}
