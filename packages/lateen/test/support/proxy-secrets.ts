/** What `pc secret -o json` says of a proxy's certificates. */
import { X509Certificate } from "node:crypto";
import { arrayAt, isObject, objectAt } from "../../src/sources/json.ts";

export interface ProxySecrets {
  /** Subjects, sorted. */
  readonly roots: readonly string[];
  /** Of its own certificate. */
  readonly issuer: string | undefined;
}

export function proxySecrets(json: string): ProxySecrets {
  const secrets = arrayAt(JSON.parse(json), "dynamicActiveSecrets").filter(isObject);
  const pem = (name: string, kind: string, field: string): X509Certificate[] => {
    const found = secrets.find(each => each["name"] === name) ?? {};
    const { inlineBytes } = objectAt(objectAt(objectAt(found, "secret"), kind), field);
    return certificatesIn(Buffer.from(String(inlineBytes), "base64").toString());
  };
  return {
    roots: subjects(pem("ROOTCA", "validationContext", "trustedCa")),
    issuer: pem("default", "tlsCertificate", "certificateChain")[0]?.issuer,
  };
}

/** Sorted. */
export function subjectsIn(pem: string): string[] {
  return subjects(certificatesIn(pem));
}

function subjects(certificates: readonly X509Certificate[]): string[] {
  return certificates.map(each => each.subject).sort();
}

function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return blocks.map(block => new X509Certificate(block));
}
