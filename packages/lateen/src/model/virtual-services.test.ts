import assert from "node:assert/strict";
import { test } from "node:test";
import { TestMesh } from "../../test/support/mesh.ts";
import { virtualService } from "../../test/support/mesh-objects.ts";
import type { JsonObject } from "../api/kind.ts";
import {
  type Guard,
  guardHolds,
  labelsOfSourceSelector,
  sourceSelectorId,
  type VirtualServiceRow,
} from "./virtual-services.ts";

function rowOf(spec: JsonObject): VirtualServiceRow | undefined {
  const mesh = new TestMesh();
  mesh.set(mesh.inputs.virtualServices, virtualService({ at: "shop/v" }, spec));
  return mesh.model.virtualServices.rows.get("shop/v");
}

const ROUTE = { route: [{ destination: { host: "x" } }] };

test("hosts, gateways and destinations are resolved in the object's namespace", () => {
  const row = rowOf({
    hosts: ["x", "x.shop.svc.cluster.local", "shop.example"],
    gateways: ["mine", "other/theirs", "mesh"],
    http: [{ route: [{ destination: { host: "y", subset: "v1", port: { number: 81 } } }] }],
  });
  assert.deepEqual(row?.hosts, ["x.shop.svc.cluster.local", "shop.example"]);
  assert.deepEqual(row?.gateways, ["shop/mine", "other/theirs", "mesh"]);
  assert.deepEqual(row?.routes[0]?.destinations, [
    { hostname: "y.shop.svc.cluster.local", port: 81, subset: "v1", weight: 0 },
  ]);
});

test("without gateways it is for sidecars", () => {
  assert.deepEqual(rowOf({ hosts: ["x"], http: [ROUTE] })?.gateways, ["mesh"]);
});

test("matches: conditions on requests apart from guards", () => {
  const row = rowOf({
    hosts: ["x"],
    http: [
      {
        name: "r",
        match: [
          { name: "m", uri: { prefix: "/a" }, headers: { b: {}, a: { exact: "1" } }, port: 80 },
          { sourceLabels: { version: "v1", app: "web" }, sourceNamespace: "other" },
        ],
        ...ROUTE,
      },
    ],
  });
  const [first, second] = row?.routes[0]?.matches ?? [];
  assert.equal(first?.name, "m");
  assert.deepEqual(first?.request?.uri, { prefix: "/a" });
  assert.deepEqual(Object.entries(first?.request?.headers ?? {}), [
    ["a", { exact: "1" }],
    ["b", "present"],
  ]);
  assert.equal(first?.guard.port, 80);
  assert.equal(second?.request, undefined);
  assert.equal(second?.guard.sourceLabels, "app=web,version=v1");
});

test("a new weight, timeout or condition leaves the shape as it is", () => {
  const mesh = new TestMesh();
  const set = (route: JsonObject): boolean => {
    const object = virtualService(
      { at: "shop/v" },
      { hosts: ["x"], http: [{ ...ROUTE, ...route }] },
    );
    const stats = mesh.set(mesh.inputs.virtualServices, object);
    return stats.derived.get("virtual service shapes")?.changed === 1;
  };
  assert.equal(set({}), true);
  assert.equal(set({ timeout: "3s" }), false);
  assert.equal(set({ match: [{ uri: { prefix: "/a" } }] }), false);
  assert.equal(set({ match: [{ sourceLabels: { app: "web" } }] }), true);
});

const NO_GUARD: Guard = { gateways: [], sourceLabels: "", sourceNamespace: "", port: undefined };
const VIEW = { gateway: "mesh", namespace: "shop", sourceMatches: ["app=web"], port: 80 };

const guards: readonly (readonly [Partial<Guard>, holds: boolean])[] = [
  [{}, true],
  [{ port: 80 }, true],
  [{ port: 81 }, false],
  [{ gateways: ["mesh"] }, true],
  [{ gateways: ["shop/g"] }, false],
  [{ sourceLabels: "app=web" }, true],
  [{ sourceLabels: "app=other" }, false],
  [{ sourceNamespace: "shop" }, true],
  [{ sourceNamespace: "other" }, false],
  [{ sourceLabels: "app=web", sourceNamespace: "other" }, false],
  [{ gateways: ["mesh"], sourceLabels: "app=other" }, true],
];
for (const [guard, holds] of guards)
  test(`${JSON.stringify(guard)} ${holds ? "holds" : "does not hold"}`, () => {
    assert.equal(guardHolds({ ...NO_GUARD, ...guard }, VIEW), holds);
  });

test("ids of source selectors stand for their labels", () => {
  const labels = { "app.kubernetes.io/name": "web", version: "v1" };
  const id = sourceSelectorId(labels);
  assert.equal(id, "app.kubernetes.io/name=web,version=v1");
  assert.deepEqual({ ...labelsOfSourceSelector(id) }, labels);
  assert.equal(sourceSelectorId({}), "");
});
