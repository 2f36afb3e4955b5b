/** Our configuration against what the reference control plane makes of the same objects. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { buildCase } from "../../src/bin/case-resources.ts";
import { loadCase } from "../../src/debug/compare/case.ts";
import {
  bothRules,
  type CaseResult,
  compareCase,
  controlAll,
} from "../../src/debug/compare/compare.ts";
import { intendedDifferences } from "../../src/debug/compare/intended.ts";
import { differenceLines } from "../../src/debug/compare/report.ts";

const folder = join(import.meta.dirname, "../testdata/reference");
const names = readdirSync(folder).sort();
const rules = bothRules(intendedDifferences);
const results: CaseResult[] = [];

for (const name of names) {
  test(`no difference but the intended ones: ${name}`, () => {
    const loaded = loadCase(join(folder, name));
    assert.ok(loaded.ok, loaded.ok ? "" : loaded.message);
    const result = compareCase(loaded.value, buildCase, rules);
    results.push(result);
    assert.equal(differenceLines(name, result).join("\n"), "");
    assert.ok(result.pairs.length > 10);
  });
}

test("every intended difference applies somewhere", () => {
  const unused = intendedDifferences.filter(
    each => !results.some(result => result.applied.has(each.name)),
  );
  assert.deepEqual(unused, []);
});

test("the comparison sees a change of any leaf of the reference", () => {
  const control = controlAll(results, rules);
  assert.deepEqual(control.blind, []);
  assert.deepEqual(control.hidden, []);
  assert.equal(control.live, control.leaves);
  assert.ok(control.rewritten < control.leaves / 10, `${control.rewritten} of ${control.leaves}`);
});
