import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lowerBound, SortedKeys } from "./sorted-keys.ts";

test("reads the same as a sorted set, whatever was edited between reads", () => {
  const edit = fc.record({ key: fc.nat(150), read: fc.integer({ min: 0, max: 9 }) });
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 600, size: "max" }), edits => {
      const keys = new SortedKeys();
      const model = new Set<string>();
      for (const { key, read } of edits) {
        const text = String(key);
        assert.equal(keys.has(text), model.has(text));
        if (model.delete(text)) keys.delete(text);
        else {
          model.add(text);
          keys.add(text);
        }
        assert.equal(keys.size, model.size);
        if (read === 0) assert.deepEqual(keys.values(), [...model].sort());
      }
      assert.deepEqual(keys.values(), [...model].sort());
    }),
  );
});

test("what was given out does not change", () => {
  for (const size of [3, 100]) {
    const keys = new SortedKeys();
    for (let i = 0; i < size; i++) keys.add(`k${i}`);
    const before = keys.values();
    const copy = [...before];
    keys.add("a");
    keys.delete("k0");
    keys.values();
    assert.deepEqual(before, copy);
  }
});

test("the order is that of code units", () => {
  const keys = new SortedKeys();
  for (const key of ["é", "a", "Z", "a/b", "a-b", "\u{1f600}", "\uffff"]) keys.add(key);
  assert.deepEqual(keys.values(), ["Z", "a", "a-b", "a/b", "é", "\u{1f600}", "\uffff"]);
});

test("lowerBound finds the first element that is not below", () => {
  assert.equal(lowerBound([], "a"), 0);
  assert.equal(lowerBound(["a", "c"], "a"), 0);
  assert.equal(lowerBound(["a", "c"], "b"), 1);
  assert.equal(lowerBound(["a", "c"], "d"), 2);
});
