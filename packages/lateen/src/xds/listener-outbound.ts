/** Listeners for what the application of a sidecar calls. Interception brings it to port 15001. */

import { TrafficDirection } from "@lateen/envoy-api/envoy/config/core/v3/base.js";
import type { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import type {
  FilterChain,
  ListenerFilter,
} from "@lateen/envoy-api/envoy/config/listener/v3/listener_components.js";
import type { IpFamilies } from "../model/proxies.ts";
import type { Mesh, MeshView } from "../model/types.ts";
import { listenerLog } from "./access-log.ts";
import { outboundConnectionManager, type RoutesOverRds } from "./http-connection-manager.ts";
import { listensOn, wildcards } from "./ip-families.ts";
import {
  detectionTimeout,
  HANDSHAKE_TIMEOUT,
  HTTP_INSPECTOR,
  type TcpChain,
  TLS_INSPECTOR,
  tcpFilterChain,
  WAIT_FOR_EVER,
} from "./listener-common.ts";
import {
  ALPN_PLAIN_HTTP,
  BLACK_HOLE_CLUSTER,
  listenerName,
  OUTBOUND_PORT,
  PASSTHROUGH_CHAIN,
  PASSTHROUGH_CLUSTER,
  VIRTUAL_OUTBOUND,
  VIRTUAL_OUTBOUND_BLACKHOLE_CHAIN,
  VIRTUAL_OUTBOUND_CATCHALL_CHAIN,
} from "./names.ts";
import { singleCluster, tcpProxy } from "./network-filters.ts";
import type { Reporter } from "./stats-logger.ts";

export interface OutboundListenerInput {
  readonly mesh: MeshView;
  /**
   * Any address, a service's virtual ones, or a pod's address of a headless service. The first one
   * is in the listener's name.
   */
  readonly binds: readonly [string, ...string[]];
  readonly port: number;
  /** What HTTP goes by; undefined: no HTTP is expected here. */
  readonly http: RoutesOverRds | undefined;
  /** TCP and TLS by SNI or address, or one chain for everything. */
  readonly chains: readonly TcpChain[];
  /**
   * What matches nothing else. `ALLOW_ANY`, `REGISTRY_ONLY`: to where it wanted to go, or nowhere;
   * a chain: sniffed ports, where it is TCP to the same service; undefined: nothing is left over.
   */
  readonly fallback: Mesh["outboundTrafficPolicy"] | TcpChain | undefined;
}

const REPORTER: Reporter = { side: "source", hostFallback: true };

export function outboundListener(input: OutboundListenerInput): Listener {
  const { mesh, binds, port, fallback } = input;
  const name = listenerName(binds[0], port);
  const http = input.http === undefined ? [] : [httpChain(mesh, name, input.http)];
  return {
    name,
    ...listensOn(binds, port),
    filterChains: [...http, ...input.chains.map(chain => tcpFilterChain(mesh, chain, REPORTER))],
    defaultFilterChain: fallback === undefined ? undefined : fallbackChain(mesh, fallback),
    listenerFilters: inspectors(input),
    listenerFiltersTimeout:
      typeof fallback === "object" ? detectionTimeout(mesh, "http") : WAIT_FOR_EVER,
    continueOnListenerFiltersTimeout: true,
    trafficDirection: TrafficDirection.OUTBOUND,
    bindToPort: false,
  };
}

function httpChain(mesh: MeshView, name: string, routes: RoutesOverRds): FilterChain {
  return {
    filterChainMatch: {
      transportProtocol: "raw_buffer",
      applicationProtocols: [...ALPN_PLAIN_HTTP],
    },
    filters: [outboundConnectionManager(mesh, name, routes)],
    transportSocketConnectTimeout: HANDSHAKE_TIMEOUT,
  };
}

function fallbackChain(
  mesh: MeshView,
  fallback: Mesh["outboundTrafficPolicy"] | TcpChain,
): FilterChain {
  if (typeof fallback === "object") return tcpFilterChain(mesh, fallback, REPORTER);
  return {
    name: PASSTHROUGH_CHAIN,
    filterChainMatch: {},
    filters: [tcpProxy(singleCluster(unknownCluster(fallback)), REPORTER, mesh)],
  };
}

function unknownCluster(policy: Mesh["outboundTrafficPolicy"]): string {
  return policy === "ALLOW_ANY" ? PASSTHROUGH_CLUSTER : BLACK_HOLE_CLUSTER;
}

/**
 * Ports that are declared HTTP or TLS wait for ever for the first bytes, as in Istio: giving up
 * would send a slow client past its routes. Sniffed ports do not.
 */
function inspectors(input: OutboundListenerInput): ListenerFilter[] {
  const tls = input.chains.some(chain => chain.serverNames.length > 0);
  return [...(tls ? [TLS_INSPECTOR] : []), ...(input.http === undefined ? [] : [HTTP_INSPECTOR])];
}

/** Takes all intercepted connections and hands each to the listener of its destination. */
export function virtualOutbound(
  mesh: MeshView,
  outboundTrafficPolicy: Mesh["outboundTrafficPolicy"],
  ipFamilies: IpFamilies,
): Listener {
  const blackhole: FilterChain = {
    name: VIRTUAL_OUTBOUND_BLACKHOLE_CHAIN,
    // A connection to this port itself would come back for ever.
    filterChainMatch: { destinationPort: OUTBOUND_PORT },
    filters: [tcpProxy(singleCluster(BLACK_HOLE_CLUSTER), REPORTER, mesh, { textLog: false })],
  };
  const catchAll: FilterChain = {
    name: VIRTUAL_OUTBOUND_CATCHALL_CHAIN,
    filters: [tcpProxy(singleCluster(unknownCluster(outboundTrafficPolicy)), REPORTER, mesh)],
  };
  return {
    name: VIRTUAL_OUTBOUND,
    ...listensOn(wildcards(ipFamilies), OUTBOUND_PORT),
    filterChains: [blackhole, catchAll],
    useOriginalDst: true,
    trafficDirection: TrafficDirection.OUTBOUND,
    accessLog: listenerLog(mesh),
    maxConnectionsToAcceptPerSocketEvent: 1,
  };
}
