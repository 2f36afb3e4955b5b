import assert from "node:assert/strict";
import { test } from "node:test";
import { allKinds, kindOf, kindOfObject, kindOfResource, parseResourceArg } from "./registry.ts";

test("kinds are found by group and kind, by apiVersion, and by path", () => {
  assert.equal(kindOf("", "Pod")?.plural, "pods");
  assert.equal(kindOf("apps", "Pod"), undefined);
  const vs = kindOf("networking.istio.io", "VirtualService");
  for (const version of ["v1", "v1beta1", "v1alpha3"]) {
    assert.equal(kindOfObject(`networking.istio.io/${version}`, "VirtualService"), vs);
    assert.equal(kindOfResource("networking.istio.io", version, "virtualservices"), vs);
  }
  assert.equal(kindOfObject("networking.istio.io/v2", "VirtualService"), undefined);
  assert.equal(kindOfObject("v1", "Service")?.plural, "services");
});

test("resource names as people type them", () => {
  const cases: [string, string, string][] = [
    ["vs", "VirtualService", "v1"],
    ["VirtualServices", "VirtualService", "v1"],
    ["virtualservice", "VirtualService", "v1"],
    ["virtualservices.networking.istio.io", "VirtualService", "v1"],
    ["gateways.v1beta1.networking.istio.io", "Gateway", "v1beta1"],
    ["deploy", "Deployment", "v1"],
    ["deployments.apps", "Deployment", "v1"],
    ["po", "Pod", "v1"],
    ["svc", "Service", "v1"],
    ["ns", "Namespace", "v1"],
    ["cm", "ConfigMap", "v1"],
    ["sa", "ServiceAccount", "v1"],
    ["se", "ServiceEntry", "v1"],
    ["we", "WorkloadEntry", "v1"],
    ["dr", "DestinationRule", "v1"],
    ["gw", "Gateway", "v1"],
    ["ev", "Event", "v1"],
    ["no", "Node", "v1"],
  ];
  for (const [text, kind, version] of cases) {
    const found = parseResourceArg(text);
    assert.ok(found.ok, text);
    assert.equal(found.kind.kind, kind);
    assert.equal(found.version, version);
  }
  const wrong = parseResourceArg("virtualservics");
  assert.ok(!wrong.ok);
  assert.match(wrong.message, /no resource type "virtualservics"; did you mean virtualservices\?/);
  assert.ok(!parseResourceArg("pods.apps").ok);
  assert.ok(!parseResourceArg("").ok);
});

test("names are unique within the registry", () => {
  // A short name may be the singular of its own kind: Istio's Telemetry.
  const names = allKinds.flatMap(kind => [
    ...new Set([kind.plural, kind.singular, ...kind.shortNames]),
  ]);
  assert.equal(new Set(names).size, names.length);
});
