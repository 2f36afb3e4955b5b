/** Small helpers over raw JSON, as it comes from files, stores and wires. */
import type { Json, JsonObject } from "../api/kind.ts";

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** The object under `key`, or an empty one where there is none (or something else). */
export function objectAt(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  return isObject(value) ? value : {};
}

export function stringAt(object: JsonObject, key: string): string {
  const value = object[key];
  return typeof value === "string" ? value : "";
}

export function arrayAt(object: JsonObject, key: string): readonly Json[] {
  const value = object[key];
  return isArray(value) ? value : [];
}

/** The value at a dotted path of plain names, e.g. `spec.nodeName`. */
export function valueAt(object: JsonObject, path: string): Json | undefined {
  let value: Json | undefined = object;
  for (const part of path.split(".")) {
    if (!isObject(value)) return undefined;
    value = Object.hasOwn(value, part) ? value[part] : undefined;
  }
  return value;
}

/** A copy with `key` set; the rest keeps its order. */
export function withKey(object: JsonObject, key: string, value: Json): JsonObject {
  return { ...object, [key]: value };
}

export function withoutKey(object: JsonObject, key: string): JsonObject {
  if (!Object.hasOwn(object, key)) return object;
  const { [key]: _dropped, ...rest } = object;
  return rest;
}

/** Structural equality; the order of an object's keys does not matter. */
export function jsonEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (isArray(a)) {
    if (!isArray(b) || a.length !== b.length) return false;
    return a.every((item, i) => jsonEqual(item, b[i]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every(key => Object.hasOwn(b, key) && jsonEqual(a[key], b[key]));
}

/** The same text for equal values, whatever the order of their keys. */
export function canonicalText(value: Json): string {
  if (isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map(key => `${JSON.stringify(key)}:${canonicalText(value[key] ?? null)}`).join(",")}}`;
}

/** Where a document goes beyond what may be processed, or undefined. */
export function findExcess(
  value: Json,
  maxDepth: number,
  maxValues = Number.POSITIVE_INFINITY,
): string | undefined {
  let level: Json[] = [value];
  let values = 1;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) return `something nested deeper than ${maxDepth} levels`;
    const next: Json[] = [];
    for (const item of level) {
      values += isArray(item) ? item.length : isObject(item) ? Object.keys(item).length : 0;
      if (values > maxValues) return `more than ${maxValues} values`;
      if (isArray(item)) {
        for (const child of item) if (typeof child === "object" && child !== null) next.push(child);
      } else if (isObject(item)) {
        // Copying such a key would change an object's prototype.
        if (Object.hasOwn(item, "__proto__")) return "a key named __proto__";
        for (const child of Object.values(item))
          if (typeof child === "object" && child !== null) next.push(child);
      }
    }
    level = next;
  }
  return undefined;
}
