import assert from "node:assert/strict";
import test from "node:test";
import type { JsonObject } from "../../api/kind.ts";
import { serviceKind } from "../../api/service/kind.ts";
import { objectAt, valueAt } from "../json.ts";
import { succeeded } from "../status.ts";
import { serviceAddresses } from "./service-addresses.ts";
import type { Store } from "./store.ts";
import { refusal, testStore, value } from "./test-store.ts";

function service(name: string, spec: JsonObject = {}): JsonObject {
  const ports = [{ name: "http", port: 80 }];
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec: { ports, ...spec } };
}

function setUp(): { readonly store: Store; readonly ipOf: (name: string) => unknown } {
  const admission = [serviceAddresses({ cidr: "10.96.0.0/27", nodePorts: [30_000, 30_001] })];
  const { store } = testStore({ admission });
  const ipOf = (name: string): unknown =>
    valueAt(value(store.get(serviceKind, "default", name)).json, "spec.clusterIP");
  return { store, ipOf };
}

test("each Service gets an address of its own until there are none left", () => {
  const { store, ipOf } = setUp();
  const seen = new Set<unknown>();
  for (let i = 0; i < 30; i++) {
    value(store.create(serviceKind, "default", service(`s${i}`)));
    seen.add(ipOf(`s${i}`));
  }
  assert.equal(seen.size, 30);
  assert.ok(!seen.has("10.96.0.0") && !seen.has("10.96.0.31"));
  assert.match(refusal(store.create(serviceKind, "default", service("more"))), /no free ClusterIP/);
  value(store.delete(serviceKind, "default", "s3"));
  value(store.create(serviceKind, "default", service("more")));
});

test("an address can be asked for, kept, refused, or not wanted", () => {
  const { store, ipOf } = setUp();
  value(store.create(serviceKind, "default", service("a", { clusterIP: "10.96.0.2" })));
  value(store.modify(serviceKind, "default", "a", () => succeeded(service("a"))));
  assert.equal(ipOf("a"), "10.96.0.2");
  const taken = service("b", { clusterIP: "10.96.0.2" });
  assert.match(refusal(store.create(serviceKind, "default", taken)), /already allocated/);
  const outside = service("b", { clusterIP: "192.0.2.1" });
  assert.match(
    refusal(store.create(serviceKind, "default", outside)),
    /not in the valid range. The range of valid IPs is 10.96.0.0\/27/,
  );
  value(store.create(serviceKind, "default", service("headless", { clusterIP: "None" })));
  assert.equal(ipOf("headless"), "None");
  const name = { type: "ExternalName", externalName: "example.com" };
  value(store.create(serviceKind, "default", service("name", name)));
  assert.equal(ipOf("name"), undefined);
});

test("node ports are given, kept while wanted, and taken back", () => {
  const { store } = setUp();
  const portOf = (name: string): unknown => {
    const { json } = value(store.get(serviceKind, "default", name));
    const [port] = [objectAt(json, "spec")["ports"]].flat();
    return typeof port === "object" && port !== null && "nodePort" in port ? port.nodePort : 0;
  };
  const outside = { type: "NodePort" };
  value(store.create(serviceKind, "default", service("a", outside)));
  value(store.create(serviceKind, "default", service("b", { type: "LoadBalancer" })));
  assert.deepEqual([portOf("a"), portOf("b")], [30_000, 30_001]);
  assert.match(
    refusal(store.create(serviceKind, "default", service("c", outside))),
    /no free node/,
  );
  value(store.modify(serviceKind, "default", "a", () => succeeded(service("a", outside))));
  assert.equal(portOf("a"), 30_000);
  const ports = [{ name: "http", port: 80, nodePort: 30_001 }];
  const wrong = service("a", { ...outside, ports });
  assert.match(
    refusal(store.modify(serviceKind, "default", "a", () => succeeded(wrong))),
    /spec.ports\[0\].nodePort: Invalid value: 30001: provided port is already allocated/,
  );
  value(
    store.modify(serviceKind, "default", "a", current =>
      succeeded({ ...current, spec: { ...objectAt(current, "spec"), type: "ClusterIP" } }),
    ),
  );
  assert.equal(portOf("a"), 0);
});
