import assert from "node:assert/strict";
import { test } from "node:test";
import { intendedDifferences } from "./intended.ts";
import { PROTECTED, typesOnPath } from "./schema-path.ts";

const rewrites = intendedDifferences.flatMap(each =>
  each.rewrites.map(rewrite => ({ name: each.name, rewrite })),
);

test("each has a name of its own and a reason", () => {
  const names = intendedDifferences.map(each => each.name);
  assert.equal(new Set(names).size, names.length);
  for (const { reason, rewrites: all } of intendedDifferences)
    assert.ok(reason.length > 10 && all.length > 0);
});

test("each names a field of a message that Envoy has", () => {
  for (const { name, rewrite } of rewrites)
    assert.ok(typesOnPath(rewrite.message, rewrite.field), `${name}: ${rewrite.field}`);
});

test("none takes out a listener, chain, cluster, endpoint, route or match, or what holds one", () => {
  for (const { name, rewrite } of rewrites) {
    const held = typesOnPath(rewrite.message, rewrite.field)?.at(-1)?.typeName ?? "";
    assert.ok(!PROTECTED.has(held), `${name}: ${rewrite.field} is a ${held}`);
    const text = JSON.stringify(rewrite.from);
    for (const field of ["filterChains", "virtualHosts", "routes", "lbEndpoints", "match"])
      assert.ok(!text.includes(`"${field}"`), `${name} takes ${field}`);
  }
});

test("none knows a case: no host, address, namespace, route or port of a user", () => {
  const text = JSON.stringify(intendedDifferences.map(each => each.rewrites));
  assert.doesNotMatch(
    text,
    /\.svc\b|\d+\.\d+\.\d+\.\d+|demoapp|sleep|gateway|outbound\||inbound\|/,
  );
});

test("what is taken out of the reference is said exactly", () => {
  for (const { name, rewrite } of rewrites) {
    if (rewrite.side !== "reference") continue;
    assert.doesNotMatch(JSON.stringify(rewrite.from), /"\$/, name);
  }
});
