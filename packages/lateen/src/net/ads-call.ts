import type { LimitedLog } from "../base/limited-log.ts";
import { TokenBucket } from "../base/token-bucket.ts";
import { GrpcStatus, type StreamEnd, type StreamLimits } from "../discovery/limits.ts";
import type { SnapshotCache } from "../discovery/snapshot.ts";
import { AdsStream } from "../discovery/stream.ts";
import type { ConfigSource, Peer } from "../discovery/types.ts";
import { type ServerLimits, WINDOW_BYTES } from "./ads-limits.ts";
import type { Account, Budget } from "./budget.ts";
import type { GrpcStream } from "./grpc-stream.ts";
import type { Pusher, PushScheduler } from "./push-scheduler.ts";

export interface AdsCallOptions {
  readonly form: "delta" | "sotw";
  readonly peer: Peer;
  readonly source: ConfigSource;
  readonly snapshots: SnapshotCache;
  readonly scheduler: PushScheduler;
  readonly streamLimits: StreamLimits;
  readonly serverLimits: ServerLimits;
  /** On whose account the stream is (owner.ts). */
  readonly owner: string;
  readonly budgets: CallBudgets;
  readonly controlPlane: string;
  readonly outsiders: LimitedLog;
  readonly onClose: () => void;
  /** What the client said is not taken. */
  readonly onRefused: (why: string) => void;
}

/** Shared by all streams of a server. */
export interface CallBudgets {
  /** Of messages that have begun, or wait until they are read. */
  readonly bytes: Budget;
  /** Asked for, and nothing answers to them. */
  readonly names: Budget;
}

/** What a message costs that is kept, beside its bytes: a thousand empty ones are no less. */
const HELD_MESSAGE_BYTES = 256;

/** How often `tick` is called while nothing is late. */
export const TICK_MS = 1000;

/** Joins one state machine to one transport. */
export class AdsCall implements Pusher {
  readonly #options: AdsCallOptions;
  readonly #transport: GrpcStream;
  readonly #machine: AdsStream;
  readonly #requests: TokenBucket;
  readonly #openedAtMs: number;
  #nowMs: number;
  readonly #bytes: Account;
  readonly #names: Account;
  /** Read, and not handled: more requests came than may. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Of the message that has begun. */
  #begunBytes = 0;
  /** How long that one has taken, of the time in which we were there to read it. */
  #begunForMs: number | undefined;
  #closed = false;

  constructor(options: AdsCallOptions, transport: GrpcStream, nowMs: number) {
    const { form, source, peer, snapshots, streamLimits, controlPlane, serverLimits } = options;
    const { owner, budgets } = options;
    this.#options = options;
    this.#transport = transport;
    this.#openedAtMs = nowMs;
    this.#nowMs = nowMs;
    this.#requests = new TokenBucket(
      serverLimits.requestsPerSecond,
      serverLimits.requestBurst,
      nowMs,
    );
    const over = (message: string): void => {
      this.#refused({ code: GrpcStatus.resourceExhausted, message });
    };
    this.#bytes = budgets.bytes.open(owner, over);
    this.#names = budgets.names.open(owner, over);
    const wake = (): void => this.#wake();
    this.#machine = new AdsStream(
      { form, source, peer, snapshots, limits: streamLimits, controlPlane, wake },
      nowMs,
    );
    transport.open({
      onMessage: message => {
        // The next one begins, if another does, with what follows.
        this.#begunForMs = undefined;
        this.#receive(message);
      },
      onBuffered: bytes => this.#buffered(bytes),
      onDrain: () => options.scheduler.drained(this),
      onHalfClose: () => this.end({ code: GrpcStatus.ok, message: "" }),
      onClose: () => this.#close(),
    });
  }

  push(stop: () => boolean): "again" | "idle" | "blocked" {
    if (this.#closed || this.#transport.closed) return "idle";
    try {
      const pulled = this.#machine.pull(stop);
      this.#names.set(this.#machine.unanswered);
      this.#chargeNames();
      if (this.#closed) return "idle";
      if (pulled.kind === "message") {
        if (!this.#transport.send(pulled.message)) return "blocked";
        return this.#machine.hasWork ? "again" : "idle";
      }
      if (pulled.kind === "end") this.end(pulled.end);
      return pulled.kind === "more" ? "again" : "idle";
    } catch (error) {
      this.#fail(error);
      return "idle";
    }
  }

  /** About once a second. */
  tick(nowMs: number): void {
    const sinceTickMs = nowMs - this.#nowMs;
    this.#nowMs = nowMs;
    const { serverLimits } = this.#options;
    const ageMs = nowMs - this.#openedAtMs;
    if (!this.#machine.hasBegun && ageMs > serverLimits.firstRequestMs) {
      const message = `no request within ${serverLimits.firstRequestMs} ms`;
      this.end({ code: GrpcStatus.invalidArgument, message });
      return;
    }
    if (this.#machine.isOver(nowMs)) {
      this.end({ code: GrpcStatus.ok, message: "" });
      return;
    }
    if (ageMs > serverLimits.streamAgeMaxMs) {
      this.moveOn("the stream reached its maximum age; connect again");
      return;
    }
    if (this.#takesTooLong(sinceTickMs)) {
      const message = `a request has begun and not ended for ${this.#begunForMs} ms; it may take ${serverLimits.messageMs} ms`;
      this.#refused({ code: GrpcStatus.deadlineExceeded, message });
      return;
    }
    this.#machine.tick(nowMs);
    if (this.#held.length > 0) this.#release();
  }

  /** Bytes of responses that are copied for it and not sent. */
  get unsentBytes(): number {
    return this.#transport.unsentBytes;
  }

  /**
   * What is late because we are counts no more than the time between two ticks that are on time: an
   * honest proxy is not cut for what it sent and we had no time to read.
   */
  #takesTooLong(sinceTickMs: number): boolean {
    if (this.#begunForMs === undefined) return false;
    // While it waits for us it has all the time.
    if (this.#held.length > 0) this.#begunForMs = 0;
    else this.#begunForMs += Math.min(sinceTickMs, TICK_MS);
    return this.#begunForMs > this.#options.serverLimits.messageMs;
  }

  /** Bytes that the next request may have, of which so many are announced. */
  requestBytesMax(announced: number): number {
    return this.#machine.requestBytesMax(announced);
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

  #buffered(bytes: number): void {
    if (this.#closed) return;
    if (bytes === 0) this.#begunForMs = undefined;
    else this.#begunForMs ??= 0;
    this.#begunBytes = bytes;
    this.#charge();
  }

  /** While it waits for us, as much as a window may have come and not be read. */
  #charge(): void {
    const unread = this.#held.length > 0 ? WINDOW_BYTES : 0;
    this.#bytes.set(this.#begunBytes + this.#heldBytes + unread);
  }

  #receive(message: Uint8Array): void {
    if (this.#closed) return;
    if (this.#held.length > 0 || !this.#requests.take(this.#nowMs, this.#costOf(message))) {
      // What has been read already waits here; the rest waits in the client.
      this.#held.push(Uint8Array.from(message));
      this.#heldBytes += HELD_MESSAGE_BYTES + message.length;
      this.#transport.pause();
      return;
    }
    this.#handle(message);
  }

  #costOf(message: Uint8Array): number {
    return 1 + message.length / this.#options.serverLimits.bytesPerRequest;
  }

  #release(): void {
    for (;;) {
      const [message] = this.#held;
      if (message === undefined || this.#closed) break;
      if (!this.#requests.take(this.#nowMs, this.#costOf(message))) break;
      this.#held.shift();
      this.#heldBytes -= HELD_MESSAGE_BYTES + message.length;
      this.#handle(message);
    }
    if (this.#closed) return;
    this.#charge();
    if (this.#held.length === 0) this.#transport.resume();
  }

  #handle(message: Uint8Array): void {
    try {
      const end = this.#machine.receive(message);
      this.#chargeNames();
      if (end !== undefined) this.#refused(end);
    } catch (error) {
      this.#fail(error);
    }
  }

  #chargeNames(): void {
    const { namesPerRequest } = this.#options.serverLimits;
    this.#requests.charge(this.#machine.takeNamesHandled() / namesPerRequest);
  }

  /** What the client said is not taken. */
  #refused(end: StreamEnd): void {
    if (this.#closed) return;
    const { outsiders, owner, peer } = this.#options;
    outsiders.warn(`${owner} ${end.code}`, "xDS stream ended", {
      peer: peer.address,
      identity: peer.identity,
      code: end.code,
      reason: end.message,
    });
    this.#options.onRefused(end.message);
    this.end(end);
  }

  /** A bug of ours ends this stream and no other. */
  #fail(error: unknown): void {
    this.#options.outsiders.error(this.#options.owner, "xDS stream failed", {
      peer: this.#options.peer.address,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    this.end({ code: GrpcStatus.internal, message: "internal error; connect again" });
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held = [];
    this.#bytes.set(0);
    this.#names.set(0);
    this.#options.scheduler.forget(this);
    try {
      this.#machine.close();
    } catch (error) {
      // The stream is gone all the same, and who ended it has other things to do.
      this.#options.outsiders.error(this.#options.owner, "xDS stream did not close in order", {
        peer: this.#options.peer.address,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    } finally {
      this.#options.onClose();
    }
  }
}
