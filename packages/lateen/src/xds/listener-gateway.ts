/** Listeners of gateways: one for each port that the gateway's pods listen on. */
import { TrafficDirection } from "@lateen/envoy-api/envoy/config/core/v3/base.js";
import type { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import type { FilterChain } from "@lateen/envoy-api/envoy/config/listener/v3/listener_components.js";
import type { MeshView } from "../model/types.ts";
import { listenerLog } from "./access-log.ts";
import { gatewayConnectionManager, type RoutesOverRds } from "./http-connection-manager.ts";
import { listensOn } from "./ip-families.ts";
import {
  HANDSHAKE_TIMEOUT,
  type TcpChain,
  TLS_INSPECTOR,
  tcpFilterChain,
} from "./listener-common.ts";
import { listenerName } from "./names.ts";
import { gatewayServerSocket, type ServerTls } from "./tls.ts";

/** One server of a Gateway, or several that share a port and say the same. */
export type GatewayServer =
  | {
      readonly kind: "http";
      readonly routes: RoutesOverRds;
    }
  | {
      readonly kind: "https";
      readonly routes: RoutesOverRds;
      /** Hosts of the server, in SNI's terms; empty: any. */
      readonly serverNames: readonly string[];
      readonly tls: ServerTls;
    }
  | {
      readonly kind: "tcp";
      readonly chain: TcpChain;
      /** undefined: TLS goes through to the service, if there is any. */
      readonly tls: ServerTls | undefined;
    };

export interface GatewayListenerInput {
  readonly mesh: MeshView;
  /** The first one is in the listener's name. */
  readonly binds: readonly [string, ...string[]];
  /** The target port of the gateway's Service: 8080, not 80. */
  readonly port: number;
  readonly servers: readonly GatewayServer[];
}

export function gatewayListener(input: GatewayListenerInput): Listener {
  const name = listenerName(input.binds[0], input.port);
  const inspectTls = input.servers.some(server => needsInspector(server));
  return {
    name,
    ...listensOn(input.binds, input.port),
    filterChains: input.servers.map(server => filterChain(input.mesh, name, server)),
    listenerFilters: inspectTls ? [TLS_INSPECTOR] : [],
    trafficDirection: TrafficDirection.OUTBOUND,
    accessLog: listenerLog(input.mesh),
    maxConnectionsToAcceptPerSocketEvent: 1,
  };
}

function needsInspector(server: GatewayServer): boolean {
  if (server.kind === "http") return false;
  return server.kind === "https" || server.chain.serverNames.length > 0;
}

function filterChain(mesh: MeshView, listener: string, server: GatewayServer): FilterChain {
  if (server.kind === "tcp") {
    const chain = tcpFilterChain(mesh, server.chain, { side: "source", hostFallback: false });
    if (server.tls === undefined) return chain;
    return { ...chain, transportSocket: gatewayServerSocket(server.tls, []) };
  }
  const chain: FilterChain = {
    filters: [gatewayConnectionManager(mesh, listener, server.routes)],
    transportSocketConnectTimeout: HANDSHAKE_TIMEOUT,
  };
  if (server.kind === "http") return chain;
  return {
    ...chain,
    filterChainMatch: { serverNames: [...server.serverNames] },
    transportSocket: gatewayServerSocket(server.tls, ["h2", "http/1.1"]),
  };
}
