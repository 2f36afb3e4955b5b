import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusals } from "./refusals.ts";

function pod(...ips: readonly string[]): { uid: string; ips: readonly string[] } {
  return { uid: "own", ips };
}

test("the newest reason of an address counts for two minutes, of a bounded number of addresses", () => {
  let now = 0;
  const refusals = new Refusals(() => now);
  refusals.note({ address: "::ffff:10.0.0.1" }, "first");
  now = 1;
  refusals.note({ address: "fd00::1" }, "second");
  assert.equal(refusals.reason(pod("10.0.0.1")), "first");
  assert.equal(refusals.reason(pod("10.0.0.1", "fd00::1")), "second");
  assert.equal(refusals.reason(pod("10.0.0.2")), undefined);
  now = 120_001;
  assert.equal(refusals.reason(pod("10.0.0.1", "fd00::1")), "second");
  now = 120_002;
  assert.equal(refusals.reason(pod("fd00::1")), undefined);
  for (let i = 0; i < 1_000; i++) refusals.note({ address: `host-${i}` }, "many");
  refusals.note({ address: "one more" }, "many");
  assert.equal(refusals.reason(pod("host-0")), undefined);
  assert.equal(refusals.reason(pod("host-1")), "many");
});

test("pods with one address are told apart by their credentials", () => {
  const refusals = new Refusals(() => 0);
  const ips = ["10.0.0.1"];
  refusals.note({ address: "10.0.0.1", claimedPod: "a" }, "a's token has expired");
  refusals.note({ address: "10.0.0.1", provenPod: "b" }, "b claims too much");
  assert.equal(refusals.reason({ uid: "a", ips }), "a's token has expired");
  assert.equal(refusals.reason({ uid: "b", ips }), "b claims too much");
  assert.equal(refusals.reason({ uid: "c", ips }), undefined);
  assert.equal(refusals.reason({ uid: "b", ips: [] }), "b claims too much", "through a proxy");
});

test("nobody can say things of a pod elsewhere", () => {
  const refusals = new Refusals(() => 0);
  refusals.note({ address: "10.0.0.66", claimedPod: "victim" }, "nonsense");
  assert.equal(refusals.reason({ uid: "victim", ips: ["10.0.0.1"] }), undefined);
});
