import { type Engine, type Outcome, rule } from "./engine.ts";
import { deepEqual } from "./equal.ts";
import { Dependent, describeInputs, type InputDescription } from "./point.ts";
import { Table } from "./table.ts";
import { type Runner, trackedRunner } from "./tracked-reader.ts";
import type { DeriveOptions, Readable, Reader } from "./types.ts";

/** What a derivation is made from: a collection, or an index whose buckets are its rows. */
export interface Source {
  readonly name: string;
  readonly rank: number;
}

/** What one visit of a derived collection did. */
export interface Visit {
  readonly computed: number;
  readonly changed: number;
}

/** A collection that is brought up to date once a revision, after everything of lower rank. */
export abstract class DerivedTable<V> extends Table<V> {
  readonly kind = "derived";
  /** Source keys whose output may differ now. */
  readonly #due = new Set<string>();

  get isDue(): boolean {
    return this.#due.size > 0;
  }

  markDue(key: string): void {
    this.#due.add(key);
  }

  /** Ascending, so that runs are the same whatever marked the keys. */
  protected takeDue(): string[] {
    const keys = [...this.#due].sort();
    this.#due.clear();
    return keys;
  }

  abstract visit(): Visit;
  /** Source rows whose function has run. */
  abstract countRuns(): number;
}

/** The function of one source row: its dependencies, and that it is due when one of them changes. */
class RowRun extends Dependent {
  readonly #table: { markDue(key: string): void };
  readonly #key: string;

  constructor(table: { markDue(key: string): void }, key: string) {
    super();
    this.#table = table;
    this.#key = key;
  }

  invalidate(): void {
    this.#table.markDue(this.#key);
  }
}

/** A derived collection whose rows come from a function that reads through a `Reader`. */
export abstract class Derivation<Out> extends DerivedTable<Out> {
  readonly inputs: readonly string[];
  readonly #runTracked: Runner;
  readonly #runs = new Map<string, RowRun>();

  constructor(engine: Engine, source: Source, options: DeriveOptions<Out>) {
    const reads = options.reads ?? [];
    const rank =
      1 + Math.max(source.rank, ...reads.map(readable => rankOf(options.name, readable)));
    super(engine, options.name, rank, options.equals ?? deepEqual);
    this.inputs = [source.name, ...reads.map(readable => readable.name)];
    this.#runTracked = trackedRunner(engine, { name: options.name, reads: new Set(reads) });
  }

  countRuns(): number {
    return this.#runs.size;
  }

  /** Runs the function of one source row; what it throws is kept as that row's failure. */
  protected run<T>(sourceKey: string, compute: (read: Reader) => T): Outcome<T> {
    let run = this.#runs.get(sourceKey);
    if (run === undefined) {
      run = new RowRun(this, sourceKey);
      this.#runs.set(sourceKey, run);
    }
    const outcome = this.#runTracked(run, compute);
    if (outcome.ok) this.engine.clearFailure(this.name, sourceKey);
    else this.engine.fail(this.name, sourceKey, outcome.error);
    return outcome;
  }

  /** The source row is gone: nothing of its run remains. */
  protected forget(sourceKey: string): void {
    this.#runs.get(sourceKey)?.unlinkAll();
    this.#runs.delete(sourceKey);
    this.engine.clearFailure(this.name, sourceKey);
  }

  protected readsOf(sourceKey: string): InputDescription[] {
    return describeInputs(this.#runs.get(sourceKey));
  }
}

/** Rank of a readable of a collection. Cells are lazy, so an eager collection may not read them. */
function rankOf(reader: string, readable: Readable): number {
  if ("collection" in readable) return readable.collection.rank;
  rule(!("acquire" in readable), `${reader}: a collection can not read cells (${readable.name})`);
  return readable.rank;
}
