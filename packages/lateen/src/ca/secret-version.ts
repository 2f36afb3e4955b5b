/**
 * The version of a workload's Secret says which certificate it is without being one: whoever holds
 * a certificate of the same identity, from the same issuer key, with the same end, needs no other.
 * That is what lets a control plane that was restarted leave its proxies alone: a proxy tells the
 * versions that it holds (`initial_resource_versions`), and keys are kept nowhere else.
 */

export interface SecretVersion {
  readonly identity: string;
  readonly issuerKeyId: string;
  /** Milliseconds since the epoch, a whole second. */
  readonly notAfter: number;
}

const VERSION_LENGTH_MAX = 2_200;
const PATTERN = /^([0-9]{1,11})\.([0-9a-f]{16})\.(spiffe:\/\/.+)$/;

/** `<notAfter in seconds>.<issuer key id>.<SPIFFE id>`. */
export function formatSecretVersion(version: SecretVersion): string {
  return `${Math.floor(version.notAfter / 1000)}.${version.issuerKeyId}.${version.identity}`;
}

/** Undefined for everything that formatSecretVersion would not have written. */
export function parseSecretVersion(text: string): SecretVersion | undefined {
  const found = text.length > VERSION_LENGTH_MAX ? null : PATTERN.exec(text);
  if (found === null) return undefined;
  const [, seconds = "", issuerKeyId = "", identity = ""] = found;
  const version = { identity, issuerKeyId, notAfter: Number(seconds) * 1000 };
  return formatSecretVersion(version) === text ? version : undefined;
}

/** What a version from a client must fit before it is believed. */
export interface AdoptionRules {
  /** The identity that the stream authenticated as. */
  readonly identity: string;
  readonly issuerKeyId: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly lifetimeMs: number;
}

/**
 * The end of the certificate that a client says it holds, when that is believable and the
 * certificate is not due for rotation yet; else undefined. A client can only choose the end of
 * certificates of its own identity, and never beyond what a fresh one would have.
 */
export function adoptableNotAfter(text: string, rules: AdoptionRules): number | undefined {
  const version = parseSecretVersion(text);
  if (version === undefined) return undefined;
  if (version.identity !== rules.identity || version.issuerKeyId !== rules.issuerKeyId)
    return undefined;
  const remaining = version.notAfter - rules.now;
  return remaining > rules.lifetimeMs / 2 && remaining <= rules.lifetimeMs
    ? version.notAfter
    : undefined;
}
