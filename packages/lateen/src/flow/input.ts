import { type Engine, type Equals, rule } from "./engine.ts";
import { deepEqual } from "./equal.ts";
import type { InputPart } from "./parts.ts";
import type { InputDescription } from "./point.ts";
import { Table } from "./table.ts";
import type { InputCollection } from "./types.ts";

/** Edits are staged while the writer runs and applied together, so that one that throws has no effect. */
export class InputTable<V> extends Table<V> implements InputCollection<V>, InputPart {
  readonly input = true;
  readonly kind = "input";
  readonly inputs: readonly string[] = [];
  readonly #staged = new Map<string, { readonly value: V } | undefined>();

  constructor(engine: Engine, name: string, equals: Equals<V> = deepEqual) {
    super(engine, name, 0, equals);
  }

  inputsOf(): readonly InputDescription[] {
    return [];
  }

  stageSet(key: string, value: V): void {
    rule(value !== undefined, `${this.name}: undefined is not a row (key ${key})`);
    this.#staged.set(key, { value });
  }

  stageDelete(key: string): void {
    this.#staged.set(key, undefined);
  }

  unstage(): void {
    this.#staged.clear();
  }

  /** Applies what is staged; returns how many rows are really different. */
  applyStaged(): number {
    let changed = 0;
    for (const [key, edit] of this.#staged) {
      this.engine.clearFailure(this.name, key);
      if (edit === undefined ? this.remove(key) : this.put(key, edit.value)) changed++;
    }
    this.#staged.clear();
    return changed;
  }
}

export function asInput<V>(collection: InputCollection<V>): InputTable<V> {
  rule(collection instanceof InputTable, `${collection.name} is not an input of this engine`);
  return collection;
}
