/** The key that signs tokens of local workloads; kept in the store: tokens survive a restart. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import type { Result } from "../base/diagnostic.ts";
import type { SecretPort } from "../base/secret-port.ts";

export const TOKEN_KEY_SECRET = "lateen-token-key";
const KEY_FIELD = "key.pem";
const KEY_ID_BYTES = 8;

export interface TokenKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Goes into the tokens' `kid`: 16 hex digits of the SHA-256 of the public key. */
  readonly keyId: string;
}

/** Of several control planes that start at once, one writes and all read what it wrote. */
export async function loadOrCreateTokenKey(port: SecretPort): Promise<Result<TokenKey>> {
  const stored = await port.get(TOKEN_KEY_SECRET);
  if (stored !== undefined) return openTokenKey(stored);
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const made = { [KEY_FIELD]: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
  const outcome = await port.create(TOKEN_KEY_SECRET, "Opaque", made);
  return openTokenKey(outcome === "created" ? made : ((await port.get(TOKEN_KEY_SECRET)) ?? {}));
}

function openTokenKey(data: Readonly<Record<string, string>>): Result<TokenKey> {
  const privateKey = parseKey(data[KEY_FIELD] ?? "");
  if (privateKey?.asymmetricKeyDetails?.namedCurve === "prime256v1")
    return { ok: true, value: tokenKeyOf(privateKey), diagnostics: [] };
  const message = `Secret ${TOKEN_KEY_SECRET}: expected an ECDSA P-256 private key in PEM`;
  const path = `data["${KEY_FIELD}"]`;
  return { ok: false, diagnostics: [{ severity: "error", path, message, reason: "InvalidKey" }] };
}

function tokenKeyOf(privateKey: KeyObject): TokenKey {
  const publicKey = createPublicKey(privateKey);
  const spki = publicKey.export({ type: "spki", format: "der" });
  const digest = createHash("sha256").update(spki).digest();
  return { privateKey, publicKey, keyId: digest.subarray(0, KEY_ID_BYTES).toString("hex") };
}

function parseKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}
