import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { deepEqual } from "./equal.ts";

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
class Point {
  x = 1;
}
const same = (): number => 1;

const equal: readonly (readonly [string, unknown, unknown])[] = [
  ["numbers", 1, 1],
  ["NaN", Number.NaN, Number.NaN],
  ["nested records", { a: { b: [1, "x", null] } }, { a: { b: [1, "x", null] } }],
  ["maps", new Map([["a", { b: 1 }]]), new Map([["a", { b: 1 }]])],
  ["sets of records", new Set([{ a: 1 }]), new Set([{ a: 1 }])],
  ["bytes", bytes(1, 2), bytes(1, 2)],
  ["bytes in the middle of a buffer", bytes(0, 1, 2).subarray(1), bytes(1, 2)],
  ["typed arrays", new Float64Array([1.5]), new Float64Array([1.5])],
  ["dates", new Date(5), new Date(5)],
  ["one function", { f: same }, { f: same }],
  ["records without a prototype", Object.create(null), Object.create(null)],
  ["empty", {}, {}],
];

const different: readonly (readonly [string, unknown, unknown])[] = [
  ["null and a record", null, {}],
  ["undefined and absent", { a: undefined }, {}],
  ["a field more", { a: 1 }, { a: 1, b: 1 }],
  ["other field names", { a: undefined }, { b: undefined }],
  ["fields in another order", { a: 1, b: 2 }, { b: 2, a: 1 }],
  [
    "map entries in another order",
    new Map([
      ["a", 1],
      ["b", 2],
    ]),
    new Map([
      ["b", 2],
      ["a", 1],
    ]),
  ],
  ["set members in another order", new Set([1, 2]), new Set([2, 1])],
  ["a shorter array", [1, 2], [1]],
  ["an array and a record", [], {}],
  ["other bytes", bytes(1, 2), bytes(1, 3)],
  ["more bytes", bytes(1), bytes(1, 0)],
  ["two kinds of bytes", bytes(1), Buffer.from([1])],
  ["look-alike functions", { f: () => 1 }, { f: () => 1 }],
  ["instances of a class", new Point(), new Point()],
  ["number and text", 1, "1"],
  ["dates", new Date(5), new Date(6)],
];

for (const [name, a, b] of equal) {
  test(`equal: ${name}`, () => assert.equal(deepEqual(a, b), true));
}

for (const [name, a, b] of different) {
  test(`different: ${name}`, () => {
    assert.equal(deepEqual(a, b), false);
    assert.equal(deepEqual(b, a), false);
  });
}

test("a copy is equal; two values that print differently are not", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      assert.equal(deepEqual(a, structuredClone(a)), true);
      assert.equal(deepEqual(a, b), serialised(a) === serialised(b));
    }),
  );
});

/** JSON has no -0: as everywhere else in the language, it equals 0. */
function serialised(value: unknown): string {
  return JSON.stringify(value);
}
