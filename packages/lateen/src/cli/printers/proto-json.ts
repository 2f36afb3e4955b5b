/**
 * Envoy's admin interface writes JSON with proto field names (`socket_address`); istioctl prints
 * protojson (`socketAddress`). Converted by Envoy's descriptors, what an Any holds by its `@type`.
 * Loading them costs a quarter of a second: imported only where such output is asked for.
 */
import { type DescField, type DescMessage, getOption, ScalarType } from "@bufbuild/protobuf";
import { loadRegistry } from "@lateen/envoy-api/registry.js";
import { compareText } from "../../base/compare.ts";

type JsonObject = Readonly<Record<string, unknown>>;

const ANY = "google.protobuf.Any";
/** Free JSON: no field names of a schema inside. */
const FREE = /^google\.protobuf\.(Struct|Value|ListValue)$/;
/** Their JSON is not an object of their fields. */
const WRITTEN_WHOLE = /^google\.protobuf\.(Struct|Duration|Timestamp|FieldMask|.*Value)$/;
const REDACTED = "[redacted]";

/**
 * `json` of the message `typeName` as protojson: camel case, fields as the schema orders them, maps
 * by key. Accepts either spelling; what the schema does not know stays as it is, at the end. Fields
 * that Envoy's API marks as sensitive (private keys) are never shown.
 */
export function protoJson(typeName: string, json: unknown): unknown {
  const desc = messageNamed(typeName);
  return desc === undefined ? sortedKeys(json) : convertMessage(desc, json);
}

function messageNamed(name: string): DescMessage | undefined {
  return loadRegistry().getMessage(name.slice(name.lastIndexOf("/") + 1));
}

function convertMessage(desc: DescMessage, json: unknown): unknown {
  if (desc.typeName === ANY) return convertAny(json);
  if (FREE.test(desc.typeName)) return sortedKeys(json);
  if (WRITTEN_WHOLE.test(desc.typeName) || !isObject(json)) return json;
  return convertFields(desc, json);
}

function convertAny(json: unknown): unknown {
  if (!isObject(json)) return json;
  const { "@type": type, ...rest } = json;
  const desc = typeof type === "string" ? messageNamed(type) : undefined;
  if (desc === undefined) return sortedKeys(json);
  if (desc.typeName === ANY || WRITTEN_WHOLE.test(desc.typeName)) {
    return { "@type": type, value: convertMessage(desc, rest["value"]) };
  }
  return { "@type": type, ...convertFields(desc, rest) };
}

function convertFields(desc: DescMessage, json: JsonObject): JsonObject {
  const left = new Map(Object.entries(json).filter(([key]) => key !== "@type"));
  const converted: Record<string, unknown> = {};
  for (const field of desc.fields) {
    const key = left.has(field.name) ? field.name : field.jsonName;
    const value = left.get(key);
    if (value === undefined || value === null) continue;
    left.delete(key);
    if (isEmpty(field, value)) continue;
    converted[field.jsonName] = isSensitive(field) ? redacted(value) : convertField(field, value);
  }
  for (const [key, value] of left) converted[key] = sortedKeys(value);
  return converted;
}

/** Lists and maps without anything in them are not there, in protobuf. */
function isEmpty(field: DescField, value: unknown): boolean {
  if (field.fieldKind === "list") return Array.isArray(value) && value.length === 0;
  return field.fieldKind === "map" && isObject(value) && Object.keys(value).length === 0;
}

function convertField(field: DescField, value: unknown): unknown {
  if (field.fieldKind === "list" && Array.isArray(value)) {
    return value.map(each => convertValue(field, each));
  }
  if (field.fieldKind !== "map" || !isObject(value)) return convertValue(field, value);
  const byKey = Object.entries(value).sort((a, b) => compareText(a[0], b[0]));
  return Object.fromEntries(byKey.map(([key, each]) => [key, convertValue(field, each)]));
}

/** A field's value, an element of its list or a value of its map. */
function convertValue(field: DescField, value: unknown): unknown {
  if (field.message !== undefined) return convertMessage(field.message, value);
  if (field.enum !== undefined) {
    return typeof value === "number" ? (field.enum.value[value]?.name ?? value) : value;
  }
  if (field.scalar === ScalarType.FLOAT && typeof value === "number") return shortestFloat(value);
  return value;
}

/** 0.1 in 32 bits is 0.10000000149 in 64: written as short as still gives the same 32. */
function shortestFloat(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

function isSensitive(field: DescField): boolean {
  const extension = loadRegistry().getExtension("udpa.annotations.sensitive");
  return extension !== undefined && getOption(field, extension) === true;
}

/** As Envoy does it: texts become `[redacted]`, bytes that in base64, the rest stays. */
function redacted(value: unknown): unknown {
  if (typeof value === "string") return REDACTED;
  if (Array.isArray(value)) return value.map(redacted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => {
      const name = key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
      const bytes = name === "inlineBytes" && typeof each === "string";
      if (bytes) return [name, Buffer.from(REDACTED).toString("base64")];
      return [name, name === "filename" ? each : redacted(each)];
    }),
  );
}

function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).sort((a, b) => compareText(a[0], b[0]));
  return Object.fromEntries(entries.map(([key, each]) => [key, sortedKeys(each)]));
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
