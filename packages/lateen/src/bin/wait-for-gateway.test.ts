import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { JsonObject } from "../api/kind.ts";
import { failed, succeeded } from "../sources/status.ts";
import { waitForGateway } from "./wait-for-gateway.ts";

const metadata = { name: "istio-ingressgateway-1", namespace: "istio-system" };

test("somebody who waits long is told for what, once for each reason, and the failure says it, too", async () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  let looks = 0;
  let pods: JsonObject[] = [];
  const events: JsonObject[] = [];
  const list = (kind: { readonly plural: string }) => {
    if (kind.plural === "pods") looks++;
    const items = kind.plural === "events" ? events : pods;
    return Promise.resolve(succeeded({ items, resourceVersion: "1", continue: "" }));
  };
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata,
    spec: { ports: [{ port: 80 }] },
    status: { loadBalancer: { ingress: [{ ip: "10.1.2.3" }] } },
  };
  const get = () => Promise.resolve(looks < 200 ? failed(404, "NotFound", "") : succeeded(service));
  const { signal } = new AbortController();
  const waited = waitForGateway({
    client: { get, list },
    interrupted: signal,
    clock,
    progress: line => lines.push(line),
  }).catch((error: Error) => error.message);
  const pod = (status: JsonObject): JsonObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    status,
  });
  for (let step = 0; step < 1300; step++) {
    if (step === 300) pods = [pod({ reason: "FailedMount", message: "no such folder" })];
    if (step === 500) {
      pods = [
        pod({ containerStatuses: [{ name: "istio-proxy", ready: false, state: { running: {} } }] }),
      ];
      const involvedObject = { kind: "Pod", name: metadata.name };
      events.push({
        type: "Warning",
        reason: "Unhealthy",
        message: "probe failed",
        involvedObject,
      });
    }
    for (let turn = 0; turn < 8; turn++) await Promise.resolve();
    clock.advance(50);
  }
  const why = `pod ${metadata.name}: Unhealthy: probe failed`;
  assert.deepEqual(lines, [
    "waiting for the ingress gateway: it has no pod yet",
    `waiting for the ingress gateway: pod ${metadata.name}: FailedMount: no such folder`,
    `waiting for the ingress gateway: ${why}`,
  ]);
  assert.equal(await waited, `the ingress gateway is not ready in time: ${why}`);
});
