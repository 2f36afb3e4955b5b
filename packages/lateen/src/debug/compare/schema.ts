/** What the parts of a message's JSON are, by Envoy's descriptors. */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { loadRegistry } from "@lateen/envoy-api/registry.js";
import { isObject, type Json } from "./json.ts";

const ANY = "google.protobuf.Any";
/** Their JSON is not an object of their fields. */
const OPAQUE = /^google\.protobuf\.(Struct|Value|ListValue|Duration|Timestamp|FieldMask|.*Value)$/;
const fieldsOf = new Map<DescMessage, ReadonlyMap<string, DescField>>();

/** The message by its full name or type URL; undefined for what only istio-proxy knows. */
export function messageNamed(name: string): DescMessage | undefined {
  return loadRegistry().getMessage(name.slice(name.lastIndexOf("/") + 1));
}

/**
 * What `value` is an instance of, when a field (or resource) is declared as `declared`: an Any is
 * what its `@type` says. Undefined: nothing is known of its fields.
 */
export function actualType(
  value: Json | undefined,
  declared: DescMessage | undefined,
): DescMessage | undefined {
  if (declared?.typeName !== ANY) return declared;
  const type = isObject(value) ? value["@type"] : undefined;
  return typeof type === "string" ? messageNamed(type) : undefined;
}

export function fieldNamed(message: DescMessage | undefined, name: string): DescField | undefined {
  if (message === undefined || OPAQUE.test(message.typeName)) return undefined;
  let fields = fieldsOf.get(message);
  if (fields === undefined) {
    fields = new Map(message.fields.map(field => [field.jsonName, field]));
    fieldsOf.set(message, fields);
  }
  return fields.get(name);
}

/** The declared type of a field's value, of its elements, or of a map's values. */
export function declaredType(field: DescField | undefined): DescMessage | undefined {
  return field?.message;
}
