/**
 * Shares the event loop between pushing and everything else. Streams with work take turns, one
 * message a turn, in slices; between two slices the loop accepts connections, reads acknowledgements
 * and answers pings. Without that, connected streams starve those that want to connect.
 */
export interface Pusher {
  /**
   * Writes at most one message. `again`: there may be more; `idle`: nothing until it schedules
   * itself again; `blocked`: the transport is full, `PushScheduler.drained` will be called.
   */
  push(stop: () => boolean): "again" | "idle" | "blocked";
}

export interface PushSchedulerOptions {
  /** What was written in a slice leaves with its end, so that clients work while others are written to. */
  readonly sliceMs: number;
  /** Messages written and not yet taken by their transports; more wait. */
  readonly inFlightMax: number;
  /** A transport that takes longer is slow: it no longer counts, so that it holds up nobody. */
  readonly slowAfterMs: number;
}

export const defaultPushScheduling: PushSchedulerOptions = {
  sliceMs: 2,
  inFlightMax: 64,
  slowAfterMs: 50,
};

export class PushScheduler {
  readonly #options: PushSchedulerOptions;
  readonly #queue = new Set<Pusher>();
  /** Their transports are full: asking them again before they drain gives nothing. */
  readonly #blocked = new Set<Pusher>();
  /** Those of them that count, with the time they were written to; oldest first. */
  readonly #inFlight = new Map<Pusher, number>();
  #lookAgain: NodeJS.Timeout | undefined;
  #scheduled = false;
  #closed = false;

  constructor(options: PushSchedulerOptions) {
    this.#options = options;
  }

  schedule(pusher: Pusher): void {
    if (this.#closed || this.#blocked.has(pusher) || this.#queue.has(pusher)) return;
    this.#queue.add(pusher);
    this.#arm();
  }

  /** The transport of a blocked pusher has room again. */
  drained(pusher: Pusher): void {
    this.#blocked.delete(pusher);
    this.#inFlight.delete(pusher);
    this.schedule(pusher);
    this.#arm();
  }

  forget(pusher: Pusher): void {
    this.#queue.delete(pusher);
    this.#blocked.delete(pusher);
    if (this.#inFlight.delete(pusher)) this.#arm();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#lookAgain);
    this.#queue.clear();
    this.#blocked.clear();
    this.#inFlight.clear();
  }

  #arm(): void {
    if (this.#scheduled || this.#queue.size === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#slice();
    });
  }

  #slice(): void {
    const endsAt = performance.now() + this.#options.sliceMs;
    const stop = (): boolean => performance.now() >= endsAt;
    for (const pusher of this.#queue) {
      if (stop()) break;
      if (this.#full()) return;
      this.#queue.delete(pusher);
      const result = pusher.push(stop);
      if (result === "again") this.#queue.add(pusher);
      if (result === "blocked") this.#block(pusher);
    }
    this.#arm();
  }

  #block(pusher: Pusher): void {
    // It may have asked for a turn while it wrote.
    this.#queue.delete(pusher);
    this.#blocked.add(pusher);
    this.#inFlight.set(pusher, performance.now());
  }

  /** When full, the next slice comes with a drained transport or when one turns out to be slow. */
  #full(): boolean {
    const now = performance.now();
    for (const [pusher, since] of this.#inFlight) {
      if (now - since < this.#options.slowAfterMs) break;
      this.#inFlight.delete(pusher);
    }
    if (this.#inFlight.size < this.#options.inFlightMax) return false;
    this.#lookAgain ??= setTimeout(() => {
      this.#lookAgain = undefined;
      this.#arm();
    }, this.#options.slowAfterMs).unref();
    return true;
  }
}
