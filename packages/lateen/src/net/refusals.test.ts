import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusals } from "./refusals.ts";

test("the newest reason of an address counts for two minutes, of a bounded number of addresses", () => {
  let now = 0;
  const refusals = new Refusals(() => now);
  refusals.note("::ffff:10.0.0.1", "first");
  now = 1;
  refusals.note("fd00::1", "second");
  assert.equal(refusals.reason(["10.0.0.1"]), "first");
  assert.equal(refusals.reason(["10.0.0.1", "fd00::1"]), "second");
  assert.equal(refusals.reason(["10.0.0.2"]), undefined);
  now = 120_001;
  assert.equal(refusals.reason(["10.0.0.1", "fd00::1"]), "second");
  now = 120_002;
  assert.equal(refusals.reason(["fd00::1"]), undefined);
  for (let i = 0; i < 1_000; i++) refusals.note(`host-${i}`, "many");
  refusals.note("one more", "many");
  assert.equal(refusals.reason(["host-0"]), undefined);
  assert.equal(refusals.reason(["host-1"]), "many");
});
