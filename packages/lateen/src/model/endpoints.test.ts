import assert from "node:assert/strict";
import { test } from "node:test";
import { TestMesh } from "../../test/support/mesh.ts";
import {
  node,
  pod,
  service,
  serviceEntry,
  slice,
  workloadEntry,
} from "../../test/support/mesh-objects.ts";
import type { Endpoint } from "./types.ts";

const KEY = "default/x.default.svc.cluster.local";

function meshWithService(spec: Readonly<Record<string, string | boolean>> = {}): TestMesh {
  const mesh = new TestMesh();
  const ports = [{ name: "http", port: 80, targetPort: 8080 }];
  mesh.set(
    mesh.inputs.services,
    service({ at: "default/x" }, { clusterIP: "10.1.0.1", selector: { app: "x" }, ports, ...spec }),
  );
  return mesh;
}

function endpoints(mesh: TestMesh, key = KEY, port = "http"): readonly Endpoint[] {
  return mesh.model.endpoints.get(key)?.byPort[port] ?? [];
}

function addresses(mesh: TestMesh, key = KEY, port = "http"): readonly string[] {
  return endpoints(mesh, key, port).map(each => `${each.address}:${each.port} ${each.health}`);
}

const POD = { at: "default/p", labels: { app: "x", version: "v1" } };

test("an endpoint says what its pod and node say", () => {
  const mesh = meshWithService();
  mesh.set(mesh.inputs.nodes, node("n", "r1", "z1"));
  const labels = { ...POD.labels, "security.istio.io/tlsMode": "istio" };
  mesh.set(mesh.inputs.pods, pod({ ...POD, labels }, { ip: "10.0.0.1", account: "sa", node: "n" }));
  mesh.set(
    mesh.inputs.endpointSlices,
    slice("default/x-1", {
      service: "x",
      ports: { http: 8080 },
      pods: [{ name: "p", ip: "10.0.0.1" }],
    }),
  );
  const [found] = endpoints(mesh);
  assert.equal(found?.serviceAccount, "spiffe://cluster.local/ns/default/sa/sa");
  assert.equal(found?.tlsMode, "istio");
  assert.equal(found?.canonicalName, "x");
  assert.equal(found?.canonicalRevision, "v1");
  assert.deepEqual(found?.locality, { region: "r1", zone: "z1", subZone: "" });
  assert.deepEqual(mesh.model.accounts.get(KEY), ["spiffe://cluster.local/ns/default/sa/sa"]);
  mesh.set(mesh.inputs.nodes, node("n", "r1", "z2"));
  assert.equal(endpoints(mesh)[0]?.locality.zone, "z2");
});

test("slices in the order of their names; an address twice is one endpoint", () => {
  const mesh = meshWithService();
  const pods = ["a", "b", "c"];
  mesh.set(
    mesh.inputs.pods,
    ...pods.map((name, i) => pod({ at: `default/${name}` }, { ip: `10.0.0.${i}` })),
  );
  const ports = { http: 8080 };
  const of = (...chosen: readonly number[]): { name: string; ip: string }[] =>
    chosen.map(i => ({ name: pods[i] ?? "", ip: `10.0.0.${i}` }));
  mesh.set(
    mesh.inputs.endpointSlices,
    slice("default/x-2", { service: "x", ports, pods: of(0) }),
    slice("default/x-1", { service: "x", ports, pods: of(2, 1) }),
    slice("default/x-3", { service: "x", ports, pods: of(1) }),
  );
  const want = ["10.0.0.2:8080 HEALTHY", "10.0.0.1:8080 HEALTHY", "10.0.0.0:8080 HEALTHY"];
  assert.deepEqual(addresses(mesh), want);
});

test("an endpoint waits for its pod, and goes with it", () => {
  const mesh = meshWithService();
  const pods = [{ name: "p", ip: "10.0.0.1" }];
  mesh.set(
    mesh.inputs.endpointSlices,
    slice("default/x", { service: "x", ports: { http: 1 }, pods }),
  );
  assert.deepEqual(addresses(mesh), []);
  mesh.set(mesh.inputs.pods, pod(POD, { ip: "10.0.0.1" }));
  assert.deepEqual(addresses(mesh), ["10.0.0.1:1 HEALTHY"]);
  mesh.set(mesh.inputs.pods, pod(POD, { ip: "10.0.0.1", phase: "Succeeded" }));
  assert.deepEqual(addresses(mesh), []);
});

test("not ready, terminating, and a pod that is being deleted", () => {
  const health = (conditions: Readonly<Record<string, boolean>>, deleted = false): string => {
    const mesh = meshWithService();
    const meta = deleted ? { ...POD, deletionTimestamp: "2026-01-01T00:00:00Z" } : POD;
    mesh.set(mesh.inputs.pods, pod(meta, { ip: "10.0.0.1" }));
    const pods = [{ name: "p", ip: "10.0.0.1", conditions }];
    const one = slice("default/x", { service: "x", ports: { http: 8080 }, pods });
    mesh.set(mesh.inputs.endpointSlices, one);
    return endpoints(mesh)[0]?.health ?? "none";
  };
  assert.equal(health({}), "HEALTHY");
  assert.equal(health({ ready: false }), "UNHEALTHY");
  assert.equal(health({ ready: false, serving: true, terminating: true }), "DRAINING");
  assert.equal(health({ ready: true }, true), "DRAINING");
});

test("publishNotReadyAddresses shows pods that are not ready, not those that leave", () => {
  const mesh = meshWithService({ publishNotReadyAddresses: true });
  mesh.set(mesh.inputs.pods, pod(POD, { ip: "10.0.0.1" }));
  const of = (conditions: Readonly<Record<string, boolean>>): void => {
    const pods = [{ name: "p", ip: "10.0.0.1", conditions }];
    const one = slice("default/x", { service: "x", ports: { http: 8080 }, pods });
    mesh.set(mesh.inputs.endpointSlices, one);
  };
  of({ ready: false });
  assert.equal(endpoints(mesh)[0]?.health, "HEALTHY");
  of({ ready: false, terminating: true });
  assert.equal(endpoints(mesh)[0]?.health, "DRAINING");
});

test("accounts stay while pods are not ready, so that clusters do not change in a rollout", () => {
  const mesh = meshWithService();
  mesh.set(mesh.inputs.pods, pod(POD, { ip: "10.0.0.1", account: "sa" }));
  const pods = [{ name: "p", ip: "10.0.0.1", conditions: { ready: false } }];
  mesh.set(
    mesh.inputs.endpointSlices,
    slice("default/x", { service: "x", ports: { http: 1 }, pods }),
  );
  assert.deepEqual(mesh.model.accounts.get(KEY), ["spiffe://cluster.local/ns/default/sa/sa"]);
});

test("a Service's selector finds WorkloadEntries, too", () => {
  const mesh = meshWithService();
  mesh.set(
    mesh.inputs.workloadEntries,
    workloadEntry({ at: "default/vm" }, { address: "10.9.0.1", labels: { app: "x" } }),
    workloadEntry({ at: "other/vm" }, { address: "10.9.0.2", labels: { app: "x" } }),
  );
  assert.deepEqual(addresses(mesh), ["10.9.0.1:8080 UNKNOWN"]);
});

const ENTRY = {
  hosts: ["x.example"],
  location: "MESH_INTERNAL",
  ports: [{ number: 80, name: "http", protocol: "HTTP", targetPort: 8080 }],
};

test("endpoints of a ServiceEntry: port by name, else target port", () => {
  const mesh = new TestMesh();
  const list = [
    { address: "10.9.0.1", labels: { version: "v1" }, locality: "r1/z1" },
    { address: "10.9.0.2", ports: { http: 9090 }, weight: 3, serviceAccount: "vm" },
  ];
  const spec = { ...ENTRY, resolution: "STATIC", endpoints: list };
  mesh.set(mesh.inputs.serviceEntries, serviceEntry({ at: "default/e" }, spec));
  const key = "default/x.example";
  assert.deepEqual(addresses(mesh, key), ["10.9.0.1:8080 UNKNOWN", "10.9.0.2:9090 UNKNOWN"]);
  const [first, second] = endpoints(mesh, key);
  assert.equal(first?.workloadName, "e-0");
  assert.equal(first?.tlsMode, "disabled");
  assert.deepEqual(first?.locality, { region: "r1", zone: "z1", subZone: "" });
  assert.equal(second?.tlsMode, "istio");
  assert.equal(second?.weight, 3);
  assert.deepEqual(mesh.model.accounts.get(key), ["spiffe://cluster.local/ns/default/sa/vm"]);
});

test("a ServiceEntry's selector finds pods and WorkloadEntries of its namespace", () => {
  const mesh = new TestMesh();
  const workloadSelector = { labels: { app: "x" } };
  const spec = { ...ENTRY, resolution: "STATIC", workloadSelector };
  mesh.set(mesh.inputs.serviceEntries, serviceEntry({ at: "default/e" }, spec));
  mesh.set(mesh.inputs.pods, pod(POD, { ip: "10.0.0.1", ports: { http: 7 } }));
  mesh.set(
    mesh.inputs.workloadEntries,
    workloadEntry({ at: "default/vm", labels: { app: "x" } }, { address: "10.9.0.1" }),
  );
  const want = ["10.9.0.1:8080 UNKNOWN", "10.0.0.1:8080 HEALTHY"];
  assert.deepEqual(addresses(mesh, "default/x.example"), want);
});

test("with DNS and no endpoints, the host itself is the endpoint", () => {
  const mesh = new TestMesh();
  mesh.set(
    mesh.inputs.serviceEntries,
    serviceEntry({ at: "default/e" }, { ...ENTRY, resolution: "DNS" }),
  );
  assert.deepEqual(addresses(mesh, "default/x.example"), ["x.example:8080 UNKNOWN"]);
});

test("a slice without pods behind it is taken as it is", () => {
  const mesh = meshWithService();
  const pods = [{ name: "unknown", ip: "192.0.2.1" }];
  const one = slice("default/x", { service: "x", ports: { http: 8080 }, pods });
  const endpoints = one.endpoints.map(({ targetRef: _, ...rest }) => rest);
  mesh.set(mesh.inputs.endpointSlices, { ...one, endpoints });
  assert.deepEqual(addresses(mesh), ["192.0.2.1:8080 HEALTHY"]);
});
