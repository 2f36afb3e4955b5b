import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { deploymentKind } from "../api/deployment/kind.ts";
import type { Deployment } from "../api/deployment/schema.ts";
import type { JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import { HASH_LABEL, planDeployment, rollingLimits, templateHash } from "./deployment-plan.ts";
import { isPodReady, isPodTerminating } from "./pod-facts.ts";

function deployment(
  replicas: number,
  strategy: JsonObject = {},
  more: JsonObject = {},
): Deployment {
  const container = { name: "app", image: "app" };
  const decoded = deploymentKind.decode({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "default" },
    spec: {
      ...more,
      replicas,
      strategy,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [container] } },
    },
  });
  assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
  return decoded.value;
}

interface PodState {
  readonly hash: string;
  readonly ready: boolean;
  readonly terminating?: boolean;
  readonly phase?: string;
}

function pod(index: number, state: PodState): Pod {
  const decoded = podKind.decode({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `web-${index}`,
      namespace: "default",
      creationTimestamp: new Date(index * 1000).toISOString(),
      labels: { app: "web", [HASH_LABEL]: state.hash },
      ...(state.terminating === true ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: { containers: [{ name: "app", image: "app" }] },
    status: {
      phase: state.phase ?? "Running",
      conditions: [
        {
          type: "Ready",
          status: state.ready ? "True" : "False",
          lastTransitionTime: "2026-01-01T00:00:50Z",
        },
      ],
    },
  });
  assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
  return decoded.value;
}

const NOW = Date.parse("2026-01-01T00:01:00Z");
const names = (pods: readonly Pod[]): string[] => pods.map(({ metadata }) => metadata.name);

test("hashes look like Kubernetes' and depend on content only", () => {
  const hash = templateHash({ a: 1, b: { c: [1, 2] } });
  assert.match(hash, /^[bcdfghjklmnpqrstvwxz2456789]{10}$/);
  assert.equal(templateHash({ b: { c: [1, 2] }, a: 1 }), hash);
  assert.notEqual(templateHash({ a: 1, b: { c: [2, 1] } }), hash);
});

test("percentages are rounded as Kubernetes rounds them", () => {
  const limits = (replicas: number, rollingUpdate: JsonObject): unknown =>
    rollingLimits(deployment(replicas, { type: "RollingUpdate", rollingUpdate }));
  assert.deepEqual(limits(3, {}), { surge: 1, unavailable: 0 });
  assert.deepEqual(limits(10, { maxSurge: "25%", maxUnavailable: "25%" }), {
    surge: 3,
    unavailable: 2,
  });
  assert.deepEqual(limits(5, { maxSurge: 0, maxUnavailable: "10%" }), { surge: 0, unavailable: 1 });
});

test("scaling down takes what is not ready, then the youngest", () => {
  const pods = [
    pod(1, { hash: "n", ready: true }),
    pod(2, { hash: "n", ready: true }),
    pod(3, { hash: "n", ready: false }),
    pod(4, { hash: "n", ready: true }),
  ];
  const plan = planDeployment(deployment(2), "n", pods, NOW);
  assert.equal(plan.create, 0);
  assert.deepEqual(names(plan.delete).sort(), ["web-3", "web-4"]);
});

test("Recreate waits until the old ones are gone", () => {
  const recreate = deployment(2, { type: "Recreate" });
  const old = pod(1, { hash: "o", ready: true });
  const first = planDeployment(recreate, "n", [old], NOW);
  assert.deepEqual([first.create, names(first.delete)], [0, ["web-1"]]);
  const ending = pod(1, { hash: "o", ready: true, terminating: true });
  assert.equal(planDeployment(recreate, "n", [ending], NOW).create, 0);
  assert.equal(planDeployment(recreate, "n", [], NOW).create, 2);
});

test("a pod that ran to its end is replaced", () => {
  const failed = pod(1, { hash: "n", ready: false, phase: "Failed" });
  const plan = planDeployment(deployment(1), "n", [failed], NOW);
  assert.deepEqual([plan.create, names(plan.delete)], [1, ["web-1"]]);
});

test("a pod has to be ready for a while before an old one goes for it", () => {
  const slow = deployment(1, {}, { minReadySeconds: 20 });
  const pods = [pod(1, { hash: "o", ready: true }), pod(2, { hash: "n", ready: true })];
  assert.deepEqual(names(planDeployment(slow, "n", pods, NOW).delete), []);
  assert.deepEqual(names(planDeployment(slow, "n", pods, NOW + 10_000).delete), ["web-1"]);
});

const stateOfPod = fc.record<PodState>(
  {
    hash: fc.constantFrom("n", "o", "p"),
    ready: fc.boolean(),
    terminating: fc.boolean(),
  },
  { noNullPrototype: true },
);

test("a rollout never goes under its minimum or over its maximum, and comes to its end", () => {
  const property = fc.property(
    fc.integer({ min: 0, max: 8 }),
    fc.array(stateOfPod, { maxLength: 10 }),
    fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
    (replicas, states, chance) => {
      const wanted = deployment(replicas);
      const { surge, unavailable } = rollingLimits(wanted);
      let pods = states.map((state, i) => pod(i, state));
      let next = pods.length;
      for (const becomesReady of [...chance, ...Array(60).fill(true)]) {
        const live = pods.filter(p => !isPodTerminating(p));
        const readyBefore = live.filter(isPodReady).length;
        const plan = planDeployment(wanted, "n", pods, NOW);
        const deleted = new Set(names(plan.delete));
        const kept = live.filter(p => !deleted.has(p.metadata.name));
        const readyAfter = kept.filter(isPodReady).length;
        // It takes ready pods away only while enough others are ready.
        if (readyAfter < readyBefore) assert.ok(readyAfter >= replicas - unavailable);
        if (plan.create > 0) assert.ok(live.length + plan.create <= replicas + surge);
        const made = Array.from({ length: plan.create }, () =>
          pod(next++, { hash: "n", ready: false }),
        );
        pods = [...kept, ...made].map(p =>
          becomesReady && p.metadata.labels[HASH_LABEL] === "n"
            ? pod(Number(p.metadata.name.slice(4)), { hash: "n", ready: true })
            : p,
        );
      }
      assert.equal(pods.length, replicas);
      assert.ok(pods.every(p => p.metadata.labels[HASH_LABEL] === "n" && isPodReady(p)));
    },
  );
  fc.assert(property, { numRuns: 60 });
});
