import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { pluggedCa } from "../../test/support/plugged-ca.ts";
import { type Authority, type CaSecret, openAuthority } from "./authority.ts";
import { selfSignedRoot } from "./certificate.ts";

const now = Date.UTC(2026, 5, 1);
const hour = 3600 * 1000;
const period = { notBefore: now - 60_000, notAfter: now + 24 * hour };
const sleep = "spiffe://cluster.local/ns/default/sa/sleep";

function newSecret(): CaSecret {
  const root = selfSignedRoot("cluster.local", { notBefore: now - hour, notAfter: now + 1e11 });
  return {
    "ca-cert.pem": root.certificatePem,
    "ca-key.pem": root.privateKeyPem,
    "root-cert.pem": root.certificatePem,
    "cert-chain.pem": "",
  };
}

function opened(secret: CaSecret): Authority {
  const found = openAuthority(secret, now);
  assert.ok(found.ok, JSON.stringify(found.diagnostics));
  return found.value;
}

test("a root is a CA, signed by itself", () => {
  const secret = newSecret();
  const root = new X509Certificate(secret["ca-cert.pem"]);
  assert.equal(root.ca, true);
  assert.equal(root.subject, "O=cluster.local");
  assert.equal(root.issuer, root.subject);
  assert.ok(root.verify(root.publicKey));
  assert.ok(root.checkPrivateKey(createPrivateKey(secret["ca-key.pem"])));
});

test("a workload's certificate has its SPIFFE id, a critical one, and nothing else", () => {
  const authority = opened(newSecret());
  const issued = authority.issue({ uris: [sleep] }, period);
  const leaf = new X509Certificate(issued.certificatePem);
  const root = new X509Certificate(authority.roots[0] ?? "");
  assert.equal(leaf.subjectAltName, `URI:${sleep}`);
  assert.equal(leaf.subject, undefined);
  assert.equal(leaf.ca, false);
  assert.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  assert.equal(leaf.validFromDate.getTime(), period.notBefore);
  assert.equal(leaf.validToDate.getTime(), period.notAfter);
  assert.ok(leaf.checkIssued(root) && leaf.verify(root.publicKey));
  assert.ok(leaf.checkPrivateKey(createPrivateKey(issued.privateKeyPem)));
  assert.equal(leaf.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.match(leaf.serialNumber, /^[4-7][0-9A-F]{31}$/);
});

test("every certificate has a key and a serial number of its own", () => {
  const authority = opened(newSecret());
  const leaves = Array.from(
    { length: 50 },
    () => new X509Certificate(authority.issue({ uris: [sleep] }, period).certificatePem),
  );
  assert.equal(new Set(leaves.map(leaf => leaf.serialNumber)).size, 50);
  assert.equal(new Set(leaves.map(leaf => leaf.fingerprint256)).size, 50);
});

test("names and times of any kind come out as they went in", () => {
  const authority = opened(newSecret());
  const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$/);
  fc.assert(
    fc.property(
      fc.array(label, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 40 * 365 * 24 * 3600 }),
      (labels, seconds) => {
        const end = Math.min(now + seconds * 1000, authority.notAfter);
        const uri = `spiffe://${labels.join(".")}/ns/${labels[0]}/sa/${labels.at(-1)}`;
        const names = {
          uris: [uri],
          dnsNames: [labels.join(".")],
          ipAddresses: ["10.0.0.1", "fd00::1"],
        };
        const issued = authority.issue(names, { notBefore: now, notAfter: now + seconds * 1000 });
        const leaf = new X509Certificate(issued.certificatePem);
        assert.equal(
          leaf.subjectAltName,
          `URI:${uri}, DNS:${labels.join(".")}, IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1`,
        );
        assert.equal(leaf.validToDate.getTime(), Math.floor(end / 1000) * 1000);
      },
    ),
    { numRuns: 50 },
  );
});

test("a certificate does not outlive its CA", () => {
  const authority = opened(newSecret());
  const issued = authority.issue({ uris: [sleep] }, { notBefore: now, notAfter: now + 1e13 });
  const leaf = new X509Certificate(issued.certificatePem);
  assert.equal(leaf.validToDate.getTime(), authority.notAfter);
});

test("cacerts: an intermediate signs, its chain is sent, the root is trusted", () => {
  const secret = pluggedCa("rsa", now - hour, now + 1e11);
  const authority = opened(secret);
  assert.deepEqual(authority.roots, [secret["root-cert.pem"]]);
  const issued = authority.issue({ uris: [sleep] }, period);
  assert.equal(issued.certificatePem.match(/BEGIN CERTIFICATE/g)?.length, 3);
  const leaf = new X509Certificate(issued.certificatePem);
  assert.ok(leaf.verify(new X509Certificate(secret["ca-cert.pem"]).publicKey));
});

for (const kind of ["self-signed", "ec", "rsa"] as const) {
  test(`openssl, where there is one, accepts the chain: ${kind}`, () => {
    if (spawnSync("openssl", ["version"]).error !== undefined) return;
    const secret = kind === "self-signed" ? newSecret() : pluggedCa(kind, now - hour, now + 1e11);
    const issued = opened(secret).issue({ uris: [sleep] }, period);
    const directory = mkdtempSync(join(tmpdir(), "lateen-ca-"));
    try {
      writeFileSync(join(directory, "leaf.pem"), issued.certificatePem);
      writeFileSync(join(directory, "root.pem"), secret["root-cert.pem"]);
      const args = ["-x509_strict", "-attime", String(now / 1000), "-CAfile", "root.pem"];
      for (const purpose of ["sslserver", "sslclient"]) {
        const verify = [
          "verify",
          ...args,
          "-purpose",
          purpose,
          "-untrusted",
          "leaf.pem",
          "leaf.pem",
        ];
        const result = spawnSync("openssl", verify, { cwd: directory, encoding: "utf8" });
        assert.equal(result.stdout.trim(), "leaf.pem: OK", result.stderr);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
}

test("what is wrong with a CA Secret is said by field, and nothing of it is quoted", () => {
  const good = newSecret();
  const other = newSecret();
  const cases: readonly [Partial<CaSecret>, string][] = [
    [{ "ca-cert.pem": "" }, `data["ca-cert.pem"]`],
    [{ "ca-cert.pem": "hello" }, `data["ca-cert.pem"]`],
    [{ "ca-key.pem": "" }, `data["ca-key.pem"]`],
    [{ "ca-key.pem": other["ca-key.pem"] }, `data["ca-key.pem"]`],
    [{ "root-cert.pem": other["root-cert.pem"] }, `data["root-cert.pem"]`],
    [{ "cert-chain.pem": other["ca-cert.pem"] }, `data["cert-chain.pem"]`],
    [{ "ca-cert.pem": good["ca-cert.pem"].replaceAll("A", "B") }, `data["ca-cert.pem"]`],
    [{ "cert-chain.pem": "x".repeat(300_000) }, `data["cert-chain.pem"]`],
  ];
  for (const [change, path] of cases) {
    const result = openAuthority({ ...good, ...change }, now);
    assert.equal(result.ok, false, path);
    assert.ok(
      result.diagnostics.some(found => found.path === path),
      JSON.stringify(result),
    );
    const secretLine = good["ca-key.pem"].split("\n")[1] ?? "";
    assert.ok(!JSON.stringify(result).includes(secretLine));
  }
});

test("a CA that is over, or not a CA, is refused", () => {
  const secret = newSecret();
  const later = openAuthority(secret, now + 2e11);
  assert.equal(later.ok, false);
  const leaf = opened(secret).issue({ uris: [sleep] }, period);
  const asCa = { ...secret, "ca-cert.pem": leaf.certificatePem, "ca-key.pem": leaf.privateKeyPem };
  const result = openAuthority(asCa, now);
  assert.equal(result.ok, false);
  assert.match(JSON.stringify(result.diagnostics), /not a CA certificate/);
});
