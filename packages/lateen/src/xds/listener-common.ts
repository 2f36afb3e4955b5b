/** What listeners of sidecars and gateways have in common. */
import type {
  Filter,
  FilterChain,
  ListenerFilter,
} from "@lateen/envoy-api/envoy/config/listener/v3/listener_components.js";
import { HttpInspector } from "@lateen/envoy-api/envoy/extensions/filters/listener/http_inspector/v3/http_inspector.js";
import { OriginalDst } from "@lateen/envoy-api/envoy/extensions/filters/listener/original_dst/v3/original_dst.js";
import { OriginalSrc } from "@lateen/envoy-api/envoy/extensions/filters/listener/original_src/v3/original_src.js";
import { TlsInspector } from "@lateen/envoy-api/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.js";
import type { Duration } from "@lateen/envoy-api/google/protobuf/duration.js";
import type { Mesh, MeshView, ObjectRef, Protocol } from "../model/types.ts";
import { extension, filterMetadata, milliseconds, seconds } from "./message.ts";
import { configPath, outboundClusterName } from "./names.ts";
import { protocolFilters, singleCluster, type TcpTarget, tcpProxy } from "./network-filters.ts";
import type { Destination } from "./route.ts";
import type { Reporter } from "./stats-logger.ts";

/** One way of TCP connections to one or more clusters. */
export interface TcpChain {
  /** SNI names; empty: any connection. */
  readonly serverNames: readonly string[];
  /** `10.0.0.0/8`; empty: any address. */
  readonly destinationCidrs: readonly string[];
  /** At least one. */
  readonly destinations: readonly Destination[];
  /** MONGO gets a filter for its statistics. */
  readonly protocol: Protocol;
  /** The VirtualService it is from. */
  readonly source: ObjectRef | undefined;
}

/** How long a client may take for its TLS handshake. */
export const HANDSHAKE_TIMEOUT = seconds(15);

export const WAIT_FOR_EVER = seconds(0);

/**
 * How long a listener waits for a client's first bytes where a protocol is guessed. Istio waits for
 * ever, and so does a client of a protocol in which the server speaks first.
 *
 * `http`: HTTP or other bytes; taking one for the other still gets them where they belong. `tls`: the
 * mesh's TLS or plaintext, where a wrong guess hands TLS to the application. So this is longer than
 * the 10 seconds in which a proxy must have a connection, handshake included: one that has not begun
 * by then has given up. See docs/decisions/envoy-limits.md.
 */
export function detectionTimeout(mesh: Mesh, guess: "http" | "tls"): Duration {
  const own = mesh.protocolDetectionTimeout;
  if (own !== undefined) return milliseconds(own);
  return seconds(guess === "tls" ? 15 : 5);
}

export const ORIGINAL_DST: ListenerFilter = extension(
  "envoy.filters.listener.original_dst",
  OriginalDst,
  {},
);

/** Calls the application from the client's address; interception knows the packets by the mark. */
export const ORIGINAL_SRC: ListenerFilter = extension(
  "envoy.filters.listener.original_src",
  OriginalSrc,
  { mark: 1337 },
);

export const TLS_INSPECTOR: ListenerFilter = extension(
  "envoy.filters.listener.tls_inspector",
  TlsInspector,
  { initialReadBufferSize: 512 },
);

export const HTTP_INSPECTOR: ListenerFilter = extension(
  "envoy.filters.listener.http_inspector",
  HttpInspector,
  {},
);

export function tcpFilterChain(mesh: MeshView, chain: TcpChain, reporter: Reporter): FilterChain {
  const target = tcpTarget(chain);
  const filters: Filter[] = [
    ...protocolFilters(chain.protocol, target.statPrefix),
    tcpProxy(target, reporter, mesh),
  ];
  return {
    filterChainMatch: chainMatch(chain),
    filters,
    metadata: chain.source && filterMetadata({ istio: { config: configPath(chain.source) } }),
    transportSocketConnectTimeout: HANDSHAKE_TIMEOUT,
  };
}

function chainMatch(chain: TcpChain): FilterChain["filterChainMatch"] {
  if (chain.serverNames.length === 0 && chain.destinationCidrs.length === 0) return undefined;
  return {
    serverNames: [...chain.serverNames],
    prefixRanges: chain.destinationCidrs.map(cidrRange),
  };
}

function cidrRange(cidr: string): { addressPrefix: string; prefixLen: number } {
  const [addressPrefix = "", length] = cidr.split("/");
  const whole = addressPrefix.includes(":") ? 128 : 32;
  return { addressPrefix, prefixLen: length === undefined ? whole : Number(length) };
}

function tcpTarget(chain: TcpChain): TcpTarget {
  const clusters = chain.destinations.map(each => ({
    name: outboundClusterName(each.port, each.subset, each.hostname),
    weight: each.weight,
  }));
  const [first] = clusters;
  if (first !== undefined && clusters.length === 1) return singleCluster(first.name);
  const { source } = chain;
  const statPrefix = source === undefined ? "weighted" : `${source.name}.${source.namespace}`;
  return { statPrefix, clusters };
}
