/** Objects in Kubernetes' protobuf encoding (apimachinery: runtime/serializer/protobuf), as JSON. */
import type { Json, JsonObject } from "../../api/kind.ts";
import { type ApiResult, badRequest, type Failed, failed, succeeded } from "../status.ts";
import {
  type Field,
  type FieldType,
  type MessageType,
  protobufMessages,
} from "./protobuf-schema.ts";

export const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";
/** `k8s` and a zero. */
const MAGIC = Buffer.of(0x6b, 0x38, 0x73, 0);
const MAX_DEPTH = 20;

/** Thrown within this file only. */
class ProtobufProblem extends Error {}

/** `k8s\0`, then an envelope (runtime.Unknown) that names the type and holds the object. */
export function parseProtobuf(body: Uint8Array): ApiResult<JsonObject> {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC))
    return badRequest("the body is not Kubernetes protobuf: it does not begin with k8s\\0");
  try {
    const envelope = wireFields(bytes.subarray(MAGIC.length));
    const type = wireFields(bytesOf(envelope, 1));
    const apiVersion = bytesOf(type, 1).toString();
    const kind = bytesOf(type, 2).toString();
    const message = protobufMessages.get(`${apiVersion} ${kind}`);
    if (message === undefined) return notRead(`${kind} of ${apiVersion}`);
    return succeeded({ apiVersion, kind, ...decodeMessage(message, bytesOf(envelope, 2), 0) });
  } catch (error) {
    if (error instanceof ProtobufProblem) return notRead(error.message);
    throw error;
  }
}

function notRead(what: string): Failed {
  return failed(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format (${PROTOBUF_TYPE}: ${what}) - accepted media ` +
      "types include: application/json, application/yaml. With kubectl, write the object to a " +
      "file (--dry-run=client -o yaml) and apply that",
  );
}

interface WireField {
  readonly number: number;
  /** Length-delimited fields have bytes, varints a value. */
  readonly bytes: Buffer;
  readonly value: bigint;
}

function wireFields(bytes: Buffer): WireField[] {
  const fields: WireField[] = [];
  let offset = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[offset++];
      if (byte === undefined) throw new ProtobufProblem("it ends too early");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw new ProtobufProblem("a number is too long");
  };
  const none = Buffer.alloc(0);
  while (offset < bytes.length) {
    const tag = Number(varint());
    const number = tag >>> 3;
    if ((tag & 7) === 0) {
      fields.push({ number, bytes: none, value: varint() });
      continue;
    }
    if ((tag & 7) !== 2) throw new ProtobufProblem(`wire type ${tag & 7} is not expected`);
    const length = Number(varint());
    if (length < 0 || offset + length > bytes.length)
      throw new ProtobufProblem("it ends too early");
    fields.push({ number, bytes: bytes.subarray(offset, offset + length), value: 0n });
    offset += length;
  }
  return fields;
}

function bytesOf(fields: readonly WireField[], number: number): Buffer {
  return fields.find(field => field.number === number)?.bytes ?? Buffer.alloc(0);
}

function decodeMessage(message: MessageType, bytes: Buffer, depth: number): JsonObject {
  if (depth > MAX_DEPTH) throw new ProtobufProblem("it is nested too deep");
  const object: Record<string, Json> = {};
  const lists = new Map<string, Json[]>();
  const maps = new Map<string, Record<string, Json>>();
  for (const wire of wireFields(bytes)) {
    const field = message.fields.get(wire.number);
    if (field === undefined) {
      // Go writes what is not set as an empty message or string.
      if (wire.bytes.length === 0 && wire.value === 0n) continue;
      if (isEmptyMessage(wire.bytes)) continue;
      throw new ProtobufProblem(`field ${wire.number} of ${message.name}`);
    }
    if (field.form === "map") addEntry(maps, field, wire.bytes, depth);
    else if (field.form === "list")
      lists.set(field.name, [
        ...(lists.get(field.name) ?? []),
        decodeValue(field.type, wire, depth),
      ]);
    else {
      const value = decodeValue(field.type, wire, depth);
      if (field.pointer || !isUnset(value)) object[field.name] = value;
    }
  }
  return { ...object, ...Object.fromEntries(lists), ...Object.fromEntries(maps) };
}

/** Nested messages of which nothing is set: bytes that hold only empty fields again. */
function isEmptyMessage(bytes: Buffer): boolean {
  if (bytes.length === 0) return false;
  try {
    return wireFields(bytes).every(
      field => field.value === 0n && (field.bytes.length === 0 || isEmptyMessage(field.bytes)),
    );
  } catch {
    return false;
  }
}

function isUnset(value: Json): boolean {
  if (value === "" || value === 0 || value === false || value === null) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function addEntry(
  maps: Map<string, Record<string, Json>>,
  field: Field,
  bytes: Buffer,
  depth: number,
): void {
  const entry = wireFields(bytes);
  const key = bytesOf(entry, 1).toString();
  const value = { number: 2, bytes: bytesOf(entry, 2), value: 0n };
  const map = maps.get(field.name) ?? Object.create(null);
  map[key] = decodeValue(field.type, value, depth);
  maps.set(field.name, map);
}

function decodeValue(type: FieldType, wire: WireField, depth: number): Json {
  switch (type) {
    case "string":
      return wire.bytes.toString();
    case "integer":
      return Number(wire.value);
    case "boolean":
      return wire.value !== 0n;
    case "bytes":
      return wire.bytes.toString("base64");
    case "quantity":
      return bytesOf(wireFields(wire.bytes), 1).toString();
    case "time":
      return timeOf(wire.bytes);
    case "intOrString": {
      const fields = wireFields(wire.bytes);
      const numberAt = (number: number): bigint =>
        fields.find(field => field.number === number)?.value ?? 0n;
      return numberAt(1) === 0n ? Number(numberAt(2)) : bytesOf(fields, 3).toString();
    }
    default:
      return decodeMessage(type, wire.bytes, depth + 1);
  }
}

function timeOf(bytes: Buffer): Json {
  const seconds = wireFields(bytes).find(field => field.number === 1)?.value ?? 0n;
  // Go's zero time.
  if (seconds <= 0n) return null;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}Z`;
}
