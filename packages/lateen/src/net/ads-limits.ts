/** Bounds of the xDS server's transport. What a stream may ask for is in discovery/limits.ts. */
export interface ServerLimits {
  /** Connections at one time, over all ports of a server. */
  readonly connectionsMax: number;
  /** Streams of one connection. Envoy opens one; other clients a few. */
  readonly streamsPerConnectionMax: number;
  /** Bytes of all request headers of a stream. A service-account token has about 1 KB. */
  readonly headerBytesMax: number;
  /** Bytes of one request message. */
  readonly messageBytesMax: number;
  /** Requests of one stream: this many at once, then so many a second; more are read later. */
  readonly requestBurst: number;
  readonly requestsPerSecond: number;
  /** New streams of the server: this many at once, then so many a second; more wait in line. */
  readonly newStreamBurst: number;
  readonly newStreamsPerSecond: number;
  readonly newStreamsWaitingMax: number;
  /** TLS handshake, and the time from the connection to the first stream. */
  readonly handshakeMs: number;
  /** A connection without streams is closed after this. */
  readonly idleMs: number;
  /** A ping after this long, and how long its answer may take before the peer counts as dead. */
  readonly pingEveryMs: number;
  readonly pingAnswerMs: number;
  /** A first request must come this soon after the headers. */
  readonly firstRequestMs: number;
  /** A stream is ended after about this long, so that the client authenticates again. */
  readonly streamAgeMaxMs: number;
}

export const defaultServerLimits: ServerLimits = {
  connectionsMax: 20_000,
  streamsPerConnectionMax: 32,
  headerBytesMax: 32 * 1024,
  messageBytesMax: 4 * 1024 * 1024,
  requestBurst: 1000,
  requestsPerSecond: 200,
  newStreamBurst: 500,
  newStreamsPerSecond: 500,
  newStreamsWaitingMax: 20_000,
  handshakeMs: 10_000,
  idleMs: 60_000,
  pingEveryMs: 30_000,
  pingAnswerMs: 10_000,
  firstRequestMs: 20_000,
  streamAgeMaxMs: 12 * 3600_000,
};
