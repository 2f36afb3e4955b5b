import { Derivation, type Visit } from "./derivation.ts";
import type { Engine } from "./engine.ts";
import type { InputDescription } from "./point.ts";
import { asRowIndex, type RowIndex } from "./row-index.ts";
import type { DeriveOptions, Index, Reader } from "./types.ts";

type GroupFunction<In, Out> = (
  bucket: string,
  rows: readonly In[],
  read: Reader,
) => Out | undefined;

/** One row for each bucket of an index that holds rows, or none. */
export class GroupedRows<In, Out> extends Derivation<Out> {
  readonly #from: RowIndex<In>;
  readonly #fn: GroupFunction<In, Out>;

  constructor(
    engine: Engine,
    from: Index<In>,
    options: DeriveOptions<Out>,
    fn: GroupFunction<In, Out>,
  ) {
    super(engine, { name: from.name, rank: from.collection.rank }, options);
    this.#from = asRowIndex(from);
    this.#fn = fn;
    this.#from.follow(bucket => this.markDue(bucket));
  }

  visit(): Visit {
    let computed = 0;
    let changed = 0;
    for (const bucket of this.takeDue()) {
      const keys = this.#from.keysIn(bucket);
      if (keys.length > 0) computed++;
      if (keys.length === 0 ? this.#drop(bucket) : this.#compute(bucket, keys)) changed++;
    }
    return { computed, changed };
  }

  inputsOf(bucket: string): readonly InputDescription[] {
    return [...this.#from.describeBucket(bucket), ...this.readsOf(bucket)];
  }

  #compute(bucket: string, keys: readonly string[]): boolean {
    const rows = keys.map(key => this.#from.collection.existing(key));
    const outcome = this.run(bucket, read => this.#fn(bucket, rows, read));
    if (!outcome.ok) return false;
    return outcome.value === undefined ? this.remove(bucket) : this.put(bucket, outcome.value);
  }

  #drop(bucket: string): boolean {
    this.forget(bucket);
    return this.remove(bucket);
  }
}
