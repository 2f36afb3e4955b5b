import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DeltaDiscoveryRequest } from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { defaultStreamLimits, GrpcStatus } from "./limits.ts";
import { decodeRequest } from "./request.ts";

const limits = defaultStreamLimits;
const [NODE, SUBSCRIBE, VERSIONS, ERROR, LOCATORS, UNKNOWN] = [1, 3, 5, 7, 8, 90];

/** A request of nothing but one field, empty, so often. */
function filled(number: number, times: number): Buffer {
  const tag = number * 8 + 2;
  const field = tag < 128 ? [tag, 0] : [(tag & 127) | 128, tag >> 7, 0];
  return Buffer.alloc(field.length * times, Buffer.from(field));
}

describe("requests of many small fields are refused before they are decoded", () => {
  for (const number of [SUBSCRIBE, VERSIONS, ERROR, LOCATORS, UNKNOWN])
    for (const form of ["delta", "sotw"] as const)
      test(`${form}, field ${number}`, () => {
        let asked = 0;
        const decoded = decodeRequest(form, filled(number, 100_000), limits, () => {
          asked++;
          return limits.namesPerTypeMax;
        });
        assert.ok(!decoded.ok);
        assert.equal(decoded.end.code, GrpcStatus.resourceExhausted);
        assert.match(decoded.end.message, /one field is there more than \d+ times/);
        assert.equal(asked, 1);
      });

  test("nodes, and what is in a node", () => {
    const several = decodeRequest("delta", filled(NODE, 17), limits);
    assert.ok(!several.ok);
    assert.match(several.end.message, /one field is there more than 16 times/);
    for (const [number, times] of [
      [3, 30_000],
      [9, 200_000],
    ] as const) {
      const inside = filled(number, times);
      const length = [7, 14].map(shift => ((inside.length >> (shift - 7)) & 127) | 128);
      const head = Buffer.from([10, ...length, inside.length >> 14]);
      const node = decodeRequest("delta", Buffer.concat([head, inside]), limits);
      assert.ok(!node.ok);
      assert.equal(node.end.message, "node has more than 20000 fields");
    }
  });
});

test("as many names as a proxy can have are taken, more are told exactly", () => {
  const typeUrl = "type";
  const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`);
  const request = (count: number) => ({
    typeUrl,
    resourceNamesSubscribe: names(count),
    resourceNamesUnsubscribe: names(count),
    initialResourceVersions: Object.fromEntries(names(count).map(name => [name, "1"])),
  });
  const bytes = (count: number) => DeltaDiscoveryRequest.encode(request(count)).finish();
  assert.ok(decodeRequest("delta", bytes(limits.namesPerTypeMax), limits).ok);
  const more = decodeRequest("delta", bytes(limits.namesPerTypeMax + 1), limits);
  assert.ok(!more.ok);
  assert.match(more.end.message, /^20001 resource names of type, at most 20000/);
});
