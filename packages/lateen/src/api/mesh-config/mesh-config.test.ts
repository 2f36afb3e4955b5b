import assert from "node:assert/strict";
import { test } from "node:test";
import { lines } from "../../../test/support/api.ts";
import type { JsonObject } from "../kind.ts";
import { DEFAULT_ACCESS_LOG_FORMAT } from "./access-log-format.ts";
import { decodeMeshConfig } from "./decode.ts";

test("Istio's defaults", () => {
  const result = decodeMeshConfig(null);
  assert.ok(result.ok);
  assert.deepEqual(result.value, {
    trustDomain: "cluster.local",
    rootNamespace: "istio-system",
    domain: "cluster.local",
    accessLogFile: "",
    accessLogFormat: DEFAULT_ACCESS_LOG_FORMAT,
    outboundTrafficPolicy: "ALLOW_ANY",
    enableAutoMtls: true,
    meshId: "cluster.local",
    protocolDetectionTimeout: undefined,
    ingress: {
      mode: "STRICT",
      class: "istio",
      service: "istio-ingressgateway",
      selector: "ingressgateway",
    },
  });
  assert.match(DEFAULT_ACCESS_LOG_FORMAT, /^\[%START_TIME%\] "%REQ\(:METHOD\)% .* %ROUTE_NAME%\n$/);
});

test("the gateway for Ingresses is chosen by label, or by the name of its Service", () => {
  const selectorOf = (settings: JsonObject): string | undefined => {
    const result = decodeMeshConfig(settings);
    return result.ok ? result.value.ingress.selector : undefined;
  };
  assert.equal(selectorOf({ ingressSelector: "edge", ingressService: "other" }), "edge");
  assert.equal(selectorOf({ ingressService: "other" }), "other");
  assert.equal(selectorOf({ ingressService: "" }), "ingressgateway");
});

test("what is set", () => {
  const result = decodeMeshConfig({
    trustDomain: "example.org",
    rootNamespace: "mesh-root",
    accessLogFile: "/dev/stdout",
    accessLogFormat: "%REQ(:PATH)%\n",
    outboundTrafficPolicy: { mode: "REGISTRY_ONLY" },
    enableAutoMtls: false,
    protocolDetectionTimeout: "1.5s",
    defaultConfig: { meshId: "m1" },
    defaultProviders: { metrics: ["prometheus"] },
    extensionProviders: [{ name: "prometheus", prometheus: {} }],
  });
  assert.ok(result.ok);
  assert.deepEqual(result.diagnostics, []);
  const { trustDomain, meshId, outboundTrafficPolicy, enableAutoMtls } = result.value;
  assert.equal(result.value.protocolDetectionTimeout, 1500);
  assert.deepEqual(
    [trustDomain, meshId, outboundTrafficPolicy, enableAutoMtls],
    ["example.org", "m1", "REGISTRY_ONLY", false],
  );
});

test("what is wrong or not carried out", () => {
  const result = decodeMeshConfig({
    trustDomain: "Example Org",
    outboundTrafficPolicy: { mode: "ALLOWANY" },
    enableAutoMTLS: true,
    tcpKeepalive: { time: "5s" },
    accessLogEncoding: "JSON",
  });
  assert.deepEqual(lines(result.diagnostics), [
    "error trustDomain: found \"Example Org\", want a DNS name: lower-case letters, digits, '-' and '.', at most 253",
    'error outboundTrafficPolicy.mode: found "ALLOWANY", want one of ALLOW_ANY, REGISTRY_ONLY; did you mean ALLOW_ANY?',
    "warning accessLogEncoding: value JSON is accepted but not carried out yet",
    "warning tcpKeepalive: tcpKeepalive is accepted but not carried out yet; it has no effect",
    'warning enableAutoMTLS: unknown field "enableAutoMTLS"; did you mean enableAutoMtls?',
  ]);
});
