import assert from "node:assert/strict";
import { test } from "node:test";
import { bootstrap } from "../proxy/bootstrap.ts";
import { sampleBootstraps } from "../proxy/testdata/bootstraps.ts";
import { describeProxy } from "./proxy-row.ts";

const id = "sidecar~10.0.0.9~a.default~default.svc.cluster.local";

function formOf(metadata: Record<string, unknown>): string {
  const proxy = describeProxy({ id, metadata }, { flavour: "upstream", vhds: "none" });
  assert.ok("row" in proxy, JSON.stringify(proxy));
  return proxy.row.metrics;
}

function metadataOf(changes: { readonly fullMetrics?: boolean }): Record<string, unknown> {
  const made = bootstrap({ ...sampleBootstraps.sidecar, ...changes });
  return Object(Object(made["node"]).metadata);
}

test("a bootstrap of today gets compact metrics, one of before or with another reader full ones", () => {
  assert.equal(formOf(metadataOf({})), "compact");
  assert.equal(formOf(metadataOf({ fullMetrics: true })), "full");
  assert.equal(formOf(sampleBootstraps.sidecar.metadata), "full");
});

test("bytes of live connections are for those that can write them out", () => {
  const live = { LATEEN_TCP_BYTES: "live" };
  assert.equal(formOf({ ...metadataOf({}), ...live }), "live");
  assert.equal(formOf(live), "full");
  assert.equal(formOf({ ...metadataOf({}), LATEEN_TCP_BYTES: "at-close" }), "compact");
});

test("nonsense in its place is not said, and what is not known here harms nobody", () => {
  assert.equal(formOf({ LATEEN_CAPABILITIES: { toString: 1 } }), "full");
  assert.equal(formOf({ LATEEN_CAPABILITIES: "later,compact-metrics" }), "compact");
  assert.equal(formOf({ LATEEN_CAPABILITIES: "compact-metrics-2" }), "full");
});
