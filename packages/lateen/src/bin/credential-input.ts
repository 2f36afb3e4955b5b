/**
 * Users' own certificates as an input: Secrets of Istio's forms (`tls.crt`, `tls.key`, `ca.crt`,
 * `ca.crl`, or the generic `cert`, `key`, `cacert`, `crl`; Istio, "Secure Gateways"). All other
 * Secrets are accepted and set nothing, and so are those of the mesh's CA, whose key is nobody's
 * credential. Nothing of them is kept outside of memory.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { type Secret, secretKind } from "../api/secret/kind.ts";
import { isCaKeySecret } from "../base/ca-key-secrets.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { Redacted } from "../base/redacted.ts";
import type { InputCollection } from "../flow/types.ts";
import type { Credential } from "../model/types.ts";
import type { InputBinding } from "../sources/input-writer.ts";

export function credentialBinding(collection: InputCollection<Credential>): InputBinding {
  return {
    kind: secretKind,
    sensitive: true,
    decode(object) {
      const decoded = secretKind.decode(object);
      const { diagnostics } = decoded;
      if (!decoded.ok) return { diagnostics, write: undefined };
      const ofTheCa = isCaKeySecret(decoded.value.metadata.name);
      const credential = ofTheCa ? undefined : credentialOf(decoded.value);
      if (credential === undefined)
        return { diagnostics, write: (writer, key) => writer.delete(collection, key) };
      const problems = check(credential);
      if (problems.length > 0)
        return { diagnostics: [...diagnostics, ...problems], write: undefined };
      return { diagnostics, write: (writer, key) => writer.set(collection, key, credential) };
    },
    has: key => collection.get(key) !== undefined,
    remove: (writer, key) => writer.delete(collection, key),
  };
}

/** undefined: there is no certificate in it. */
function credentialOf(secret: Secret): Credential | undefined {
  const text = (key: string): string =>
    Buffer.from(secret.data?.[key] ?? "", "base64").toString("utf8");
  const generic = text("cert") !== "" && text("key") !== "";
  const certificateChain = text(generic ? "cert" : "tls.crt");
  const privateKey = text(generic ? "key" : "tls.key");
  const roots = text("cacert") || text("ca.crt");
  const revocations = text("crl") || text("ca.crl");
  if (certificateChain === "" && roots === "") return undefined;
  return { certificateChain, privateKey: new Redacted(privateKey), roots, revocations };
}

/** What Envoy would refuse. Messages never hold what is in the Secret. */
function check({ certificateChain, privateKey, roots }: Credential): Diagnostic[] {
  const problems: Diagnostic[] = [];
  const problem = (path: string, message: string): void => {
    problems.push({ severity: "error", path, message, reason: "BadCertificate" });
  };
  const key = privateKey.reveal();
  if (roots !== "" && certificateIn(roots) === undefined)
    problem("data", "ca.crt or cacert is no certificate in PEM");
  if (certificateChain === "") return problems;
  const certificate = certificateIn(certificateChain);
  if (certificate === undefined) problem("data", "tls.crt or cert is no certificate in PEM");
  else if (key === "") problem("data", "has a certificate, but no tls.key or key");
  else if (!isKeyOf(certificate, key))
    problem("data", "tls.key or key is not the private key, in PEM, of the certificate");
  return problems;
}

function certificateIn(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function isKeyOf(certificate: X509Certificate, pem: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(pem));
  } catch {
    return false;
  }
}
