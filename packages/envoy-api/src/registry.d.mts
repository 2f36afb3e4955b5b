import type { FileRegistry, JsonValue } from "@bufbuild/protobuf";

/** Every file of envoy.binpb. Parsed at the first call. */
export function loadRegistry(): FileRegistry;

export interface ToJsonOptions {
  /** Field names as in the proto files (`socket_address`), the way Envoy's admin endpoints write them. */
  protoFieldNames?: boolean | undefined;
}

/**
 * The protobuf JSON form of an encoded message, with the contents of every Any written out.
 *
 * An Any of an unknown type, or whose bytes do not decode, becomes `{"@type": …, "value": <base64>}`. Only an unknown
 * `typeName` and undecodable `bytes` at the top throw.
 *
 * @param typeName a full message name, or a type URL
 */
export function toCanonicalJson(
  typeName: string,
  bytes: Uint8Array,
  options?: ToJsonOptions,
): JsonValue;

export interface FromJsonOptions {
  /** Skip fields that the message does not have. Without it they throw, and so does an Any of an unknown type. */
  ignoreUnknownFields?: boolean | undefined;
}

/**
 * Encodes the protobuf JSON form of a message. Takes field names in either spelling.
 *
 * @param typeName a full message name, or a type URL
 */
export function fromCanonicalJson(
  typeName: string,
  json: JsonValue,
  options?: FromJsonOptions,
): Uint8Array;
