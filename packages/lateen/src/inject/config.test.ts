import assert from "node:assert/strict";
import { test } from "node:test";
import { type InjectorTexts, readInjectorConfig } from "./config.ts";

const none: InjectorTexts = { config: "", values: "", mesh: "" };

function messages(texts: Partial<InjectorTexts>): string[] {
  return readInjectorConfig({ ...none, ...texts }).diagnostics.map(
    ({ severity, path, message }) => `${severity} ${path}: ${message}`,
  );
}

test("nothing said: Istio's defaults", () => {
  const read = readInjectorConfig(none);
  assert.ok(read.ok);
  assert.deepEqual(read.diagnostics, []);
  const { revision, policy, values } = read.value;
  assert.equal(revision, "default");
  assert.equal(policy.enabled, true);
  assert.equal(values.global.proxy.readinessPeriodSeconds, 15);
  assert.equal(values.sidecarInjectorWebhook.rewriteAppHTTPProbe, true);
});

test("texts that an earlier version read otherwise are read as then", () => {
  const texts = {
    config: "injectedAnnotations: {team: on}",
    values: "global: {network: off}",
    mesh: "defaultConfig: {proxyMetadata: {A: yes}}",
  };
  const read = readInjectorConfig(texts);
  assert.ok(read.ok);
  const { injectedAnnotations, values, rawValues, mesh } = read.value;
  assert.deepEqual(
    [
      injectedAnnotations,
      values.global.network,
      rawValues,
      { ...mesh.defaultConfig.proxyMetadata },
    ],
    [{ team: "on" }, "off", { global: { network: "off" } }, { A: "yes" }],
  );
  assert.deepEqual(messages(texts), [
    "warning config.injectedAnnotations.team: found a boolean (true), want a string",
    "warning values.global.network: found a boolean (false), want a string",
    "warning defaultConfig.proxyMetadata.A: found a boolean (true), want a string",
  ]);
});

test("what Istio's own ConfigMaps hold is read", () => {
  const config = `
policy: enabled
alwaysInjectSelector: []
neverInjectSelector:
- matchExpressions: [{key: openshift.io/build.name, operator: Exists}]
injectedAnnotations: {team: mesh}
templates: {sidecar: "{{ with .Spec }}{{ end }}", mine: "spec: {}"}
defaultTemplates: [sidecar, mine]
aliases: {both: [sidecar, mine]}
`;
  const values = JSON.stringify({
    revision: "canary",
    global: {
      hub: "registry.example",
      tag: 1.28,
      proxy: { excludeInboundPorts: 22, tracer: "none", resources: { limits: { cpu: 2 } } },
      sts: { servicePort: 0 },
    },
    sidecarInjectorWebhook: { neverInjectSelector: [{ matchLabels: { never: "yes" } }] },
    istio_cni: { enabled: true },
  });
  const read = readInjectorConfig({ config, values, mesh: "enablePrometheusMerge: false\n" });
  assert.ok(read.ok, JSON.stringify(read.diagnostics));
  const { value } = read;
  assert.equal(value.revision, "canary");
  assert.equal(value.policy.neverInjectSelector.length, 2);
  assert.deepEqual(value.defaultTemplates, ["sidecar", "mine"]);
  assert.deepEqual(Object.keys(value.templates), ["mine"]);
  assert.deepEqual(value.injectedAnnotations, { team: "mesh" });
  assert.equal(value.values.global.tag, "1.28");
  assert.equal(value.values.global.proxy.excludeInboundPorts, "22");
  assert.equal(value.mesh.enablePrometheusMerge, false);
  const [warning] = read.diagnostics;
  assert.match(warning?.message ?? "", /template sidecar is built in/);
});

test("what is wrong is named with the text that it is in", () => {
  assert.deepEqual(messages({ values: "[1]" }), [
    "error values: values holds no YAML object of at most 1 MiB",
  ]);
  assert.match(
    messages({ config: "policy: maybe" }).join(),
    /^error config\.policy: found "maybe"/,
  );
  assert.match(messages({ mesh: "trustDomain: A B" }).join(), /^error trustDomain: found "A B"/);
  assert.match(
    messages({ mesh: "defaultConfig: {concurrency: -1}" }).join(),
    /^error defaultConfig\.concurrency/,
  );
});
