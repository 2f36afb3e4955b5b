import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lineDiff, unifiedDiff } from "./line-diff.ts";

const NAMES = { from: "Istiod Routes", to: "Envoy Routes" };

test("nothing differs: no text", () => {
  assert.equal(unifiedDiff(lineDiff(["a", "b"], ["a", "b"]), NAMES, 7), "");
  assert.equal(unifiedDiff(lineDiff([], []), NAMES, 7), "");
});

test("hunks with their places, as diff -u and Go's difflib write them", () => {
  const before = Array.from({ length: 30 }, (_, i) => `line ${i + 1}`);
  const after = before.filter(line => line !== "line 5");
  after.splice(20, 0, "new");
  assert.equal(
    unifiedDiff(lineDiff(before, after), NAMES, 2),
    "--- Istiod Routes\n+++ Envoy Routes\n" +
      "@@ -3,5 +3,4 @@\n line 3\n line 4\n-line 5\n line 6\n line 7\n" +
      "@@ -20,4 +19,5 @@\n line 20\n line 21\n+new\n line 22\n line 23\n",
  );
  assert.match(unifiedDiff(lineDiff([], ["a"]), NAMES, 7), /^@@ -0,0 \+1 @@\n\+a\n$/m);
});

test("the edits lead from one text to the other, and no shorter than their common lines allow", () => {
  const lines = fc.array(fc.constantFrom("a", "b", "c", "{"), { maxLength: 12 });
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      const edits = lineDiff(before, after);
      const side = (except: string) => edits.filter(e => e.kind !== except).map(e => e.line);
      assert.deepEqual(side("+"), before);
      assert.deepEqual(side("-"), after);
      const common = edits.filter(edit => edit.kind === " ").length;
      assert.equal(common, longestCommon(before, after));
    }),
  );
});

function longestCommon(a: readonly string[], b: readonly string[]): number {
  const rows = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = rows[i] ?? [];
      row[j] =
        a[i] === b[j]
          ? (rows[i + 1]?.[j + 1] ?? 0) + 1
          : Math.max(rows[i + 1]?.[j] ?? 0, row[j + 1] ?? 0);
    }
  }
  return rows[0]?.[0] ?? 0;
}

test("texts that have nothing in common end soon: all of one, then all of the other", () => {
  const before = Array.from({ length: 3_000 }, (_, i) => `a${i}`);
  const after = Array.from({ length: 3_000 }, (_, i) => `b${i}`);
  const kinds = lineDiff(before, after).map(edit => edit.kind);
  assert.equal(kinds.indexOf("+"), 3_000);
});
