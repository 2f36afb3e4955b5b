import { openAuthority } from "../../src/ca/authority.ts";
import { type SubjectNames, selfSignedRoot } from "../../src/ca/certificate.ts";

/** PEM of a certificate with these names, under a CA that is forgotten again. */
export function issueTestCertificate(names: SubjectNames): string {
  const now = Date.now();
  const period = { notBefore: now - 1000, notAfter: now + 3_600_000 };
  const root = selfSignedRoot("cluster.local", period);
  const opened = openAuthority(
    {
      "ca-cert.pem": root.certificatePem,
      "ca-key.pem": root.privateKeyPem,
      "root-cert.pem": root.certificatePem,
      "cert-chain.pem": "",
    },
    now,
  );
  if (!opened.ok) throw new Error(JSON.stringify(opened.diagnostics));
  return opened.value.issue(names, period).certificatePem;
}
