/** `manifest translate`: Helm makes of the values what the installer makes of the settings. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VERSION } from "../../../../scripts/images/build.ts";
import type { JsonObject } from "../../src/api/kind.ts";
import { type ChartRelease, chartReleases } from "../../src/install/chart-values.ts";
import { resolveInstallation } from "../../src/install/operator.ts";
import { stringAt } from "../../src/sources/json.ts";
import { comparable, installed, specs, withoutKeep } from "../support/chart-objects.ts";
import { needsHelm, templated } from "../support/helm.ts";

const skip = needsHelm();

const CUSTOM: JsonObject = {
  profile: "demo",
  hub: "registry.example/mesh",
  tag: 7,
  meshConfig: { trustDomain: "example.org" },
  components: {
    pilot: {
      k8s: {
        env: [{ name: "A", value: "1" }],
        hpaSpec: { minReplicas: 2, maxReplicas: 3 },
        nodeSelector: { disk: "ssd" },
        podAnnotations: { a: "b" },
        resources: { limits: { cpu: "1" } },
        serviceAnnotations: { c: "d" },
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        tolerations: [{ key: "a", operator: "Exists" }],
      },
    },
    ingressGateways: [
      { enabled: false, name: "istio-ingressgateway" },
      {
        enabled: true,
        name: "edge",
        namespace: "edge",
        k8s: {
          env: [
            { name: "A", value: "1" },
            { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
          ],
          hpaSpec: { minReplicas: 2, maxReplicas: 3 },
          podDisruptionBudget: { minAvailable: 2 },
          resources: { requests: { cpu: "1" } },
          service: {
            type: "NodePort",
            ports: [{ name: "http", port: 80, targetPort: 8080, protocol: "TCP" }],
            externalTrafficPolicy: "Local",
          },
          serviceAnnotations: { c: "d" },
          strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }, type: "RollingUpdate" },
          volumes: [{ name: "v", emptyDir: {} }],
          volumeMounts: [{ name: "v", mountPath: "/v" }],
        },
      },
    ],
  },
  values: {
    global: { imagePullPolicy: "Always", imagePullSecrets: ["x"] },
    gateways: { "istio-ingressgateway": { autoscaleEnabled: true } },
    pilot: { autoscaleEnabled: true },
    sidecarInjectorWebhook: { enableNamespacesByDefault: true },
  },
};

const CASES: Readonly<Record<string, JsonObject>> = {
  "profile demo": { profile: "demo" },
  "profile openshift in a revision": { profile: "openshift", revision: "canary" },
  "settings of components": CUSTOM,
};

function releasesOf(spec: JsonObject): readonly ChartRelease[] {
  const resolved = resolveInstallation({ operators: [{ spec }], sets: [], version: VERSION });
  assert.ok(resolved.ok, JSON.stringify(resolved.diagnostics));
  return chartReleases(resolved.value);
}

async function compare(spec: JsonObject, release: ChartRelease): Promise<void> {
  const { chart, name, namespace, values, component, untranslated } = release;
  assert.ok(chart);
  assert.deepEqual(untranslated, []);
  const objects = await templated({ chart, name, namespace, values });
  const expected = installed(spec, component);
  if (chart === "gateway") assert.deepEqual(specs(objects, spec), specs(expected, spec));
  else if (chart === "base")
    assert.deepEqual(withoutKeep(comparable(objects)), comparable(expected));
  else assert.deepEqual(plain(objects), plain(expected));
}

/** Injection's copy of the variables has those of `k8s` only where they are in the values. */
function plain(objects: readonly JsonObject[]): Record<string, unknown> {
  const found = comparable(objects);
  const text = JSON.stringify(found).replaceAll('"env":{"A":"1"}', '"env":{}');
  return JSON.parse(text) as Record<string, unknown>;
}

describe("manifest translate", { skip, timeout: 1_800_000 }, () => {
  for (const [what, spec] of Object.entries(CASES))
    test(`${what}: the charts give the objects of the installer`, async () => {
      const releases = releasesOf(spec);
      const names = releases.map(({ name, chart }) => `${name} ${chart}`);
      assert.deepEqual(names.slice(0, 2), [
        "base base",
        `pilot${stringAt(spec, "revision") === "" ? "" : "-canary"} istiod`,
      ]);
      for (const release of releases) await compare(spec, release);
    });
});
