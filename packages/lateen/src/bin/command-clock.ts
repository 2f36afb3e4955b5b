/** Time for a command that waits for something: its timers keep the process alive. */
import type { Clock } from "../base/clock.ts";

export const commandClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
