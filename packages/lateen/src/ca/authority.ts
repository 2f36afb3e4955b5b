/** A certificate authority that can sign: Istio's `cacerts` or `istio-ca-secret`, checked. */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { AsnConvert } from "@peculiar/asn1-schema";
import { Certificate, id_ce_subjectKeyIdentifier, SubjectKeyIdentifier } from "@peculiar/asn1-x509";
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import {
  type KeyedCertificate,
  leafIssuer,
  type Period,
  type SubjectNames,
  signatureAlgorithmOf,
  subjectKeyIdOf,
} from "./certificate.ts";

/** Bytes of one PEM field that we read; a chain of ten RSA certificates has about 20,000. */
const PEM_BYTES_MAX = 256 * 1024;
const CHAIN_LENGTH_MAX = 10;
const KEY_ID_BYTES = 8;

/** The data of Istio's CA Secrets (security/pkg/pki/ca), as PEM text. */
export interface CaSecret {
  readonly "ca-cert.pem": string;
  readonly "ca-key.pem": string;
  /** Roots that peers trust; with a self-signed CA the same as `ca-cert.pem`. */
  readonly "root-cert.pem": string;
  /** From the CA's certificate up, without the root; empty with a self-signed CA. */
  readonly "cert-chain.pem": string;
}

export interface Authority {
  /** Names the key that signs: 16 hex digits of the SHA-256 of its public key. */
  readonly keyId: string;
  /** No certificate under this CA is valid any longer after this (milliseconds since the epoch). */
  readonly notAfter: number;
  /** Roots that a peer must trust, PEM, one certificate each: the trust bundle. */
  readonly roots: readonly string[];
  /** The chain of `certificatePem` holds the intermediates as well; lifetime is cut at the CA's. */
  issue(names: SubjectNames, period: Period): KeyedCertificate;
}

/**
 * Checks and opens a CA Secret. Diagnostics name the field; they never hold any of its content.
 * `now` is milliseconds since the epoch.
 */
export function openAuthority(secret: CaSecret, now: number): Result<Authority> {
  const problems: Diagnostic[] = [];
  const own = oneCertificate(secret, "ca-cert.pem", problems);
  const roots = certificates(secret, "root-cert.pem", problems);
  const chain = certificates(secret, "cert-chain.pem", problems);
  const key = privateKey(secret, problems);
  if (own === undefined || key === undefined || problems.length > 0) return failed(problems);
  const trusted = roots.length === 0 ? [own] : roots;
  const intermediates =
    chain.length === 0 && !trusted.some(root => same(root, own)) ? [own] : chain;
  checkOwn(own, key, problems);
  for (const one of [own, ...intermediates]) checkTimes(one, now, problems);
  checkPath(own, intermediates, trusted, problems);
  const algorithm = signatureAlgorithmOf(key);
  if (algorithm === undefined)
    problems.push(
      error("ca-key.pem", "is neither RSA (2048 bits or more) nor ECDSA (P-256, P-384, P-521)"),
    );
  if (algorithm === undefined || problems.length > 0) return failed(problems);
  const issueLeaf = leafIssuer({ key, algorithm, ...nameAndKeyId(own) });
  const notAfter = Math.min(...[own, ...intermediates].map(one => one.validToDate.getTime()));
  const suffix = intermediates.map(pemOf).join("");
  const authority: Authority = {
    keyId: keyIdOf(own),
    notAfter,
    roots: trusted.map(pemOf),
    issue(names, period) {
      const leaf = issueLeaf(names, {
        notBefore: period.notBefore,
        notAfter: Math.min(period.notAfter, notAfter),
      });
      return { ...leaf, certificatePem: leaf.certificatePem + suffix };
    },
  };
  return { ok: true, value: authority, diagnostics: [] };
}

function checkOwn(own: X509Certificate, key: KeyObject, problems: Diagnostic[]): void {
  if (!own.ca) problems.push(error("ca-cert.pem", "is not a CA certificate (basicConstraints CA)"));
  if (!own.checkPrivateKey(key))
    problems.push(error("ca-key.pem", "is not the key of the certificate in ca-cert.pem"));
}

function checkTimes(one: X509Certificate, now: number, problems: Diagnostic[]): void {
  if (now >= one.validFromDate.getTime() && now < one.validToDate.getTime()) return;
  const period = `is valid from ${one.validFrom} to ${one.validTo}, not now`;
  problems.push(error("ca-cert.pem", `${one.subject} ${period}`));
}

/** From the CA's certificate through the chain, in the order given, to one of the roots. */
function checkPath(
  own: X509Certificate,
  intermediates: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  problems: Diagnostic[],
): void {
  let last = own;
  for (const next of intermediates) {
    if (same(next, last)) continue;
    if (!signedBy(last, next)) {
      problems.push(error("cert-chain.pem", "is not a chain from ca-cert.pem upwards"));
      return;
    }
    last = next;
  }
  if (!roots.some(root => same(root, last) || signedBy(last, root)))
    problems.push(error("root-cert.pem", "holds no root that ca-cert.pem leads up to"));
}

function signedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function nameAndKeyId(own: X509Certificate): { subject: Uint8Array; subjectKeyId: Uint8Array } {
  const { tbsCertificate } = AsnConvert.parse(own.raw, Certificate);
  const found = tbsCertificate.extensions?.find(one => one.extnID === id_ce_subjectKeyIdentifier);
  const spki = own.publicKey.export({ type: "spki", format: "der" });
  return {
    subject: new Uint8Array(AsnConvert.serialize(tbsCertificate.subject)),
    subjectKeyId:
      found === undefined
        ? subjectKeyIdOf(spki)
        : new Uint8Array(AsnConvert.parse(found.extnValue.buffer, SubjectKeyIdentifier).buffer),
  };
}

function keyIdOf(own: X509Certificate): string {
  const spki = own.publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest().subarray(0, KEY_ID_BYTES).toString("hex");
}

function oneCertificate(
  secret: CaSecret,
  field: keyof CaSecret,
  problems: Diagnostic[],
): X509Certificate | undefined {
  const before = problems.length;
  const found = certificates(secret, field, problems);
  const first = found[0];
  if (first === undefined && problems.length === before)
    problems.push(error(field, "holds no certificate; expected one in PEM"));
  return first;
}

function certificates(
  secret: CaSecret,
  field: keyof CaSecret,
  problems: Diagnostic[],
): X509Certificate[] {
  const text = secret[field];
  if (text.length > PEM_BYTES_MAX) {
    problems.push(error(field, `has ${text.length} characters; at most ${PEM_BYTES_MAX} are read`));
    return [];
  }
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length > CHAIN_LENGTH_MAX || (blocks.length === 0 && text.trim() !== "")) {
    const found = `holds ${blocks.length} certificates`;
    problems.push(error(field, `${found}; expected one to ${CHAIN_LENGTH_MAX} in PEM`));
    return [];
  }
  try {
    return blocks.map(block => new X509Certificate(block));
  } catch {
    problems.push(error(field, "holds a PEM block that is no X.509 certificate"));
    return [];
  }
}

function privateKey(secret: CaSecret, problems: Diagnostic[]): KeyObject | undefined {
  const text = secret["ca-key.pem"];
  try {
    if (text.length <= PEM_BYTES_MAX) return createPrivateKey(text);
  } catch {
    // Reported below: OpenSSL's own words may quote what it read.
  }
  problems.push(error("ca-key.pem", "is no unencrypted private key in PEM"));
  return undefined;
}

const pemOf = (certificate: X509Certificate): string => certificate.toString();
const same = (a: X509Certificate, b: X509Certificate): boolean => a.raw.equals(b.raw);

function error(field: keyof CaSecret, message: string): Diagnostic {
  return { severity: "error", path: `data["${field}"]`, message, reason: "InvalidCaSecret" };
}

function failed(diagnostics: readonly Diagnostic[]): Result<never> {
  return { ok: false, diagnostics };
}
