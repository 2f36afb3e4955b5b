/**
 * Paths into JSON as istioctl's `--set` and overlays write them: `a.b[0].c`, `a.[name:x].b`,
 * `args.[:--flag]`, `args.[-1]`, `a\.b` (Istio: operator/pkg/tpath).
 */
import type { Json, JsonObject } from "../api/kind.ts";
import { isArray, isObject, withoutKey } from "../sources/json.ts";

export type PathPart =
  | { readonly type: "key"; readonly key: string }
  | { readonly type: "index"; readonly index: number }
  /** The item of a list whose field has this value. */
  | { readonly type: "item"; readonly field: string; readonly value: string }
  /** The item of a list of texts that is this, or else the first that this regular expression finds. */
  | { readonly type: "text"; readonly value: string }
  /** Behind the last item. */
  | { readonly type: "end" };

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
  if (inside === "-1") return { type: "end" };
  const colon = inside.indexOf(":");
  if (colon === 0) return inside === ":" ? undefined : { type: "text", value: inside.slice(1) };
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
    const next = withValue(ownAt(object, part.key), rest, value);
    return next === undefined ? withoutKey(object, part.key) : { ...object, [part.key]: next };
  }
  const list = isArray(at) ? [...at] : [];
  const index = indexIn(list, part);
  const before = list[index] ?? (part.type === "item" ? { [part.field]: part.value } : undefined);
  const next = withValue(before, rest, value);
  if (next === undefined) list.splice(index, 1);
  else list[Math.min(index, list.length)] = next;
  return list;
}

type ListPart = Exclude<PathPart, { readonly type: "key" }>;

/** Where the item stands; the length of the list where there is none. */
function indexIn(list: readonly Json[], part: ListPart): number {
  if (part.type === "end") return list.length;
  if (part.type === "index") return part.index;
  const found = part.type === "item" ? itemIndex(list, part) : textIndex(list, part.value);
  return found < 0 ? list.length : found;
}

function itemIndex(
  list: readonly Json[],
  { field, value }: { readonly field: string; readonly value: string },
): number {
  return list.findIndex(item => isObject(item) && String(ownAt(item, field)) === value);
}

function textIndex(list: readonly Json[], text: string): number {
  const same = list.indexOf(text);
  if (same >= 0) return same;
  const pattern = regex(text);
  return pattern === undefined
    ? -1
    : list.findIndex(item => !isObject(item) && !isArray(item) && pattern.test(String(item)));
}

function regex(text: string): RegExp | undefined {
  try {
    return new RegExp(text);
  } catch {
    return undefined;
  }
}

function ownAt(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/**
 * What keeps a value from being set: something else than an object or a list on the way, or a text
 * that no item of the list is. Undefined: nothing.
 */
export function obstacle(root: Json, path: readonly PathPart[]): string | undefined {
  let at: Json | undefined = root;
  for (const [i, part] of path.entries()) {
    if (at === undefined || at === null) return part.type === "text" ? missing(part) : undefined;
    const fits = part.type === "key" ? isObject(at) : isArray(at);
    if (!fits) {
      const expected = part.type === "key" ? "an object" : "a list";
      return `found ${JSON.stringify(at)} at ${pathText(path.slice(0, i))}; expected ${expected}`;
    }
    const next: Json | undefined = getAt(at, [part]);
    if (part.type === "text" && next === undefined) return missing(part);
    at = next;
  }
  return undefined;
}

function missing({ value }: { readonly value: string }): string {
  return `no item of the list is ${value}`;
}

export function pathText(path: readonly PathPart[]): string {
  return path
    .map((part, i) => (i === 0 || part.type !== "key" ? "" : ".") + partText(part))
    .join("");
}

function partText(part: PathPart): string {
  switch (part.type) {
    case "key":
      return part.key.replaceAll(".", "\\.");
    case "index":
      return `[${part.index}]`;
    case "item":
      return `[${part.field}:${part.value}]`;
    case "text":
      return `[:${part.value}]`;
    case "end":
      return "[-1]";
  }
}

/** The value at the path, undefined where there is none. */
export function getAt(root: Json, path: readonly PathPart[]): Json | undefined {
  let at: Json | undefined = root;
  for (const part of path) {
    if (part.type === "key") at = isObject(at) ? ownAt(at, part.key) : undefined;
    else if (!isArray(at)) return undefined;
    else at = at[indexIn(at, part)];
  }
  return at;
}

/** Helm's and istioctl's merge: objects key by key, null takes a key away, lists as a whole. */
export function merge(base: Json | undefined, over: Json): Json {
  if (!isObject(base) || !isObject(over)) return over;
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(over)) {
    if (value === null) merged.delete(key);
    else merged.set(key, merge(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

export function mergeObjects(base: JsonObject, over: JsonObject): JsonObject {
  const merged = merge(base, over);
  return isObject(merged) ? merged : base;
}
