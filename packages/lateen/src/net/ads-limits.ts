/** Bounds of the xDS server's transport. What a stream may ask for is in discovery/limits.ts. */
export interface ServerLimits {
  /** Connections at one time, over all ports of a server. */
  readonly connectionsMax: number;
  /** Streams of one connection. Envoy opens one; other clients a few. */
  readonly streamsPerConnectionMax: number;
  /** Bytes of all request headers of a stream. A service-account token has about 1 KB. */
  readonly headerBytesMax: number;
  /** Streams at one time, over all connections. */
  readonly streamsMax: number;
  /** Bytes of messages that have begun and not ended, or wait to be read: of all, and of one owner. */
  readonly bufferedBytesMax: number;
  readonly bufferedBytesPerOwnerMax: number;
  /** A message that has begun must end this soon. */
  readonly messageMs: number;
  /** Names asked for that nothing answers to: of all, and of one owner. */
  readonly unknownNamesMax: number;
  readonly unknownNamesPerOwnerMax: number;
  /**
   * Requests of one stream: this many at once, then so many a second; more are read later. As many
   * bytes, or names that it did not ask for before, count as one more request.
   */
  readonly requestBurst: number;
  readonly requestsPerSecond: number;
  readonly bytesPerRequest: number;
  readonly namesPerRequest: number;
  /**
   * Credentials that are looked at: this many at once, then so many a second; more wait in line, where
   * addresses take turns.
   */
  readonly credentialBurst: number;
  readonly credentialsPerSecond: number;
  /**
   * Streams that are let in: this many at once, then so many a second; more wait in line, where
   * owners take turns (a pod, an identity, or else an address).
   */
  readonly newStreamBurst: number;
  readonly newStreamsPerSecond: number;
  /** In each of the two lines. */
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

/** What a stream may send before we read on: HTTP/2's own first window. */
export const WINDOW_BYTES = 65_535;

export const defaultServerLimits: ServerLimits = {
  connectionsMax: 20_000,
  streamsPerConnectionMax: 32,
  headerBytesMax: 32 * 1024,
  streamsMax: 40_000,
  bufferedBytesMax: 256 * 1024 * 1024,
  bufferedBytesPerOwnerMax: 64 * 1024 * 1024,
  messageMs: 30_000,
  unknownNamesMax: 200_000,
  unknownNamesPerOwnerMax: 50_000,
  requestBurst: 1000,
  requestsPerSecond: 200,
  bytesPerRequest: 20_000,
  namesPerRequest: 100,
  credentialBurst: 2000,
  credentialsPerSecond: 2000,
  newStreamBurst: 500,
  newStreamsPerSecond: 500,
  newStreamsWaitingMax: 20_000,
  handshakeMs: 30_000,
  idleMs: 60_000,
  pingEveryMs: 30_000,
  pingAnswerMs: 60_000,
  firstRequestMs: 20_000,
  streamAgeMaxMs: 12 * 3600_000,
};
