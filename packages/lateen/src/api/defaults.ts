/** Fills in what the API server stores: the schema's defaults, in raw JSON. */
import { isObject, MAX_DEPTH } from "./decode.ts";
import type { Json, JsonObject } from "./kind.ts";
import type { SchemaNode } from "./schema.ts";

/** Values of the wrong type are left as they are: decoding reports them. */
export function storedDefaults(schema: SchemaNode, json: JsonObject): JsonObject {
  const filled = fill(schema, json, 0);
  return isObject(filled) ? filled : json;
}

function fill(node: SchemaNode, json: Json, depth: number): Json {
  if (depth > MAX_DEPTH) return json;
  if (node.type === "object" && isObject(json)) return fillObject(node, json, depth);
  const items = node.items;
  if (items === undefined) return json;
  if (node.type === "list" && Array.isArray(json))
    return json.map((item: Json) => fill(items, item, depth + 1));
  if (node.type === "map" && isObject(json))
    return mapEntries(json, value => fill(items, value, depth + 1));
  return json;
}

function fillObject(node: SchemaNode, json: JsonObject, depth: number): JsonObject {
  const out = mapEntries(json, (value, key) => {
    const property = node.properties?.get(key);
    return property === undefined ? value : fill(property, value, depth + 1);
  });
  for (const [key, property] of node.properties ?? []) {
    if (property.presence !== "default" || property.default === undefined) continue;
    if (property.decodedOnly === true) continue;
    const given = Object.hasOwn(json, key) ? json[key] : undefined;
    if (given !== undefined && given !== null) continue;
    out[key] = fill(property, property.default, depth + 1);
  }
  return out;
}

function mapEntries(
  json: JsonObject,
  change: (value: Json, key: string) => Json,
): Record<string, Json> {
  const out: Record<string, Json> = {};
  for (const [key, value] of Object.entries(json)) define(out, key, change(value, key));
  return out;
}

/** Unlike an assignment this makes a plain property of a key such as `__proto__`. */
function define(out: Record<string, Json>, key: string, value: Json): void {
  Object.defineProperty(out, key, { value, writable: true, enumerable: true, configurable: true });
}
