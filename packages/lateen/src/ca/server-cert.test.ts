import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { silentLog } from "../base/log.ts";
import { openAuthority } from "./authority.ts";
import { selfSignedRoot } from "./certificate.ts";
import { createServerCertificate } from "./server-cert.ts";

const hour = 3600 * 1000;

test("the server has Istio's names and addresses as given, and is renewed while it runs", () => {
  const clock = new FakeClock(Date.UTC(2026, 5, 1));
  const root = selfSignedRoot("cluster.local", {
    notBefore: clock.now(),
    notAfter: clock.now() + 1e11,
  });
  const opened = openAuthority(
    {
      "ca-cert.pem": root.certificatePem,
      "ca-key.pem": root.privateKeyPem,
      "root-cert.pem": "",
      "cert-chain.pem": "",
    },
    clock.now(),
  );
  assert.ok(opened.ok);
  const server = createServerCertificate({
    authority: opened.value,
    clock,
    log: silentLog,
    namespace: "istio-system",
    names: { ipAddresses: ["10.1.2.3"] },
  });
  const first = new X509Certificate(server.current().certificatePem);
  for (const host of [
    "istiod.istio-system.svc",
    "istiod.istio-system.svc.cluster.local",
    "localhost",
  ])
    assert.equal(first.checkHost(host), host);
  assert.equal(first.checkIP("10.1.2.3"), "10.1.2.3");
  assert.equal(first.checkHost("example.com"), undefined);

  const seen: string[] = [];
  const stop = server.onRenewed(renewed => seen.push(renewed.certificatePem));
  clock.advance(11 * hour);
  assert.equal(seen.length, 0);
  clock.advance(1 * hour + 61_000);
  assert.equal(seen.length, 1);
  assert.equal(server.current().certificatePem, seen[0]);
  stop();
  clock.advance(12 * hour + 61_000);
  assert.equal(seen.length, 1);
  server.dispose();
  assert.equal(clock.waiting, 0);
});
