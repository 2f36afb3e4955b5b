// Reflection over the whole descriptor set, also over files that have no generated module: JSON in and out with Any
// expanded, for config dumps, patches and comparisons. Slow to load (it parses envoy.binpb) and slower to run than the
// generated codecs, so anything that serves streams should import this module lazily or not at all.

import { readFileSync } from "node:fs";
import {
  createFileRegistry,
  fromBinary,
  fromJson,
  ScalarType,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

let registry;

export function loadRegistry() {
  registry ??= createFileRegistry(
    fromBinary(FileDescriptorSetSchema, readFileSync(new URL("../envoy.binpb", import.meta.url))),
  );
  return registry;
}

export function toCanonicalJson(typeName, bytes, options = {}) {
  return decodedToJson(messageDesc(typeName), bytes, options.protoFieldNames === true);
}

export function fromCanonicalJson(typeName, json, options = {}) {
  const desc = messageDesc(typeName);
  const message = fromJson(desc, json, {
    registry: loadRegistry(),
    ignoreUnknownFields: options.ignoreUnknownFields === true,
  });
  return toBinary(desc, message);
}

function messageDesc(typeName) {
  const desc = findMessage(typeName);
  if (desc === undefined) {
    throw new Error(`the Envoy API has no message ${typeName}`);
  }
  return desc;
}

// Takes a full name, or a type URL with whatever host.
function findMessage(typeName) {
  return loadRegistry().getMessage(typeName.slice(typeName.lastIndexOf("/") + 1));
}

function decodedToJson(desc, bytes, protoNames) {
  return messageToJson(reflect(desc, fromBinary(desc, bytes)), protoNames);
}

// These have a JSON form that is not an object of their fields, and no Any inside, so the library can write them whole.
const leaves = new Set(
  [
    "Duration",
    "FieldMask",
    "ListValue",
    "Struct",
    "Timestamp",
    "Value",
    "BoolValue",
    "BytesValue",
    "DoubleValue",
    "FloatValue",
    "Int32Value",
    "Int64Value",
    "StringValue",
    "UInt32Value",
    "UInt64Value",
  ].map(name => `google.protobuf.${name}`),
);
const anyName = "google.protobuf.Any";

// The library's own toJson gives up on a whole message when one Any deep inside is of a type it does not know. Dumps
// have to show everything else, and there is no hook for it, hence this second walk over the fields.
function messageToJson(message, protoNames) {
  const { desc } = message;
  if (desc.typeName === anyName) {
    return anyToJson(message.message, protoNames);
  }
  if (leaves.has(desc.typeName)) {
    return toJson(desc, message.message);
  }
  const json = {};
  for (const field of message.fields) {
    if (message.isSet(field)) {
      json[protoNames ? field.name : field.jsonName] = fieldToJson(
        field,
        message.get(field),
        protoNames,
      );
    }
  }
  return json;
}

function fieldToJson(field, value, protoNames) {
  switch (field.fieldKind) {
    case "list":
      return Array.from(value, item => valueToJson(field.listKind, field, item, protoNames));
    case "map": {
      const json = {};
      for (const [key, item] of value) {
        // Plain assignment would lose a key "__proto__", which is as good as any in the map of a stranger.
        Object.defineProperty(json, String(key), {
          value: valueToJson(field.mapKind, field, item, protoNames),
          configurable: true,
          enumerable: true,
          writable: true,
        });
      }
      return json;
    }
    default:
      return valueToJson(field.fieldKind, field, value, protoNames);
  }
}

function valueToJson(kind, field, value, protoNames) {
  switch (kind) {
    case "message":
      return messageToJson(value, protoNames);
    case "enum":
      if (field.enum.typeName === "google.protobuf.NullValue") {
        return null;
      }
      return field.enum.value[value]?.name ?? value;
    default:
      return scalarToJson(field.scalar, value);
  }
}

function scalarToJson(type, value) {
  switch (type) {
    case ScalarType.BYTES:
      return base64Encode(value);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return Number.isFinite(value) ? value : String(value);
    default:
      return typeof value === "bigint" ? String(value) : value;
  }
}

function anyToJson(any, protoNames) {
  if (any.typeUrl === "") {
    return {};
  }
  const desc = findMessage(any.typeUrl);
  if (desc !== undefined) {
    try {
      const json = decodedToJson(desc, any.value, protoNames);
      return leaves.has(desc.typeName) || desc.typeName === anyName
        ? { "@type": any.typeUrl, value: json }
        : { "@type": any.typeUrl, ...json };
    } catch {
      // Bytes that are not of the type they claim to be are shown like those of an unknown type.
    }
  }
  return { "@type": any.typeUrl, value: base64Encode(any.value) };
}
