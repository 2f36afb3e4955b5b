/** Where the CA comes from: Istio's `cacerts` if there is one, else our own `istio-ca-secret`. */
import type { Result } from "../base/diagnostic.ts";
import type { SecretPort } from "../base/secret-port.ts";
import { type CaSecret, type OpenedAuthority, openAuthority } from "./authority.ts";
import { selfSignedRoot } from "./certificate.ts";

/** Istio's names, in the root namespace (security/pkg/cmd, pkg/config/constants). */
export const PLUGGED_CA_SECRET = "cacerts";
export const SELF_SIGNED_CA_SECRET = "istio-ca-secret";
/** `type` of the Secret that Istio and we create. */
const CA_SECRET_TYPE = "istio.io/ca-root";
/** Istio's default for a self-signed root (CITADEL_SELF_SIGNED_CA_CERT_TTL). */
export const ROOT_LIFETIME_MS: number = 10 * 365 * 24 * 3600 * 1000;
const BACKDATE_MS = 60_000;

export interface RootOptions {
  readonly trustDomain: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Of a root that is made now; undefined: Istio's ten years. */
  readonly lifetimeMs?: number | undefined;
}

/**
 * Opens the CA. When there is none yet, one is made and stored; of several control planes that
 * start at once, one writes and all read what it wrote.
 */
export async function loadOrCreateRoot(
  port: SecretPort,
  options: RootOptions,
): Promise<Result<OpenedAuthority>> {
  const plugged = await port.get(PLUGGED_CA_SECRET);
  if (plugged !== undefined)
    return openAuthority(caSecret(plugged), options.now, options.trustDomain);
  const stored = await port.get(SELF_SIGNED_CA_SECRET);
  if (stored !== undefined)
    return openAuthority(caSecret(stored), options.now, options.trustDomain);
  const made = newRoot(options);
  if ((await port.create(SELF_SIGNED_CA_SECRET, CA_SECRET_TYPE, { ...made })) === "created")
    return openAuthority(made, options.now);
  const other = await port.get(SELF_SIGNED_CA_SECRET);
  return openAuthority(caSecret(other ?? {}), options.now, options.trustDomain);
}

function newRoot(options: RootOptions): CaSecret {
  const root = selfSignedRoot(options.trustDomain, {
    notBefore: options.now - BACKDATE_MS,
    notAfter: options.now + (options.lifetimeMs ?? ROOT_LIFETIME_MS),
  });
  return {
    "ca-cert.pem": root.certificatePem,
    "ca-key.pem": root.privateKeyPem,
    "root-cert.pem": root.certificatePem,
    "cert-chain.pem": "",
  };
}

/**
 * The fields of a CA Secret, decoded. Where there is no `ca-cert.pem`, those that cert-manager writes
 * (`tls.crt`, `tls.key`, `ca.crt`) are taken, as Istio does.
 */
export function caSecret(data: Readonly<Record<string, string>>): CaSecret {
  const text = (name: string): string => data[name] ?? "";
  if (text("ca-cert.pem") === "" && text("tls.crt") !== "") {
    const chain = text("tls.crt");
    const root = text("ca.crt");
    const key = text("tls.key");
    return {
      "ca-cert.pem": chain,
      "ca-key.pem": key,
      "root-cert.pem": root,
      "cert-chain.pem": chain,
    };
  }
  return {
    "ca-cert.pem": text("ca-cert.pem"),
    "ca-key.pem": text("ca-key.pem"),
    "root-cert.pem": text("root-cert.pem"),
    "cert-chain.pem": text("cert-chain.pem"),
  };
}
