/** Network filters other than the HTTP connection manager. */
import type { Filter } from "@lateen/envoy-api/envoy/config/listener/v3/listener_components.js";
import { MongoProxy } from "@lateen/envoy-api/envoy/extensions/filters/network/mongo_proxy/v3/mongo_proxy.js";
import { Config as SetFilterState } from "@lateen/envoy-api/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state.js";
import {
  TcpProxy,
  UpstreamConnectMode,
} from "@lateen/envoy-api/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.js";
import type { MeshView, Protocol } from "../model/types.ts";
import { connectionLog } from "./access-log.ts";
import { CEL_FORMATTER } from "./http-filters.ts";
import { extension } from "./message.ts";
import { PEER_NAMESPACE_STATE } from "./names.ts";
import { tcpRecords, tcpStats } from "./stats.ts";
import type { Reporter } from "./stats-logger.ts";

export interface TcpTarget {
  readonly statPrefix: string;
  /** At least one; weights are read where there are several. */
  readonly clusters: readonly { readonly name: string; readonly weight: number }[];
}

/** `textLog`: false for what only a mistake brings here. */
export function tcpProxy(
  target: TcpTarget,
  reporter: Reporter,
  mesh: MeshView,
  { textLog = true } = {},
): Filter {
  const [first] = target.clusters;
  const only = target.clusters.length === 1 ? (first?.name ?? "") : "";
  const chosen =
    target.clusters.length === 1
      ? { cluster: only }
      : { weightedClusters: { clusters: target.clusters.map(each => ({ ...each })) } };
  return extension("envoy.filters.network.tcp_proxy", TcpProxy, {
    statPrefix: target.statPrefix,
    ...chosen,
    accessLog: [...(textLog ? connectionLog(mesh) : []), ...tcpStats(reporter, mesh.metrics, only)],
    accessLogOptions: tcpRecords(mesh.metrics),
    ...(reporter.side === "destination" && reporter.mutualTls ? AFTER_HANDSHAKE : {}),
  });
}

/** Else that record would come before the client has said who it is. */
const AFTER_HANDSHAKE: TcpProxy = {
  upstreamConnectMode: UpstreamConnectMode.ON_DOWNSTREAM_TLS_HANDSHAKE,
  // Envoy wants a limit here; what the client sends first waits for the application's connection.
  maxEarlyDataBytes: 16 * 1024,
};

/** A cluster alone, under its own name in the statistics. */
export function singleCluster(name: string): TcpTarget {
  return { statPrefix: name, clusters: [{ name, weight: 1 }] };
}

/** Filters before the TCP proxy that read the protocol for its statistics. */
export function protocolFilters(protocol: Protocol, statPrefix: string): Filter[] {
  if (protocol !== "MONGO") return [];
  return [extension("envoy.filters.network.mongo_proxy", MongoProxy, { statPrefix })];
}

/**
 * The namespace in the peer's SPIFFE id (`spiffe://domain/ns/NAMESPACE/sa/ACCOUNT`), for the
 * metrics: the only thing that is known of a TCP client besides the id itself, and the only thing
 * of an HTTP client that is proven.
 */
export const PEER_NAMESPACE: Filter = extension(
  "envoy.filters.network.set_filter_state",
  SetFilterState,
  {
    onDownstreamTlsHandshake: [
      {
        objectKey: PEER_NAMESPACE_STATE,
        factoryKey: "envoy.string",
        skipIfEmpty: true,
        formatString: {
          textFormatSource: {
            inlineString: "%CEL(connection.uri_san_peer_certificate.split('/')[4])%",
          },
          formatters: [CEL_FORMATTER],
        },
      },
    ],
  },
);
