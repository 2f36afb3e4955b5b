import { DerivedTable, type Visit } from "./derivation.ts";
import type { Engine } from "./engine.ts";
import { deepEqual } from "./equal.ts";
import type { InputDescription } from "./point.ts";
import { asTable, type Table } from "./table.ts";
import type { Collection } from "./types.ts";

/** All rows of several collections; where keys collide, the first collection that has it wins. */
export class UnionRows<V> extends DerivedTable<V> {
  readonly inputs: readonly string[];
  readonly #members: readonly Table<V>[];

  constructor(engine: Engine, name: string, members: readonly Collection<V>[]) {
    super(engine, name, 1 + Math.max(0, ...members.map(member => member.rank)), deepEqual);
    this.#members = members.map(asTable);
    this.inputs = members.map(member => member.name);
    for (const member of this.#members) member.follow(change => this.markDue(change.key));
  }

  visit(): Visit {
    const keys = this.takeDue();
    let changed = 0;
    for (const key of keys) {
      const value = this.#holderOf(key)?.rowAt(key);
      if (value === undefined ? this.remove(key) : this.put(key, value)) changed++;
    }
    return { computed: keys.length, changed };
  }

  inputsOf(key: string): readonly InputDescription[] {
    const holder = this.#holderOf(key);
    return holder === undefined ? [] : [holder.describeRow(key)];
  }

  countRuns(): number {
    return 0;
  }

  #holderOf(key: string): Table<V> | undefined {
    return this.#members.find(member => member.rowAt(key) !== undefined);
  }
}
