/** Paths into JSON as istioctl's `--set` and overlays write them: `a.b[0].c`, `a.[name:x].b`, `a\.b`. */
import type { Json, JsonObject } from "../api/kind.ts";
import { isArray, isObject, withoutKey } from "../sources/json.ts";

export type PathPart =
  | { readonly type: "key"; readonly key: string }
  | { readonly type: "index"; readonly index: number }
  /** The item of a list whose field has this value. */
  | { readonly type: "item"; readonly field: string; readonly value: string };

const MAX_PARTS = 64;
const MAX_INDEX = 1_000;

/** undefined: it is no path. */
export function parsePath(text: string): readonly PathPart[] | undefined {
  const parts: PathPart[] = [];
  for (const word of text.split(/(?<!\\)\.(?![^[\]]*\])/)) {
    const match = /^((?:[^[\]\\]|\\.)*)((?:\[[^[\]]+\])*)$/.exec(word);
    if (match === null || word === "") return undefined;
    const key = (match[1] ?? "").replace(/\\(.)/g, "$1");
    if (key === "__proto__") return undefined;
    if (key !== "") parts.push({ type: "key", key });
    for (const [, inside = ""] of (match[2] ?? "").matchAll(/\[([^[\]]+)\]/g)) {
      const part = bracket(inside);
      if (part === undefined) return undefined;
      parts.push(part);
    }
  }
  return parts.length > MAX_PARTS || parts[0]?.type !== "key" ? undefined : parts;
}

function bracket(inside: string): PathPart | undefined {
  const colon = inside.indexOf(":");
  if (colon > 0)
    return { type: "item", field: inside.slice(0, colon), value: inside.slice(colon + 1) };
  const index = Number(inside);
  const isIndex = Number.isInteger(index) && index >= 0 && index <= MAX_INDEX;
  return isIndex ? { type: "index", index } : undefined;
}

/** A copy with the value at the path; undefined as value takes it away. What is missing is made. */
export function setAt(
  root: JsonObject,
  path: readonly PathPart[],
  value: Json | undefined,
): JsonObject {
  const set = withValue(root, path, value);
  return isObject(set) ? set : root;
}

function withValue(
  at: Json | undefined,
  [part, ...rest]: readonly PathPart[],
  value: Json | undefined,
): Json | undefined {
  if (part === undefined) return value;
  if (part.type === "key") {
    const object = isObject(at) ? at : {};
    const next = withValue(object[part.key], rest, value);
    return next === undefined ? withoutKey(object, part.key) : { ...object, [part.key]: next };
  }
  const list = isArray(at) ? [...at] : [];
  const index = part.type === "index" ? part.index : indexOf(list, part.field, part.value);
  const before = list[index] ?? (part.type === "item" ? { [part.field]: part.value } : undefined);
  const next = withValue(before, rest, value);
  if (next === undefined) list.splice(index, 1);
  else list[Math.min(index, list.length)] = next;
  return list;
}

function indexOf(list: readonly Json[], field: string, value: string): number {
  const found = list.findIndex(item => isObject(item) && String(item[field]) === value);
  return found < 0 ? list.length : found;
}

/** The value at the path, undefined where there is none. */
export function getAt(root: Json, path: readonly PathPart[]): Json | undefined {
  let at: Json | undefined = root;
  for (const part of path) {
    if (part.type === "key") at = isObject(at) ? at[part.key] : undefined;
    else if (!isArray(at)) return undefined;
    else at = at[part.type === "index" ? part.index : indexOf(at, part.field, part.value)];
  }
  return at;
}

/**
 * Helm's and istioctl's merge: objects key by key, null takes a key away, lists of named items item
 * by item (a gateway, a port, a variable), other lists as a whole.
 */
export function merge(base: Json | undefined, over: Json): Json {
  if (isObject(base) && isObject(over)) {
    const merged: Record<string, Json> = { ...base };
    for (const [key, value] of Object.entries(over)) {
      if (value === null) delete merged[key];
      else merged[key] = merge(merged[key], value);
    }
    return merged;
  }
  if (isArray(base) && isArray(over) && [...base, ...over].every(isNamed)) {
    const merged = [...base];
    for (const item of over) {
      const index = indexOf(merged, "name", isObject(item) ? String(item["name"]) : "");
      merged[index] = merge(merged[index], item);
    }
    return merged;
  }
  return over;
}

function isNamed(item: Json): boolean {
  return isObject(item) && typeof item["name"] === "string";
}

export function mergeObjects(base: JsonObject, over: JsonObject): JsonObject {
  const merged = merge(base, over);
  return isObject(merged) ? merged : base;
}

/** What stands behind `=` of `--set`: truth values, numbers and null as YAML has them, `{a,b}` a list. */
export function parseSetValue(text: string): Json {
  if (text === "true" || text === "false") return text === "true";
  if (text === "null") return null;
  if (/^-?(?:0|[1-9]\d{0,14})(?:\.\d+)?$/.test(text)) return Number(text);
  const list = /^\{(.*)\}$/.exec(text);
  if (list === null) return text;
  return list[1] === "" ? [] : (list[1] ?? "").split(",").map(item => parseSetValue(item.trim()));
}
