import { hash } from "node:crypto";
import { asStoredFamily } from "./cells.ts";
import { rule } from "./engine.ts";
import { ascending, type NameSource, StoredWatchSet } from "./watch-set.ts";
import type { WatchSet, WatchSets, WatchSetsOptions } from "./watch-types.ts";

export function createWatchSets<T>(options: WatchSetsOptions<T>): WatchSets<T> {
  return new InternedSets(options);
}

class InternedSets<T> implements WatchSets<T> {
  readonly #options: WatchSetsOptions<T>;
  /** Only sets that somebody holds: one that is asked for and never retained is plain garbage. */
  readonly #live = new Map<string, StoredWatchSet<T>>();

  constructor(options: WatchSetsOptions<T>) {
    this.#options = options;
  }

  get liveCount(): number {
    return this.#live.size;
  }

  explicit(view: string, names: readonly string[]): WatchSet<T> {
    const fixed = ascending(names);
    return this.#intern(JSON.stringify(["explicit", view, digestOf(fixed)]), view, { fixed });
  }

  following(view: string, key: string): WatchSet<T> {
    const { names } = this.#options;
    rule(names !== undefined, "following sets need a family of cells with names");
    const source = { family: asStoredFamily(names), key };
    return this.#intern(JSON.stringify(["following", view, key]), view, source);
  }

  #intern(id: string, view: string, names: NameSource): WatchSet<T> {
    const live = this.#live.get(id);
    if (live !== undefined) return live;
    const { cells, cellKey } = this.#options;
    const set = new StoredWatchSet(id, {
      cells: asStoredFamily(cells),
      cellKey: name => cellKey(view, name),
      names,
      onFirstHold: () => {
        rule(!this.#live.has(id), `watch set ${id} was asked for twice before it was retained`);
        this.#live.set(id, set);
      },
      onLastRelease: () => this.#live.delete(id),
    });
    return set;
  }
}

const digests = new WeakMap<readonly string[], string>();

/**
 * Lists of thousands of names are told apart by a hash, so that an id stays short. Streams that ask for
 * the same share one list, which nobody changes.
 */
function digestOf(names: readonly string[]): string {
  const known = digests.get(names);
  if (known !== undefined) return known;
  const digest = hash("sha256", JSON.stringify(names), "base64url");
  digests.set(names, digest);
  return digest;
}
