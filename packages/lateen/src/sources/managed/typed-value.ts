/**
 * Objects with the schema's view of their lists: which are merged item by item, which are sets, and
 * which are one value (structured-merge-diff, as server-side apply uses it).
 */
import type { Json, JsonObject } from "../../api/kind.ts";
import { arrayAt, isArray, isObject, jsonEqual, objectAt, stringAt } from "../json.ts";
import {
  type FieldSet,
  fieldSet,
  isEmpty,
  itemKey,
  setKey,
  valueIn,
  wholeField,
} from "./field-set.ts";

type ListForm =
  | { readonly is: "map"; readonly names: readonly string[] }
  | { readonly is: "set" }
  | { readonly is: "atomic" };

/** The part of ObjectMeta's schema that matters here: in a CRD it has none. */
const METADATA: JsonObject = {
  properties: {
    finalizers: { "x-kubernetes-list-type": "set" },
    ownerReferences: { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"] },
  },
};

export function schemaOfObject(openApi: JsonObject): JsonObject {
  return { ...openApi, properties: { ...objectAt(openApi, "properties"), metadata: METADATA } };
}

function childSchema(schema: JsonObject, name: string): JsonObject {
  const properties = objectAt(schema, "properties");
  if (Object.hasOwn(properties, name)) return objectAt(properties, name);
  return objectAt(schema, "additionalProperties");
}

function listForm(schema: JsonObject): ListForm {
  const names = arrayAt(schema, "x-kubernetes-list-map-keys").map(String);
  switch (stringAt(schema, "x-kubernetes-list-type")) {
    case "map":
      return names.length === 0 ? { is: "atomic" } : { is: "map", names };
    case "set":
      return { is: "set" };
    case "atomic":
      return { is: "atomic" };
  }
  // Kubernetes' own lists that say by what a strategic patch merges them have the same keys here.
  const key = stringAt(schema, "x-kubernetes-patch-merge-key");
  if (key !== "") return { is: "map", names: [key] };
  const merges = stringAt(schema, "x-kubernetes-patch-strategy").includes("merge");
  return { is: merges ? "set" : "atomic" };
}

function isAtomic(schema: JsonObject): boolean {
  return stringAt(schema, "x-kubernetes-map-type") === "atomic";
}

/** Key, item and schema of what a value holds; undefined: it is one value. */
function partsOf(
  value: Json | undefined,
  schema: JsonObject,
): readonly (readonly [string, Json, JsonObject])[] | undefined {
  if (isObject(value)) {
    if (isAtomic(schema)) return undefined;
    return Object.entries(value)
      .filter(([, child]) => child !== null)
      .map(([name, child]) => [`f:${name}`, child, childSchema(schema, name)]);
  }
  if (!isArray(value)) return undefined;
  const form = listForm(schema);
  const items = objectAt(schema, "items");
  if (form.is === "map") return value.map(item => [itemKey(item, form.names), item, items]);
  return form.is === "set" ? value.map(item => [setKey(item), item, items]) : undefined;
}

/** Every field that the value sets. */
export function fieldsOf(value: Json, schema: JsonObject): FieldSet {
  const parts = partsOf(value, schema);
  if (parts === undefined || parts.length === 0) return wholeField;
  return fieldSet(
    false,
    parts.map(([key, child, inner]) => {
      const fields = fieldsOf(child, inner);
      // An item of a list is there by being named.
      return [key, key.startsWith("f:") ? fields : { ...fields, owned: true }];
    }),
  );
}

/** What `applied` says, over what is there. */
export function merged(live: Json | undefined, applied: Json, schema: JsonObject): Json {
  if (isObject(applied) && isObject(live) && !isAtomic(schema)) {
    const result: Record<string, Json> = { ...live };
    for (const [name, value] of Object.entries(applied))
      if (value !== null) result[name] = merged(live[name], value, childSchema(schema, name));
    return result;
  }
  const form = isArray(applied) ? listForm(schema) : undefined;
  if (!isArray(applied) || !isArray(live) || form === undefined || form.is === "atomic")
    return applied;
  const keyOf = (item: Json): string =>
    form.is === "map" ? itemKey(item, form.names) : setKey(item);
  const result = new Map(live.map(item => [keyOf(item), item]));
  for (const item of applied)
    result.set(keyOf(item), merged(result.get(keyOf(item)), item, objectAt(schema, "items")));
  return [...result.values()];
}

/** Of `fields`, those whose values differ between two objects. */
export function differing(
  before: Json | undefined,
  after: Json | undefined,
  fields: FieldSet,
): FieldSet {
  if (fields.children.size === 0) {
    return { ...fields, owned: fields.owned && !jsonEqual(before, after) };
  }
  const appeared = (before === undefined) !== (after === undefined);
  return fieldSet(
    fields.owned && appeared,
    [...fields.children].map(([key, child]) => [
      key,
      differing(valueIn(before, key), valueIn(after, key), child),
    ]),
  );
}

/** The object without `gone`, but for what `kept` holds; undefined: nothing is left of it. */
export function without(
  value: Json,
  gone: FieldSet,
  kept: FieldSet | undefined,
  schema: JsonObject,
): Json | undefined {
  const parts = partsOf(value, schema);
  if (parts === undefined) return gone.owned && kept === undefined ? undefined : value;
  if (gone.owned && (kept === undefined || isEmpty(kept))) return undefined;
  const left = parts.map(([key, child, inner]): [string, Json | undefined] => {
    const lost = gone.children.get(key);
    return [key, lost === undefined ? child : without(child, lost, kept?.children.get(key), inner)];
  });
  const present = left.filter((each): each is [string, Json] => each[1] !== undefined);
  if (present.length === 0 && parts.length > 0 && kept === undefined) return undefined;
  if (!isObject(value)) return present.map(([, child]) => child);
  return Object.fromEntries(present.map(([key, child]) => [key.slice(2), child]));
}
