import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { escapeReferences, expandReferences } from "./expansion.ts";

const values = new Map([
  ["POD_NAME", "sleep-0"],
  ["A", "1"],
]);
const expand = (text: string): string => expandReferences(text, name => values.get(name));

test("references as Kubernetes expands them", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["$(A)", "1"],
    ["x$(A)y$(POD_NAME)", "x1ysleep-0"],
    ["$$(A)", "$(A)"],
    ["$$$(A)", "$1"],
    ["$(UNKNOWN)", "$(UNKNOWN)"],
    ["$", "$"],
    ["$$", "$"],
    ["$(A", "$(A"],
    ["a$b", "a$b"],
    ["$()", "$()"],
  ];
  for (const [text, expected] of cases) assert.equal(expand(text), expected, text);
});

test("escaped text comes out as it was, but for what is kept", () => {
  const piece = fc.constantFrom("$", "(", ")", "A", "$(A)", "$(POD_NAME)", "x", "$$");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
      const text = pieces.join("");
      assert.equal(expand(escapeReferences(text, [])), text);
    }),
  );
  assert.equal(expand(escapeReferences('^a$"$(POD_NAME)$(A)', ["POD_NAME"])), '^a$"sleep-0$(A)');
});
