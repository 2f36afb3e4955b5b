import type { ResourceSet } from "./snapshot.ts";
import type { Resource } from "./types.ts";

/**
 * One watch set as one stream follows it: the set, and the revision up to which its changes have
 * been taken. Nothing is kept for each resource.
 */
export class Feed {
  #set: ResourceSet;
  #revision = -1;
  /** What the client has, while the set was exchanged and the exchange has not been taken yet. */
  #baseline: { readonly set: ResourceSet; readonly revision: number } | undefined;
  /** Something may differ from what was taken: the set said so, or it is another one. */
  #stale = true;
  #unwatch: () => void;
  readonly #onDirty: () => void;

  constructor(set: ResourceSet, onDirty: () => void) {
    this.#set = set;
    this.#onDirty = () => {
      this.#stale = true;
      onDirty();
    };
    set.retain();
    this.#unwatch = set.onDirty(this.#onDirty);
  }

  get set(): ResourceSet {
    return this.#set;
  }

  /** Revision up to which changes were taken; -1: nothing has been yet. */
  get revision(): number {
    return this.#revision;
  }

  /** False while there is nothing to take, whatever the revision of the graph is meanwhile. */
  get stale(): boolean {
    return this.#stale;
  }

  get fresh(): boolean {
    return this.#revision === -1 && this.#baseline === undefined;
  }

  resource(name: string): Resource | undefined {
    return this.#set.cell(name)?.value();
  }

  has(name: string): boolean {
    return this.#set.cell(name) !== undefined;
  }

  /** Other names, or the view of another proxy class. What differs shows in the next `take`. */
  exchange(set: ResourceSet): void {
    if (set === this.#set) return;
    this.#stale = true;
    set.retain();
    const left = this.#set;
    this.#unwatch();
    this.#set = set;
    this.#unwatch = set.onDirty(this.#onDirty);
    if (this.#revision === -1 || this.#baseline !== undefined) left.release();
    else this.#baseline = { set: left, revision: this.#revision };
  }

  /** False when `stop` came before everything was built. */
  settle(stop: () => boolean): boolean {
    if (this.#baseline !== undefined && !this.#baseline.set.settle(stop)) return false;
    return this.#set.settle(stop);
  }

  /** Marks everything up to now as taken. The set must be settled. */
  skip(): void {
    this.#baseline?.set.release();
    this.#baseline = undefined;
    this.#revision = this.#set.revision;
    this.#stale = false;
  }

  /**
   * Names that may differ from what the client has. The set must be settled and not fresh. False
   * when too much was forgotten: nobody knows any more what the client has.
   */
  take(into: Set<string>): boolean {
    const { set, revision } = this.#baseline ?? { set: this.#set, revision: this.#revision };
    let complete = true;
    if (revision !== set.revision) {
      const changes = set.since(revision);
      for (const name of changes.changed) into.add(name);
      for (const name of changes.removed) into.add(name);
      complete = changes.incomplete !== true;
    }
    if (this.#baseline !== undefined) this.#compare(set, into);
    this.skip();
    return complete;
  }

  #compare(before: ResourceSet, into: Set<string>): void {
    for (const name of this.#set.names()) {
      const had = before.cell(name);
      const has = this.#set.cell(name);
      if (had !== has && had?.value()?.version !== has?.value()?.version) into.add(name);
    }
    for (const name of before.names()) {
      if (this.#set.cell(name) === undefined) into.add(name);
    }
  }

  close(): void {
    this.#unwatch();
    this.#baseline?.set.release();
    this.#baseline = undefined;
    this.#set.release();
  }
}
