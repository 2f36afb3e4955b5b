/**
 * The meaning of a graph, as plainly as it can be written: every commit computes everything again,
 * every look-up scans. What the engine does must be the same, only cheaper.
 */
import { assert } from "../../src/base/assert.ts";
import { deepEqual } from "../../src/flow/equal.ts";
import { selects } from "../../src/flow/labels.ts";
import type {
  CellFamily,
  Collection,
  Graph,
  Index,
  InputCollection,
  Reader,
  Selectable,
  SelectableIndex,
  Selector,
  SelectorIndex,
  Writer,
} from "../../src/flow/types.ts";

/** The part of a graph that has a meaning apart from its cost. */
export type PlainGraph = Pick<
  Graph,
  | "revision"
  | "input"
  | "derive"
  | "deriveMany"
  | "group"
  | "union"
  | "index"
  | "selectableIndex"
  | "selectorIndex"
  | "cells"
> & { commit(cause: { readonly source: string }, fn: (writer: Writer) => void): unknown };

class NaiveTable<V> implements Collection<V> {
  readonly name: string;
  readonly rank = 0;
  rows = new Map<string, V>();

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.rows.size;
  }

  get(key: string): V | undefined {
    return this.rows.get(key);
  }

  keys(): readonly string[] {
    return [...this.rows.keys()].sort();
  }

  *entries(): IterableIterator<readonly [string, V]> {
    for (const key of this.keys()) {
      const row = this.rows.get(key);
      if (row !== undefined) yield [key, row];
    }
  }

  values(): V[] {
    return [...this.entries()].map(([, row]) => row);
  }

  changedAt(): number | undefined {
    return undefined;
  }
}

class NaiveInput<V> extends NaiveTable<V> implements InputCollection<V> {
  readonly input = true;
}

class NaiveIndex<V> implements Index<V> {
  readonly name: string;
  readonly collection: Collection<V>;
  readonly #bucketsOf: (key: string, row: V) => readonly string[];

  constructor(
    collection: Collection<V>,
    name: string,
    bucketsOf: (key: string, row: V) => readonly string[],
  ) {
    this.name = name;
    this.collection = collection;
    this.#bucketsOf = bucketsOf;
  }

  keysOf(bucket: string): readonly string[] {
    return this.#entries(bucket).map(([key]) => key);
  }

  rowsOf(bucket: string): readonly V[] {
    return this.#entries(bucket).map(([, row]) => row);
  }

  buckets(): readonly string[] {
    const names = [...this.collection.entries()].flatMap(([key, row]) => this.#bucketsOf(key, row));
    return [...new Set(names)].sort();
  }

  #entries(bucket: string): (readonly [string, V])[] {
    const entries = [...this.collection.entries()];
    return entries.filter(([key, row]) => this.#bucketsOf(key, row).includes(bucket));
  }
}

/** Both selector indexes: what each row is filed as. */
class NaiveFiling<V, Filed, Direction extends string> {
  readonly name: string;
  readonly collection: Collection<V>;
  readonly direction: Direction;
  readonly of: (key: string, row: V) => Filed | undefined;

  constructor(
    collection: Collection<V>,
    name: string,
    direction: Direction,
    of: (key: string, row: V) => Filed | undefined,
  ) {
    this.name = name;
    this.collection = collection;
    this.direction = direction;
    this.of = of;
  }

  find(matches: (filed: Filed) => boolean): readonly V[] {
    return [...this.collection.entries()].flatMap(([key, row]) => {
      const filed = this.of(key, row);
      return filed !== undefined && matches(filed) ? [row] : [];
    });
  }
}

class NaiveFamily<T> implements CellFamily<T> {
  readonly name: string;
  readonly rank = 0;
  readonly liveCount = 0;
  readonly fn: (key: string, read: Reader) => T;

  constructor(name: string, fn: (key: string, read: Reader) => T) {
    this.name = name;
    this.fn = fn;
  }

  acquire(key: string): ReturnType<CellFamily<T>["acquire"]> {
    const { fn } = this;
    return {
      family: this,
      key,
      dirty: true,
      changedAt: 0,
      value: () => fn(key, scanningReader),
      onDirty: () => () => {},
      release: () => {},
    };
  }

  peek(): undefined {
    return undefined;
  }
}

const scanningReader: Reader = {
  get: (collection, key) => collection.get(key),
  has: (collection, key) => collection.get(key) !== undefined,
  all: collection => [...collection.entries()],
  keys: collection => collection.keys(),
  rows<V>(index: Index<V>, bucket: string): readonly V[] {
    assert(index instanceof NaiveIndex, "not an index of this graph");
    return index.rowsOf(bucket);
  },
  keysOf: (index, bucket) => index.keysOf(bucket),
  select<V>(index: SelectableIndex<V>, selector: Selector): readonly V[] {
    assert(index instanceof NaiveFiling, "not an index of this graph");
    return index.find((filed: Selectable) => selects(selector, filed));
  },
  selectedBy<V>(index: SelectorIndex<V>, target: Selectable): readonly V[] {
    assert(index instanceof NaiveFiling, "not an index of this graph");
    return index.find((filed: Selector) => selects(filed, target));
  },
  cell: (family, key) => family.acquire(key).value(),
};

export function createNaiveGraph(): PlainGraph {
  return new NaiveGraph();
}

class NaiveGraph implements PlainGraph {
  revision = 0;
  /** In the order of declaration, which is an order of dependencies. */
  readonly #steps: (() => void)[] = [];

  input<V>(name: string): InputCollection<V> {
    return new NaiveInput<V>(name);
  }

  derive: Graph["derive"] = (from, options, fn) =>
    this.#derived(options.name, function* () {
      for (const [key, row] of from.entries()) {
        const value = fn(key, row, scanningReader);
        if (value !== undefined) yield [key, value];
      }
    });

  deriveMany: Graph["deriveMany"] = (from, options, fn) =>
    this.#derived(options.name, function* () {
      for (const [key, row] of from.entries()) yield* fn(key, row, scanningReader);
    });

  group: Graph["group"] = (from, options, fn) =>
    this.#derived(options.name, function* () {
      for (const bucket of from.buckets()) {
        const value = fn(bucket, scanningReader.rows(from, bucket), scanningReader);
        if (value !== undefined) yield [bucket, value];
      }
    });

  union<V>(name: string, collections: readonly Collection<V>[]): Collection<V> {
    return this.#derived(name, () => collections.flatMap(other => [...other.entries()]));
  }

  index<V>(
    collection: Collection<V>,
    name: string,
    bucketsOf: (key: string, row: V) => readonly string[],
  ): Index<V> {
    return new NaiveIndex(collection, name, bucketsOf);
  }

  selectableIndex<V>(
    collection: Collection<V>,
    name: string,
    of: (key: string, row: V) => Selectable | undefined,
  ): SelectableIndex<V> {
    return new NaiveFiling(collection, name, "rows by selector", of);
  }

  selectorIndex<V>(
    collection: Collection<V>,
    name: string,
    of: (key: string, row: V) => Selector | undefined,
  ): SelectorIndex<V> {
    return new NaiveFiling(collection, name, "selectors by labels", of);
  }

  cells: Graph["cells"] = (options, fn) => new NaiveFamily(options.name, fn);

  commit(_: { readonly source: string }, fn: (writer: Writer) => void): void {
    this.revision++;
    fn(writer);
    for (const step of this.#steps) step();
  }

  /** The first row of a key counts. */
  #derived<V>(name: string, rows: () => Iterable<readonly [string, V]>): Collection<V> {
    const table = new NaiveTable<V>(name);
    this.#steps.push(() => {
      const before = table.rows;
      table.rows = new Map();
      for (const [key, value] of rows()) {
        if (table.rows.has(key)) continue;
        const old = before.get(key);
        table.rows.set(key, old !== undefined && deepEqual(old, value) ? old : value);
      }
    });
    return table;
  }
}

const writer: Writer = {
  set(collection, key, value) {
    assert(collection instanceof NaiveInput, "not an input of this graph");
    collection.rows.set(key, value);
  },
  delete(collection, key) {
    assert(collection instanceof NaiveInput, "not an input of this graph");
    collection.rows.delete(key);
  },
};
