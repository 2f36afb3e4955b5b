const none: readonly string[] = [];

/** The explicit names of one subscription; changes are collected and taken together. */
export class NameList {
  /** May be a list that other streams share: never changed in place. */
  #names: readonly string[] = none;
  #queued: Map<string, boolean> | undefined;
  /** `#names` came as one list, and has not been taken over yet. */
  #isNew = false;
  #size = 0;

  /** As of the last `take`. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** With the changes that were not taken yet. */
  get size(): number {
    return this.#size;
  }

  get queuedSize(): number {
    return (this.#queued?.size ?? 0) + (this.#isNew ? this.#names.length : 0);
  }

  /** The first names. A list that is in order is kept as it is: other streams may have the same one. */
  begin(names: readonly string[]): void {
    if (this.#size > 0 || this.queuedSize > 0 || !isAscending(names)) {
      for (const name of names) this.queue(name, true);
      return;
    }
    this.#names = names;
    this.#size = names.length;
    this.#isNew = names.length > 0;
  }

  queue(name: string, wanted: boolean): void {
    this.#queued ??= new Map();
    const had = this.#queued.get(name) ?? isIn(this.#names, name);
    if (had !== wanted) this.#size += wanted ? 1 : -1;
    this.#queued.set(name, wanted);
  }

  /** True when the name is among those that wait to be taken. */
  isComing(name: string): boolean {
    const queued = this.#queued?.get(name);
    return queued ?? (this.#isNew && isIn(this.#names, name));
  }

  /** The new list, or undefined when nothing was queued. */
  take(): readonly string[] | undefined {
    const queued = this.#queued;
    if (queued === undefined && !this.#isNew) return undefined;
    this.#queued = undefined;
    this.#isNew = false;
    if (queued !== undefined) this.#names = this.#merged(queued).sort();
    return this.#names;
  }

  /** Exchanges the list for an equal one that is shared. */
  share(names: readonly string[]): void {
    this.#names = names;
  }

  #merged(queued: ReadonlyMap<string, boolean>): string[] {
    const merged = this.#names.filter(name => !queued.has(name));
    for (const [name, wanted] of queued) if (wanted) merged.push(name);
    return merged;
  }
}

/** Each once, as `take` sorts. */
function isAscending(names: readonly string[]): boolean {
  return names.every((name, i) => i === 0 || (names[i - 1] ?? "") < name);
}

/** `sorted` as `take` sorts. */
function isIn(sorted: readonly string[], name: string): boolean {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const found = sorted[middle] ?? "";
    if (found === name) return true;
    if (found < name) from = middle + 1;
    else to = middle;
  }
  return false;
}
