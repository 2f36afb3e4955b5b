/**
 * Strategic merge patch: like a merge patch, but lists whose schema names a key are merged item by
 * item (apimachinery: pkg/util/strategicpatch). The keys come from the kind's OpenAPI schema.
 */
import type { Json, JsonObject } from "../../api/kind.ts";
import { isArray, isObject, jsonEqual, objectAt, stringAt } from "../json.ts";
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
    const merged = mergeValue(original[key], value, schemaOf(schema, key));
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
  let result: readonly Json[] = replaces ? [] : original;
  for (const item of patch) {
    if (!isObject(item)) throw new PatchProblem(`items merged by ${key} must be objects`);
    if (item["$patch"] === "replace" && Object.keys(item).length === 1) continue;
    const id = item[key];
    if (id === undefined)
      throw new PatchProblem(`an item of a list merged by ${key} has no ${key}`);
    const index = result.findIndex(other => isObject(other) && jsonEqual(other[key], id));
    if (item["$patch"] === "delete") {
      if (index >= 0) result = result.toSpliced(index, 1);
      continue;
    }
    const found = result[index];
    const before = isObject(found) ? found : {};
    const merged = mergeObject(before, item, objectAt(schema, "items"));
    result = index < 0 ? [...result, merged] : result.with(index, merged);
  }
  return result;
}

function mergePrimitives(original: readonly Json[], patch: readonly Json[]): readonly Json[] {
  const result = [...original];
  for (const item of patch) if (!result.some(other => jsonEqual(other, item))) result.push(item);
  return result;
}

function deletePrimitives(result: Record<string, Json>, field: string, values: Json): void {
  const list = result[field];
  if (!isArray(values)) throw new PatchProblem(`${DELETE_PRIMITIVES}${field} must be a list`);
  if (!isArray(list)) return;
  result[field] = list.filter(item => !values.some(value => jsonEqual(value, item)));
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
  const idOf = (item: Json): Json => {
    const id = key !== undefined && isObject(item) ? item[key] : item;
    return id ?? null;
  };
  const before = isArray(original) ? original.map(idOf) : [];
  const place = (item: Json): number => before.findIndex(id => jsonEqual(id, idOf(item)));
  const named: Json[] = [];
  for (const wanted of order) {
    const found = list.find(item => jsonEqual(idOf(item), idOf(wanted)));
    if (found !== undefined) named.push(found);
  }
  const others = list.filter(item => !named.includes(item));
  const merged: Json[] = [];
  while (named.length > 0 || others.length > 0) {
    const [first] = named;
    const [other] = others;
    const takeOther =
      first === undefined ||
      (other !== undefined &&
        place(first) >= 0 &&
        place(other) >= 0 &&
        place(other) < place(first));
    const taken = takeOther ? others.shift() : named.shift();
    if (taken !== undefined) merged.push(taken);
  }
  result[field] = merged;
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
