import { assert } from "../base/assert.ts";
import { asStoredFamily } from "./cells.ts";
import { type Engine, type Outcome, rule } from "./engine.ts";
import type { Dependent, ReadLog } from "./point.ts";
import { asRowIndex } from "./row-index.ts";
import { asSelectableIndex, asSelectorIndex } from "./selector-index.ts";
import { asTable, WHOLE } from "./table.ts";
import type {
  CellFamily,
  Collection,
  Index,
  Readable,
  Reader,
  Selectable,
  SelectableIndex,
  Selector,
  SelectorIndex,
} from "./types.ts";

/** What a derivation may read, checked by identity, and the name it goes by in messages. */
export interface Declaration {
  readonly name: string;
  readonly reads: ReadonlySet<Readable>;
}

/** A reader for one run of one function. */
class TrackedReader implements Reader {
  readonly #declaration: Declaration;
  readonly #log: ReadLog;
  #open = true;

  constructor(declaration: Declaration, log: ReadLog) {
    this.#declaration = declaration;
    this.#log = log;
  }

  /** Later reads would not be tracked, so they throw. */
  close(): void {
    this.#open = false;
  }

  get<V>(collection: Collection<V>, key: string): V | undefined {
    this.#check(collection);
    this.#log.add(asTable(collection).rowPoints.at(key));
    return collection.get(key);
  }

  has(collection: Collection<unknown>, key: string): boolean {
    this.#check(collection);
    const table = asTable(collection);
    this.#log.add(table.presencePoints.at(key));
    return table.has(key);
  }

  all<V>(collection: Collection<V>): readonly (readonly [string, V])[] {
    this.#check(collection);
    const table = asTable(collection);
    this.#log.add(table.allPoints.at(WHOLE));
    return table.all();
  }

  keys(collection: Collection<unknown>): readonly string[] {
    this.#check(collection);
    this.#log.add(asTable(collection).keysPoints.at(WHOLE));
    return collection.keys();
  }

  rows<V>(index: Index<V>, bucket: string): readonly V[] {
    this.#check(index);
    this.#log.add(asRowIndex(index).contentPoints.at(bucket));
    return rowsAt(index.collection, index.keysOf(bucket));
  }

  keysOf(index: Index<unknown>, bucket: string): readonly string[] {
    this.#check(index);
    this.#log.add(asRowIndex(index).memberPoints.at(bucket));
    return index.keysOf(bucket);
  }

  select<V>(index: SelectableIndex<V>, selector: Selector): readonly V[] {
    this.#check(index);
    const stored = asSelectableIndex(index);
    this.#log.add(stored.pointFor(selector));
    return rowsAt(index.collection, stored.keysFor(selector));
  }

  selectedBy<V>(index: SelectorIndex<V>, target: Selectable): readonly V[] {
    this.#check(index);
    const stored = asSelectorIndex(index);
    this.#log.add(stored.pointFor(target));
    return rowsAt(index.collection, stored.keysFor(target));
  }

  cell<T>(family: CellFamily<T>, key: string): T {
    this.#check(family);
    const stored = asStoredFamily(family);
    this.#log.add(stored.points.at(key));
    return stored.open(key).value();
  }

  #check(readable: Readable): void {
    const { name, reads } = this.#declaration;
    rule(this.#open, `${name}: read after its function returned`);
    rule(reads.has(readable), `${name} reads ${readable.name}, which its \`reads\` do not name`);
  }
}

/** Runs a function with a reader, links what it read to the dependent and contains what it throws. */
export type Runner = <T>(dependent: Dependent, compute: (read: Reader) => T) => Outcome<T>;

export function trackedRunner(engine: Engine, declaration: Declaration): Runner {
  return (dependent, compute) =>
    engine.run(dependent, log => {
      const reader = new TrackedReader(declaration, log);
      try {
        return compute(reader);
      } finally {
        reader.close();
      }
    });
}

/** The rows under these keys, which are known to exist. */
export function rowsAt<V>(collection: Collection<V>, keys: readonly string[]): readonly V[] {
  return keys.map(key => {
    const row = collection.get(key);
    assert(row !== undefined, `${collection.name}: key ${key} is indexed but has no row`);
    return row;
  });
}
