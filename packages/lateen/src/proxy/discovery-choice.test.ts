import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeProxyConfig } from "../api/mesh-config/proxy-config.ts";
import type { ProxyConfig } from "../api/mesh-config/schema.ts";
import { chooseDiscovery, type DiscoveryChoice } from "./discovery-choice.ts";
import { discoverySdsFiles } from "./xds-cluster.ts";

const tls = {
  serverName: "istiod.istio-system.svc",
  sdsDirectory: "/etc/istio/pod",
  rootCertFile: "/root.pem",
  tokenFile: "/token",
};
const own = { host: "istiod.istio-system.svc", port: 15012, tls };

function config(json: Parameters<typeof decodeProxyConfig>[0]): ProxyConfig {
  const decoded = decodeProxyConfig(json, "x");
  assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
  return decoded.value;
}

function choice(discoveryAddress: string, proxyMetadata: Record<string, string> = {}) {
  return chooseDiscovery(own, config({ discoveryAddress, proxyMetadata }));
}

function summary({ target, diagnostics }: DiscoveryChoice): string {
  const reasons = diagnostics.map(({ reason }) => reason);
  return [target.host, target.port, target.tls?.serverName, ...reasons].join(" ");
}

test("discoveryAddress says whom to dial, and what name is expected there", () => {
  const cases: [string, Record<string, string>, string][] = [
    ["", {}, "istiod.istio-system.svc 15012 istiod.istio-system.svc"],
    ["mesh.example.com:443", {}, "mesh.example.com 443 mesh.example.com"],
    ["10.0.0.1:15012", { ISTIOD_SAN: "istiod.a.svc" }, "10.0.0.1 15012 istiod.a.svc"],
    ["[fd00::1]:15012", { ISTIOD_SAN: "istiod.a.svc" }, "fd00::1 15012 istiod.a.svc"],
    ["10.0.0.1:15012", {}, "10.0.0.1 15012 10.0.0.1 NoServerName"],
    ["istiod.a.svc:15010", {}, "istiod.a.svc 15012 istiod.a.svc PlaintextPort"],
    ["a.b:1", { ISTIOD_SAN: "a b" }, "a.b 1 a b BadServerName"],
  ];
  for (const [address, metadata, expected] of cases)
    assert.equal(summary(choice(address, metadata)), expected);
});

test("what is no address is refused", () => {
  const bad = [
    "istiod",
    "istiod:",
    "istiod:0",
    "istiod:70000",
    "a b:1",
    "fd00::1:15012",
    "[a]:1",
    ":1",
  ];
  for (const discoveryAddress of bad) {
    const decoded = decodeProxyConfig({ discoveryAddress }, "annotation");
    assert.ok(!decoded.ok, discoveryAddress);
    assert.match(decoded.diagnostics[0]?.message ?? "", /HOST:PORT, such as istiod/);
    assert.match(decoded.diagnostics[0]?.path ?? "", /discoveryAddress/);
  }
});

test("an address is expected in the certificate as one", () => {
  const { target } = choice("10.0.0.1:15012");
  assert.ok(target.tls !== undefined);
  const root = discoverySdsFiles(target.tls)["xds-root.json"] ?? "";
  assert.match(root, /"san_type":"IP_ADDRESS","matcher":\{"exact":"10\.0\.0\.1"\}/);
});

test("a plaintext control plane stays one", () => {
  const { target } = chooseDiscovery(
    { host: "127.0.0.1", port: 15010 },
    config({ discoveryAddress: "127.0.0.1:15010" }),
  );
  assert.deepEqual(target, { host: "127.0.0.1", port: 15010 });
});
