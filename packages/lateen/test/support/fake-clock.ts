import type { Clock } from "../../src/base/clock.ts";

/** A clock that stands still until a test moves it; timers run in the order of their time. */
export class FakeClock implements Clock {
  #now: number;
  #monotonic = 0;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];

  constructor(now: number = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  get waiting(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#monotonic + Math.max(0, delayMs), callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter(other => other !== timer);
    };
  }

  /** Moves time on, running each timer at its own time. */
  advance(ms: number): void {
    const end = this.#monotonic + ms;
    for (;;) {
      const due = this.#timers.filter(timer => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter(other => other !== due);
      this.#goTo(Math.max(this.#monotonic, due.at));
      due.callback();
    }
    this.#goTo(end);
  }

  /** Somebody sets it, or the machine slept: `now` moves, on or back, and nothing else. */
  set(byMs: number): void {
    this.#now += byMs;
  }

  /** The process had no processor: time went on, and timers are late. */
  stall(ms: number): void {
    this.#goTo(this.#monotonic + ms);
  }

  #goTo(monotonic: number): void {
    this.#now += monotonic - this.#monotonic;
    this.#monotonic = monotonic;
  }
}
