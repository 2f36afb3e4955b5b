/** Secrets of users as rows: which are credentials, and what is said of broken ones. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import type { JsonObject } from "../api/kind.ts";
import { CA_CHANGE_SECRET } from "../ca/ca-change.ts";
import { selfSignedRoot } from "../ca/certificate.ts";
import { PLUGGED_CA_SECRET, SELF_SIGNED_CA_SECRET } from "../ca/root.ts";
import { createGraph } from "../flow/graph.ts";
import type { Credential } from "../model/types.ts";
import { credentialBinding } from "./credential-input.ts";

const now = Date.now();
const made = selfSignedRoot("shop.example", { notBefore: now - 1000, notAfter: now + 3_600_000 });
const chain = made.certificatePem;
const key = made.privateKeyPem;
const otherKey = generateKeyPairSync("ec", { namedCurve: "P-256" })
  .privateKey.export({ type: "pkcs8", format: "pem" })
  .toString();

const KEY = "shop/edge";

function given(data: Record<string, string>, name = "edge") {
  const graph = createGraph();
  const rows = graph.input<Credential>("credentials");
  const binding = credentialBinding(rows);
  const encoded = Object.entries(data).map(([field, text]) => [
    field,
    Buffer.from(text).toString("base64"),
  ]);
  const secret: JsonObject = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "shop", name },
    type: "Opaque",
    data: Object.fromEntries(encoded),
  };
  const { diagnostics, write } = binding.decode(secret);
  if (write !== undefined) graph.commit({ source: "test" }, writer => write(writer, KEY));
  const messages = diagnostics.map(each => each.message);
  return { row: rows.get(KEY), messages, accepted: write !== undefined };
}

test("both of Istio's forms are credentials", () => {
  const forms = [
    { "tls.crt": chain, "tls.key": key, "ca.crt": chain, "ca.crl": "revoked" },
    { cert: chain, key, cacert: chain, crl: "revoked" },
  ];
  for (const form of forms) {
    const { row, messages } = given(form);
    assert.deepEqual(messages, []);
    assert.equal(row?.certificateChain, chain);
    assert.equal(row?.privateKey.reveal(), key);
    assert.equal(row?.roots, chain);
    assert.equal(row?.revocations, "revoked");
    assert.ok(!JSON.stringify(row).includes("PRIVATE"));
  }
  assert.equal(given({ cacert: chain }).row?.roots, chain);
});

test("other Secrets set nothing, and are accepted", () => {
  const { row, accepted } = given({ password: "p" });
  assert.equal(row, undefined);
  assert.equal(accepted, true);
});

test("the mesh's CA is nobody's credential, in cert-manager's form, either", () => {
  for (const name of [PLUGGED_CA_SECRET, SELF_SIGNED_CA_SECRET, CA_CHANGE_SECRET]) {
    const { row, accepted } = given({ "tls.crt": chain, "tls.key": key, "ca.crt": chain }, name);
    assert.equal(row, undefined, name);
    assert.equal(accepted, true);
  }
});

test("what Envoy would refuse is refused here, and no message shows it", () => {
  const cases: [Record<string, string>, string][] = [
    [{ "tls.crt": "junk", "tls.key": key }, "tls.crt or cert is no certificate in PEM"],
    [{ "tls.crt": chain }, "has a certificate, but no tls.key or key"],
    [
      { "tls.crt": chain, "tls.key": otherKey },
      "tls.key or key is not the private key, in PEM, of the certificate",
    ],
    [
      { cert: chain, key: "junk" },
      "tls.key or key is not the private key, in PEM, of the certificate",
    ],
    [{ cacert: "junk" }, "ca.crt or cacert is no certificate in PEM"],
  ];
  for (const [data, message] of cases) {
    const { row, messages, accepted } = given(data);
    assert.deepEqual(messages, [message]);
    assert.equal(accepted, false);
    assert.equal(row, undefined);
  }
});
