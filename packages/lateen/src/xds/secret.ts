/** Secrets, the only resources that hold keys. They are sent to who may have them and nobody else. */
import type { Secret } from "@lateen/envoy-api/envoy/extensions/transport_sockets/tls/v3/secret.js";
import type { Credential, TrustBundle, WorkloadCertificate } from "../model/types.ts";
import { contentVersion, encodeSecret } from "./encode.ts";
import { IDENTITY_SECRET, ROOT_SECRET } from "./names.ts";
import type { EncodedResource } from "./resource.ts";

/** `default`: the workload's own certificate and key. */
export function workloadCertificateSecret(certificate: WorkloadCertificate): EncodedResource {
  const { certificateChain, privateKey, version } = certificate;
  const chain = bytes(certificateChain);
  return encodeSecret(
    certificateSecret(IDENTITY_SECRET, chain, bytes(privateKey.reveal())),
    version,
  );
}

/** `ROOTCA`: the roots of the mesh's own trust domain and of those that it trusts. */
export function trustBundleSecret(bundles: readonly TrustBundle[]): EncodedResource {
  const roots = new Set(bundles.flatMap(bundle => bundle.roots.map(root => root.trim())));
  const pem = bytes(`${[...roots].sort().join("\n")}\n`);
  return encodeSecret(rootSecret(ROOT_SECRET, pem), contentVersion(pem));
}

/** undefined: the Secret holds no certificate with its key. */
export function credentialCertificateSecret(
  name: string,
  { certificateChain, privateKey }: Credential,
): EncodedResource | undefined {
  const key = privateKey.reveal();
  if (certificateChain === "" || key === "") return undefined;
  const chain = bytes(certificateChain);
  // A certificate has one key, so its content says all.
  return encodeSecret(certificateSecret(name, chain, bytes(key)), contentVersion(chain));
}

/** undefined: the Secret holds no roots. */
export function credentialRootsSecret(
  name: string,
  { roots, revocations }: Credential,
): EncodedResource | undefined {
  if (roots === "") return undefined;
  const trustedCa = { inlineBytes: bytes(roots) };
  const crl = revocations === "" ? undefined : { inlineBytes: bytes(revocations) };
  const version = contentVersion(bytes(`${roots}\n${revocations}`));
  return encodeSecret({ name, validationContext: { trustedCa, crl } }, version);
}

function certificateSecret(
  name: string,
  certificateChain: Uint8Array,
  privateKey: Uint8Array,
): Secret {
  return {
    name,
    tlsCertificate: {
      certificateChain: { inlineBytes: certificateChain },
      privateKey: { inlineBytes: privateKey },
    },
  };
}

/** What certificates of others are checked against: PEM, one or more. */
function rootSecret(name: string, roots: Uint8Array): Secret {
  return { name, validationContext: { trustedCa: { inlineBytes: roots } } };
}

/**
 * Certificates that lie in the proxy's own files, under the names that Istio gives such secrets:
 * `file-root:PATH`, `file-cert:CHAIN~KEY`, and `file-root:system` for the roots of the operating
 * system (in the place where Debian and its relatives have them). undefined: not such a name.
 */
export function fileSecret(name: string): EncodedResource | undefined {
  const [prefix, path] = splitOnce(name, ":");
  if (path === "") return undefined;
  if (prefix === "file-root") {
    const filename = path === "system" ? SYSTEM_ROOTS : path;
    return encodeSecret({ name, validationContext: { trustedCa: { filename } } }, FILE_VERSION);
  }
  const [chain, key] = splitOnce(path, "~");
  if (prefix !== "file-cert" || chain === "" || key === "") return undefined;
  const tlsCertificate = { certificateChain: { filename: chain }, privateKey: { filename: key } };
  return encodeSecret({ name, tlsCertificate }, FILE_VERSION);
}

const SYSTEM_ROOTS = "/etc/ssl/certs/ca-certificates.crt";
/** The name says it all, so there is one version only. */
const FILE_VERSION = "1";

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}

function bytes(pem: string): Uint8Array {
  return new TextEncoder().encode(pem);
}
