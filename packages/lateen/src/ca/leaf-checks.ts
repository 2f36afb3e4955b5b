/**
 * What makes proxies refuse each certificate under a CA, although the CA itself is well formed: rules of
 * RFC 5280 that a verifier takes from the certificates above the leaf.
 */
import type { X509Certificate } from "node:crypto";
import { AsnConvert } from "@peculiar/asn1-schema";
import {
  Certificate,
  ExtendedKeyUsage,
  id_ce_extKeyUsage,
  id_ce_nameConstraints,
  id_kp_clientAuth,
  id_kp_serverAuth,
  NameConstraints,
} from "@peculiar/asn1-x509";

const ANY_USAGE = "2.5.29.37.0";
/** Certificates of version 1 have no extensions: a self-signed one counts as a CA. */
const VERSION_1 = 0;

/** Undefined: who trusts it takes what is issued below it for proxies of the trust domain. */
export function leafProblem(above: X509Certificate, trustDomain?: string): string | undefined {
  try {
    return isAuthority(above)
      ? (usageProblem(above) ?? nameProblem(above, trustDomain))
      : `${above.subject} is not a CA certificate (basicConstraints CA, keyUsage keyCertSign)`;
  } catch {
    return `${above.subject} has extensions that can not be read`;
  }
}

function isAuthority(one: X509Certificate): boolean {
  if (one.ca) return true;
  const { version, extensions } = tbsOf(one);
  return version === VERSION_1 && extensions === undefined && one.subject === one.issuer;
}

/** A CA that names usages passes on only these, and proxies are servers and clients. */
function usageProblem(one: X509Certificate): string | undefined {
  const value = extensionOf(one, id_ce_extKeyUsage);
  if (value === undefined) return undefined;
  const usages: readonly string[] = [...AsnConvert.parse(value, ExtendedKeyUsage)];
  if (usages.includes(ANY_USAGE)) return undefined;
  const missing = [
    ...(usages.includes(id_kp_serverAuth) ? [] : ["serverAuth"]),
    ...(usages.includes(id_kp_clientAuth) ? [] : ["clientAuth"]),
  ];
  if (missing.length === 0) return undefined;
  const found = `${one.subject} limits what is below it by extendedKeyUsage`;
  return `${found}, without ${missing.join(" and ")}: proxies are both servers and clients`;
}

/** Identities are URIs, `spiffe://TRUST-DOMAIN/...`; constraints of URIs are about the host. */
function nameProblem(one: X509Certificate, trustDomain: string | undefined): string | undefined {
  const value = extensionOf(one, id_ce_nameConstraints);
  if (value === undefined || trustDomain === undefined) return undefined;
  const { permittedSubtrees = [], excludedSubtrees = [] } = AsnConvert.parse(
    value,
    NameConstraints,
  );
  const uris = (subtrees: Iterable<{ base: { uniformResourceIdentifier?: string } }>): string[] =>
    [...subtrees].flatMap(({ base }) => base.uniformResourceIdentifier ?? []);
  const permitted = uris(permittedSubtrees);
  const matches = (constraint: string): boolean => isWithin(trustDomain, constraint);
  const refused = uris(excludedSubtrees).some(matches);
  if (!refused && (permitted.length === 0 || permitted.some(matches))) return undefined;
  return `${one.subject} does not permit (nameConstraints) identities spiffe://${trustDomain}/...`;
}

/** RFC 5280, 4.2.1.10: a constraint that begins with a dot is about the hosts below it. */
function isWithin(host: string, constraint: string): boolean {
  const [name, wanted] = [host.toLowerCase(), constraint.toLowerCase()];
  return wanted === "" || (wanted.startsWith(".") ? name.endsWith(wanted) : name === wanted);
}

function tbsOf(one: X509Certificate): Certificate["tbsCertificate"] {
  return AsnConvert.parse(one.raw, Certificate).tbsCertificate;
}

function extensionOf(one: X509Certificate, id: string): ArrayBuffer | undefined {
  return tbsOf(one).extensions?.find(({ extnID }) => extnID === id)?.extnValue.buffer;
}
