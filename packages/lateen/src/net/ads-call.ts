import type { Log } from "../base/log.ts";
import { GrpcStatus, type StreamEnd, type StreamLimits } from "../discovery/limits.ts";
import type { SnapshotCache } from "../discovery/snapshot.ts";
import { AdsStream } from "../discovery/stream.ts";
import type { ConfigSource, Peer } from "../discovery/types.ts";
import type { ServerLimits } from "./ads-limits.ts";
import type { GrpcStream } from "./grpc-stream.ts";
import type { Pusher, PushScheduler } from "./push-scheduler.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface AdsCallOptions {
  readonly form: "delta" | "sotw";
  readonly peer: Peer;
  readonly source: ConfigSource;
  readonly snapshots: SnapshotCache;
  readonly scheduler: PushScheduler;
  readonly streamLimits: StreamLimits;
  readonly serverLimits: ServerLimits;
  readonly controlPlane: string;
  readonly log: Log;
  readonly onClose: () => void;
  /** What the client said is not taken. */
  readonly onRefused: (why: string) => void;
}

/** Joins one state machine to one transport. */
export class AdsCall implements Pusher {
  readonly #options: AdsCallOptions;
  readonly #transport: GrpcStream;
  readonly #machine: AdsStream;
  readonly #requests: TokenBucket;
  readonly #openedAtMs: number;
  #nowMs: number;
  #held: Uint8Array[] = [];
  #closed = false;

  constructor(options: AdsCallOptions, transport: GrpcStream, nowMs: number) {
    const { form, source, peer, snapshots, streamLimits, controlPlane, serverLimits } = options;
    this.#options = options;
    this.#transport = transport;
    this.#openedAtMs = nowMs;
    this.#nowMs = nowMs;
    this.#requests = new TokenBucket(
      serverLimits.requestsPerSecond,
      serverLimits.requestBurst,
      nowMs,
    );
    const wake = (): void => this.#wake();
    this.#machine = new AdsStream(
      { form, source, peer, snapshots, limits: streamLimits, controlPlane, wake },
      nowMs,
    );
    transport.open({
      onMessage: message => this.#receive(message),
      onDrain: () => options.scheduler.drained(this),
      onHalfClose: () => this.end({ code: GrpcStatus.ok, message: "" }),
      onClose: () => this.#close(),
    });
  }

  push(stop: () => boolean): "again" | "idle" | "blocked" {
    if (this.#closed || this.#transport.closed) return "idle";
    try {
      const pulled = this.#machine.pull(stop);
      if (pulled.kind === "message")
        return this.#transport.send(pulled.message) ? "again" : "blocked";
      if (pulled.kind === "end") this.end(pulled.end);
      return pulled.kind === "more" ? "again" : "idle";
    } catch (error) {
      this.#fail(error);
      return "idle";
    }
  }

  /** About once a second. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    const { serverLimits } = this.#options;
    const ageMs = nowMs - this.#openedAtMs;
    if (!this.#machine.hasBegun && ageMs > serverLimits.firstRequestMs) {
      const message = `no request within ${serverLimits.firstRequestMs} ms`;
      this.end({ code: GrpcStatus.invalidArgument, message });
      return;
    }
    if (ageMs > serverLimits.streamAgeMaxMs) {
      this.moveOn("the stream reached its maximum age; connect again");
      return;
    }
    this.#machine.tick(nowMs);
    if (this.#held.length > 0) this.#release();
  }

  /** Ends the stream so that the client connects anew: behind a Service maybe to another replica. */
  moveOn(message: string): void {
    this.#transport.leaveConnection();
    this.end({ code: GrpcStatus.unavailable, message });
  }

  end(end: StreamEnd): void {
    this.#transport.finish(end);
    this.#close();
  }

  cut(): void {
    this.#transport.cut();
    this.#close();
  }

  #wake(): void {
    if (!this.#closed) this.#options.scheduler.schedule(this);
  }

  #receive(message: Uint8Array): void {
    if (this.#closed) return;
    if (this.#held.length > 0 || !this.#requests.take(this.#nowMs)) {
      // What has been read already waits here; the rest waits in the client.
      this.#held.push(message);
      this.#transport.pause();
      return;
    }
    this.#handle(message);
  }

  #release(): void {
    while (this.#held.length > 0 && !this.#closed && this.#requests.take(this.#nowMs)) {
      const message = this.#held.shift();
      if (message !== undefined) this.#handle(message);
    }
    if (this.#held.length === 0 && !this.#closed) this.#transport.resume();
  }

  #handle(message: Uint8Array): void {
    try {
      const end = this.#machine.receive(message);
      if (end !== undefined) {
        this.#options.log.warn("xDS stream ended", {
          peer: this.#options.peer.address,
          identity: this.#options.peer.identity,
          code: end.code,
          reason: end.message,
        });
        this.#options.onRefused(end.message);
        this.end(end);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A bug of ours ends this stream and no other. */
  #fail(error: unknown): void {
    this.#options.log.error("xDS stream failed", {
      peer: this.#options.peer.address,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    this.end({ code: GrpcStatus.internal, message: "internal error; connect again" });
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held = [];
    this.#options.scheduler.forget(this);
    try {
      this.#machine.close();
    } catch (error) {
      // The stream is gone all the same, and who ended it has other things to do.
      this.#options.log.error("xDS stream did not close in order", {
        peer: this.#options.peer.address,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    } finally {
      this.#options.onClose();
    }
  }
}
