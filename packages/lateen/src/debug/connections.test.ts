import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionTable } from "./connections.ts";

const CDS = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const RDS = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

test("a stream's events become the states that ps prints", () => {
  let now = 1_000;
  const table = new ConnectionTable(() => now);
  table.open("1", {
    proxy: "sleep-1.default",
    verified: true,
    type: "sidecar",
    cluster: "Kubernetes",
    version: "1.0",
    address: "10.0.0.1:5",
    form: "delta",
  });
  const state = () => table.syncz()[0]?.types["CDS"];
  table.report("1", { kind: "subscribed", type: CDS });
  assert.equal(state()?.state, "NOT SENT");
  assert.equal(table.syncz()[0]?.waiting, "no configuration sent yet");
  const sent = { kind: "sent", type: CDS, revision: 7, bytes: 10 } as const;
  table.report("1", { ...sent, nonce: "a", names: 2 });
  assert.equal(state()?.state, "STALE");
  table.report("1", { kind: "acked", type: CDS, nonce: "a", revision: 7 });
  now += 500;
  assert.deepEqual(state(), { state: "SYNCED", age_ms: 500 });
  table.report("1", { ...sent, nonce: "b", names: 1 });
  const rejection = { kind: "nacked", type: CDS, nonce: "b", revision: 8, message: "bad" } as const;
  table.report("1", rejection);
  assert.deepEqual(state(), { state: "ERROR", age_ms: 0, message: "bad" });
  assert.equal(table.syncz()[0]?.types["RDS"], undefined, "a type that nobody asked for");
  table.report("1", { kind: "subscribed", type: RDS });
  assert.equal(table.syncz()[0]?.types["RDS"]?.state, "NOT SENT");
  table.report("1", { kind: "current", type: RDS, revision: 8 });
  assert.equal(table.syncz()[0]?.types["RDS"]?.state, "SYNCED", "it came back with all of it");
  table.close("1");
  assert.deepEqual(table.syncz(), []);
});

test("of a proxy with two streams the newer one counts, also when the older one ends last", () => {
  const table = new ConnectionTable(() => 0);
  const facts = {
    proxy: "web.shop",
    verified: true,
    type: "sidecar",
    cluster: "Kubernetes",
    version: "1.0",
  };
  table.open("1", { ...facts, address: "10.0.0.1:5", form: "delta" });
  table.report("1", { kind: "subscribed", type: CDS });
  table.open("2", { ...facts, address: "10.0.0.1:6", form: "delta" });
  assert.deepEqual(table.statusOf("web.shop")?.types, {});
  table.close("1");
  assert.notEqual(table.statusOf("web.shop"), undefined);
  table.close("2");
  assert.equal(table.statusOf("web.shop"), undefined);
});
