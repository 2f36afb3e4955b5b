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
    const table = asTable(this.#checked(collection));
    this.#log.add(table.rowPoints.at(key));
    return table.rowAt(key);
  }

  has(collection: Collection<unknown>, key: string): boolean {
    const table = asTable(this.#checked(collection));
    this.#log.add(table.presencePoints.at(key));
    return table.rowAt(key) !== undefined;
  }

  all<V>(collection: Collection<V>): readonly (readonly [string, V])[] {
    const table = asTable(this.#checked(collection));
    this.#log.add(table.allPoints.at(WHOLE));
    return table.rowEntries();
  }

  keys(collection: Collection<unknown>): readonly string[] {
    const table = asTable(this.#checked(collection));
    this.#log.add(table.keysPoints.at(WHOLE));
    return table.rowKeys();
  }

  rows<V>(index: Index<V>, bucket: string): readonly V[] {
    const stored = asRowIndex(this.#checked(index));
    this.#log.add(stored.contentPoints.at(bucket));
    return stored.keysIn(bucket).map(key => stored.collection.existing(key));
  }

  keysOf(index: Index<unknown>, bucket: string): readonly string[] {
    const stored = asRowIndex(this.#checked(index));
    this.#log.add(stored.memberPoints.at(bucket));
    return stored.keysIn(bucket);
  }

  select<V>(index: SelectableIndex<V>, selector: Selector): readonly V[] {
    const stored = asSelectableIndex(this.#checked(index));
    this.#log.add(stored.pointFor(selector));
    return stored.keysFor(selector).map(key => stored.collection.existing(key));
  }

  selectedBy<V>(index: SelectorIndex<V>, target: Selectable): readonly V[] {
    const stored = asSelectorIndex(this.#checked(index));
    this.#log.add(stored.pointFor(target));
    return stored.keysFor(target).map(key => stored.collection.existing(key));
  }

  cell<T>(family: CellFamily<T>, key: string): T {
    const stored = asStoredFamily(this.#checked(family));
    this.#log.add(stored.points.at(key));
    return stored.open(key).read();
  }

  #checked<R extends Readable>(readable: R): R {
    const { name, reads } = this.#declaration;
    rule(this.#open, `${name}: read after its function returned`);
    rule(reads.has(readable), `${name} reads ${readable.name}, which its \`reads\` do not name`);
    return readable;
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
