import { parseDurationMs } from "../api/duration.ts";
import type { Json, JsonObject } from "../api/kind.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { objectOf } from "./raw.ts";

const MAX_LIST = 128;
const MAX_SECONDS = 31_536_000;
/** Printable: Envoy refuses a bootstrap in which a text is empty or no Unicode. */
const STAT_NAME = /^[\x20-\x7e]+$/;
const TRUE = ["true", "yes", "y", "on", "1"];
const FALSE = ["false", "no", "n", "off", "0"];

/** true, false, and YAML's old spellings of them, as Istio reads them. */
export function readFlag(text: string): boolean | undefined {
  const lower = text.toLowerCase();
  if (TRUE.includes(lower)) return true;
  return FALSE.includes(lower) ? false : undefined;
}

/** Reads annotations one by one; what is wrong is added to the diagnostics and counts as not set. */
export class AnnotationReader {
  readonly #annotations: Readonly<Record<string, string>>;
  readonly #diagnostics: Diagnostic[];

  constructor(annotations: Readonly<Record<string, string>>, diagnostics: Diagnostic[]) {
    this.#annotations = annotations;
    this.#diagnostics = diagnostics;
  }

  oneOf<const T extends string>(name: string, values: readonly T[]): T | undefined {
    const text = this.#annotations[name];
    if (text === undefined) return undefined;
    return values.find(value => value === text) ?? this.#bad(name, `one of ${values.join(", ")}`);
  }

  flag(name: string): boolean | undefined {
    const text = this.#annotations[name];
    return text === undefined ? undefined : (readFlag(text) ?? this.#bad(name, "true or false"));
  }

  integer(name: string, min: number, max: number): number | undefined {
    const text = this.#annotations[name];
    if (text === undefined) return undefined;
    const value = Number(text);
    const valid = /^\d{1,9}$/.test(text) && value >= min && value <= max;
    return valid ? value : this.#bad(name, `a whole number from ${min} to ${max}`);
  }

  matching(name: string, expression: RegExp, expected: string): string | undefined {
    const text = this.#annotations[name];
    if (text === undefined) return undefined;
    return expression.test(text) ? text : this.#bad(name, expected);
  }

  /** Parts between commas, trimmed; an empty text is an empty list. */
  list(name: string): readonly string[] | undefined {
    const text = this.#annotations[name];
    if (text === undefined) return undefined;
    const items = text.split(",").map(item => item.trim());
    const found = items.filter(item => item !== "");
    if (found.length > MAX_LIST) return this.#bad(name, `at most ${MAX_LIST} items`);
    return found;
  }

  /** JSON: an object of objects, by name. */
  objects(name: string): JsonObject {
    const text = this.#annotations[name];
    if (text === undefined) return {};
    const parsed = objectOf(parseJson(text));
    const valid = Object.values(parsed).every(
      each => typeof each === "object" && each !== null && !Array.isArray(each),
    );
    if (valid && Object.keys(parsed).length > 0) return parsed;
    this.#bad(name, 'JSON such as {"NAME": {...}}');
    return {};
  }

  /** A duration such as 5m in whole seconds, which `step` divides. */
  seconds(name: string, step: number): number | undefined {
    const text = this.#annotations[name];
    if (text === undefined) return undefined;
    const ms = parseDurationMs(text) ?? -1;
    const valid = ms >= 0 && ms <= MAX_SECONDS * 1000 && ms % (step * 1000) === 0;
    return valid ? ms / 1000 : this.#bad(name, `a duration such as 1m, a multiple of ${step}s`);
  }

  /** JSON: by name a list of growing numbers. */
  bounds(name: string): Readonly<Record<string, readonly number[]>> {
    const text = this.#annotations[name];
    if (text === undefined) return {};
    const all = Object.entries(objectOf(parseJson(text))).slice(0, MAX_LIST + 1);
    const named = all.filter(([key]) => STAT_NAME.test(key));
    const valid = named.map(([key, list]) => [key, growing(list)] as const);
    const found = Object.fromEntries(valid.flatMap(([key, list]) => (list ? [[key, list]] : [])));
    const count = Object.keys(found).length;
    if (count > 0 && count === all.length && count <= MAX_LIST) return found;
    this.#bad(name, 'JSON such as {"istiocustom": [1, 5, 10]}, of growing numbers above 0');
    return {};
  }

  #bad(name: string, expected: string): undefined {
    const text = this.#annotations[name] ?? "";
    const found = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
    this.#diagnostics.push({
      severity: "error",
      path: `metadata.annotations[${name}]`,
      message: `found ${found}; expected ${expected}`,
      reason: "BadAnnotation",
    });
    return undefined;
  }
}

function growing(list: Json): readonly number[] | undefined {
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_LIST) return undefined;
  const numbers = list.filter(each => typeof each === "number");
  const grows = numbers.every((each, i) => each > (numbers[i - 1] ?? 0) && Number.isFinite(each));
  return grows && numbers.length === list.length ? numbers : undefined;
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
