import { assert } from "../base/assert.ts";
import { Derivation, type Visit } from "./derivation.ts";
import type { Engine } from "./engine.ts";
import type { InputDescription } from "./point.ts";
import { asTable, type Table } from "./table.ts";
import type { Collection, DeriveOptions, Reader } from "./types.ts";

type RowFunction<In, Out> = (key: string, row: In, read: Reader) => Out | undefined;

/** One source row gives one row under the same key, or none. */
export class DerivedRows<In, Out> extends Derivation<Out> {
  readonly #from: Table<In>;
  readonly #fn: RowFunction<In, Out>;

  constructor(
    engine: Engine,
    from: Collection<In>,
    options: DeriveOptions<Out>,
    fn: RowFunction<In, Out>,
  ) {
    super(engine, from, options);
    this.#from = asTable(from);
    this.#fn = fn;
    this.#from.follow(change => this.markDue(change.key));
  }

  visit(): Visit {
    let computed = 0;
    let changed = 0;
    for (const key of this.takeDue()) {
      const row = this.#from.rowAt(key);
      if (row !== undefined) computed++;
      if (row === undefined ? this.#drop(key) : this.#compute(key, row)) changed++;
    }
    return { computed, changed };
  }

  inputsOf(key: string): readonly InputDescription[] {
    return [this.#from.describeRow(key), ...this.readsOf(key)];
  }

  #compute(key: string, row: In): boolean {
    const outcome = this.run(key, read => this.#fn(key, row, read));
    if (!outcome.ok) return false;
    return outcome.value === undefined ? this.remove(key) : this.put(key, outcome.value);
  }

  #drop(key: string): boolean {
    this.forget(key);
    return this.remove(key);
  }
}

type ManyFunction<In, Out> = (
  key: string,
  row: In,
  read: Reader,
) => Iterable<readonly [string, Out]>;

/**
 * One source row gives any number of rows. A key that several sources give belongs to the smallest
 * source key; the other claims are remembered.
 */
export class DerivedManyRows<In, Out> extends Derivation<Out> {
  readonly #from: Table<In>;
  readonly #fn: ManyFunction<In, Out>;
  readonly #outputs = new Map<string, ReadonlyMap<string, Out>>();
  /** Source keys that give an output key, ascending; nearly always one. */
  readonly #claims = new Map<string, readonly string[]>();

  constructor(
    engine: Engine,
    from: Collection<In>,
    options: DeriveOptions<Out>,
    fn: ManyFunction<In, Out>,
  ) {
    super(engine, from, options);
    this.#from = asTable(from);
    this.#fn = fn;
    this.#from.follow(change => this.markDue(change.key));
  }

  /** Runs all functions first: a key that moves from one source to another changes once. */
  visit(): Visit {
    const touched = new Set<string>();
    let computed = 0;
    for (const key of this.takeDue()) {
      const row = this.#from.rowAt(key);
      if (row === undefined) {
        this.forget(key);
        this.#claim(key, new Map(), touched);
      } else {
        computed++;
        const outcome = this.run(key, read => this.#collect(key, row, read));
        if (outcome.ok) this.#claim(key, outcome.value, touched);
      }
    }
    let changed = 0;
    for (const key of [...touched].sort()) if (this.#settle(key)) changed++;
    return { computed, changed };
  }

  inputsOf(key: string): readonly InputDescription[] {
    const [owner] = this.#claims.get(key) ?? [];
    if (owner === undefined) return [];
    return [this.#from.describeRow(owner), ...this.readsOf(owner)];
  }

  #collect(key: string, row: In, read: Reader): ReadonlyMap<string, Out> {
    const rows = new Map<string, Out>();
    for (const [outKey, value] of this.#fn(key, row, read)) {
      assert(value !== undefined, `${this.name}: undefined is not a row (key ${outKey})`);
      if (!rows.has(outKey)) rows.set(outKey, value);
    }
    return rows;
  }

  /** Replaces what one source row gives and notes every output key that this may concern. */
  #claim(source: string, rows: ReadonlyMap<string, Out>, touched: Set<string>): void {
    const before = this.#outputs.get(source);
    for (const key of before?.keys() ?? []) {
      touched.add(key);
      if (!rows.has(key)) this.#setClaims(key, claim => claim.filter(other => other !== source));
    }
    for (const key of rows.keys()) {
      touched.add(key);
      if (!before?.has(key)) this.#setClaims(key, claim => [...claim, source].sort());
    }
    if (rows.size === 0) this.#outputs.delete(source);
    else this.#outputs.set(source, rows);
  }

  #setClaims(key: string, edit: (claim: readonly string[]) => readonly string[]): void {
    const claim = edit(this.#claims.get(key) ?? []);
    if (claim.length === 0) this.#claims.delete(key);
    else this.#claims.set(key, claim);
  }

  #settle(key: string): boolean {
    const [owner] = this.#claims.get(key) ?? [];
    const value = owner === undefined ? undefined : this.#outputs.get(owner)?.get(key);
    return value === undefined ? this.remove(key) : this.put(key, value);
  }
}
