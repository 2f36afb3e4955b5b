import type { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";

/** What every generated module exports for a message, next to the interface of the same name. */
export interface Codec<T> {
  readonly $type: string;
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
  decode(input: BinaryReader | Uint8Array, length?: number): T;
}

export interface PackedAny {
  typeUrl: string;
  value: Uint8Array;
}

/** `type.googleapis.com/` and the full name of the message. */
export function typeUrl(codec: { readonly $type: string }): string;

/** Encodes a message into a google.protobuf.Any. The literal is checked against the codec's interface. */
export function pack<T>(codec: Codec<T>, message: NoInfer<T>): PackedAny;

/** The message's bytes. The same as `codec.encode(message).finish()` without the garbage of a writer for each. */
export function encodeMessage<T>(codec: Codec<T>, message: NoInfer<T>): Uint8Array;

/** The message inside an Any, or undefined when the Any holds another type. Throws when the bytes do not decode. */
export function unpack<T>(
  codec: Codec<T>,
  any: { typeUrl?: string | undefined; value?: Uint8Array | undefined },
): T | undefined;
