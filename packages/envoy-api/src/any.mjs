import { BinaryWriter } from "@bufbuild/protobuf/wire";

const prefix = "type.googleapis.com/";

// A writer grows by doubling. One that has grown once is used for all messages, which are encoded one at a time; after
// a message of more than this it is let go.
const KEPT_BYTES = 1 << 20;
let spare;

export function typeUrl(codec) {
  return prefix + codec.$type;
}

export function pack(codec, message) {
  return { typeUrl: prefix + codec.$type, value: encodeMessage(codec, message) };
}

export function encodeMessage(codec, message) {
  // Taken away meanwhile: an encoder that throws leaves no half of a message behind.
  const writer = spare ?? new BinaryWriter();
  spare = undefined;
  const bytes = codec.encode(message, writer).finish();
  if (bytes.length <= KEPT_BYTES) spare = writer;
  return bytes;
}

export function unpack(codec, any) {
  const url = any.typeUrl ?? "";
  // The host in front of the name has no meaning, so only the name is compared.
  if (url.slice(url.lastIndexOf("/") + 1) !== codec.$type) {
    return undefined;
  }
  return codec.decode(any.value ?? new Uint8Array(0));
}
