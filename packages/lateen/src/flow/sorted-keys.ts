/** A batch of at most this many edits is spliced in one by one; a larger one is merged. */
const SPLICED_MAX = 8;
/** Sets up to this size are kept sorted at once; larger ones collect edits until they are read. */
const SMALL_MAX = 32;

const NONE: readonly string[] = Object.freeze([]);

/**
 * A set of keys that is read in ascending order of code units. What `values` gave out never changes
 * afterwards: rows may keep it. A large set collects edits and merges them when it is read, or when
 * they outnumber it, so that loading n keys in any order costs O(n log n).
 */
export class SortedKeys {
  #sorted: readonly string[] = NONE;
  /** Edits not merged yet: true for an added key, false for a removed one. */
  #pending: Map<string, boolean> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The key must not be there yet. */
  add(key: string): void {
    this.#size++;
    if (this.#pending === undefined && this.#sorted.length < SMALL_MAX) {
      this.#sorted = this.#sorted.toSpliced(lowerBound(this.#sorted, key), 0, key);
    } else {
      this.#postpone(key, true);
    }
  }

  /** The key must be there. */
  delete(key: string): void {
    this.#size--;
    if (this.#pending === undefined && this.#sorted.length <= SMALL_MAX) {
      this.#sorted = this.#sorted.toSpliced(lowerBound(this.#sorted, key), 1);
    } else {
      this.#postpone(key, false);
    }
  }

  has(key: string): boolean {
    return this.#pending?.get(key) ?? this.#sorted[lowerBound(this.#sorted, key)] === key;
  }

  values(): readonly string[] {
    if (this.#pending !== undefined) {
      if (this.#pending.size > 0) this.#sorted = merge(this.#sorted, this.#pending);
      this.#pending = undefined;
    }
    return this.#sorted;
  }

  #postpone(key: string, added: boolean): void {
    this.#pending ??= new Map();
    if (this.#pending.get(key) === !added) this.#pending.delete(key);
    else this.#pending.set(key, added);
    if (this.#pending.size > Math.max(SMALL_MAX, this.#sorted.length)) this.values();
  }
}

function merge(
  sorted: readonly string[],
  pending: ReadonlyMap<string, boolean>,
): readonly string[] {
  return pending.size <= SPLICED_MAX ? spliceEach(sorted, pending) : mergeAll(sorted, pending);
}

function spliceEach(
  sorted: readonly string[],
  pending: ReadonlyMap<string, boolean>,
): readonly string[] {
  const result = sorted.slice();
  for (const [key, added] of pending) {
    if (added) result.splice(lowerBound(result, key), 0, key);
    else result.splice(lowerBound(result, key), 1);
  }
  return result;
}

function mergeAll(
  sorted: readonly string[],
  pending: ReadonlyMap<string, boolean>,
): readonly string[] {
  // Without a comparator, sort() compares code units, which is the order wanted.
  const added = [...pending].flatMap(([key, isAdded]) => (isAdded ? [key] : [])).sort();
  const result: string[] = [];
  let next = 0;
  for (const key of sorted) {
    for (let early = added[next]; early !== undefined && early < key; early = added[next]) {
      result.push(early);
      next++;
    }
    if (!pending.has(key)) result.push(key);
  }
  return next < added.length ? result.concat(added.slice(next)) : result;
}

/** Position of the first element that is not below `key`. */
export function lowerBound(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
