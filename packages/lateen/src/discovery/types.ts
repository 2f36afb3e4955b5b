/**
 * What the protocol machines need from the rest: an identity for a stream, and watch sets to read
 * from. Nothing here knows the model, the API kinds or Envoy's messages beyond their bytes.
 */
import type { WatchSet } from "../flow/watch-types.ts";

/** The slice of xds/resource.ts that the protocol needs. */
export interface Resource {
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly deltaField: Uint8Array;
  readonly sotwField: Uint8Array;
}

/** The node of the first request, decoded: id and metadata as plain JSON. */
export interface Node {
  readonly id: string;
  readonly cluster: string;
  readonly userAgentName: string;
  readonly userAgentVersion: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
}

/** Who is at the other end, established before any request is read. */
export interface Peer {
  readonly transport: "plaintext" | "tls";
  /** SPIFFE id of an authenticated peer; undefined on the plaintext port. */
  readonly identity: string | undefined;
  /** Facts bound to the credential that the node's claims are checked against. */
  readonly claims: Readonly<Record<string, string>>;
  readonly address: string;
  /** The credential is good and no workload's: debug types may be asked with it, and nothing else. */
  readonly onlyDebug?: boolean;
}

/** Turns a stream into subscriptions. Implemented in bin, bound to the graph. */
export interface ConfigSource {
  /**
   * Registers the proxy; refuses with a reason for a person when the node claims what the peer may
   * not. `undefined` sources are not ready yet: the caller waits for `ready`.
   */
  connect(node: Node, peer: Peer, form: "delta" | "sotw"): Connection | Refusal;
  /** About how many resources of one type a proxy may be able to name, before it is known which it is. */
  nameable?(): number;
  /** False until every configuration source has synced once. */
  readonly ready: boolean;
  /** Calls the listener once, at once where it is ready already. Returns how to stop waiting. */
  onReady(listener: () => void): () => void;
  /** Answers a question about the mesh (debug-questions.ts). Without it none is. */
  debug?(question: DebugQuestion, peer: Peer): readonly DebugResource[] | Refusal;
}

/** `istio.io/debug` with the name of a page, or `istio.io/debug/...` with names of proxies or none. */
export interface DebugQuestion {
  readonly type: string;
  readonly names: readonly string[];
}

/** Sent as an Any with this type. */
export interface DebugResource {
  readonly name: string;
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

export interface Refusal {
  readonly refused: string;
  /** gRPC status code: 7 PERMISSION_DENIED, 16 UNAUTHENTICATED, 8 RESOURCE_EXHAUSTED. */
  readonly code: number;
  /** Uid of the pod that the caller says it is; nothing has vouched for it. */
  readonly claimedPod?: string;
}

/** One connected proxy. Lives as long as its stream. */
export interface Connection {
  /** Unique for the stream, e.g. the node id with a counter. */
  readonly id: string;
  /** The set for a wildcard subscription of this type, or undefined if the type has none. */
  wildcard(type: string): WatchSet<Resource | undefined> | undefined;
  /** How many resources of one type this proxy can name: what it was told of, or may have been. */
  nameable?(): number;
  /** The interned set for these explicit names. A name without a resource has an undefined value. */
  named(type: string, names: readonly string[]): WatchSet<Resource | undefined>;
  /**
   * What a client that comes back says it has of this type (`initial_resource_versions`), before
   * any set of the type is asked for. A claim of the client's, like all it says. Returns the versions
   * to take it for: another one than it says where what it has does as well as what is here.
   */
  has?(type: string, versions: ReadonlyMap<string, string>): ReadonlyMap<string, string>;
  /** The proxy moved to another class: all sets must be asked for again. */
  onReclassified(listener: () => void): void;
  /** The proxy may not be served any more: its stream ends with this reason. */
  onRevoked?(listener: (why: Refusal) => void): void;
  /** Acknowledgements and rejections feed status; of configuration, only how it is divided. */
  report(event: StreamEvent): void;
  close(): void;
}

export type StreamEvent =
  | { readonly kind: "subscribed"; readonly type: string }
  /** The client came back with everything that it should have: nothing is sent. */
  | { readonly kind: "current"; readonly type: string; readonly revision: number }
  | {
      readonly kind: "sent";
      readonly type: string;
      readonly nonce: string;
      readonly revision: number;
      readonly names: number;
      readonly bytes: number;
      /** What the client has just asked for, and no push. */
      readonly answers?: boolean;
    }
  | {
      readonly kind: "acked";
      readonly type: string;
      readonly nonce: string;
      readonly revision: number;
      /** What the accepted response held; shared, not to be kept. */
      readonly resources?: readonly { readonly name: string }[];
    }
  | {
      readonly kind: "nacked";
      readonly type: string;
      readonly nonce: string;
      readonly revision: number;
      readonly message: string;
      /** What the rejected response held; the culprit is among them. */
      readonly names?: readonly string[];
    };
