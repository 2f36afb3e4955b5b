import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { endpoint } from "../../test/support/xds-rows.ts";
import { encodeEndpoints } from "./encode.ts";
import { loadAssignment } from "./endpoint.ts";

const BASE = { clusterName: "c", labels: {}, ipFamilies: "IPv4", terse: false } as const;
const zone = (name: string) => ({ region: "r", zone: name, subZone: "" });

test("endpoints are grouped by locality, and a locality weighs what they weigh", () => {
  const endpoints = [
    endpoint("10.0.0.2", 80, { locality: zone("b"), weight: 3 }),
    endpoint("10.0.0.3", 80, { locality: zone("a") }),
    endpoint("10.0.0.1", 80, { locality: zone("b"), weight: 0 }),
  ];
  const { endpoints: groups = [] } = loadAssignment({ ...BASE, endpoints });
  const shape = groups.map(group => [
    group.locality?.zone,
    group.loadBalancingWeight,
    group.lbEndpoints?.map(each => each.endpoint?.address?.socketAddress?.address),
  ]);
  assert.deepEqual(shape, [
    ["a", 1, ["10.0.0.3"]],
    ["b", 4, ["10.0.0.1", "10.0.0.2"]],
  ]);
});

test("a subset holds the endpoints that carry all its labels", () => {
  const endpoints = [
    endpoint("10.0.0.1", 80, { labels: { version: "v1", track: "a" } }),
    endpoint("10.0.0.2", 80, { labels: { version: "v1" } }),
  ];
  const labels = { version: "v1", track: "a" };
  const assignment = loadAssignment({ ...BASE, endpoints, labels });
  assert.equal(assignment.endpoints?.[0]?.lbEndpoints?.length, 1);
});

test("property: the order in which endpoints come changes nothing", () => {
  const some = fc.uniqueArray(fc.ipV4(), { minLength: 1, maxLength: 10 });
  const property = fc.property(some, fc.integer(), (addresses, seed) => {
    const endpoints = addresses.map((address, index) =>
      endpoint(address, 80, { locality: zone(String(index % 3)) }),
    );
    const shuffled = [...endpoints].sort((a, b) => rank(a.address, seed) - rank(b.address, seed));
    const encode = (of: typeof endpoints) =>
      encodeEndpoints(loadAssignment({ ...BASE, endpoints: of })).version;
    assert.equal(encode(shuffled), encode(endpoints));
  });
  fc.assert(property, { numRuns: 100 });
});

function rank(text: string, seed: number): number {
  let hash = seed | 0;
  for (const char of text) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) | 0;
  return hash;
}
