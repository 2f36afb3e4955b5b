/** Time comes from outside, so that tests can hold it. Implemented at the edge (net, bin). */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Milliseconds that only go on, from wherever: for how long something takes, stands or is put off.
   * Somebody may set the clock that `now` reads, by hours, and nothing must be late or early for that.
   */
  monotonic(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}
