import assert from "node:assert/strict";
import { test } from "node:test";
import { editDistance, nearest } from "./suggest.ts";

test("edit distance counts swaps of neighbours as one", () => {
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(editDistance("kitten", "sitting"), 3);
  assert.equal(editDistance("hots", "host"), 1);
  assert.equal(editDistance("same", "same"), 0);
});

test("the nearest name, if any is near", () => {
  const known = ["hosts", "gateways", "http", "exportTo"];
  assert.equal(nearest("host", known), "hosts");
  assert.equal(nearest("export_to", known), "exportTo");
  assert.equal(nearest("HTTP", known), "http");
  assert.equal(nearest("gatways", known), "gateways");
  assert.equal(nearest("expo", known), "exportTo");
  assert.equal(nearest("weight", known), undefined);
  assert.equal(nearest("x".repeat(10_000), known), undefined);
});
