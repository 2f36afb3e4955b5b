/**
 * Posting lists for equality selectors, in both directions. Neither scans: `LabelPostings` finds the
 * labelled things that a selector selects, `SelectorPostings` the selectors that select a thing.
 */
import { SortedKeys } from "./sorted-keys.ts";
import type { Selectable, Selector } from "./types.ts";

/** The pair that everything carries: where selectors without labels look. */
const ANY_PAIR = "";

type Labels = Readonly<Record<string, string>>;

/** Unambiguous for any key and value. */
function pairOf(key: string, value: string): string {
  return `${key.length}:${key}=${value}`;
}

function pairsOf(labels: Labels): string[] {
  return Object.entries(labels).map(([key, value]) => pairOf(key, value));
}

/** One text for all ways to write the same selector. */
export function selectorId(selector: Selector): string {
  return JSON.stringify([selector.namespace ?? null, sortedEntries(selector.matchLabels)]);
}

/** One text for all things that are the same to every selector. */
export function selectableId(target: Selectable): string {
  return JSON.stringify([target.namespace, sortedEntries(target.labels)]);
}

function sortedEntries(labels: Labels): [string, string][] {
  return Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

export function selects(selector: Selector, target: Selectable): boolean {
  if (selector.namespace !== undefined && selector.namespace !== target.namespace) return false;
  return hasLabels(selector.matchLabels, target.labels);
}

function hasLabels(wanted: Labels, labels: Labels): boolean {
  for (const [key, value] of Object.entries(wanted)) {
    if (!Object.hasOwn(labels, key) || labels[key] !== value) return false;
  }
  return true;
}

interface Posting {
  total: number;
  readonly byNamespace: Map<string, SortedKeys>;
}

/** Labelled things by each of their labels and namespace. */
export class LabelPostings {
  readonly #postings = new Map<string, Posting>();

  get size(): number {
    return this.#postings.get(ANY_PAIR)?.total ?? 0;
  }

  add(id: string, { namespace, labels }: Selectable): void {
    this.#file(ANY_PAIR, namespace, id);
    for (const pair of pairsOf(labels)) this.#file(pair, namespace, id);
  }

  delete(id: string, { namespace, labels }: Selectable): void {
    this.#unfile(ANY_PAIR, namespace, id);
    for (const pair of pairsOf(labels)) this.#unfile(pair, namespace, id);
  }

  /** Ids of what `selector` selects, ascending. Walks the shortest of its posting lists. */
  matching({ namespace, matchLabels }: Selector): readonly string[] {
    const postings: Posting[] = [];
    for (const pair of pairsOf(matchLabels)) {
      const posting = this.#postings.get(pair);
      if (posting === undefined) return [];
      postings.push(posting);
    }
    if (namespace !== undefined) return this.#within(namespace, postings);
    const [shortest] = postings.sort((a, b) => a.total - b.total);
    const namespaces = (shortest ?? this.#postings.get(ANY_PAIR))?.byNamespace.keys() ?? [];
    return [...namespaces].flatMap(name => this.#within(name, postings)).sort();
  }

  #within(namespace: string, postings: readonly Posting[]): readonly string[] {
    const lists: SortedKeys[] = [];
    for (const posting of postings) {
      const list = posting.byNamespace.get(namespace);
      if (list === undefined) return [];
      lists.push(list);
    }
    const [shortest, ...others] = lists.sort((a, b) => a.size - b.size);
    if (shortest === undefined) {
      return this.#postings.get(ANY_PAIR)?.byNamespace.get(namespace)?.values() ?? [];
    }
    if (others.length === 0) return shortest.values();
    return shortest.values().filter(id => others.every(list => list.has(id)));
  }

  #file(pair: string, namespace: string, id: string): void {
    let posting = this.#postings.get(pair);
    if (posting === undefined) {
      posting = { total: 0, byNamespace: new Map() };
      this.#postings.set(pair, posting);
    }
    let list = posting.byNamespace.get(namespace);
    if (list === undefined) {
      list = new SortedKeys();
      posting.byNamespace.set(namespace, list);
    }
    list.add(id);
    posting.total++;
  }

  #unfile(pair: string, namespace: string, id: string): void {
    const posting = this.#postings.get(pair);
    const list = posting?.byNamespace.get(namespace);
    if (posting === undefined || list === undefined) return;
    list.delete(id);
    posting.total--;
    if (list.size === 0) posting.byNamespace.delete(namespace);
    if (posting.total === 0) this.#postings.delete(pair);
  }
}

/** Selectors of one namespace (or of all), each filed under one of its labels. */
type Drawer = Map<string, Map<string, Labels>>;

/** Selectors by one of their labels: any would do, the one with the fewest others is taken. */
export class SelectorPostings {
  readonly #everywhere: Drawer = new Map();
  readonly #byNamespace = new Map<string, Drawer>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(id: string, { namespace, matchLabels }: Selector): void {
    let drawer = this.#drawerOf(namespace);
    if (drawer === undefined) {
      drawer = new Map();
      if (namespace !== undefined) this.#byNamespace.set(namespace, drawer);
    }
    const pair = leastUsed(drawer, pairsOf(matchLabels));
    let filed = drawer.get(pair);
    if (filed === undefined) {
      filed = new Map();
      drawer.set(pair, filed);
    }
    filed.set(id, matchLabels);
    this.#size++;
  }

  delete(id: string, { namespace, matchLabels }: Selector): void {
    const drawer = this.#drawerOf(namespace);
    if (drawer === undefined) return;
    for (const pair of [ANY_PAIR, ...pairsOf(matchLabels)]) {
      const filed = drawer.get(pair);
      if (!filed?.delete(id)) continue;
      this.#size--;
      if (filed.size === 0) drawer.delete(pair);
    }
    if (namespace !== undefined && drawer.size === 0) this.#byNamespace.delete(namespace);
  }

  /** Ids of the selectors that select `target`, ascending. */
  matching({ namespace, labels }: Selectable): readonly string[] {
    const drawers = [this.#everywhere, this.#byNamespace.get(namespace)];
    const pairs = [ANY_PAIR, ...pairsOf(labels)];
    const found: string[] = [];
    for (const drawer of drawers) {
      if (drawer === undefined) continue;
      for (const pair of pairs) {
        for (const [id, wanted] of drawer.get(pair) ?? []) {
          if (hasLabels(wanted, labels)) found.push(id);
        }
      }
    }
    return found.sort();
  }

  #drawerOf(namespace: string | undefined): Drawer | undefined {
    return namespace === undefined ? this.#everywhere : this.#byNamespace.get(namespace);
  }
}

function leastUsed(drawer: Drawer, pairs: readonly string[]): string {
  let best = pairs[0] ?? ANY_PAIR;
  for (const pair of pairs) {
    if ((drawer.get(pair)?.size ?? 0) < (drawer.get(best)?.size ?? 0)) best = pair;
  }
  return best;
}
