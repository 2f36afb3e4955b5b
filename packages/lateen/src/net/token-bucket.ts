/** Allows `perSecond` on average and `burst` at once. Time comes from the caller. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  take(nowMs: number): boolean {
    // A clock that was set back must not freeze the bucket.
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perSecond) / 1000);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/**
 * Lets a crowd in one after the other instead of turning it away: what finds no token waits in
 * line, up to a bound.
 */
export class Pacer {
  readonly #bucket: TokenBucket;
  readonly #waitingMax: number;
  readonly #waiting = new Set<() => void>();

  constructor(bucket: TokenBucket, waitingMax: number) {
    this.#bucket = bucket;
    this.#waitingMax = waitingMax;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Runs `admit` now or in its turn; undefined when the line is full. The result leaves the line. */
  enter(nowMs: number, admit: () => void): (() => void) | undefined {
    if (this.#waiting.size === 0 && this.#bucket.take(nowMs)) {
      admit();
      return () => {};
    }
    if (this.#waiting.size >= this.#waitingMax) return undefined;
    this.#waiting.add(admit);
    return () => void this.#waiting.delete(admit);
  }

  /** To be called regularly while somebody waits. */
  tick(nowMs: number): void {
    for (const admit of this.#waiting) {
      if (!this.#bucket.take(nowMs)) return;
      this.#waiting.delete(admit);
      admit();
    }
  }
}
