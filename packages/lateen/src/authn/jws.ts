/** JSON Web Signatures in compact form (RFC 7515), one algorithm only: ES256. */
import { type KeyObject, sign, verify } from "node:crypto";

/** Kubernetes' projected tokens have about 1,200 characters. */
const TOKEN_LENGTH_MAX = 8_192;
/** Base64url without padding, as RFC 7515 has it. */
const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})$/;
const HASH = "sha256";
const dsaEncoding = "ieee-p1363";

export type JsonRecord = Readonly<Record<string, unknown>>;

export function signCompact(payload: JsonRecord, key: KeyObject, keyId: string): string {
  const header = encodePart({ alg: "ES256", typ: "JWT", kid: keyId });
  const signed = `${header}.${encodePart(payload)}`;
  const signature = sign(HASH, Buffer.from(signed), { key, dsaEncoding });
  return `${signed}.${signature.toString("base64url")}`;
}

/**
 * The payload, if the token was signed by exactly this key with exactly this algorithm; else why
 * not. The reason never quotes the token.
 */
export function verifyCompact(
  token: string,
  key: KeyObject,
  keyId: string,
): { readonly payload: JsonRecord } | { readonly refused: string } {
  if (token.length > TOKEN_LENGTH_MAX)
    return {
      refused: `token has ${token.length} characters; at most ${TOKEN_LENGTH_MAX} are read`,
    };
  const parts = COMPACT.exec(token);
  if (parts === null) return { refused: "token is not a signed JWT of ES256" };
  const [, header = "", payload = "", signature = ""] = parts;
  const fields = decodePart(header);
  if (fields?.["alg"] !== "ES256") return { refused: "token header: expected alg ES256" };
  if (fields["crit"] !== undefined) return { refused: "token header: crit is not supported" };
  if (fields["kid"] !== keyId) return { refused: "token is signed by a key that is not ours" };
  const bytes = Buffer.from(signature, "base64url");
  const signed = Buffer.from(`${header}.${payload}`);
  // A second spelling of the same signature would get past a cache by token.
  const canonical = bytes.toString("base64url") === signature;
  if (!canonical || !verify(HASH, signed, { key, dsaEncoding }, bytes))
    return { refused: "token signature is wrong" };
  const claims = decodePart(payload);
  return claims === undefined
    ? { refused: "token payload is no JSON object" }
    : { payload: claims };
}

/** The payload of any JWT; nothing has vouched for it. */
export function unverifiedPayload(token: string): JsonRecord | undefined {
  if (token.length > TOKEN_LENGTH_MAX) return undefined;
  const [, payload] = /^[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*$/.exec(token) ?? [];
  return payload === undefined ? undefined : decodePart(payload);
}

/** A JSON object, or undefined for every other value. */
export function asRecord(value: unknown): JsonRecord | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.fromEntries(Object.entries(value));
}

function encodePart(value: JsonRecord): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decodePart(part: string): JsonRecord | undefined {
  try {
    return asRecord(JSON.parse(Buffer.from(part, "base64url").toString("utf8")));
  } catch {
    return undefined;
  }
}
