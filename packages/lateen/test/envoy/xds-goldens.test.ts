/** Envoy takes every golden file of the xDS builders. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type JsonTree, readGolden, unfold } from "../support/golden.ts";
import { type JsonObject, judgedBootstrap } from "../support/standalone.ts";
import { validate } from "../support/validate.ts";
import { SAMPLES } from "../support/xds-samples.ts";

const fragments = list(readGolden("stats"));

/** docs/decisions/envoy-limits.md */
const KNOWN_WARNING = /Cluster\.(dns_refresh_rate|dns_jitter|respect_dns_ttl)'/;

for (const name of Object.keys(SAMPLES)) {
  test(`Envoy accepts ${name}`, async () => {
    const resources = list(unfold(readGolden(name), fragments)).map(object);
    assert(resources.length > 0);
    const log = await validate(judgedBootstrap(resources));
    const warnings = log.split("\n").filter(line => line.includes("Deprecated"));
    assert.deepEqual(
      warnings.filter(line => !KNOWN_WARNING.test(line)),
      [],
    );
  });
}

test("what Envoy would refuse fails this check", async () => {
  const type = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
  const bad = judgedBootstrap([{ "@type": type, name: "x", type: "EDS" }]);
  await assert.rejects(validate(bad), /without an EDS config/);
});

function list(tree: JsonTree): readonly JsonTree[] {
  assert(Array.isArray(tree));
  return tree;
}

function object(tree: JsonTree): JsonObject {
  assert(typeof tree === "object" && tree !== null && !Array.isArray(tree));
  return Object.fromEntries(Object.entries(tree));
}
