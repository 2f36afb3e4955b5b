import assert from "node:assert/strict";
import { test } from "node:test";
import { TestMesh } from "../../test/support/mesh.ts";
import { destinationRule, service } from "../../test/support/mesh-objects.ts";
import type { JsonObject } from "../api/kind.ts";
import { holdingKey, policyFor } from "./destination-rules.ts";
import type { DestinationRuleRow } from "./types.ts";

const HOST = "x.shop.svc.cluster.local";

/** A service `x` in namespace `shop`, and rules by `namespace/name` in the order of their age. */
function meshWith(rules: Readonly<Record<string, JsonObject>>): TestMesh {
  const mesh = new TestMesh();
  const ports = [{ name: "http", port: 80 }];
  mesh.set(mesh.inputs.services, service({ at: "shop/x" }, { clusterIP: "10.1.0.1", ports }));
  const objects = Object.entries(rules).map(([at, spec], age) =>
    destinationRule({ at, age }, spec),
  );
  mesh.set(mesh.inputs.destinationRules, ...objects);
  return mesh;
}

function holding(mesh: TestMesh, client: string): DestinationRuleRow | undefined {
  const cell = mesh.model.rules.holding.acquire(holdingKey(client, `shop/${HOST}`));
  return mesh.model.rules.rules.get(cell.value());
}

function name(mesh: TestMesh, client: string): string | undefined {
  const source = holding(mesh, client)?.source;
  return source && `${source.namespace}/${source.name}`;
}

test("the client's namespace first, then the service's, then the root", () => {
  const mesh = meshWith({
    "istio-system/root": { host: "*.svc.cluster.local" },
    "shop/own": { host: "x" },
    "client/mine": { host: HOST },
  });
  assert.equal(name(mesh, "client"), "client/mine");
  assert.equal(name(mesh, "other"), "shop/own");
  mesh.remove(mesh.inputs.destinationRules, "shop/own");
  assert.equal(name(mesh, "other"), "istio-system/root");
});

test("in the root namespace a service's own rule comes before the mesh's", () => {
  const mesh = meshWith({
    "istio-system/root": { host: "*.svc.cluster.local" },
    "shop/own": { host: "x" },
  });
  assert.equal(name(mesh, "istio-system"), "shop/own");
});

test("exportTo hides a rule from other namespaces", () => {
  const mesh = meshWith({ "shop/own": { host: "x", exportTo: ["."] } });
  assert.equal(name(mesh, "shop"), "shop/own");
  assert.equal(name(mesh, "other"), undefined);
});

test("the narrowest host wins", () => {
  const mesh = meshWith({
    "shop/wide": { host: "*.cluster.local" },
    "shop/narrow": { host: "*.shop.svc.cluster.local" },
  });
  assert.equal(name(mesh, "shop"), "shop/narrow");
  mesh.set(mesh.inputs.destinationRules, destinationRule({ at: "shop/exact" }, { host: HOST }));
  assert.equal(name(mesh, "shop"), "shop/exact");
});

test("rules for one host are one: the oldest policy, all subsets", () => {
  const mesh = meshWith({
    "shop/a": { host: "x", subsets: [{ name: "v1", labels: { version: "1" } }] },
    "shop/b": {
      host: HOST,
      trafficPolicy: { loadBalancer: { simple: "RANDOM" } },
      subsets: [
        { name: "v1", labels: { version: "other" } },
        { name: "v2", labels: { version: "2" } },
      ],
    },
    "shop/c": { host: "x", trafficPolicy: { loadBalancer: { simple: "ROUND_ROBIN" } } },
  });
  const rule = holding(mesh, "shop");
  assert.equal(rule?.source.name, "a");
  assert.deepEqual(
    rule?.subsets.map(each => [each.name, each.labels["version"]]),
    [
      ["v1", "1"],
      ["v2", "2"],
    ],
  );
  assert.deepEqual(policyFor(rule, "", 80).loadBalancer, { kind: "RANDOM" });
});

test("rules with different audiences stay apart", () => {
  const mesh = meshWith({
    "shop/mine": { host: "x", exportTo: ["."] },
    "shop/all": { host: "x" },
  });
  assert.equal(name(mesh, "shop"), "shop/mine");
  assert.equal(name(mesh, "other"), "shop/all");
});

test("subset over rule, port over both", () => {
  const simple = (kind: string): JsonObject => ({ loadBalancer: { simple: kind } });
  const mesh = meshWith({
    "shop/x": {
      host: "x",
      trafficPolicy: {
        ...simple("RANDOM"),
        tls: { mode: "DISABLE" },
        portLevelSettings: [{ port: { number: 81 }, ...simple("ROUND_ROBIN") }],
      },
      subsets: [
        { name: "v1", labels: {}, trafficPolicy: simple("PASSTHROUGH") },
        {
          name: "v2",
          labels: {},
          trafficPolicy: {
            portLevelSettings: [{ port: { number: 80 }, tls: { mode: "ISTIO_MUTUAL" } }],
          },
        },
      ],
    },
  });
  const rule = holding(mesh, "shop");
  const shown = (subset: string, port: number): readonly unknown[] => {
    const { loadBalancer, tls } = policyFor(rule, subset, port);
    return [loadBalancer.kind, tls?.mode];
  };
  assert.deepEqual(shown("", 80), ["RANDOM", "DISABLE"]);
  // Settings for a port do not inherit.
  assert.deepEqual(shown("", 81), ["ROUND_ROBIN", undefined]);
  assert.deepEqual(shown("v1", 80), ["PASSTHROUGH", "DISABLE"]);
  assert.deepEqual(shown("v2", 80), ["LEAST_REQUEST", "ISTIO_MUTUAL"]);
});

test("LEAST_CONN is LEAST_REQUEST, and so is nothing at all", () => {
  const mesh = meshWith({
    "shop/x": { host: "x", trafficPolicy: { loadBalancer: { simple: "LEAST_CONN" } } },
  });
  assert.deepEqual(policyFor(holding(mesh, "shop"), "", 80).loadBalancer.kind, "LEAST_REQUEST");
  assert.deepEqual(policyFor(undefined, "", 80).loadBalancer.kind, "LEAST_REQUEST");
});
