/** What a template may make: rendering is synchronous, where everything else waits for it. */
import type { Json } from "../api/kind.ts";
import { isArray, isObject } from "../sources/json.ts";
import { TemplateProblem } from "./template-parse.ts";

type Value = Json | undefined;

const MAX_WORK = 8 << 20;
const MAX_VALUE = 1 << 20;
const MAX_NESTING = 128;
/** What a number, a bool or an empty list counts as. */
const ITEM = 8;

/** Characters and items of one rendering: read, looked at, or made. Throws TemplateProblem. */
export class Budget {
  #left = MAX_WORK;

  spend(work: number): void {
    this.#left -= work;
    if (this.#left < 0)
      throw new TemplateProblem(`the template works on more than ${MAX_WORK} characters`);
  }

  /** A value that is looked at without going into it. */
  glance(value: Value): void {
    this.spend(isObject(value) ? ITEM + Object.keys(value).length : ITEM);
  }

  /** A value that is read as a whole, wherever its parts are shared. Returns what it counted as. */
  whole(value: Value, depth = 0): number {
    if (depth > MAX_NESTING)
      throw new TemplateProblem(`a value is nested more than ${MAX_NESTING} deep`);
    let total = ITEM + (typeof value === "string" ? value.length : 0);
    this.spend(total);
    if (isArray(value)) for (const item of value) total += this.whole(item, depth + 1);
    else if (isObject(value))
      for (const [key, item] of Object.entries(value)) {
        this.spend(key.length);
        total += key.length + this.whole(item, depth + 1);
      }
    return total;
  }

  /** A value that was made. */
  made(value: Value): void {
    if (this.whole(value) > MAX_VALUE + ITEM) tooLong();
  }

  /** Before something of that many characters is made. */
  room(characters: number): void {
    if (characters > MAX_VALUE) tooLong();
  }
}

function tooLong(): never {
  throw new TemplateProblem(`a value has more than ${MAX_VALUE} characters`);
}
