/** Clients that mean ill, for tests: each kind goes on until it is told to stop. Loopback only. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from "node:http2";
import { DeltaDiscoveryRequest } from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { prefixed } from "../../src/net/grpc-frames.ts";

const PATH = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

export interface HostileOptions {
  readonly port: number;
  readonly address: string;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** A stream that ended is opened again after this. Default 100. */
  readonly againMs?: number;
}

/** What one client does with a stream that it has just opened. */
export type Behaviour = (stream: ClientHttp2Stream, options: HostileOptions, nth: number) => void;

const node = (name: string) => ({
  id: `sidecar~10.9.9.9~${name}.default~default.svc.cluster.local`,
  metadata: { ISTIO_VERSION: { toString: 1 }, LABELS: { [name]: name.repeat(20) } },
});

function send(stream: ClientHttp2Stream, request: DeltaDiscoveryRequest): void {
  const message = DeltaDiscoveryRequest.encode(request).finish();
  stream.write(prefixed(message, message.length));
}

const CLUSTERS = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

export const behaviours: Readonly<Record<string, Behaviour>> = {
  /** Opens and says nothing. */
  silent: () => {},
  /** Begins a request of 4 MB and stops. */
  stall(stream) {
    stream.write(Buffer.from([0, 0, 0x40, 0, 0]));
    stream.write(Buffer.alloc(200_000, 0x0a));
  },
  /** A byte now and then. */
  trickle(stream) {
    stream.write(Buffer.from([0, 0, 0x10, 0, 0]));
    const timer = setInterval(() => stream.write(Buffer.from([0x0a])), 20);
    stream.once("close", () => clearInterval(timer));
  },
  malformed(stream, { random }) {
    const bytes = Buffer.from(Array.from({ length: 300 }, () => Math.floor(random() * 256)));
    stream.write(prefixed(bytes, bytes.length));
  },
  /** Names that nothing answers to, others all the time. */
  churn(stream, _options, nth) {
    send(stream, { node: node(`churn${nth}`), typeUrl: ENDPOINTS, resourceNamesSubscribe: ["c"] });
    let round = 0;
    const names = (of: number) => Array.from({ length: 500 }, (_, i) => `none-${nth}-${of}-${i}`);
    const timer = setInterval(() => {
      const resourceNamesUnsubscribe = round > 0 ? names(round - 1) : [];
      const resourceNamesSubscribe = names(round++);
      send(stream, { typeUrl: ENDPOINTS, resourceNamesSubscribe, resourceNamesUnsubscribe });
    }, 50);
    stream.once("close", () => clearInterval(timer));
  },
  /** Asks for everything, and reads nothing. */
  deaf(stream, _options, nth) {
    stream.pause();
    send(stream, { node: node(`deaf${nth}`), typeUrl: CLUSTERS });
  },
  /** Types and names that every object inherits. */
  prototypes(stream, _options, nth) {
    send(stream, { node: node("__proto__"), typeUrl: "__proto__" });
    const resourceNamesSubscribe = ["constructor", "__proto__", `toString${nth}`];
    for (const typeUrl of [ENDPOINTS, "constructor", "toString"])
      send(stream, { typeUrl, resourceNamesSubscribe });
  },
  /** Rejects what it is sent, each time in other words. */
  nacks(stream, _options, nth) {
    send(stream, { node: node(`nacks${nth}`), typeUrl: CLUSTERS });
    const timer = setInterval(() => {
      const message = `no ${nth} ${Date.now()} ${"x".repeat(10_000)}`;
      send(stream, { typeUrl: CLUSTERS, responseNonce: "1", errorDetail: { message } });
    }, 50);
    stream.once("close", () => clearInterval(timer));
    stream.resume();
  },
};

/** Keeps `count` streams of a behaviour open, over few connections; those that end are opened again. */
export class Hostile {
  readonly #options: HostileOptions;
  readonly #behave: Behaviour;
  readonly #sessions = new Set<ClientHttp2Session>();
  #stopped = false;
  #nth = 0;
  /** gRPC status codes of streams that were ended, and how many. */
  readonly ended = new Map<number, number>();

  constructor(behave: Behaviour, count: number, options: HostileOptions) {
    this.#behave = behave;
    this.#options = options;
    for (let left = count; left > 0; left -= STREAMS_PER_CONNECTION)
      this.#connect(Math.min(left, STREAMS_PER_CONNECTION));
  }

  stop(): void {
    this.#stopped = true;
    for (const session of this.#sessions) session.destroy();
  }

  #connect(streams: number): void {
    const { port, address } = this.#options;
    const options = { localAddress: address } as object;
    const session = connect(`http://127.0.0.1:${port}`, options);
    this.#sessions.add(session);
    session.on("error", () => {});
    session.once("close", () => {
      this.#sessions.delete(session);
      this.#later(() => this.#connect(streams));
    });
    for (let i = 0; i < streams; i++) this.#open(session);
  }

  #open(session: ClientHttp2Session): void {
    if (session.destroyed || session.closed) return;
    const headers = { ":method": "POST", ":path": PATH, "content-type": "application/grpc" };
    const stream = session.request(headers);
    stream.on("error", () => {});
    const count = (from: IncomingHttpHeaders): void => {
      const code = Number(from["grpc-status"] ?? -1);
      if (code >= 0) this.ended.set(code, (this.ended.get(code) ?? 0) + 1);
    };
    stream.on("response", count);
    stream.on("trailers", count);
    stream.once("close", () => this.#later(() => this.#open(session)));
    this.#behave(stream, this.#options, this.#nth++);
    if (!stream.isPaused()) stream.resume();
  }

  #later(work: () => void): void {
    if (this.#stopped) return;
    setTimeout(() => {
      if (!this.#stopped) work();
    }, this.#options.againMs ?? AGAIN_MS).unref();
  }
}

const STREAMS_PER_CONNECTION = 30;
const AGAIN_MS = 100;
