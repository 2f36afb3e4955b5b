/**
 * Strategic merge patch: like a merge patch, but lists whose schema names a key are merged item by
 * item (apimachinery: pkg/util/strategicpatch). The keys come from the kind's OpenAPI schema.
 */

import type { Json, JsonObject } from "../../api/kind.ts";
import { own } from "../../base/own.ts";
import { canonicalText, isArray, isObject, objectAt, stringAt } from "../json.ts";
import { type ApiResult, badRequest, succeeded } from "../status.ts";

const ORDER = "$setElementOrder/";
const DELETE_PRIMITIVES = "$deleteFromPrimitiveList/";

/** Thrown within this file only, where a patch contradicts the schema. */
class PatchProblem extends Error {}

export function strategicPatch(
  object: JsonObject,
  patch: JsonObject,
  schema: JsonObject,
): ApiResult<JsonObject> {
  try {
    return succeeded(mergeObject(object, patch, schema));
  } catch (error) {
    if (error instanceof PatchProblem) return badRequest(`invalid patch: ${error.message}`);
    throw error;
  }
}

function mergeObject(original: JsonObject, patch: JsonObject, schema: JsonObject): JsonObject {
  const directive = patch["$patch"];
  if (directive === "replace") return withoutDirectives(patch);
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge")
    throw new PatchProblem(`$patch must be merge, replace or delete, found ${text(directive)}`);
  const result = retainKeys(original, patch["$retainKeys"]);
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$")) continue;
    const merged = mergeValue(own(original, key), value, schemaOf(schema, key));
    if (merged === undefined) delete result[key];
    else result[key] = merged;
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(DELETE_PRIMITIVES))
      deletePrimitives(result, key.slice(DELETE_PRIMITIVES.length), value);
  }
  for (const [key, value] of Object.entries(patch)) {
    if (!key.startsWith(ORDER)) continue;
    const field = key.slice(ORDER.length);
    setOrder(result, field, value, original[field], mergeKeyOf(schemaOf(schema, field)));
  }
  return result;
}

function mergeValue(original: Json | undefined, value: Json, schema: JsonObject): Json | undefined {
  if (value === null) return undefined;
  if (isObject(value)) {
    if (value["$patch"] === "delete") return undefined;
    return mergeObject(isObject(original) ? original : {}, value, schema);
  }
  if (isArray(value) && schema["x-kubernetes-patch-strategy"] === "merge")
    return mergeList(isArray(original) ? original : [], value, schema);
  return isArray(value) ? value.map(withoutListDirectives) : value;
}

function retainKeys(original: JsonObject, keys: Json | undefined): Record<string, Json> {
  if (keys === undefined) return { ...original };
  if (!isArray(keys)) throw new PatchProblem("$retainKeys must be a list of field names");
  return Object.fromEntries(Object.entries(original).filter(([key]) => keys.includes(key)));
}

function mergeList(
  original: readonly Json[],
  patch: readonly Json[],
  schema: JsonObject,
): readonly Json[] {
  const key = mergeKeyOf(schema);
  if (key === undefined) return mergePrimitives(original, patch);
  const replaces = patch.some(item => isObject(item) && item["$patch"] === "replace");
  const result: (Json | undefined)[] = replaces ? [] : [...original];
  // By the text of their ids: to look for each in the list would compare each with each.
  const places = new Map<string, number>();
  for (const [i, item] of result.entries()) {
    const id = isObject(item) ? item[key] : undefined;
    if (id !== undefined && !places.has(canonicalText(id))) places.set(canonicalText(id), i);
  }
  for (const item of patch) {
    if (!isObject(item)) throw new PatchProblem(`items merged by ${key} must be objects`);
    if (item["$patch"] === "replace" && Object.keys(item).length === 1) continue;
    const id = item[key];
    if (id === undefined)
      throw new PatchProblem(`an item of a list merged by ${key} has no ${key}`);
    const name = canonicalText(id);
    const index = places.get(name);
    if (item["$patch"] === "delete") {
      if (index !== undefined) result[index] = undefined;
      places.delete(name);
      continue;
    }
    const found = index === undefined ? undefined : result[index];
    const merged = mergeObject(isObject(found) ? found : {}, item, objectAt(schema, "items"));
    places.set(name, index ?? result.length);
    result[index ?? result.length] = merged;
  }
  return result.filter(item => item !== undefined);
}

function mergePrimitives(original: readonly Json[], patch: readonly Json[]): readonly Json[] {
  const result = [...original];
  const present = new Set(original.map(canonicalText));
  for (const item of patch) {
    const name = canonicalText(item);
    if (!present.has(name)) result.push(item);
    present.add(name);
  }
  return result;
}

function deletePrimitives(result: Record<string, Json>, field: string, values: Json): void {
  const list = result[field];
  if (!isArray(values)) throw new PatchProblem(`${DELETE_PRIMITIVES}${field} must be a list`);
  if (!isArray(list)) return;
  const gone = new Set(values.map(canonicalText));
  result[field] = list.filter(item => !gone.has(canonicalText(item)));
}

/**
 * Items that the order names come in that order; the others, which only the server knows, keep
 * their places relative to those that were there before.
 */
function setOrder(
  result: Record<string, Json>,
  field: string,
  order: Json,
  original: Json | undefined,
  key: string | undefined,
): void {
  const list = result[field];
  if (!isArray(list)) return;
  if (!isArray(order)) throw new PatchProblem(`${ORDER}${field} must be a list`);
  const idOf = (item: Json): string => {
    const id = key !== undefined && isObject(item) ? item[key] : item;
    return canonicalText(id ?? null);
  };
  const before = new Map<string, number>();
  for (const [i, item] of (isArray(original) ? original : []).entries())
    if (!before.has(idOf(item))) before.set(idOf(item), i);
  const items = new Map<string, Json>();
  for (const item of list) if (!items.has(idOf(item))) items.set(idOf(item), item);
  // Each once, however often the order names it.
  const names = new Set(order.map(idOf).filter(name => items.has(name)));
  const named = [...names].map(name => ({ name, item: items.get(name) ?? null }));
  const others = list.filter(item => !(names.has(idOf(item)) && items.get(idOf(item)) === item));
  const merged: Json[] = [];
  let next = 0;
  for (const { name, item } of named) {
    const place = before.get(name);
    for (; next < others.length; next++) {
      const other = others[next] ?? null;
      const otherPlace = before.get(idOf(other));
      if (place === undefined || otherPlace === undefined || otherPlace > place) break;
      merged.push(other);
    }
    merged.push(item);
  }
  result[field] = [...merged, ...others.slice(next)];
}

function schemaOf(schema: JsonObject, field: string): JsonObject {
  const properties = objectAt(schema, "properties");
  if (Object.hasOwn(properties, field)) return objectAt(properties, field);
  return objectAt(schema, "additionalProperties");
}

function mergeKeyOf(schema: JsonObject): string | undefined {
  return stringAt(schema, "x-kubernetes-patch-merge-key") || undefined;
}

/** A new object takes what the patch says, without its directives and nulls. */
function withoutDirectives(patch: JsonObject): JsonObject {
  const kept: Record<string, Json> = {};
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$") || value === null) continue;
    kept[key] = withoutListDirectives(value);
  }
  return kept;
}

function withoutListDirectives(value: Json): Json {
  if (isArray(value)) return value.map(withoutListDirectives);
  return isObject(value) ? withoutDirectives(value) : value;
}

function text(value: Json): string {
  return JSON.stringify(value).slice(0, 100);
}
