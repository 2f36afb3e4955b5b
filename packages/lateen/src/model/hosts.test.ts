import assert from "node:assert/strict";
import { test } from "node:test";
import { hostsOverlap, hostWithin, resolveHost, wildcardsOf } from "./hosts.ts";

test("short names are completed, others stay", () => {
  const complete = (host: string): string => resolveHost(host, "default", "cluster.local");
  assert.equal(complete("reviews"), "reviews.default.svc.cluster.local");
  assert.equal(complete("reviews.other"), "reviews.other");
  assert.equal(complete("*"), "*");
  assert.equal(complete("*.example"), "*.example");
});

const pairs: readonly (readonly [string, string, overlap: boolean, within: boolean])[] = [
  ["a.com", "a.com", true, true],
  ["a.com", "b.com", false, false],
  ["a.com", "*.com", true, true],
  ["*.com", "a.com", true, false],
  ["*.a.com", "*.com", true, true],
  ["*.com", "*.a.com", true, false],
  ["*.a.com", "*.b.com", false, false],
  ["*", "*.com", true, false],
  ["a.com", "*", true, true],
  ["*.com", "*", true, true],
];
for (const [host, other, overlap, within] of pairs)
  test(`${host} and ${other}`, () => {
    assert.equal(hostsOverlap(host, other), overlap);
    assert.equal(hostsOverlap(other, host), overlap);
    assert.equal(hostWithin(host, other), within);
  });

test("the wildcards of a host, the narrowest first", () => {
  assert.deepEqual(wildcardsOf("a.b.c"), ["*.b.c", "*.c", "*"]);
  assert.deepEqual(wildcardsOf("*.b.c"), ["*.c", "*"]);
  assert.deepEqual(wildcardsOf("*"), []);
});
