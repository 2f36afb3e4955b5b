import { Buffer } from "node:buffer";

/** A struct with nested structs and strings: all that peers tell one another. */
export interface PeerStruct {
  readonly [key: string]: string | PeerStruct;
}

/**
 * Base64 of a serialized google.protobuf.Value that holds the struct: the form that Envoy's
 * header_to_metadata filter decodes natively (PROTOBUF_VALUE, BASE64). Keys are sorted, so that
 * equal structs have equal bytes.
 */
export function encodePeerMetadata(peer: PeerStruct): string {
  return encodeValue(peer).toString("base64");
}

// google/protobuf/struct.proto: Value.string_value = 3, Value.struct_value = 5, Struct.fields = 1.
function encodeValue(value: string | PeerStruct): Buffer {
  return typeof value === "string"
    ? field(3, Buffer.from(value, "utf8"))
    : field(5, encodeStruct(value));
}

function encodeStruct(struct: PeerStruct): Buffer {
  const entries = Object.entries(struct).sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.concat(
    entries.map(([key, value]) =>
      field(1, Buffer.concat([field(1, Buffer.from(key, "utf8")), field(2, encodeValue(value))])),
    ),
  );
}

function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(content.length), content]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return Buffer.from([...bytes, rest]);
}
