import assert from "node:assert/strict";
import { test } from "node:test";
import { ControlPlaneMetrics } from "./metrics.ts";

const CDS = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const none = () => 0;
const sources = {
  connected: none,
  services: none,
  virtualServices: none,
  endpoints: none,
  revision: none,
  now: none,
};

test("types that clients make up are one time series, not one each", async () => {
  const metrics = new ControlPlaneMetrics("test", sources);
  const sent = { kind: "sent", nonce: "1", revision: 1, names: 1, bytes: 10 } as const;
  metrics.observe({ ...sent, type: CDS });
  for (let i = 0; i < 100; i++) metrics.observe({ ...sent, type: `made.up/Type${i}` });
  const pushes = (await metrics.render()).match(/^pilot_xds_pushes\{.*$/gm);
  assert.deepEqual(pushes?.sort(), [
    'pilot_xds_pushes{type="cds"} 1',
    'pilot_xds_pushes{type="other"} 100',
  ]);
});

test("a push takes from its newest change to its sending; answers and old changes do not count", async () => {
  let at = 0;
  const metrics = new ControlPlaneMetrics("test", { ...sources, now: () => at });
  const sent = { kind: "sent", type: CDS, nonce: "1", names: 1, bytes: 10 } as const;
  metrics.observeCommit(1);
  at = 200;
  metrics.observeCommit(2);
  at = 240;
  metrics.observe({ ...sent, revision: 2 });
  metrics.observe({ ...sent, revision: 2, answers: true });
  for (let revision = 3; revision < 1_100; revision++) metrics.observeCommit(revision);
  metrics.observe({ ...sent, revision: 1 });
  const text = await metrics.render();
  assert.match(text, /^pilot_proxy_convergence_time_count 1$/m);
  assert.match(text, /^pilot_proxy_convergence_time_sum 0\.04$/m);
});

test("events are counted by Istio's names of kinds, others not at all", async () => {
  const metrics = new ControlPlaneMetrics("test", sources);
  const istio = "networking.istio.io";
  metrics.observeObject({ group: istio, kind: "VirtualService", event: "add" });
  metrics.observeObject({ group: "", kind: "Service", event: "update" });
  metrics.observeObject({ group: "discovery.k8s.io", kind: "EndpointSlice", event: "delete" });
  metrics.observeObject({ group: "", kind: "Secret", event: "add" });
  const events = (await metrics.render()).match(/^pilot_k8s_\w+\{.*$/gm);
  assert.deepEqual(events?.sort(), [
    'pilot_k8s_cfg_events{type="VirtualService",event="add"} 1',
    'pilot_k8s_reg_events{type="EndpointSlice",event="delete"} 1',
    'pilot_k8s_reg_events{type="Services",event="update"} 1',
  ]);
});
