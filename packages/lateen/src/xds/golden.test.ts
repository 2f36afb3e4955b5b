import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { toCanonicalJson } from "@lateen/envoy-api/registry.js";
import { fold, goldenPath, type JsonTree, readGolden } from "../../test/support/golden.ts";
import { SAMPLES } from "../../test/support/xds-samples.ts";
import type { EncodedResource } from "./resource.ts";

/** `UPDATE_GOLDEN=1` writes the files anew; look at the difference before you commit it. */
const UPDATE = process.env["UPDATE_GOLDEN"] === "1";

const fragments: JsonTree[] = [];
for (const [name, sample] of Object.entries(SAMPLES)) {
  const json = fold(sample().map(toJson), fragments);
  test(`golden: ${name}`, () => check(name, json));
}
test("golden: stats", () => check("stats", fragments));

function toJson(resource: EncodedResource): JsonTree {
  const json = toCanonicalJson(resource.type, resource.body);
  assert(typeof json === "object" && json !== null && !Array.isArray(json));
  return { "@type": resource.type, ...json };
}

function check(name: string, json: JsonTree): void {
  if (UPDATE || !existsSync(goldenPath(name))) {
    assert(UPDATE, `${goldenPath(name)} is missing: run with UPDATE_GOLDEN=1`);
    writeFileSync(goldenPath(name), `${JSON.stringify(json, null, 1)}\n`);
  }
  assert.deepEqual(json, readGolden(name));
}
