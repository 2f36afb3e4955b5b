/** Printer columns that many kinds share, and what they need of raw objects. */
import { isObject } from "./decode.ts";
import { age } from "./duration.ts";
import type { Json, JsonObject, PrinterColumn } from "./kind.ts";

/** Built-in kinds print their age as text. */
export const ageColumn: PrinterColumn = {
  name: "Age",
  type: "string",
  description: "Time since the object was made.",
  priority: 0,
  value: (object, nowMs) => age(at(object, "metadata", "creationTimestamp"), nowMs),
};

export function column(
  name: string,
  description: string,
  value: PrinterColumn["value"],
  options: { readonly type?: PrinterColumn["type"]; readonly wide?: boolean } = {},
): PrinterColumn {
  const { type = "string", wide = false } = options;
  return { name, type, description, priority: wide ? 1 : 0, value };
}

/** The value at a path of keys and indexes, undefined where something on the way is missing. */
export function at(
  json: Json | undefined,
  ...path: readonly (string | number)[]
): Json | undefined {
  let here = json;
  for (const step of path) {
    if (typeof step === "number") here = Array.isArray(here) ? here[step] : undefined;
    else here = isObject(here) && Object.hasOwn(here, step) ? here[step] : undefined;
  }
  return here;
}

export function textAt(json: Json | undefined, ...path: readonly (string | number)[]): string {
  const found = at(json, ...path);
  return typeof found === "string" ? found : "";
}

export function numberAt(json: Json | undefined, ...path: readonly (string | number)[]): number {
  const found = at(json, ...path);
  return typeof found === "number" ? found : 0;
}

export function objectsAt(
  json: Json | undefined,
  ...path: readonly (string | number)[]
): readonly JsonObject[] {
  const found = at(json, ...path);
  return Array.isArray(found) ? found.filter(item => isObject(item)) : [];
}

export function sizeAt(json: Json | undefined, ...path: readonly (string | number)[]): number {
  const found = at(json, ...path);
  if (Array.isArray(found)) return found.length;
  return isObject(found) ? Object.keys(found).length : 0;
}

/** `a=1,b=2` in the order given, kubectl's form of a selector; `<none>` when empty. */
export function selectorText(selector: Json | undefined): string {
  if (!isObject(selector)) return "<none>";
  const pairs = Object.entries(selector).map(([key, value]) => `${key}=${String(value)}`);
  return pairs.length === 0 ? "<none>" : pairs.sort().join(",");
}
