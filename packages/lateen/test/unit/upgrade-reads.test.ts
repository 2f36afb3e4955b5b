/**
 * What an earlier version let in, this one reads. A new refusal that is none of `Diagnostic.newOnly`
 * fails here: objects that are stored would be gone after an upgrade.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type * as registry from "../../src/api/registry.ts";
import { allKinds } from "../../src/api/registry.ts";
import * as meshConfig from "../../src/bin/mesh-config-input.ts";
import { budget } from "../support/budget.ts";
import {
  BEFORE_COMPACT_METRICS,
  earlierVersion,
  whyNoEarlier,
} from "../support/earlier-version.ts";
import { objectOfKind } from "../support/objects-of-kind.ts";

const skip = whyNoEarlier(BEFORE_COMPACT_METRICS) ?? false;
/** Of each kind. */
const RUNS = 400;
/** Deep kinds are seldom valid by chance; a generator that makes none would prove nothing. */
const LEAST_READ = 5;

const WORDS = [
  ...[
    "on",
    "off",
    "yes",
    "No",
    "y",
    "N",
    "true",
    "~",
    "null",
    "1_000",
    "010",
    "0o10",
    "0x1F",
    "0b1",
  ],
  ...[
    "1:20",
    "2001-01-01",
    ".inf",
    "+1",
    "1e3",
    "1.",
    "=",
    "!!str on",
    "'on'",
    "-",
    "a",
    "cluster.local",
  ],
];
const FIELDS = [
  "trustDomain: WORD",
  "accessLogFile: WORD",
  "enableAutoMtls: WORD",
  "ingressService: WORD",
  "defaultConfig: {proxyMetadata: {A: WORD}}",
  "defaultConfig: {proxyMetadata: {WORD: a}}",
  "defaultConfig: {concurrency: WORD}",
  "discoverySelectors: [{matchLabels: {mesh: WORD}}]",
];

test("a mesh configuration that the earlier version reads is read", { skip }, async t => {
  const earlier = earlierVersion(BEFORE_COMPACT_METRICS);
  t.after(() => earlier.remove());
  const before = await earlier.load<typeof meshConfig>("src/bin/mesh-config-input.ts");
  let read = 0;
  for (const field of FIELDS)
    for (const word of WORDS) {
      const object = {
        metadata: { name: "istio", namespace: "istio-system" },
        data: { mesh: field.replace("WORD", word) },
      };
      if (before.readMeshConfigMap(object)?.settings === undefined) continue;
      read++;
      const now = meshConfig.readMeshConfigMap(object);
      assert.ok(now?.settings !== undefined, `${object.data.mesh}: ${JSON.stringify(now)}`);
    }
  assert.ok(read > 100, `${read} of the texts were valid`);
});

test("every object that the earlier version reads is read", { skip }, async t => {
  const earlier = earlierVersion(BEFORE_COMPACT_METRICS);
  t.after(() => earlier.remove());
  const { allKinds: earlierKinds } = await earlier.load<typeof registry>("src/api/registry.ts");
  for (const before of earlierKinds) {
    const after = allKinds.find(
      ({ group, kind }) => group === before.group && kind === before.kind,
    );
    assert.ok(after !== undefined, `${before.kind} is still a kind`);
    let read = 0;
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(0, 0, 0, 60), (seed, oddOnes) => {
        const object = objectOfKind(before, seed, oddOnes);
        if (!before.decode(object).ok) return;
        read++;
        const { ok, diagnostics } = after.decode(object);
        const errors = diagnostics.filter(({ severity }) => severity === "error");
        assert.ok(ok, `${JSON.stringify(object)}: ${JSON.stringify(errors)}`);
      }),
      budget(RUNS),
    );
    assert.ok(read >= LEAST_READ, `${before.kind}: ${read} of the objects were valid`);
  }
});
