import assert from "node:assert/strict";
import { test } from "node:test";
import { annotationWarnings } from "./pod-annotations.ts";

function said(name: string, value = "x"): string {
  const found = annotationWarnings({ [name]: value });
  assert.ok(found.every(({ path }) => path === `metadata.annotations[${name}]`));
  return found.map(({ message }) => message).join();
}

const idle: readonly (readonly [name: string, why: RegExp])[] = [
  ["sidecar.istio.io/agentLogLevel", /there is no agent/],
  ["sidecar.istio.io/proxyImageType", /no image variants/],
  ["sidecar.istio.io/statsCompression", /sent as they are/],
  ["sidecar.istio.io/enableCoreDump", /core_pattern/],
  ["sidecar.istio.io/controlPlaneAuthPolicy", /TLS/],
  ["readiness.status.sidecar.istio.io/applicationPorts", /ready when it has its configuration/],
  ["traffic.istio.io/nodeSelector", /for a Service/],
  ["topology.istio.io/controlPlaneClusters", /for a Namespace/],
  ["ambient.istio.io/redirection", /no ambient mode/],
];

for (const [name, why] of idle)
  test(`without effect, and said: ${name}`, () => {
    assert.match(said(name), why);
  });

test("a value that asks for what there is gets no warning", () => {
  assert.equal(said("sidecar.istio.io/enableCoreDump", "false"), "");
  assert.equal(said("sidecar.istio.io/proxyImageType", "default"), "");
});

test("what nobody knows under Istio's prefixes is named with what is near", () => {
  assert.equal(
    said("sidecar.istio.io/proxyCPULimits"),
    "nothing reads it; did you mean sidecar.istio.io/proxyCPULimit?",
  );
  assert.equal(
    said("traffic.sidecar.istio.io/excludeInboundPort"),
    "nothing reads it; did you mean traffic.sidecar.istio.io/excludeInboundPorts?",
  );
  assert.equal(said("proxy.istio.io/whatever"), "nothing reads it");
});

test("others' annotations, and those that are carried out, are left alone", () => {
  for (const name of ["example.com/sidecar", "sidecar.istio.io", "prometheus.io/scrape"])
    assert.equal(said(name), "");
  for (const name of ["sidecar.istio.io/extraStatTags", "istio.io/rev", "proxy.istio.io/config"])
    assert.equal(said(name), "");
});

test("the number of warnings is bounded", () => {
  const many = Array.from({ length: 100 }, (_, i) => [`sidecar.istio.io/odd${i}`, ""]);
  assert.equal(annotationWarnings(Object.fromEntries(many)).length, 20);
});
