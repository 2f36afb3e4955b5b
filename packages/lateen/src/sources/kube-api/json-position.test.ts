import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { jsonErrorPosition } from "./json-position.ts";

test("the place of the first thing that is not JSON", () => {
  const cases: readonly (readonly [string, string])[] = [
    ['{"a": }', "line 1, column 7"],
    ['{"a": 1,\n "b" 2}', "line 2, column 6"],
    ["[1, 2", "line 1, column 6"],
    ["[1,]", "line 1, column 4"],
    ["{'a': 1}", "line 1, column 2"],
    ["{} {}", "line 1, column 4"],
    ["[01]", "line 1, column 2"],
    ['{"a": tru}', "line 1, column 7"],
    ['["a\nb"]', "line 1, column 2"],
    ["[}", "line 1, column 2"],
  ];
  for (const [text, place] of cases) assert.equal(jsonErrorPosition(text), place, text);
});

test("long texts take no more than their length", () => {
  const long = "x".repeat(2_000_000);
  assert.equal(jsonErrorPosition(`{"a": "${long}`), "line 1, column 7");
  assert.equal(jsonErrorPosition(`["${long}", 01]`), `line 1, column ${long.length + 6}`);
  assert.equal(jsonErrorPosition('"\u0080\u007f"'), undefined);
});

test("agrees with JSON.parse about what is JSON", () => {
  const pieces = fc.constantFrom(...'{}[],: "a1-\\.\ntrue', "null", '"k":', "1e5", "[]");
  const texts = fc.oneof(
    fc.json(),
    fc.string(),
    fc.array(pieces).map(all => all.join("")),
  );
  fc.assert(
    fc.property(texts, text => {
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      assert.equal(jsonErrorPosition(text) === undefined, valid, text);
    }),
    { numRuns: 2000 },
  );
});
