/** The objects that the bench measures with are such as users have: taken without a word, and complete. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clashingEntries, type LoadSize, serviceObjects, sidecarsOf } from "../../bench/load.ts";
import { isOwnSize, scenarioSizes } from "../../bench/scenario-sizes.ts";
import { kindOfObject } from "../../src/api/registry.ts";

const size: LoadSize = {
  ...scenarioSizes.mixed,
  services: 20,
  endpoints: 2,
  scoped: true,
};
const services = Array.from({ length: size.services }, (_, i) => serviceObjects(size, i));

test("every object of a load is valid", () => {
  const all = [...sidecarsOf(size), ...clashingEntries(size), ...services.flat()];
  for (const object of all) {
    const kind = kindOfObject(String(object["apiVersion"]), String(object["kind"]));
    assert.ok(kind !== undefined, JSON.stringify(object));
    assert.deepEqual(kind.decode(object).diagnostics, [], JSON.stringify(object));
  }
});

test("a mixed load has headless services, and UDP ports of the number of a TCP port", () => {
  const specs = services.map(([service]) => JSON.stringify(service?.["spec"]));
  assert.equal(specs.filter(spec => spec.includes('"clusterIP":"None"')).length, 2);
  assert.equal(specs.filter(spec => spec.includes('"port":9000')).length, size.services);
  assert.equal(specs.filter(spec => spec.includes('"protocol":"UDP"')).length, 2);
});

test("figures of others stand beside a load of their size only", () => {
  assert.equal(isOwnSize("tcp", scenarioSizes.tcp), true);
  assert.equal(isOwnSize("tcp", { ...scenarioSizes.tcp, proxies: 20 }), false);
});
