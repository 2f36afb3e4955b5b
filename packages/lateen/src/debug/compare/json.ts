/** JSON values of canonical protobuf JSON, as the comparison walks them. */

export type Json = null | boolean | number | string | JsonList | JsonObject;
export type JsonList = readonly Json[];
export interface JsonObject {
  readonly [key: string]: Json;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is JsonList {
  return Array.isArray(value);
}

/** Structural equality; the order of an object's keys means nothing, that of a list does. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (isList(a) && isList(b))
    return a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every(key => Object.hasOwn(b, key) && sameJson(a[key], b[key]));
}

/** One text for each value, whatever the order of keys: what lists are matched by. */
export function stableText(value: Json | undefined): string {
  if (value === undefined) return "";
  if (isList(value)) return `[${value.map(stableText).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const fields = Object.keys(value)
    .sort()
    .map(key => `${JSON.stringify(key)}:${stableText(value[key])}`);
  return `{${fields.join(",")}}`;
}

/** A value that was parsed from JSON or made by the codec: nothing else can be in it. */
export function asJson(value: unknown): Json {
  return value as Json;
}
