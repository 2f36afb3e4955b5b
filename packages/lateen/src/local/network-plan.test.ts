import assert from "node:assert/strict";
import { isIPv4 } from "node:net";
import { test } from "node:test";
import {
  externalPool,
  networkPlan,
  overlaps,
  planCandidates,
  podPool,
  servicePool,
} from "./network-plan.ts";

const plan = networkPlan(244);

test("the plan's addresses lie where the routes lead", () => {
  assert.equal(plan.podCidr, "10.244.0.0/17");
  assert.equal(plan.serviceCidr, "10.244.128.0/17");
  assert.equal(plan.dnsAddress, "10.244.128.10");
  assert.equal(planCandidates[0]?.prefix, "10.244");
  assert.ok(planCandidates.every(({ gateway }) => isIPv4(gateway)));
});

test("overlaps are seen whichever side is the larger one", () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ["10.244.1.2", true],
    ["10.244.0.0/24", true],
    ["10.0.0.0/8", true],
    ["10.240.0.0/12", true],
    ["10.243.0.0/16", false],
    ["192.168.0.0/16", false],
    ["0.0.0.0/0", false],
    ["127.0.0.1", false],
  ];
  for (const [cidr, expected] of cases) assert.equal(overlaps(plan, cidr), expected, cidr);
});

test("pools hand out each address once, and what was given back last of all", () => {
  const pool = podPool(plan);
  const first = pool.take();
  assert.equal(first, "10.244.0.10");
  pool.release(first);
  assert.equal(pool.take(), "10.244.0.11");
  const seen = new Set<string>();
  for (let next = pool.take(); next !== undefined; next = pool.take()) {
    assert.ok(!seen.has(next) && isIPv4(next));
    seen.add(next);
  }
  assert.ok(seen.has(first));
  assert.equal(seen.size, 2 ** 15 - 2 - 10);
});

test("services and load balancers have ranges of their own, with room for well-known addresses", () => {
  const services = servicePool(plan);
  assert.ok(services.claim(plan.dnsAddress));
  assert.ok(!services.claim(plan.dnsAddress));
  assert.ok(!services.claim("10.244.0.10"));
  assert.ok(!services.claim(plan.hostAddress));
  assert.ok(!services.claim("10.96.0.1"));
  assert.ok(!services.claim(""));
  assert.equal(services.take(), "10.244.129.0");
  const external = externalPool(plan).take();
  assert.equal(external, "10.244.254.1");
  assert.ok(!services.claim(external));
});
