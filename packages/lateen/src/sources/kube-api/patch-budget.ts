/** What one JSON patch may make us do, counted as it goes. */
import type { Json } from "../../api/kind.ts";
import { isArray, isObject } from "../json.ts";

export const MAX_OPERATIONS = 10_000;
/** Of all copies together, as for an API server (evanphx/json-patch, AccumulatedCopySizeLimit). */
export const MAX_COPIED_CHARS = 3 * 1024 * 1024;
export const MAX_COPIED_VALUES = 250_000;
/** Values compared, and items of lists that others make room for. */
export const MAX_STEPS = 5_000_000;

export interface Size {
  /** Objects, lists and scalars, itself included. */
  readonly values: number;
  /** About as many as it has as JSON. */
  readonly chars: number;
  /** 0: it holds nothing. */
  readonly depth: number;
}

export class PatchBudget {
  #values = 0;
  #chars = 0;
  #steps = 0;
  #exceeded: string | undefined;

  /** Undefined while there is some left. */
  get exceeded(): string | undefined {
    return this.#exceeded;
  }

  /** All that was done so far. */
  get spent(): number {
    return this.#values + this.#steps;
  }

  copy({ values, chars }: Size): void {
    this.#values += values;
    this.#chars += chars;
    this.spend(values);
    if (this.#values > MAX_COPIED_VALUES)
      this.#exceeded = `its copies have more than ${MAX_COPIED_VALUES} values`;
    else if (this.#chars > MAX_COPIED_CHARS)
      this.#exceeded = `its copies are longer than ${MAX_COPIED_CHARS} bytes`;
  }

  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > MAX_STEPS)
      this.#exceeded = `it compares and moves more than ${MAX_STEPS} values`;
  }
}

export function sizeOf(value: Json): Size {
  if (typeof value === "string") return { values: 1, chars: value.length + 2, depth: 0 };
  const children = isArray(value) ? value : isObject(value) ? Object.values(value) : undefined;
  if (children === undefined) return { values: 1, chars: String(value).length, depth: 0 };
  let [values, chars, depth] = [1, 2, 0];
  for (const child of children) {
    const size = sizeOf(child);
    values += size.values;
    chars += size.chars + 1;
    depth = Math.max(depth, size.depth + 1);
  }
  if (isObject(value)) for (const key of Object.keys(value)) chars += key.length + 3;
  return { values, chars, depth };
}

/** Items or keys. */
export function widthOf(value: Json | undefined): number {
  if (isArray(value)) return value.length;
  return isObject(value) ? Object.keys(value).length : 1;
}
