/** A certificate authority that can sign: Istio's `cacerts` or `istio-ca-secret`, checked. */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import { Redacted } from "../base/redacted.ts";
import {
  type KeyedCertificate,
  leafIssuer,
  nameAndKeyId,
  type Period,
  pathLengthOf,
  type SubjectNames,
  signatureAlgorithmOf,
} from "./certificate.ts";
import { leafProblem } from "./leaf-checks.ts";

/** Bytes of one PEM field that we read; a chain of ten RSA certificates has about 20,000. */
const PEM_BYTES_MAX = 256 * 1024;
const CHAIN_LENGTH_MAX = 10;
const KEY_ID_BYTES = 8;
const PEM_CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

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
  /** The first of `roots` ends then (milliseconds since the epoch). */
  readonly rootsNotAfter: number;
  /** Roots that a peer must trust, PEM, one certificate each: the trust bundle. */
  readonly roots: readonly string[];
  /** The chain of `certificatePem` holds the intermediates as well; lifetime is cut at the CA's. */
  issue(names: SubjectNames, period: Period): KeyedCertificate;
}

/** An Authority that was read from a Secret, as it is compared with others. */
export interface OpenedAuthority extends Authority {
  /** Says what signs: the CA's certificate and the chain above it. */
  readonly issuerId: string;
  /** What it was opened from. */
  readonly material: Redacted<CaSecret>;
  /** Whether who trusts only `root` (PEM) takes what is issued. A renewed root of one key is the same. */
  leadsTo(root: string): boolean;
}

/**
 * Checks and opens a CA Secret. Diagnostics name the field; they never hold any of its content.
 * `now` is milliseconds since the epoch. With `trustDomain` a CA is refused, too, that does not permit
 * its identities.
 */
export function openAuthority(
  secret: CaSecret,
  now: number,
  trustDomain?: string,
): Result<OpenedAuthority> {
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
  const path = [own, ...intermediates.filter(one => !same(one, own))];
  const leadsTo = (root: X509Certificate): boolean =>
    path.some(one => same(root, one) || signedBy(one, root));
  const leading = trusted.filter(leadsTo);
  for (const one of path) checkTimes(one, now, problems);
  checkPath(path, leading, problems);
  checkLeaves(path, leading, trustDomain, problems);
  if (problems.length === 0) checkPathLengths(path, leading, problems);
  checkRootTimes(leading, now, problems);
  const algorithm = signatureAlgorithmOf(key);
  if (algorithm === undefined)
    problems.push(
      error("ca-key.pem", "is neither RSA (2048 bits or more) nor ECDSA (P-256, P-384, P-521)"),
    );
  if (algorithm === undefined || problems.length > 0) return failed(problems);
  const issueLeaf = leafIssuer({ key, algorithm, ...nameAndKeyId(own) });
  const notAfter = Math.min(...[own, ...intermediates].map(one => one.validToDate.getTime()));
  // A verifier that knows a root needs all from the issuer up to it, whether the chain began with it or not.
  const suffix = intermediates.length === 0 ? "" : path.map(pemOf).join("");
  const authority: OpenedAuthority = {
    keyId: keyIdOf(own),
    issuerId: [own, ...intermediates].map(one => one.fingerprint256).join(" "),
    material: new Redacted(secret),
    notAfter,
    rootsNotAfter: Math.min(...trusted.map(root => root.validToDate.getTime())),
    roots: trusted.map(pemOf),
    leadsTo: root => leadsTo(new X509Certificate(root)),
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
  if (!own.ca)
    problems.push(
      error("ca-cert.pem", "is not a CA certificate (basicConstraints CA, keyUsage keyCertSign)"),
    );
  if (!own.checkPrivateKey(key))
    problems.push(error("ca-key.pem", "is not the key of the certificate in ca-cert.pem"));
}

function checkTimes(one: X509Certificate, now: number, problems: Diagnostic[]): void {
  if (now >= one.validFromDate.getTime() && now < one.validToDate.getTime()) return;
  const period = `is valid from ${one.validFrom} to ${one.validTo}, not now`;
  problems.push(error("ca-cert.pem", `${one.subject} ${period}`));
}

/**
 * From the CA's certificate upwards, in the order given, and to a root from one of them: with a root that is
 * new and signed by the old one as well, who knows either of them stops there.
 */
function checkPath(
  path: readonly X509Certificate[],
  leading: readonly X509Certificate[],
  problems: Diagnostic[],
): void {
  const isBroken = path.some((one, index) => {
    const next = path[index + 1];
    return next !== undefined && !signedBy(one, next);
  });
  if (isBroken) problems.push(error("cert-chain.pem", "is not a chain from ca-cert.pem upwards"));
  else if (leading.length === 0)
    problems.push(error("root-cert.pem", "holds no root that ca-cert.pem leads up to"));
}

function checkLeaves(
  path: readonly X509Certificate[],
  leading: readonly X509Certificate[],
  trustDomain: string | undefined,
  problems: Diagnostic[],
): void {
  const [own, ...above] = path;
  const check = (field: keyof CaSecret, ones: readonly X509Certificate[]): void => {
    const found = ones.map(one => leafProblem(one, trustDomain)).filter(each => each !== undefined);
    problems.push(...found.map(each => error(field, each)));
  };
  // That the issuer is a CA is said already (checkOwn).
  if (own?.ca === true) check("ca-cert.pem", [own]);
  check("cert-chain.pem", above);
  const others = leading.filter(root => !path.some(one => same(one, root)));
  // One root that proxies can use is enough; the rest is for others.
  if (others.every(root => leafProblem(root, trustDomain) !== undefined))
    check("root-cert.pem", others);
}

/** What proxies would refuse of every certificate that is issued: more CAs than one above them allows. */
function checkPathLengths(
  path: readonly X509Certificate[],
  leading: readonly X509Certificate[],
  problems: Diagnostic[],
): void {
  path.forEach((one, index) => {
    checkPathLength(
      one,
      path.slice(0, index),
      index === 0 ? "ca-cert.pem" : "cert-chain.pem",
      problems,
    );
  });
  for (const root of leading) {
    const at = path.findIndex(one => same(root, one) || signedBy(one, root));
    const last = path[at];
    const isIn = last !== undefined && same(root, last);
    checkPathLength(root, path.slice(0, isIn ? at : at + 1), "root-cert.pem", problems);
  }
}

function checkPathLength(
  one: X509Certificate,
  below: readonly X509Certificate[],
  field: keyof CaSecret,
  problems: Diagnostic[],
): void {
  const count = below.filter(each => each.subject !== each.issuer).length;
  try {
    const allowed = pathLengthOf(one);
    if (count > allowed)
      problems.push(
        error(field, `${one.subject} allows ${allowed} CAs below it (pathlen), there are ${count}`),
      );
  } catch {
    problems.push(error(field, `${one.subject} has extensions that can not be read`));
  }
}

/** Of several roots some may be over; not the one that counts. */
function checkRootTimes(
  leading: readonly X509Certificate[],
  now: number,
  problems: Diagnostic[],
): void {
  if (leading.some(root => now < root.validToDate.getTime())) return;
  for (const root of leading)
    problems.push(error("root-cert.pem", `${root.subject} was valid to ${root.validTo}`));
}

function signedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
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
  const blocks = text.match(PEM_CERTIFICATES) ?? [];
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

/** All certificates of a PEM text; throws where one can not be read. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  return (pem.match(PEM_CERTIFICATES) ?? []).map(block => new X509Certificate(block));
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
