/** Labels that the control plane adds are there for subsets and for Istio's selectors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TestMesh } from "../../test/support/mesh.ts";
import {
  destinationRule,
  gateway,
  node,
  pod,
  proxy,
  service,
  serviceEntry,
  sidecar,
  slice,
  virtualService,
  workloadEntry,
} from "../../test/support/mesh-objects.ts";
import type { JsonObject } from "../api/kind.ts";
import { augmentedLabels } from "./augmented-labels.ts";
import { NOWHERE } from "./locality.ts";
import type { ServiceKey } from "./types.ts";

const WEB = "default/web.default.svc.cluster.local" as ServiceKey;
const ZONE = "topology.kubernetes.io/zone";
const CLUSTER = "topology.istio.io/cluster";
const HOST_NAME = "kubernetes.io/hostname";

function meshOf(selector: JsonObject = { app: "web" }): TestMesh {
  const mesh = new TestMesh();
  mesh.set(mesh.inputs.nodes, node("n1", "r1", "z1"), node("n2", "r1", "z2"));
  const ports = [{ name: "http", port: 80, targetPort: 8080 }];
  mesh.set(
    mesh.inputs.services,
    service({ at: "default/web" }, { clusterIP: "10.1.0.1", ports, selector }),
  );
  const labels = { app: "web", "topology.istio.io/network": "net1" };
  mesh.set(
    mesh.inputs.pods,
    pod({ at: "default/one", labels }, { ip: "10.0.0.1", node: "n1" }),
    pod({ at: "default/two", labels: { app: "web" } }, { ip: "10.0.0.2", node: "n2" }),
  );
  const pods = ["one", "two"].map((name, i) => ({ name, ip: `10.0.0.${i + 1}` }));
  mesh.set(
    mesh.inputs.endpointSlices,
    slice("default/web-a", { service: "web", ports: { http: 8080 }, pods }),
  );
  return mesh;
}

function labelsOf(mesh: TestMesh, key = WEB, port = "http") {
  const found = mesh.model.endpoints.get(key)?.byPort[port] ?? [];
  return Object.fromEntries(found.map(({ address, labels }) => [address, { ...labels }]));
}

test("pods of slices say where they run", () => {
  const region = { "topology.kubernetes.io/region": "r1", [CLUSTER]: "Kubernetes", app: "web" };
  assert.deepEqual(labelsOf(meshOf()), {
    "10.0.0.1": {
      ...region,
      [ZONE]: "z1",
      [HOST_NAME]: "n1",
      "topology.istio.io/network": "net1",
    },
    "10.0.0.2": { ...region, [ZONE]: "z2", [HOST_NAME]: "n2" },
  });
});

test("what is not known adds nothing; what is known comes before a label of the object's own", () => {
  const nothing = { cluster: "", network: "", nodeName: "", locality: NOWHERE };
  assert.deepEqual(augmentedLabels({ a: "b" }, nothing), { a: "b" });
  const known = { ...nothing, cluster: "c", locality: { region: "", zone: "z", subZone: "s" } };
  assert.deepEqual(augmentedLabels({ [CLUSTER]: "forged", [ZONE]: "y" }, known), {
    [CLUSTER]: "c",
    [ZONE]: "z",
    "topology.istio.io/subzone": "s",
  });
});

test("a node that moves to another zone moves the labels of its pods", () => {
  const mesh = meshOf();
  mesh.set(mesh.inputs.nodes, node("n1", "r1", "z9"));
  assert.equal(labelsOf(mesh)["10.0.0.1"]?.[ZONE], "z9");
});

test("endpoints that are no pods have the cluster's label", () => {
  const mesh = meshOf();
  const plain = slice("default/web-b", { service: "web", ports: { http: 8080 }, pods: [] });
  const endpoints = [
    { addresses: ["10.9.9.9"], conditions: { ready: true }, deprecatedTopology: {} },
  ];
  mesh.set(mesh.inputs.endpointSlices, { ...plain, endpoints });
  assert.deepEqual(labelsOf(mesh)["10.9.9.9"], { [CLUSTER]: "Kubernetes" });
});

test("WorkloadEntries and endpoints of ServiceEntries, but for a name that stands for itself", () => {
  const mesh = meshOf();
  const ports = [{ number: 80, name: "http", protocol: "HTTP" }];
  const at = { address: "10.5.0.1", locality: "r5/z5/s5", network: "net5" };
  mesh.set(
    mesh.inputs.workloadEntries,
    workloadEntry({ at: "default/vm" }, { ...at, labels: { app: "web" } }),
  );
  mesh.set(
    mesh.inputs.serviceEntries,
    serviceEntry(
      { at: "default/inline" },
      { hosts: ["inline.example"], resolution: "STATIC", ports, endpoints: [at] },
    ),
    serviceEntry({ at: "default/dns" }, { hosts: ["dns.example"], resolution: "DNS", ports }),
  );
  const added = {
    "topology.kubernetes.io/region": "r5",
    [ZONE]: "z5",
    "topology.istio.io/subzone": "s5",
    "topology.istio.io/network": "net5",
    [CLUSTER]: "Kubernetes",
  };
  assert.deepEqual(labelsOf(mesh)["10.5.0.1"], { app: "web", ...added });
  const inline = labelsOf(mesh, "default/inline.example" as ServiceKey);
  assert.deepEqual(inline, { "10.5.0.1": added });
  const dns = labelsOf(mesh, "default/dns.example" as ServiceKey);
  assert.deepEqual(dns, { "dns.example": {} });
});

test("a ServiceEntry selects by them, a Kubernetes Service does not", () => {
  const mesh = meshOf({ [ZONE]: "z1" });
  mesh.connect(proxy("default/one", { ip: "10.0.0.1" }));
  const served = () =>
    mesh.model.proxies.rows.get("default/one")?.inbound?.ports.map(port => port.hostname);
  assert.deepEqual(served(), []);
  mesh.set(
    mesh.inputs.serviceEntries,
    serviceEntry(
      { at: "default/z1" },
      {
        hosts: ["z1.example"],
        resolution: "STATIC",
        ports: [{ number: 80, name: "http", protocol: "HTTP" }],
        workloadSelector: { labels: { [ZONE]: "z1" } },
      },
    ),
  );
  assert.deepEqual(served(), ["z1.example"]);
  const key = "default/z1.example" as ServiceKey;
  assert.deepEqual(Object.keys(labelsOf(mesh, key)), ["10.0.0.1"]);
});

test("Sidecars, Gateways and source labels see them, with a Pod and without one", () => {
  const mesh = meshOf();
  mesh.connect(
    proxy("default/one", { ip: "10.0.0.1" }),
    proxy("default/vm", { ip: "10.0.0.7", locality: "r1/z1" }),
    proxy("default/two", { ip: "10.0.0.2" }),
    proxy("default/edge", { type: "router", ip: "10.0.0.8", node: "n7" }),
  );
  const labels = { [ZONE]: "z1" };
  mesh.set(
    mesh.inputs.sidecars,
    sidecar({ at: "default/z1" }, { egress: [{ hosts: ["./*"] }], workloadSelector: { labels } }),
  );
  mesh.set(
    mesh.inputs.virtualServices,
    virtualService(
      { at: "default/v" },
      {
        hosts: ["web"],
        http: [
          {
            match: [{ sourceLabels: { [CLUSTER]: "Kubernetes", ...labels } }],
            route: [{ destination: { host: "web" } }],
          },
        ],
      },
    ),
  );
  mesh.set(
    mesh.inputs.gateways,
    gateway(
      { at: "default/g" },
      {
        selector: { [HOST_NAME]: "n7" },
        servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
      },
    ),
  );
  for (const [at, selected] of [
    ["default/one", true],
    ["default/vm", true],
    ["default/two", false],
  ] as const) {
    const { scope, sourceMatches } = mesh.classOf(at);
    assert.equal(scope.endsWith("default/z1"), selected, at);
    assert.equal(sourceMatches.length, selected ? 1 : 0, at);
  }
  assert.deepEqual(mesh.model.proxies.rows.get("default/edge")?.gateway?.gateways, ["default/g"]);
});

test("subsets by them", () => {
  const mesh = meshOf();
  mesh.set(
    mesh.inputs.destinationRules,
    destinationRule(
      { at: "default/web" },
      { host: "web", subsets: [{ name: "z2", labels: { [ZONE]: "z2", app: "web" } }] },
    ),
  );
  mesh.connect(proxy("default/client"));
  const name = "outbound|80|z2|web.default.svc.cluster.local";
  const all = mesh.everything("default/client", []);
  const found = [...all].find(([id]) => id.includes("ClusterLoadAssignment") && id.endsWith(name));
  assert.ok(Buffer.from(found?.[1].body ?? []).includes("10.0.0.2"));
  assert.ok(!Buffer.from(found?.[1].body ?? []).includes("10.0.0.1"));
});
