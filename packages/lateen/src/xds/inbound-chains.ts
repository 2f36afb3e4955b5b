/**
 * Which filter chains an inbound port has, by its protocol and its mTLS mode, and which listener
 * filters look into its connections to tell them apart.
 */
import type {
  ListenerFilter,
  ListenerFilterChainMatchPredicate,
} from "@lateen/envoy-api/envoy/config/listener/v3/listener_components.js";
import { isHttp } from "../model/protocol.ts";
import type { MutualTlsMode, Protocol } from "../model/types.ts";
import { HTTP_INSPECTOR, TLS_INSPECTOR } from "./listener-common.ts";
import {
  ALPN_MESH_ANY,
  ALPN_MESH_HTTP,
  ALPN_MESH_TCP,
  ALPN_PLAIN_HTTP,
  INBOUND_PORT,
} from "./names.ts";

/** One filter chain: what it takes, and what it makes of it. */
export interface ChainKind {
  readonly transportProtocol: "tls" | "raw_buffer" | undefined;
  readonly applicationProtocols: readonly string[];
  readonly http: boolean;
  /** The chain ends the mesh's TLS; TLS without this is the application's own. */
  readonly mutualTls: boolean;
}

/** What a port's protocol says of its connections. */
type Expectation = "http" | "tcp" | "sniffed";

export function chainKinds(protocol: Protocol, mtls: MutualTlsMode): readonly ChainKind[] {
  return CHAINS[mtls][expectation(protocol)];
}

function expectation(protocol: Protocol): Expectation {
  if (isHttp(protocol)) return "http";
  return protocol === "AUTO" ? "sniffed" : "tcp";
}

function chain(
  transportProtocol: ChainKind["transportProtocol"],
  applicationProtocols: readonly string[],
  filters: "http" | "tcp",
  mutualTls: boolean,
): ChainKind {
  return { transportProtocol, applicationProtocols, http: filters === "http", mutualTls };
}

/** Proxies of the mesh and everybody else are told apart by TLS and by their ALPN names. */
const CHAINS: Readonly<Record<MutualTlsMode, Readonly<Record<Expectation, readonly ChainKind[]>>>> =
  {
    PERMISSIVE: {
      http: [chain("tls", ALPN_MESH_ANY, "http", true), chain("raw_buffer", [], "http", false)],
      tcp: [
        chain("tls", ALPN_MESH_ANY, "tcp", true),
        chain("raw_buffer", [], "tcp", false),
        chain("tls", [], "tcp", false),
      ],
      sniffed: [
        chain("tls", ALPN_MESH_HTTP, "http", true),
        chain("raw_buffer", ALPN_PLAIN_HTTP, "http", false),
        chain("tls", ALPN_MESH_TCP, "tcp", true),
        chain("raw_buffer", [], "tcp", false),
        chain("tls", [], "tcp", false),
      ],
    },
    STRICT: {
      http: [chain("tls", [], "http", true)],
      tcp: [chain("tls", [], "tcp", true)],
      sniffed: [chain("tls", ALPN_MESH_HTTP, "http", true), chain("tls", [], "tcp", true)],
    },
    DISABLE: {
      http: [chain(undefined, [], "http", false)],
      tcp: [chain(undefined, [], "tcp", false)],
      sniffed: [
        chain("raw_buffer", ALPN_PLAIN_HTTP, "http", false),
        chain(undefined, [], "tcp", false),
      ],
    },
  };

/**
 * The inspectors that some port needs, each kept away from the ports that do not: an inspector
 * waits for bytes that may never come.
 */
export function inspectors(
  ports: readonly { readonly port: number; readonly kinds: readonly ChainKind[] }[],
  undeclared: MutualTlsMode,
): ListenerFilter[] {
  const others = chainKinds("AUTO", undeclared);
  const found: ListenerFilter[] = [];
  for (const [filter, needs] of [
    [TLS_INSPECTOR, needsTls],
    [HTTP_INSPECTOR, needsHttp],
  ] as const) {
    const needing = ports.filter(each => needs(each.kinds)).map(each => each.port);
    const rest = ports.filter(each => !needs(each.kinds)).map(each => each.port);
    if (needs(others)) found.push({ ...filter, filterDisabled: anyOf([...rest, INBOUND_PORT]) });
    else if (needing.length > 0)
      found.push({ ...filter, filterDisabled: { notMatch: anyOf(needing) } });
  }
  return found;
}

function needsTls(kinds: readonly ChainKind[]): boolean {
  return kinds.some(kind => kind.transportProtocol === "tls");
}

function needsHttp(kinds: readonly ChainKind[]): boolean {
  return kinds.some(kind => kind.applicationProtocols === ALPN_PLAIN_HTTP);
}

function anyOf(ports: readonly number[]): ListenerFilterChainMatchPredicate {
  const rules = [...new Set(ports)]
    .sort((a, b) => a - b)
    .map(port => ({ destinationPortRange: { start: port, end: port + 1 } }));
  const [only] = rules;
  return only !== undefined && rules.length === 1 ? only : { orMatch: { rules } };
}
