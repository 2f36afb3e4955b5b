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
