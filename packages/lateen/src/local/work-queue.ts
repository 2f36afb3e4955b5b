import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";

export interface WorkQueueOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Brings one key to what it should be. May be called again at any time for any key. */
  work(key: string): Promise<void>;
}

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;

/**
 * Keys that have to be looked at: each waits once however often it is named, one is worked on at a
 * time, and one that fails comes back later.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { readonly at: number; readonly cancel: () => void }>();
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  add(key: string): void {
    if (this.#stopped) return;
    this.#waiting.add(key);
    this.#running ??= this.#run();
  }

  /** Looks at the key again after some time; of several dates the earliest counts. */
  addLater(key: string, delayMs: number): void {
    if (this.#stopped) return;
    const { clock } = this.#options;
    const at = clock.monotonic() + delayMs;
    const known = this.#timers.get(key);
    if (known !== undefined && known.at <= at) return;
    known?.cancel();
    const cancel = clock.after(delayMs, () => {
      this.#timers.delete(key);
      this.add(key);
    });
    this.#timers.set(key, { at, cancel });
  }

  /** Resolves when what is being worked on is done; nothing is begun afterwards. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    for (const { cancel } of this.#timers.values()) cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      // Later: who adds several keys in a row has them all added first, and timers, sockets and
      // other queues get their turn however many keys there are.
      await new Promise(next => setImmediate(next));
      const [key] = this.#waiting;
      if (key === undefined || this.#stopped) break;
      this.#waiting.delete(key);
      await this.#work(key);
    }
    this.#running = undefined;
  }

  async #work(key: string): Promise<void> {
    try {
      await this.#options.work(key);
      this.#failures.delete(key);
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      const text = error instanceof Error ? error.message : String(error);
      const { name, log } = this.#options;
      // Once is everyday: somebody else was faster. What stays wrong comes here again.
      const level = failures === 1 ? "debug" : "warn";
      log[level]("will be tried again", { controller: name, key, failures, error: text });
      this.addLater(key, Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10)));
    }
  }
}
