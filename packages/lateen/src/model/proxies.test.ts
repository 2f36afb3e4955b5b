import assert from "node:assert/strict";
import { test } from "node:test";
import { TestMesh } from "../../test/support/mesh.ts";
import { gateway, pod, proxy, service, virtualService } from "../../test/support/mesh-objects.ts";
import type { JsonObject } from "../api/kind.ts";

const LABELS = { app: "web", "pod-template-hash": "abc12" };

function thousandPods(): TestMesh {
  const mesh = new TestMesh();
  const pods = Array.from({ length: 1_000 }, (_, i) => ({
    at: `default/web-${i}`,
    ip: `10.0.${i >> 8}.${i & 255}`,
    labels: { ...LABELS, track: i % 2 === 0 ? "stable" : "canary" },
  }));
  mesh.set(mesh.inputs.pods, ...pods.map(({ at, ip, labels }) => pod({ at, labels }, { ip })));
  mesh.connect(...pods.map(({ at, ip }) => proxy(at, { ip })));
  return mesh;
}

function route(match: JsonObject): ReturnType<typeof virtualService> {
  const http = [{ match: [match], route: [{ destination: { host: "x" } }] }];
  return virtualService({ at: "default/v" }, { hosts: ["x"], http });
}

test("a thousand pods of one Deployment are one class, and two by a match on half of them", () => {
  const mesh = thousandPods();
  const { classes, inboundSets } = mesh.model.proxies;
  assert.equal(classes.size, 1);
  assert.equal(inboundSets.size, 1);
  mesh.set(mesh.inputs.virtualServices, route({ sourceLabels: { track: "canary" } }));
  assert.equal(classes.size, 2);
  const stats = mesh.remove(mesh.inputs.virtualServices, "default/v");
  assert.equal(classes.size, 1);
  assert.equal(stats.derived.get("proxies classed")?.computed, 500);
});

test("a match that no proxy has costs no proxy", () => {
  const mesh = thousandPods();
  const stats = mesh.set(mesh.inputs.virtualServices, route({ sourceLabels: { track: "other" } }));
  assert.equal(stats.derived.get("proxies classed"), undefined);
  assert.equal(mesh.model.proxies.classes.size, 1);
});

test("a pod's label that nobody names leaves its proxy's class as it is", () => {
  const mesh = thousandPods();
  const before = mesh.classOf("default/web-7").key;
  const labels = { ...LABELS, team: "x" };
  mesh.set(mesh.inputs.pods, pod({ at: "default/web-7", labels }, { ip: "10.0.0.7" }));
  assert.equal(mesh.classOf("default/web-7").key, before);
  assert.equal(mesh.model.proxies.classes.size, 1);
});

test("a workload serves the ports of the services that select it", () => {
  const mesh = new TestMesh();
  const ports = { web: 8081 };
  mesh.set(mesh.inputs.pods, pod({ at: "default/p", labels: LABELS }, { ip: "10.0.0.1", ports }));
  mesh.connect(proxy("default/p"));
  const selector = { app: "web" };
  mesh.set(
    mesh.inputs.services,
    service(
      { at: "default/young", age: 9 },
      { clusterIP: "10.1.0.1", selector, ports: [{ name: "http", port: 80, targetPort: "web" }] },
    ),
    service(
      { at: "default/old", age: 1 },
      {
        clusterIP: "10.1.0.2",
        selector,
        ports: [
          { name: "tcp", port: 9000 },
          { name: "tcp-web", port: 1, targetPort: 8081 },
          { name: "missing", port: 2, targetPort: "nowhere" },
          { name: "dns", port: 53, protocol: "UDP" },
        ],
      },
    ),
    service({ at: "default/none" }, { clusterIP: "10.1.0.3", ports: [{ name: "http", port: 80 }] }),
    service(
      { at: "other/web" },
      { clusterIP: "10.1.0.4", selector, ports: [{ name: "http", port: 80 }] },
    ),
  );
  const key = mesh.classOf("default/p").inbound ?? "";
  const set = mesh.model.proxies.inboundSets.get(key);
  assert.deepEqual(
    set?.ports.map(({ hostname, targetPort }) => `${targetPort} ${hostname.split(".")[0]}`),
    ["8081 old", "8081 young", "9000 old"],
  );
  assert.equal(set?.mtls, "PERMISSIVE");
});

test("a router has the Gateways that select it, and its Service's target ports", () => {
  const mesh = new TestMesh();
  const labels = { istio: "ingressgateway" };
  mesh.connect(proxy("istio-system/gw", { type: "router", labels }));
  const server = { port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] };
  mesh.set(
    mesh.inputs.gateways,
    gateway({ at: "shop/mine" }, { selector: labels, servers: [server] }),
    gateway({ at: "shop/other" }, { selector: { istio: "egressgateway" }, servers: [server] }),
  );
  mesh.set(
    mesh.inputs.services,
    service(
      { at: "istio-system/gw" },
      {
        clusterIP: "10.1.0.1",
        selector: labels,
        ports: [{ name: "http2", port: 80, targetPort: 8080 }],
      },
    ),
  );
  const { gateway: key, inbound } = mesh.classOf("istio-system/gw");
  assert.equal(inbound, undefined);
  const set = mesh.model.proxies.gatewaySets.get(key ?? "");
  assert.deepEqual(set?.gateways, ["shop/mine"]);
  assert.deepEqual({ ...set?.targetPorts }, { 80: 8080 });
});
