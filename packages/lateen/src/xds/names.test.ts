import assert from "node:assert/strict";
import { test } from "node:test";
import { serviceDomains } from "./domains.ts";
import * as names from "./names.ts";

test("names are Istio's", () => {
  const host = "reviews.default.svc.cluster.local";
  assert.equal(names.outboundClusterName(80, "v1", host), `outbound|80|v1|${host}`);
  assert.equal(names.outboundClusterName(80, "", host), `outbound|80||${host}`);
  assert.equal(names.inboundClusterName(8080), "inbound|8080||");
  assert.equal(names.statName("inbound|8080||"), "inbound|8080||;");
  assert.equal(names.meshSni(80, "", host), `outbound_.80_._.${host}`);
  assert.equal(names.meshSni(80, "v1", host), `outbound_.80_.v1_.${host}`);
  assert.equal(names.listenerName("0.0.0.0", 8080), "0.0.0.0_8080");
  assert.equal(names.serviceRouteName(host, 5000), `${host}:5000`);
  assert.equal(names.gatewayHttpRouteName(8080), "http.8080");
  assert.equal(
    names.gatewayHttpsRouteName(443, "https", "gateway", "ns"),
    "https.443.https.gateway.ns",
  );
  assert.equal(names.inboundVirtualHostName(8080), "inbound|http|8080");
  assert.equal(names.httpStatPrefix("inbound", "0.0.0.0_8080"), "inbound_0.0.0.0_8080;");
});

test("the path of an object has its kind in lower case with hyphens", () => {
  for (const [kind, path] of [
    ["VirtualService", "virtual-service"],
    ["DestinationRule", "destination-rule"],
    ["ServiceEntry", "service-entry"],
  ] as const) {
    const expected = `/apis/networking.istio.io/v1/namespaces/ns/${path}/name`;
    assert.equal(names.configPath({ kind, namespace: "ns", name: "name" }), expected);
  }
});

function domains(hostname: string, addresses: readonly string[] = [], headless = false) {
  const scope = { proxyNamespace: "default", domain: "cluster.local" };
  return serviceDomains({ hostname, addresses, headless, ...scope });
}

test("a service of the own namespace is known by its bare name", () => {
  assert.deepEqual(domains("sleep.default.svc.cluster.local", ["10.93.1.50"]), [
    "sleep.default.svc.cluster.local",
    "sleep.default.svc.cluster.local.",
    "sleep",
    "sleep.default.svc",
    "sleep.default",
    "10.93.1.50",
  ]);
});

test("a service of another namespace is not", () => {
  assert.deepEqual(domains("sleep.other.svc.cluster.local", ["fd00::1"]), [
    "sleep.other.svc.cluster.local",
    "sleep.other.svc.cluster.local.",
    "sleep.other",
    "sleep.other.svc",
    "[fd00::1]",
  ]);
});

test("a headless service answers for its pods", () => {
  const all = domains("web.data.svc.cluster.local", [], true);
  assert.equal(all.length, 8);
  assert(all.includes("*.web.data"));
});

test("hosts outside of the cluster have no short names", () => {
  assert.deepEqual(domains("api.example.com"), ["api.example.com", "api.example.com."]);
  assert.deepEqual(domains("*.example.com"), ["*.example.com", "*.example.com."]);
  assert.deepEqual(domains(".svc.cluster.local").length, 2);
});
