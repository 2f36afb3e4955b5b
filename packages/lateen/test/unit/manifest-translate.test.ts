/** `manifest translate`: what is written, and what is said to have no value in a chart. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import type { JsonObject } from "../../src/api/kind.ts";
import { type ChartRelease, chartReleases } from "../../src/install/chart-values.ts";
import { resolveInstallation } from "../../src/install/operator.ts";

const MAIN = join(import.meta.dirname, "../../src/bin/main.ts");

function releases(spec: JsonObject): readonly ChartRelease[] {
  const resolved = resolveInstallation({ operators: [{ spec }], sets: [], version: "1.2.3" });
  assert.ok(resolved.ok, JSON.stringify(resolved.diagnostics));
  return chartReleases(resolved.value);
}

test("settings without a value in the chart are named by their paths", () => {
  const overlays = [{ kind: "Deployment", name: "istiod", patches: [] }];
  const env = [{ name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }];
  const found = releases({
    components: {
      base: { k8s: { overlays } },
      pilot: { k8s: { overlays, env, volumes: [], hpaSpec: { behavior: {}, minReplicas: 2 } } },
      ingressGateways: [
        { enabled: true, name: "istio-ingressgateway", hub: "h", k8s: { service: { x: 1 } } },
      ],
    },
  });
  assert.deepEqual(
    found.flatMap(each => each.untranslated),
    [
      "components.base.k8s.overlays: chart base has no value for it",
      "components.pilot.k8s.env[name:NODE]: its value comes from elsewhere",
      "components.pilot.k8s.overlays: chart istiod has no value for it",
      "components.pilot.k8s.volumes: chart istiod has no value for it",
      "components.pilot.k8s.hpaSpec.behavior: chart istiod has no value for it",
      "components.ingressGateways[name:istio-ingressgateway].hub: a gateway of the chart has the" +
        " image that injection names",
      "components.ingressGateways[name:istio-ingressgateway].k8s.service.x: chart gateway has no" +
        " value for it",
    ],
  );
});

test("a cluster with a remote control plane has no chart for what leads to it", () => {
  const [base, remote] = releases({ profile: "remote" });
  assert.equal(base?.values["defaultRevision"], "");
  assert.equal(remote?.chart, undefined);
});

test("values, scripts and a README.md are written", () => {
  const folder = mkdtempSync(join(tmpdir(), "lateen-translate-test-"));
  try {
    const args = [MAIN, "manifest", "translate", "--set", "profile=demo", "--output", folder];
    const said = execFileSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(said, `Output written to ${folder}! See the README.md for next steps\n`);
    const names = ["base", "istio-egressgateway", "istio-ingressgateway", "pilot"];
    const files = names.flatMap(name => [`${name}-values.yaml`, `install-${name}.sh`]);
    assert.deepEqual(readdirSync(folder).sort(), ["README.md", ...files].sort());
    const values = parse(readFileSync(join(folder, "pilot-values.yaml"), "utf8"));
    assert.equal(values.meshConfig.accessLogFile, "/dev/stdout");
    assert.equal(values.global.proxy.resources.limits, null);
    const script = readFileSync(join(folder, "install-pilot.sh"), "utf8");
    assert.match(script, /^adopt Deployment\.v1\.apps istiod --namespace=istio-system$/m);
    assert.match(script, /helm upgrade --install pilot --namespace istio-system/);
    execFileSync("bash", ["-n", join(folder, "install-pilot.sh")]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
