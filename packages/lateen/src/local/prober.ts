import type { Probe } from "../api/pod/container.ts";
import type { Clock } from "../base/clock.ts";
import type { ProbeCheck } from "./probe-check.ts";

export interface ProberOptions {
  readonly probe: Probe;
  readonly check: ProbeCheck;
  readonly clock: Clock;
  /** How often it is asked before it has ever succeeded; Kubernetes asks at the full period. */
  readonly firstPeriodMs: number;
  /** From its start on, failures are no news for so long. */
  readonly quietMs: number;
  /** While it says so nothing is asked: what would answer is not up yet. */
  held(): boolean;
  /** The answer has changed, thresholds taken into account; `why` is the last failure. */
  onResult(good: boolean, why: string): void;
  /** It has failed, thresholds not taken into account; at the probe's own period, as Kubernetes asks. */
  onFailure(why: string): void;
}

const HELD_MS = 200;

/** Asks at intervals until it is stopped. Starts out with no result. */
export class Prober {
  readonly #options: ProberOptions;
  #result: boolean | undefined;
  #successes = 0;
  #failures = 0;
  #stopped = false;
  #cancel: () => void = () => {};
  #failureAt: number;

  constructor(options: ProberOptions) {
    this.#options = options;
    const delayMs = options.probe.initialDelaySeconds * 1000;
    this.#failureAt = options.clock.monotonic() + delayMs + options.quietMs;
    this.#next(options.probe.initialDelaySeconds * 1000);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #next(delayMs: number): void {
    if (this.#stopped) return;
    this.#cancel = this.#options.clock.after(delayMs, () => void this.#ask());
  }

  async #ask(): Promise<void> {
    if (this.#options.held()) {
      this.#next(HELD_MS);
      return;
    }
    const wrong = await this.#options.check();
    if (this.#stopped) return;
    this.#take(wrong);
    const periodMs = this.#options.probe.periodSeconds * 1000;
    const first = this.#result !== true && wrong !== undefined && this.#failures < 1000;
    this.#next(first ? Math.min(periodMs, this.#options.firstPeriodMs) : periodMs);
  }

  #take(wrong: string | undefined): void {
    const { failureThreshold, successThreshold } = this.#options.probe;
    if (wrong === undefined) {
      this.#failures = 0;
      if (++this.#successes >= successThreshold) this.#settle(true, "");
    } else {
      this.#successes = 0;
      this.#tell(wrong);
      if (++this.#failures >= failureThreshold) this.#settle(false, wrong);
    }
  }

  #tell(why: string): void {
    const { clock, probe, onFailure } = this.#options;
    const now = clock.monotonic();
    if (now < this.#failureAt) return;
    this.#failureAt = now + probe.periodSeconds * 1000;
    onFailure(why);
  }

  #settle(good: boolean, why: string): void {
    if (this.#result === good) return;
    this.#result = good;
    this.#options.onResult(good, why);
  }
}
