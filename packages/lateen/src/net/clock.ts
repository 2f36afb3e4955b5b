import type { Clock } from "../base/clock.ts";

/** The longest delay a Node timer can hold; longer ones would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/**
 * Wall-clock time, and what only goes on, over Node's timers. Timers do not keep the process alive: what does is the
 * servers and watches. Delays longer than a timer can hold are waited for in parts.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const partMs = Math.min(Math.max(leftMs, 0), TIMER_MAX_MS);
      const next = leftMs > partMs ? () => arm(leftMs - partMs) : callback;
      timer = setTimeout(next, partMs).unref();
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
};
