import { type Engine, rule } from "./engine.ts";
import { deepEqual } from "./equal.ts";
import { LabelPostings, SelectorPostings, selectableId, selectorId } from "./labels.ts";
import { type InputDescription, type Point, PointMap } from "./point.ts";
import { asTable, type Change, type Table } from "./table.ts";
import type { Collection, Selectable, SelectableIndex, Selector, SelectorIndex } from "./types.ts";

interface Postings<Filed, Query> {
  readonly size: number;
  add(id: string, filed: Filed): void;
  delete(id: string, filed: Filed): void;
  matching(query: Query): readonly string[];
}

/**
 * Rows and the questions asked about them, each filed so that one finds the other. A new question
 * is answered from the rows' postings; a changed row finds the questions whose answer it is (or
 * was) part of in the questions' postings. The two selector indexes are this, seen from either side.
 */
abstract class QueryIndex<V, Filed, Query> {
  readonly name: string;
  readonly collection: Table<V>;
  readonly queryPoints: PointMap;
  readonly #engine: Engine;
  readonly #of: (key: string, row: V) => Filed | undefined;
  readonly #rows: Postings<Filed, Query>;
  readonly #askers: Postings<Query, Filed>;
  /** Questions that somebody depends on. */
  readonly #queries = new Map<string, Query>();

  constructor(
    collection: Collection<V>,
    name: string,
    of: (key: string, row: V) => Filed | undefined,
    rows: Postings<Filed, Query>,
    askers: Postings<Query, Filed>,
  ) {
    this.name = name;
    this.collection = asTable(collection);
    this.#engine = this.collection.engine;
    this.#of = of;
    this.#rows = rows;
    this.#askers = askers;
    this.queryPoints = new PointMap({
      certain: true,
      describe: id => this.#describe(id),
      onIdle: id => this.#forget(id),
    });
    this.collection.follow(change => this.#update(change));
  }

  protected abstract idOf(query: Query): string;
  /** Without whatever else the object that was asked with carries, which would be kept alive. */
  protected abstract trimmed(query: Query): Query;

  /** How many different questions are depended on. */
  get size(): number {
    return this.#queries.size;
  }

  get filed(): number {
    return this.#rows.size + this.#askers.size;
  }

  /** Keys of the rows that answer the question, ascending. */
  keysFor(query: Query): readonly string[] {
    return this.#rows.matching(query);
  }

  pointFor(query: Query): Point {
    const id = this.idOf(query);
    if (!this.#queries.has(id)) {
      const kept = this.trimmed(query);
      this.#queries.set(id, kept);
      this.#askers.add(id, kept);
    }
    return this.queryPoints.at(id);
  }

  *pointMaps(): IterableIterator<PointMap> {
    yield this.queryPoints;
  }

  #forget(id: string): void {
    const query = this.#queries.get(id);
    if (query === undefined) return;
    this.#queries.delete(id);
    this.#askers.delete(id, query);
  }

  #update({ key, before, after }: Change<V>): void {
    const left = before === undefined ? undefined : this.#filedAs(key, before);
    const entered = after === undefined ? undefined : this.#filedAs(key, after);
    if (after === undefined) this.#engine.clearFailure(this.name, key);
    if (left !== undefined && deepEqual(left, entered)) {
      this.#signal(left);
      return;
    }
    if (left !== undefined) {
      this.#rows.delete(key, left);
      this.#signal(left);
    }
    if (entered !== undefined) {
      this.#rows.add(key, entered);
      this.#signal(entered);
    }
  }

  #signal(filed: Filed): void {
    for (const id of this.#askers.matching(filed)) this.queryPoints.signal(id);
  }

  /** A pure function of the row, so it is asked again for the row before instead of remembered. */
  #filedAs(key: string, row: V): Filed | undefined {
    try {
      const filed = this.#of(key, row);
      this.#engine.clearFailure(this.name, key);
      return filed;
    } catch (error) {
      this.#engine.fail(this.name, key, error);
      return undefined;
    }
  }

  #describe(id: string): InputDescription[] {
    const query = this.#queries.get(id);
    const keys = query === undefined ? [] : this.keysFor(query);
    const rows = keys.map(key => this.collection.describeRow(key));
    return [{ collection: this.name, key: id, changedAt: undefined, cause: undefined }, ...rows];
  }
}

export class StoredSelectableIndex<V>
  extends QueryIndex<V, Selectable, Selector>
  implements SelectableIndex<V>
{
  readonly direction = "rows by selector";

  constructor(
    collection: Collection<V>,
    name: string,
    of: (key: string, row: V) => Selectable | undefined,
  ) {
    super(collection, name, of, new LabelPostings(), new SelectorPostings());
  }

  protected idOf(selector: Selector): string {
    return selectorId(selector);
  }

  protected trimmed({ namespace, matchLabels }: Selector): Selector {
    return { namespace, matchLabels };
  }
}

export class StoredSelectorIndex<V>
  extends QueryIndex<V, Selector, Selectable>
  implements SelectorIndex<V>
{
  readonly direction = "selectors by labels";

  constructor(
    collection: Collection<V>,
    name: string,
    of: (key: string, row: V) => Selector | undefined,
  ) {
    super(collection, name, of, new SelectorPostings(), new LabelPostings());
  }

  protected idOf(target: Selectable): string {
    return selectableId(target);
  }

  protected trimmed({ namespace, labels }: Selectable): Selectable {
    return { namespace, labels };
  }
}

export function asSelectableIndex<V>(index: SelectableIndex<V>): StoredSelectableIndex<V> {
  rule(index instanceof StoredSelectableIndex, `${index.name} is not a selectable index`);
  return index;
}

export function asSelectorIndex<V>(index: SelectorIndex<V>): StoredSelectorIndex<V> {
  rule(index instanceof StoredSelectorIndex, `${index.name} is not a selector index`);
  return index;
}
