/** Endpoints by where the client runs: `internalTrafficPolicy`, `trafficDistribution`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cluster } from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import { ClusterLoadAssignment } from "@lateen/envoy-api/envoy/config/endpoint/v3/endpoint.js";
import { TestMesh } from "../../../test/support/mesh.ts";
import {
  destinationRule,
  namespace,
  node,
  pod,
  proxy,
  service,
  serviceEntry,
  slice,
} from "../../../test/support/mesh-objects.ts";
import { TestStreams } from "../../../test/support/mesh-stream.ts";
import type { JsonObject } from "../../api/kind.ts";
import { TypeUrl } from "../resource.ts";

/** Of a ServiceEntry whose endpoints are in two zones. */
const EXTERNAL = {
  hosts: ["x.example"],
  ports: [{ number: 80, name: "http", protocol: "HTTP" }],
  resolution: "STATIC",
  endpoints: [
    { address: "10.9.0.1", locality: "r1/z1" },
    { address: "10.9.0.2", locality: "r1/z2" },
  ],
};

const CLUSTER = "outbound|80||x.default.svc.cluster.local";
const SPEC = {
  clusterIP: "10.1.0.1",
  selector: { app: "x" },
  ports: [{ name: "http", port: 80, targetPort: 8080 }],
};
const NODES = ["a", "b", "c"];

/** Nodes a and b in zone z1, c in z2; one pod and one client on each. */
function mesh(spec: JsonObject, annotations: Readonly<Record<string, string>> = {}): TestMesh {
  const found = new TestMesh();
  const zones = ["z1", "z1", "z2"];
  found.set(found.inputs.nodes, ...NODES.map((name, i) => node(name, "r1", zones[i] ?? "")));
  found.set(
    found.inputs.pods,
    ...NODES.map((name, i) =>
      pod({ at: `default/x-${name}`, labels: { app: "x" } }, { ip: `10.0.0.${i}`, node: name }),
    ),
    ...NODES.map((name, i) => pod({ at: `default/on-${name}` }, { ip: `10.0.1.${i}`, node: name })),
  );
  found.set(found.inputs.endpointSlices, sliceOf());
  change(found, spec, annotations);
  found.connect(
    ...NODES.map((name, i) => proxy(`default/on-${name}`, { ip: `10.0.1.${i}`, node: name })),
  );
  return found;
}

function sliceOf(unready: readonly number[] = []) {
  const pods = NODES.map((name, i) => ({
    name: `x-${name}`,
    ip: `10.0.0.${i}`,
    conditions: { ready: !unready.includes(i) },
  }));
  return slice("default/x-1", { service: "x", ports: { http: 8080 }, pods });
}

function change(
  found: TestMesh,
  spec: JsonObject,
  annotations: Readonly<Record<string, string>> = {},
): void {
  found.set(
    found.inputs.services,
    service({ at: "default/x", annotations }, { ...SPEC, ...spec }),
    service({ at: "default/y" }, { ...SPEC, clusterIP: "10.1.0.2" }),
  );
}

/** `priority:last byte of each address`, for the client on a node. */
function seen(found: TestMesh, from: string, name = CLUSTER): readonly string[] {
  const body = found.resource(`default/on-${from}`, TypeUrl.endpoint, name)?.body;
  const { endpoints = [] } = ClusterLoadAssignment.decode(body ?? new Uint8Array());
  return endpoints.map(({ priority = 0, lbEndpoints = [] }) => {
    const hosts = lbEndpoints.map(each => {
      const address = each.endpoint?.address?.socketAddress?.address ?? "";
      return address.slice(address.lastIndexOf(".") + 1);
    });
    return `${priority}:${hosts.join()}`;
  });
}

test("without a policy all clients share one class and one answer", () => {
  const found = mesh({});
  assert.deepEqual(
    NODES.flatMap(from => seen(found, from)),
    ["0:0,1", "0:2", "0:0,1", "0:2"].concat(["0:0,1", "0:2"]),
  );
  const [a, b] = NODES.map(from => found.classOf(`default/on-${from}`));
  assert.equal(a?.key, b?.key);
  const one = found.resource("default/on-a", TypeUrl.endpoint, CLUSTER);
  assert.equal(found.resource("default/on-c", TypeUrl.endpoint, CLUSTER), one);
});

test("internalTrafficPolicy: Local is the client's own node, whoever else is there", () => {
  const found = mesh({ internalTrafficPolicy: "Local", trafficDistribution: "PreferClose" });
  assert.deepEqual(
    NODES.map(from => seen(found, from)),
    [["0:0"], ["0:1"], ["0:2"]],
  );
  found.set(found.inputs.endpointSlices, sliceOf([1]));
  assert.deepEqual(seen(found, "b"), []);
});

for (const value of ["PreferClose", "PreferSameZone"])
  test(`trafficDistribution: ${value} prefers the zone and falls back`, () => {
    const found = mesh({ trafficDistribution: value });
    assert.deepEqual(
      NODES.map(from => seen(found, from)),
      [
        ["0:0,1", "1:2"],
        ["0:0,1", "1:2"],
        ["1:0,1", "0:2"],
      ],
    );
    const [a, b, c] = NODES.map(from => found.classOf(`default/on-${from}`));
    // Nodes do not matter, zones do.
    assert.equal(a?.key, b?.key);
    assert.notEqual(a?.key, c?.key);
    found.set(found.inputs.endpointSlices, sliceOf([2]));
    // Priorities have no gaps.
    assert.deepEqual(seen(found, "c"), ["0:0,1"]);
  });

test("trafficDistribution: PreferSameNode prefers the node, then the zone", () => {
  const found = mesh({ trafficDistribution: "PreferSameNode" });
  assert.deepEqual(seen(found, "a"), ["0:0", "1:1", "2:2"]);
  assert.deepEqual(seen(found, "c"), ["1:0,1", "0:2"]);
});

test("the annotation says it where the field does not, for ServiceEntries, too", () => {
  const key = "networking.istio.io/traffic-distribution";
  const found = mesh({}, { [key]: "preferclose" });
  assert.deepEqual(seen(found, "c"), ["1:0,1", "0:2"]);
  change(found, { trafficDistribution: "PreferSameNode" }, { [key]: "PreferClose" });
  assert.deepEqual(seen(found, "a"), ["0:0", "1:1", "2:2"]);
  change(found, {}, { [key]: "Elsewhere" });
  assert.deepEqual(seen(found, "c"), ["0:0,1", "0:2"]);
  found.set(
    found.inputs.serviceEntries,
    serviceEntry({ at: "default/x", annotations: { [key]: "PreferSameZone" } }, EXTERNAL),
  );
  assert.deepEqual(seen(found, "c", "outbound|80||x.example"), ["1:1", "0:2"]);
});

test("a namespace's annotation says it for services and ServiceEntries that say nothing", () => {
  const key = "networking.istio.io/traffic-distribution";
  const found = mesh({});
  const { inputs } = found;
  found.set(inputs.serviceEntries, serviceEntry({ at: "default/x" }, EXTERNAL));
  const external = "outbound|80||x.example";
  assert.deepEqual(seen(found, "c", external), ["0:1", "0:2"]);
  const stats = found.set(inputs.namespaces, namespace("default", { [key]: "preferclose" }));
  assert.equal(stats.derived.get("services of Kubernetes")?.computed, 2);
  assert.deepEqual(seen(found, "c"), ["1:0,1", "0:2"]);
  assert.deepEqual(seen(found, "c", external), ["1:1", "0:2"]);
  change(found, {}, { [key]: "Any" });
  assert.deepEqual(seen(found, "c"), ["0:0,1", "0:2"]);
  change(found, { trafficDistribution: "PreferSameNode" });
  assert.deepEqual(seen(found, "a"), ["0:0", "1:1", "2:2"]);
  change(found, {});
  const label = found.set(inputs.namespaces, namespace("other", { [key]: "PreferClose" }));
  assert.equal(label.derived.get("services of Kubernetes")?.computed ?? 0, 0);
  found.set(inputs.namespaces, namespace("default"));
  assert.deepEqual(seen(found, "c"), ["0:0,1", "0:2"]);
});

test("a rule's localityLbSetting comes before the service's trafficDistribution", () => {
  const found = mesh({ trafficDistribution: "PreferClose" });
  const loadBalancer = (localityLbSetting: JsonObject): JsonObject => ({
    loadBalancer: { localityLbSetting },
  });
  const rule = (spec: JsonObject): void => {
    const all = { host: "x.default.svc.cluster.local", ...spec };
    found.set(found.inputs.destinationRules, destinationRule({ at: "default/x" }, all));
  };
  const plain = ["0:0,1", "0:2"];
  const near = ["1:0,1", "0:2"];
  assert.deepEqual(seen(found, "c"), near);
  for (const setting of [{ enabled: false }, { enabled: true }, { failoverPriority: ["a"] }]) {
    rule({ trafficPolicy: loadBalancer(setting) });
    assert.deepEqual(seen(found, "c"), plain, JSON.stringify(setting));
    assert.equal(weighs(found, CLUSTER), false);
  }
  const all = { name: "all", labels: { app: "x" } };
  const own = { ...all, name: "own", trafficPolicy: loadBalancer({ enabled: false }) };
  rule({ trafficPolicy: { loadBalancer: { simple: "RANDOM" } }, subsets: [all, own] });
  const [ofAll, ofOwn] = ["all", "own"].map(name => CLUSTER.replace("||", `|${name}|`));
  assert.deepEqual(seen(found, "c"), near);
  assert.deepEqual(seen(found, "c", ofAll), near);
  assert.deepEqual(seen(found, "c", ofOwn), plain);
  assert.equal(weighs(found, ofOwn), false);
  const portLevelSettings = [{ port: { number: 80 }, ...loadBalancer({ enabled: false }) }];
  rule({ trafficPolicy: { portLevelSettings } });
  assert.deepEqual(seen(found, "c"), plain);
  // A rule's other settings do not touch endpoints.
  rule({ trafficPolicy: { loadBalancer: { simple: "RANDOM" } } });
  assert.deepEqual(seen(found, "c"), near);
  const streams = new TestStreams(found);
  const stream = streams.open("default/on-c", []);
  stream.take();
  rule({ trafficPolicy: { loadBalancer: { simple: "ROUND_ROBIN" } } });
  assert.deepEqual(stream.take().names, [`CDS ${CLUSTER}`]);
  stream.close();
  change(found, { internalTrafficPolicy: "Local" });
  rule({ trafficPolicy: loadBalancer({ enabled: false }) });
  assert.deepEqual(seen(found, "c"), ["0:2"], "Local is no preference");
});

function weighs(found: TestMesh, name = ""): boolean {
  const body = found.resource("default/on-a", TypeUrl.cluster, name)?.body ?? new Uint8Array();
  return Cluster.decode(body).commonLbConfig?.localityWeightedLbConfig !== undefined;
}

test("only its cluster weighs localities", () => {
  const found = mesh({ trafficDistribution: "PreferClose" });
  const weighed = (name: string): boolean => weighs(found, name);
  assert.equal(weighed(CLUSTER), true);
  assert.equal(weighed(CLUSTER.replace("||x.", "||y.")), false);
  change(found, { internalTrafficPolicy: "Local" });
  assert.equal(weighed(CLUSTER), false);
});

test("a change of an endpoint is told to the clients it is about, for its cluster alone", () => {
  const found = mesh({ internalTrafficPolicy: "Local" });
  const streams = new TestStreams(found);
  const open = NODES.map(from => streams.open(`default/on-${from}`, []));
  for (const stream of open) stream.take();
  const stats = found.set(found.inputs.endpointSlices, sliceOf([1]));
  assert.deepEqual(Object.fromEntries(stats.dirtied), {
    "endpoint assignments": 3,
    "EDS by view": 3,
  });
  assert.deepEqual(
    open.map(stream => stream.take().names),
    [[], [`EDS ${CLUSTER}`], []],
  );
  for (const stream of open) stream.close();
});

test("a policy looks at every proxy once; what else changes in its service looks at none", () => {
  const found = mesh({});
  const many = Array.from({ length: 50 }, (_, i) => `default/many-${i}`);
  found.connect(...many.map((at, i) => proxy(at, { node: `n${i}` })));
  const classes = (): number => new Set(many.map(at => found.classOf(at).key)).size;
  const set = (spec: JsonObject, labels: Readonly<Record<string, string>> = {}) =>
    found.set(found.inputs.services, service({ at: "default/x", labels }, { ...SPEC, ...spec }));
  const classed = (stats: ReturnType<typeof set>): number =>
    stats.derived.get("proxies classed")?.computed ?? 0;
  assert.equal(classes(), 1);
  assert.equal(classed(set({ trafficDistribution: "PreferClose" })), 53);
  assert.equal(classes(), 1);
  assert.equal(classed(set({ internalTrafficPolicy: "Local" })), 53);
  assert.equal(classes(), 50);
  const relabelled = set({ internalTrafficPolicy: "Local" }, { team: "a" });
  assert.equal(relabelled.derived.get("placed hosts")?.computed ?? 0, 0);
  const headless = { clusterIP: "None", trafficDistribution: "PreferClose" };
  const stats = found.set(
    found.inputs.services,
    service({ at: "default/h" }, { ...SPEC, ...headless }),
  );
  assert.equal(stats.derived.get("placed hosts")?.computed ?? 0, 0);
});

test("a policy of a service that is kept to some namespaces costs only their proxies", () => {
  const found = mesh({});
  const many = Array.from({ length: 50 }, (_, i) => `other/many-${i}`);
  found.connect(...many.map((at, i) => proxy(at, { node: `n${i}` })));
  const exportTo = "networking.istio.io/exportTo";
  const set = (annotation: string, spec: JsonObject) =>
    found.set(
      found.inputs.services,
      service({ at: "default/x", annotations: { [exportTo]: annotation } }, { ...SPEC, ...spec }),
    );
  const classed = (stats: ReturnType<typeof set>): number =>
    stats.derived.get("proxies classed")?.computed ?? 0;
  const classes = (): number => new Set(many.map(at => found.classOf(at).key)).size;
  set(".", {});
  assert.equal(classed(set(".", { trafficDistribution: "PreferClose" })), 3);
  assert.deepEqual(seen(found, "c"), ["1:0,1", "0:2"]);
  assert.equal(classed(set(".", { internalTrafficPolicy: "Local" })), 3);
  assert.deepEqual(seen(found, "a"), ["0:0"]);
  assert.equal(classes(), 1);
  assert.equal(classed(set("~", { internalTrafficPolicy: "Local" })), 3);
  assert.equal(classed(set("other", { internalTrafficPolicy: "Local" })), 50);
  assert.equal(classes(), 50);
  assert.equal(classed(set("*", { internalTrafficPolicy: "Local" })), 53);
});

test("other services' endpoints are shared between nodes and zones as before", () => {
  const found = mesh({ internalTrafficPolicy: "Local" });
  const other = CLUSTER.replace("||x.", "||y.");
  const [first] = NODES.map(from => found.resource(`default/on-${from}`, TypeUrl.endpoint, other));
  const views = NODES.map(from =>
    found.resources[TypeUrl.endpoint].namedView(found.classOf(`default/on-${from}`))(other),
  );
  assert.equal(new Set(views).size, 1);
  assert.notEqual(first, undefined);
});
