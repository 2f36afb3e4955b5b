import type { Resource } from "./types.ts";

/** What the backlog needs to know about names. */
export interface Lookup {
  resource(name: string): Resource | undefined;
  /** True where a removal may be said: the client asked for the name, or for everything. */
  covers(name: string): boolean;
  /** True for what can not be built now: it is not gone, and the client keeps what it has. */
  failed(name: string): boolean;
  /** What to answer to who asks for a name that is not there, where a removal is no answer. */
  absent(name: string): Resource | undefined;
}

export interface Picked {
  readonly resources: Resource[];
  readonly removed: string[];
}

/**
 * The exceptions of one subscription: names that are still to be sent, and what became of those
 * that were rejected. Empty as soon as the client has everything.
 */
export class Backlog {
  /** Names asked for: answered also when there is no such resource. */
  readonly asked = new Set<string>();
  /** Names that changed. */
  readonly pending = new Set<string>();
  /** Removals that wait for other types; in the whole form with the resource to keep meanwhile. */
  readonly deferred = new Map<string, Resource | undefined>();
  /** Versions that the client rejected, by name: not sent again to this stream. */
  readonly #rejected = new Map<string, string>();
  /** Parts of rejected responses, sent again in halves until the culprits are alone. */
  readonly #suspects: (readonly string[])[] = [];

  get hasWork(): boolean {
    return this.asked.size + this.pending.size + this.#suspects.length > 0;
  }

  /** True while the client waits for what it asked for, or for what it rejected with others. */
  get owes(): boolean {
    return this.asked.size + this.#suspects.length > 0;
  }

  /** True while there is something to send now or later. */
  get hasLeft(): boolean {
    return this.hasWork || this.deferred.size > 0;
  }

  /** True when the client has, and will get, exactly what the sets hold. */
  get isClean(): boolean {
    return !this.hasLeft && this.#rejected.size === 0;
  }

  get size(): number {
    let size = this.asked.size + this.pending.size + this.deferred.size + this.#rejected.size;
    for (const names of this.#suspects) size += names.length;
    return size;
  }

  /** The client asks (again): what it rejected before is tried once more. */
  ask(name: string): void {
    this.asked.add(name);
    this.#rejected.delete(name);
  }

  forget(name: string): void {
    this.asked.delete(name);
    this.pending.delete(name);
    this.#rejected.delete(name);
  }

  /** `oneByOne`: the client took the others of the response in spite of the culprit. */
  reject(resources: readonly Resource[], oneByOne: boolean): void {
    if (oneByOne || resources.length <= 1) {
      for (const { name, version } of resources) this.#rejected.set(name, version);
      return;
    }
    const half = Math.ceil(resources.length / 2);
    const names = resources.map(resource => resource.name);
    this.#suspects.push(names.slice(0, half), names.slice(half));
  }

  /** Takes what goes into one response of about `maxBytes`. */
  pick(lookup: Lookup, removals: boolean, maxBytes: number): Picked {
    const picked: Picked = { resources: [], removed: [] };
    const left = this.#pickFrom(this.asked, lookup, true, maxBytes, picked);
    if (removals) for (const name of this.deferred.keys()) this.pending.add(name);
    this.#pickFrom(this.pending, lookup, removals, left, picked);
    if (picked.resources.length === 0) this.#pickSuspects(lookup, picked.resources);
    return picked;
  }

  #pickFrom(
    names: Set<string>,
    lookup: Lookup,
    removals: boolean,
    maxBytes: number,
    picked: Picked,
  ): number {
    let left = maxBytes;
    for (const name of names) {
      if (left <= 0) break;
      names.delete(name);
      this.pending.delete(name);
      const resource = lookup.resource(name);
      if (resource === undefined) {
        const absent = names === this.asked ? lookup.absent(name) : undefined;
        if (absent !== undefined) picked.resources.push(absent);
        else if (this.#pickRemoval(name, lookup, removals, picked)) left -= name.length;
        continue;
      }
      this.deferred.delete(name);
      if (this.#rejected.get(name) === resource.version) continue;
      this.#rejected.delete(name);
      picked.resources.push(resource);
      left -= resource.deltaField.length;
    }
    return left;
  }

  #pickRemoval(name: string, lookup: Lookup, removals: boolean, picked: Picked): boolean {
    if (!lookup.covers(name) || lookup.failed(name)) {
      this.deferred.delete(name);
      return false;
    }
    this.#rejected.delete(name);
    if (removals) {
      this.deferred.delete(name);
      picked.removed.push(name);
    } else {
      this.deferred.set(name, undefined);
    }
    return removals;
  }

  #pickSuspects(lookup: Lookup, resources: Resource[]): void {
    while (resources.length === 0) {
      const names = this.#suspects.pop();
      if (names === undefined) return;
      for (const name of names) {
        const resource = lookup.resource(name);
        if (resource !== undefined && this.#rejected.get(name) !== resource.version)
          resources.push(resource);
      }
    }
  }
}
