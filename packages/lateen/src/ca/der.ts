/**
 * Framing of DER that is already encoded (ITU-T X.690). Values are encoded by the ASN.1 schema
 * library or by node:crypto; putting finished parts in a row needs no library and costs a tenth.
 * Only writes: nothing here ever reads DER that came from outside.
 */

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
/** `[n] EXPLICIT`, constructed. */
const CONTEXT = 0xa0;

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return element(SEQUENCE, parts);
}

/** A positive INTEGER from big-endian bytes whose first byte is between 1 and 127. */
export function positiveInteger(bytes: Uint8Array): Buffer {
  return element(INTEGER, [bytes]);
}

/** A BIT STRING of whole octets. */
export function bitString(bytes: Uint8Array): Buffer {
  return element(BIT_STRING, [Uint8Array.of(0), bytes]);
}

export function explicit(tag: number, part: Uint8Array): Buffer {
  return element(CONTEXT + tag, [part]);
}

/** PEM text of one block, lines of 64 characters (RFC 7468). */
export function pemBlock(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString("base64");
  let body = "";
  for (let at = 0; at < base64.length; at += 64) body += `${base64.slice(at, at + 64)}\n`;
  return `-----BEGIN ${label}-----\n${body}-----END ${label}-----\n`;
}

function element(tag: number, parts: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  return Buffer.concat([Uint8Array.of(tag), lengthOctets(length), ...parts]);
}

function lengthOctets(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  if (length < 0x100) return Uint8Array.of(0x81, length);
  if (length < 0x10000) return Uint8Array.of(0x82, length >> 8, length & 0xff);
  return Uint8Array.of(0x83, length >> 16, (length >> 8) & 0xff, length & 0xff);
}
