import { FairShares } from "../base/fair-shares.ts";
import type { TokenBucket } from "../base/token-bucket.ts";

export interface InLine {
  /** It is its turn. */
  admit(): void;
  /** The line is full, and its owner has more in it than others. */
  turnAway(): void;
}

/**
 * Lets a crowd in one after the other instead of turning it away: what finds no token waits in line.
 * Owners take turns, however many each has in line; and who finds the line full takes the place of one
 * whose owner has more in it. A stranger's thousands wait for one another, not others for them.
 */
export class FairLine {
  readonly #bucket: TokenBucket;
  readonly #waitingMax: number;
  readonly #waiting = new FairShares<InLine>();

  constructor(bucket: TokenBucket, waitingMax: number) {
    this.#bucket = bucket;
    this.#waitingMax = waitingMax;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Admits, lets wait, or turns away. The result leaves the line. Nobody is admitted unless `open`. */
  enter(owner: string, nowMs: number, open: boolean, entering: InLine): () => void {
    if (open && this.#waiting.size === 0 && this.#bucket.take(nowMs)) {
      entering.admit();
      return () => {};
    }
    if (this.#waiting.size >= this.#waitingMax) {
      const other = this.#waiting.givesWayTo(owner);
      if (other === undefined) {
        entering.turnAway();
        return () => {};
      }
      other.remove();
      other.item.turnAway();
    }
    const held = this.#waiting.add(owner, entering);
    return () => held.remove();
  }

  /** To be called regularly while somebody waits. */
  tick(nowMs: number): void {
    while (this.#waiting.size > 0 && this.#bucket.take(nowMs)) this.#waiting.takeNext()?.admit();
  }
}
