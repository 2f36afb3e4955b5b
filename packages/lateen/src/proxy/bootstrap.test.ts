import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bootstrap, bootstrapArgument } from "./bootstrap.ts";
import { sampleBootstraps } from "./testdata/bootstraps.ts";
import { discoverySdsFiles } from "./xds-cluster.ts";

/** `UPDATE_GOLDEN=1` writes the files anew; look at the difference before you commit it. */
const UPDATE = process.env["UPDATE_GOLDEN"] === "1";

function golden(name: string, now: unknown): unknown {
  const path = join(import.meta.dirname, "testdata", `${name}.golden.json`);
  if (UPDATE) writeFileSync(path, `${JSON.stringify(now, null, 1)}\n`);
  return JSON.parse(readFileSync(path, "utf8"));
}

for (const [name, options] of Object.entries(sampleBootstraps))
  test(`bootstrap: ${name}`, () => {
    const now: unknown = JSON.parse(bootstrapArgument(options));
    assert.deepEqual(now, golden(name, now));
  });

test("the files that name root and token", () => {
  const tls = sampleBootstraps.sidecar.discovery.tls;
  assert.ok(tls !== undefined);
  const files = discoverySdsFiles(tls);
  assert.deepEqual(Object.keys(files), ["xds-root.json", "xds-token.json"]);
  assert.match(files["xds-root.json"] ?? "", /"exact":"istiod.istio-system.svc"/);
  assert.match(files["xds-token.json"] ?? "", /"filename":"\/run\/secrets\/tokens\/istio-token"/);
});

test("a control plane with a name is resolved, one with an address is not", () => {
  const { discovery, ...rest } = sampleBootstraps.gateway;
  const kind = (host: string): string | undefined =>
    /"name":"xds-grpc","type":"(\w+)"/.exec(
      JSON.stringify(bootstrap({ ...rest, discovery: { ...discovery, host } })),
    )?.[1];
  assert.equal(kind("istiod.istio-system.svc"), "STRICT_DNS");
  assert.equal(kind("10.0.0.1"), "STATIC");
  assert.equal(kind("fd00::1"), "STATIC");
});

test("a bootstrap that no argument can hold is a bug, not a truncated proxy", () => {
  const metadata = { LABELS: { big: "x".repeat(140_000) } };
  assert.throws(() => bootstrapArgument({ ...sampleBootstraps.gateway, metadata }), /bootstrap of/);
});
