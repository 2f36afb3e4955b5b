/** What a client may ask for on one stream, and how long the server waits for its answers. */
export interface StreamLimits {
  /** Resource types on one stream. */
  readonly typesMax: number;
  /**
   * Explicit names for one type; or twice as many as the proxy can name, where that is more. A client
   * that comes back may name what went while it was away: this many are always taken, or it would
   * be turned away for ever.
   */
  readonly namesPerTypeMax: number;
  /** Bytes of a request; or as many as such names need, where that is more. */
  readonly requestBytesMax: number;
  /** The same while it is not known who asks, and what there is to name. */
  readonly firstRequestBytesMax: number;
  /** UTF-16 units of a resource name, a type URL, a nonce or a node id. */
  readonly nameLengthMax: number;
  /** Bytes of `node` without its extensions: its metadata, above all. */
  readonly nodeBytesMax: number;
  /** Bytes of `node.extensions`, which is never read. Envoy's own list has about 61 KB. */
  readonly extensionBytesMax: number;
  /**
   * A response of a type that may be sent in parts ends after the resource that reaches this.
   * Below the 4 MB that gRPC clients other than Envoy accept by default.
   */
  readonly responseBytesSoft: number;
  /**
   * After this long without an acknowledgement a response no longer holds anything up: neither the
   * next one of its type nor the types that follow it in order.
   */
  readonly ackWaitMs: number;
}

export const defaultStreamLimits: StreamLimits = {
  typesMax: 32,
  namesPerTypeMax: 20_000,
  requestBytesMax: 5 * 1024 * 1024,
  firstRequestBytesMax: 8 * 1024 * 1024,
  nameLengthMax: 2048,
  nodeBytesMax: 512 * 1024,
  extensionBytesMax: 512 * 1024,
  responseBytesSoft: 3 * 1024 * 1024,
  ackWaitMs: 5000,
};

/** Clients name what they have been told of, and what went a moment ago. */
const NAMES_PER_NAMEABLE = 2;
/** A cluster's name has some 60 to 120 characters, its version sixteen, and each a tag and a length. */
const BYTES_PER_NAME = 256;

/** Names of one type where so many can be named. */
export function namesMax(limits: StreamLimits, nameable: number): number {
  return Math.max(limits.namesPerTypeMax, NAMES_PER_NAMEABLE * nameable);
}

/** Bytes of a request where so many can be named; `least` where they are few. */
export function requestBytesFor(least: number, nameable: number): number {
  return Math.max(least, NAMES_PER_NAMEABLE * BYTES_PER_NAME * nameable);
}

/** The gRPC status codes that this product ends streams with. */
export const GrpcStatus = {
  ok: 0,
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** Why a stream ends; the message goes to the client as `grpc-message`. */
export interface StreamEnd {
  readonly code: number;
  readonly message: string;
}
