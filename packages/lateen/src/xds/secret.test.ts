import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "@lateen/envoy-api/envoy/extensions/transport_sockets/tls/v3/secret.js";
import { Redacted } from "../base/redacted.ts";
import { fileSecret, trustBundleSecret, workloadCertificateSecret } from "./secret.ts";

test("the workload's secret has the version of its certificate", () => {
  const resource = workloadCertificateSecret({
    identity: "spiffe://cluster.local/ns/default/sa/sleep",
    certificateChain: "chain",
    privateKey: new Redacted("key"),
    version: "v7",
    notBefore: 0,
    notAfter: 1,
  });
  assert.equal(resource.name, "default");
  assert.equal(resource.version, "v7");
  const { tlsCertificate } = Secret.decode(resource.body);
  assert.equal(String(Buffer.from(tlsCertificate?.privateKey?.inlineBytes ?? [])), "key");
  assert.equal(String(Buffer.from(tlsCertificate?.certificateChain?.inlineBytes ?? [])), "chain");
});

test("the order of trust bundles changes nothing, and a root is there once", () => {
  const bundle = (trustDomain: string, ...roots: string[]) => ({ trustDomain, roots });
  const one = trustBundleSecret([bundle("a", "A\n", "B"), bundle("b", "C")]);
  const other = trustBundleSecret([bundle("b", "C\n"), bundle("a", "B", "A", "A")]);
  assert.deepEqual(one, other);
  const { validationContext } = Secret.decode(one.body);
  assert.equal(String(Buffer.from(validationContext?.trustedCa?.inlineBytes ?? [])), "A\nB\nC\n");
});

test("certificates in files are found by the names Istio gives them", () => {
  const root = Secret.decode(fileSecret("file-root:/etc/ca.pem")?.body ?? new Uint8Array());
  assert.equal(root.validationContext?.trustedCa?.filename, "/etc/ca.pem");
  const pair = Secret.decode(fileSecret("file-cert:/c.pem~/k.pem")?.body ?? new Uint8Array());
  assert.equal(pair.tlsCertificate?.certificateChain?.filename, "/c.pem");
  assert.equal(pair.tlsCertificate?.privateKey?.filename, "/k.pem");
  for (const name of ["default", "file-root:", "file-cert:/c.pem", "kubernetes://a", "file-cert:~"])
    assert.equal(fileSecret(name), undefined);
});
