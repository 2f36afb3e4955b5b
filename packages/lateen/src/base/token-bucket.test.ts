import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenBucket } from "./token-bucket.ts";

test("what is too large is owed, or not taken where nothing may be owed", () => {
  const bucket = new TokenBucket(1, 10, 0);
  assert.equal(bucket.takeWhole(0, 11), false);
  assert.equal(bucket.takeWhole(0, 10), true);
  assert.equal(bucket.takeWhole(999, 1), false);
  assert.equal(bucket.takeWhole(1001, 1), true);
  const owing = new TokenBucket(1, 10, 0);
  assert.equal(owing.take(0, 15), true);
  assert.equal(owing.take(5999), false);
  assert.equal(owing.take(6001), true);
});

test("a clock that is set back neither gives nor takes", () => {
  const bucket = new TokenBucket(1, 2, 3_600_000);
  assert.equal(bucket.take(0), true);
  assert.equal(bucket.take(0), true);
  assert.equal(bucket.take(0), false);
  assert.equal(bucket.take(1000), true);
});
