/**
 * Allows `perSecond` on average and `burst` at once. What costs more than is left is allowed, and owed:
 * nothing is too large for ever. Time comes from the caller.
 */
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

  take(nowMs: number, cost = 1): boolean {
    if (this.#refilled(nowMs) < 1) return false;
    this.#tokens -= cost;
    return true;
  }

  /** How long it takes until one can be taken. */
  waitMs(nowMs: number): number {
    const missing = 1 - this.#refilled(nowMs);
    return missing <= 0 ? 0 : Math.ceil((missing * 1000) / this.#perSecond);
  }

  /** Where nothing may be owed: only as much as is left. */
  takeWhole(nowMs: number, cost: number): boolean {
    if (this.#refilled(nowMs) < cost) return false;
    this.#tokens -= cost;
    return true;
  }

  #refilled(nowMs: number): number {
    // A clock that was set back must not freeze the bucket.
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perSecond) / 1000);
    return this.#tokens;
  }

  /** What something turned out to cost beyond what was taken for it. */
  charge(cost: number): void {
    this.#tokens -= cost;
  }
}
