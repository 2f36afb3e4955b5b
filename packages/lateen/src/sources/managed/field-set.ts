/**
 * Sets of an object's fields, as `metadata.managedFields` names them (FieldsV1): `f:NAME` a field,
 * `k:{...}` an item of a list by its keys, `v:VALUE` an item of a set, `.` what holds them itself.
 */
import type { Json, JsonObject } from "../../api/kind.ts";
import { canonicalText, isArray, isObject } from "../json.ts";

export interface FieldSet {
  readonly owned: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
}

export const noFields: FieldSet = { owned: false, children: new Map() };
export const wholeField: FieldSet = { owned: true, children: new Map() };

export function isEmpty(set: FieldSet): boolean {
  return !set.owned && set.children.size === 0;
}

/** Drops children that hold nothing. */
export function fieldSet(
  owned: boolean,
  children: Iterable<readonly [string, FieldSet]>,
): FieldSet {
  const kept = new Map<string, FieldSet>();
  for (const [key, child] of children) if (!isEmpty(child)) kept.set(key, child);
  return { owned, children: kept };
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  const children = new Map(a.children);
  for (const [key, child] of b.children) {
    const before = children.get(key);
    children.set(key, before === undefined ? child : union(before, child));
  }
  return { owned: a.owned || b.owned, children };
}

export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const children = [...a.children].map(([key, child]): [string, FieldSet] => {
    const other = b.children.get(key);
    return [key, other === undefined ? child : difference(child, other)];
  });
  return fieldSet(a.owned && !b.owned, children);
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const children = [...a.children].flatMap(([key, child]): [string, FieldSet][] => {
    const other = b.children.get(key);
    return other === undefined ? [] : [[key, intersection(child, other)]];
  });
  return fieldSet(a.owned && b.owned, children);
}

export function sameSet(a: FieldSet, b: FieldSet): boolean {
  return isEmpty(difference(a, b)) && isEmpty(difference(b, a));
}

export function toFieldsV1(set: FieldSet): JsonObject {
  const json: Record<string, Json> = {};
  if (set.owned && set.children.size > 0) json["."] = {};
  for (const [key, child] of set.children) json[key] = toFieldsV1(child);
  return json;
}

/** What is no such set is read as far as it is one. */
export function fromFieldsV1(json: JsonObject): FieldSet {
  const keys = Object.keys(json);
  const children = keys
    .filter(key => key !== ".")
    .map((key): [string, FieldSet] => {
      const child = json[key];
      return [canonicalKey(key), isObject(child) ? fromFieldsV1(child) : noFields];
    });
  return { owned: keys.length === 0 || keys.includes("."), children: new Map(children) };
}

function canonicalKey(key: string): string {
  if (!key.startsWith("k:")) return key;
  try {
    const value: Json = JSON.parse(key.slice(2));
    return `k:${canonicalText(value)}`;
  } catch {
    return key;
  }
}

/** As Kubernetes writes them in messages: `.spec.ports[port=80].name`. */
export function pathsOf(set: FieldSet, prefix = ""): string[] {
  const own = set.owned ? [prefix] : [];
  return [
    ...own,
    ...[...set.children].flatMap(([key, child]) => pathsOf(child, prefix + shown(key))),
  ];
}

function shown(key: string): string {
  if (key.startsWith("f:")) return `.${key.slice(2)}`;
  if (key.startsWith("v:")) return `[=${key.slice(2)}]`;
  const keys: Json = JSON.parse(key.slice(2));
  const parts = isObject(keys) ? Object.entries(keys) : [];
  return `[${parts.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(",")}]`;
}

/** The part of a value that a key names; undefined: there is none. */
export function valueIn(value: Json | undefined, key: string): Json | undefined {
  if (key.startsWith("f:")) {
    const name = key.slice(2);
    return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  }
  return isArray(value) ? placesIn(value, keyNames(key)).get(key) : undefined;
}

/** Names of the fields that tell a list's items apart; undefined: the items are values. */
function keyNames(key: string): readonly string[] | undefined {
  if (!key.startsWith("k:")) return undefined;
  const keys: Json = JSON.parse(key.slice(2));
  return isObject(keys) ? Object.keys(keys) : [];
}

/** Kept for a list, as it is asked once for each of its items. */
const places = new WeakMap<readonly Json[], Map<string, Map<string, Json>>>();

function placesIn(list: readonly Json[], names: readonly string[] | undefined): Map<string, Json> {
  const known = places.get(list) ?? new Map<string, Map<string, Json>>();
  places.set(list, known);
  const by = names === undefined ? "" : names.join(",");
  const found = known.get(by) ?? new Map<string, Json>();
  if (!known.has(by)) {
    known.set(by, found);
    for (const item of list)
      found.set(names === undefined ? setKey(item) : itemKey(item, names), item);
  }
  return found;
}

export function setKey(item: Json): string {
  return `v:${canonicalText(item)}`;
}

export function itemKey(
  item: Json,
  names: readonly string[],
  defaults: Readonly<Record<string, Json>> = DEFAULTS,
): string {
  const object = isObject(item) ? item : {};
  const keys: Record<string, Json> = {};
  for (const name of names) {
    const value = object[name] ?? defaults[name];
    if (value !== undefined) keys[name] = value;
  }
  return `k:${canonicalText(keys)}`;
}

/** Keys that a list's items may leave out: the only such one of Kubernetes' own lists. */
const DEFAULTS: Readonly<Record<string, Json>> = { protocol: "TCP" };
