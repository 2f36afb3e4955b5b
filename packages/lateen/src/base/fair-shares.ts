/** What several owners hold of one thing, such that the one with the most is found at once. */

/** One thing held. */
export interface Held<T> {
  readonly item: T;
  readonly owner: string;
  /** Takes it out; a second time does nothing. */
  remove(): void;
}

class Entry<T> implements Held<T> {
  readonly item: T;
  readonly share: Share<T>;
  readonly #remove: (entry: Entry<T>) => void;
  previous: Entry<T> | undefined;
  next: Entry<T> | undefined;
  isIn = true;

  constructor(item: T, share: Share<T>, remove: (entry: Entry<T>) => void) {
    this.item = item;
    this.share = share;
    this.#remove = remove;
  }

  get owner(): string {
    return this.share.owner;
  }

  remove(): void {
    if (this.isIn) this.#remove(this);
  }
}

interface Share<T> {
  readonly owner: string;
  count: number;
  oldest: Entry<T> | undefined;
  newest: Entry<T> | undefined;
}

export class FairShares<T> {
  readonly #shares = new Map<string, Share<T>>();
  /** Shares by how many things they have. */
  readonly #byCount = new Map<number, Set<Share<T>>>();
  #most = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get owners(): number {
    return this.#shares.size;
  }

  countOf(owner: string): number {
    return this.#shares.get(owner)?.count ?? 0;
  }

  add(owner: string, item: T): Held<T> {
    const share = this.#shares.get(owner) ?? this.#open(owner);
    const entry = new Entry(item, share, each => this.#remove(each));
    entry.previous = share.newest;
    if (share.newest === undefined) share.oldest = entry;
    else share.newest.next = entry;
    share.newest = entry;
    this.#size++;
    this.#recount(share, share.count + 1);
    return entry;
  }

  /**
   * The newest thing of an owner that has more than `owner` would have with one more: who has to give
   * way to it. undefined: nobody, `owner` has as many as anybody.
   */
  givesWayTo(owner: string): Held<T> | undefined {
    if (this.#most <= this.countOf(owner) + 1) return undefined;
    for (const share of this.#byCount.get(this.#most) ?? []) return share.newest;
    return undefined;
  }

  /** The oldest thing of the owner whose turn it is; owners take turns. */
  takeNext(): T | undefined {
    for (const share of this.#shares.values()) {
      const { oldest, owner } = share;
      if (oldest === undefined) continue;
      oldest.remove();
      if (share.count > 0) {
        this.#shares.delete(owner);
        this.#shares.set(owner, share);
      }
      return oldest.item;
    }
    return undefined;
  }

  items(): T[] {
    const items: T[] = [];
    for (const { oldest } of this.#shares.values())
      for (let each = oldest; each !== undefined; each = each.next) items.push(each.item);
    return items;
  }

  #open(owner: string): Share<T> {
    const share = { owner, count: 0, oldest: undefined, newest: undefined };
    this.#shares.set(owner, share);
    return share;
  }

  #remove(entry: Entry<T>): void {
    entry.isIn = false;
    const { share, previous, next } = entry;
    if (previous === undefined) share.oldest = next;
    else previous.next = next;
    if (next === undefined) share.newest = previous;
    else next.previous = previous;
    this.#size--;
    this.#recount(share, share.count - 1);
    if (share.count === 0) this.#shares.delete(share.owner);
  }

  #recount(share: Share<T>, count: number): void {
    const before = this.#byCount.get(share.count);
    before?.delete(share);
    if (before?.size === 0) this.#byCount.delete(share.count);
    share.count = count;
    if (count > 0) {
      const now = this.#byCount.get(count) ?? new Set();
      this.#byCount.set(count, now.add(share));
    }
    if (count > this.#most) this.#most = count;
    else if (!this.#byCount.has(this.#most)) this.#most--;
  }
}
