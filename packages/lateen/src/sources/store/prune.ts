/** Fields that a schema does not know are not stored (as for a CRD with a structural schema). */
import type { Json, JsonObject } from "../../api/kind.ts";
import { isArray, isObject, objectAt } from "../json.ts";

/** A copy without the fields that `schema` (OpenAPI v3) does not know. `metadata` is left alone. */
export function pruneUnknown(object: JsonObject, schema: JsonObject): JsonObject {
  const properties = objectAt(schema, "properties");
  const kept: Record<string, Json> = {};
  for (const [key, value] of Object.entries(object)) {
    if (key === "apiVersion" || key === "kind" || key === "metadata") kept[key] = value;
    else if (Object.hasOwn(properties, key))
      kept[key] = pruneValue(value, objectAt(properties, key));
    else if (Object.keys(properties).length === 0) kept[key] = value;
  }
  return kept;
}

function pruneValue(value: Json, schema: JsonObject): Json {
  if (schema["x-kubernetes-preserve-unknown-fields"] === true) return value;
  if (isArray(value)) {
    const items = schema["items"];
    return isObject(items) ? value.map(item => pruneValue(item, items)) : value;
  }
  if (!isObject(value)) return value;
  const properties = schema["properties"];
  const additional = schema["additionalProperties"];
  if (!isObject(properties) && !isObject(additional)) return value;
  const known = objectAt(schema, "properties");
  const kept: Record<string, Json> = {};
  for (const [key, child] of Object.entries(value)) {
    if (Object.hasOwn(known, key)) kept[key] = pruneValue(child, objectAt(known, key));
    else if (isObject(additional)) kept[key] = pruneValue(child, additional);
    else if (additional === true) kept[key] = child;
  }
  return kept;
}
