import assert from "node:assert/strict";
import { test } from "node:test";
import { TestMesh } from "../../test/support/mesh.ts";
import {
  proxy,
  service,
  serviceEntry,
  sidecar,
  virtualService,
} from "../../test/support/mesh-objects.ts";
import type { JsonObject } from "../api/kind.ts";
import { meshRoutesKey, onPortKey } from "./imports.ts";

const PORTS = [{ name: "http", port: 80 }];

/** Services by `namespace/name` with their exportTo annotation, in the order of their age. */
function meshWith(services: Readonly<Record<string, string>>): TestMesh {
  const mesh = new TestMesh();
  const objects = Object.entries(services).map(([at, exportTo], age) =>
    service(
      { at, age, annotations: { "networking.istio.io/exportTo": exportTo } },
      { clusterIP: `10.1.0.${age + 1}`, ports: PORTS },
    ),
  );
  mesh.set(mesh.inputs.services, ...objects);
  return mesh;
}

function scopeOf(
  mesh: TestMesh,
  at: string,
  labels: Readonly<Record<string, string>> = {},
): string {
  mesh.connect(proxy(at, { labels }));
  return mesh.classOf(at).scope;
}

/** `namespace/name` of the services that a proxy sees. */
function seen(mesh: TestMesh, at: string): readonly string[] {
  const cell = mesh.model.imports.services.acquire(scopeOf(mesh, at));
  return cell.value().map(({ namespace, name }) => `${namespace}/${name}`);
}

const SERVICES = { "a/one": "*", "a/two": ".", "b/one": "*", "b/two": "a", "c/three": "~" };

test("without a Sidecar, all that is exported; what is kept to few first", () => {
  const mesh = meshWith(SERVICES);
  assert.deepEqual(seen(mesh, "a/p"), ["a/two", "b/two", "a/one", "b/one"]);
  assert.deepEqual(seen(mesh, "b/p"), ["a/one", "b/one"]);
});

function withEgress(...hosts: readonly string[]): TestMesh {
  const mesh = meshWith(SERVICES);
  mesh.set(mesh.inputs.sidecars, sidecar({ at: "a/s" }, { egress: [{ hosts: [...hosts] }] }));
  return mesh;
}

test("egress hosts choose among what is exported", () => {
  assert.deepEqual(seen(withEgress("./*"), "a/p"), ["a/two", "a/one"]);
  assert.deepEqual(seen(withEgress("b/*"), "a/p"), ["b/two", "b/one"]);
  assert.deepEqual(seen(withEgress("*/one.b.svc.cluster.local"), "a/p"), ["b/one"]);
  assert.deepEqual(seen(withEgress("~/*"), "a/p"), []);
  assert.deepEqual(seen(withEgress("c/*"), "a/p"), []);
});

test("hosts named for a namespace hide those named for any", () => {
  const mesh = withEgress("*/*", "b/one.b.svc.cluster.local");
  assert.deepEqual(seen(mesh, "a/p"), ["a/two", "a/one", "b/one"]);
});

test("a Sidecar that selects comes first, then the namespace's, then the root's, else none", () => {
  const mesh = meshWith(SERVICES);
  const egress = [{ hosts: ["./*"] }];
  mesh.set(
    mesh.inputs.sidecars,
    sidecar({ at: "a/mine", age: 5 }, { egress, workloadSelector: { labels: { app: "x" } } }),
    sidecar({ at: "a/wide" }, { egress }),
    sidecar({ at: "istio-system/root" }, { egress }),
  );
  assert.equal(scopeOf(mesh, "a/p", { app: "x" }), "a|a/mine");
  assert.equal(scopeOf(mesh, "a/q"), "a|a/wide");
  assert.equal(scopeOf(mesh, "b/p"), "b|istio-system/root");
  // The root's `./*` is the proxy's namespace.
  assert.deepEqual(seen(mesh, "b/p"), ["b/one"]);
  mesh.remove(mesh.inputs.sidecars, "istio-system/root");
  assert.equal(scopeOf(mesh, "b/p"), "b|");
});

function entry(at: string, age: number, host: string): ReturnType<typeof serviceEntry> {
  const ports = [{ number: 80, name: "http", protocol: "HTTP" }];
  return serviceEntry({ at, age }, { hosts: [host], ports, resolution: "NONE" });
}

test("of services with one host name the older counts, a Kubernetes Service above all", () => {
  const mesh = new TestMesh();
  const host = "x.b.svc.cluster.local";
  mesh.set(mesh.inputs.serviceEntries, entry("c/e", 2, host), entry("a/e", 3, host));
  const owners = (): readonly string[] => {
    const cell = mesh.model.imports.services.acquire(scopeOf(mesh, "d/p"));
    return cell.value().map(each => each.namespace);
  };
  assert.deepEqual(owners(), ["c"]);
  const spec = { clusterIP: "10.1.0.1", ports: PORTS };
  mesh.set(mesh.inputs.services, service({ at: "b/x", age: 9 }, spec));
  assert.deepEqual(owners(), ["b"]);
  mesh.remove(mesh.inputs.services, "b/x");
  mesh.remove(mesh.inputs.serviceEntries, "c/e");
  assert.deepEqual(owners(), ["a"]);
});

/** Namespaces of what a proxy means by a host name, by kinds of proxies and of scopes. */
function owners(mesh: TestMesh, at: string): Readonly<Record<string, readonly string[]>> {
  const seenBy = (type: "sidecar" | "router"): readonly string[] => {
    mesh.connect(proxy(at, { type }));
    const cell = mesh.model.imports.services.acquire(mesh.classOf(at).scope);
    return cell.value().map(each => each.namespace);
  };
  const [sidecars, gateways] = [seenBy("sidecar"), seenBy("router")];
  const egress = [{ hosts: ["*/*"] }];
  mesh.set(mesh.inputs.sidecars, sidecar({ at: `${at.split("/")[0]}/s` }, { egress }));
  const scoped = seenBy("sidecar");
  mesh.remove(mesh.inputs.sidecars, `${at.split("/")[0]}/s`);
  return { sidecars, scoped, gateways };
}

test("for sidecars a service of the own namespace comes first, for gateways the older", () => {
  const mesh = new TestMesh();
  mesh.set(mesh.inputs.serviceEntries, entry("b/e", 1, "x.example"), entry("a/e", 2, "x.example"));
  assert.deepEqual(owners(mesh, "a/p"), { sidecars: ["a"], scoped: ["a"], gateways: ["b"] });
  assert.deepEqual(owners(mesh, "c/p"), { sidecars: ["b"], scoped: ["b"], gateways: ["b"] });
});

test("the own namespace's entry comes before a Kubernetes Service, but for gateways", () => {
  const mesh = new TestMesh();
  const host = "x.b.svc.cluster.local";
  mesh.set(mesh.inputs.services, service({ at: "b/x" }, { clusterIP: "10.1.0.1", ports: PORTS }));
  mesh.set(mesh.inputs.serviceEntries, entry("a/e", 2, host));
  assert.deepEqual(owners(mesh, "a/p"), { sidecars: ["a"], scoped: ["a"], gateways: ["b"] });
  assert.deepEqual(owners(mesh, "c/p"), { sidecars: ["b"], scoped: ["b"], gateways: ["b"] });
});

test("entries that are not one service: all have listeners in sidecars, the first has clusters", () => {
  const mesh = new TestMesh();
  const port = (number: number, name: string): JsonObject[] => [{ number, name, protocol: "TCP" }];
  const spec = { hosts: ["x.example"], resolution: "NONE" };
  mesh.set(
    mesh.inputs.serviceEntries,
    serviceEntry({ at: "b/e", age: 1 }, { ...spec, exportTo: ["b"], ports: port(1, "one") }),
    serviceEntry({ at: "b/f", age: 2 }, { ...spec, ports: port(2, "two") }),
    serviceEntry({ at: "b/g", age: 3 }, { ...spec, ports: port(3, "three") }),
  );
  const names = (at: string, type: "sidecar" | "router"): readonly string[] => {
    mesh.connect(proxy(at, { type }));
    // A cluster and its endpoints have one name.
    const all = new Set([...mesh.everything(at, []).values()].map(each => each.name));
    return [...all].filter(name => /^outbound|^0\.0\.0\.0_\d$/.test(name)).sort();
  };
  const cluster = (number: number): string => `outbound|${number}||x.example`;
  assert.deepEqual(names("b/p", "sidecar"), ["0.0.0.0_1", "0.0.0.0_2", "0.0.0.0_3", cluster(1)]);
  assert.deepEqual(names("c/p", "sidecar"), ["0.0.0.0_2", "0.0.0.0_3", cluster(2), cluster(3)]);
  assert.deepEqual(names("b/q", "router"), [cluster(1)]);
  assert.deepEqual(names("c/q", "router"), [cluster(2), cluster(3)]);
});

function routes(mesh: TestMesh, at: string): readonly string[] {
  const cell = mesh.model.imports.meshRoutes.acquire(meshRoutesKey(scopeOf(mesh, at), 0));
  return cell.value().map(route => route.key);
}

function route(at: string, age: number, spec: JsonObject): ReturnType<typeof virtualService> {
  const http = [{ route: [{ destination: { host: "one.b.svc.cluster.local" } }] }];
  return virtualService({ at, age }, { http, ...spec });
}

test("VirtualServices of sidecars: bound to mesh, exported, imported, by age", () => {
  const mesh = meshWith(SERVICES);
  mesh.set(
    mesh.inputs.virtualServices,
    route("b/new", 9, { hosts: ["one"] }),
    route("b/old", 1, { hosts: ["other"] }),
    route("b/mine", 0, { hosts: ["x"], exportTo: ["."] }),
    route("b/gateway", 0, { hosts: ["y"], gateways: ["g"] }),
    route("a/own", 5, { hosts: ["z"], exportTo: ["."] }),
  );
  assert.deepEqual(routes(mesh, "a/p"), ["a/own", "b/old", "b/new"]);
  const egress = [{ hosts: ["b/one.b.svc.cluster.local"] }];
  mesh.set(mesh.inputs.sidecars, sidecar({ at: "a/s" }, { egress }));
  assert.deepEqual(routes(mesh, "a/p"), ["b/new"]);
});

test("a Sidecar's clusters hold what its VirtualServices send requests to", () => {
  const mesh = withEgress("./*");
  mesh.set(mesh.inputs.virtualServices, route("a/v", 1, { hosts: ["one"] }));
  assert.deepEqual(seen(mesh, "a/p"), ["a/two", "a/one", "b/one"]);
  const cell = mesh.model.imports.onPort.acquire(onPortKey(scopeOf(mesh, "a/p"), 0, 80));
  assert.deepEqual(
    cell.value().map(each => `${each.namespace}/${each.name}`),
    ["a/two", "a/one"],
  );
});

test("a destination that no listener imports: the own namespace's, else the first one's by name", () => {
  const mesh = new TestMesh();
  const http = [{ route: [{ destination: { host: "x.example" } }] }];
  const own = virtualService({ at: "d/v" }, { hosts: ["unused"], http });
  mesh.set(mesh.inputs.virtualServices, own);
  const wide = [{ hosts: ["./unused.d.svc.cluster.local"] }];
  mesh.set(mesh.inputs.sidecars, sidecar({ at: "d/s" }, { egress: wide }));
  const found = (): readonly string[] => {
    const cell = mesh.model.imports.services.acquire(scopeOf(mesh, "d/p"));
    return cell.value().map(each => each.namespace);
  };
  mesh.set(mesh.inputs.serviceEntries, entry("c/e", 1, "x.example"), entry("b/e", 2, "x.example"));
  assert.deepEqual(found(), ["b"]);
  mesh.set(mesh.inputs.serviceEntries, entry("d/e", 3, "x.example"));
  assert.deepEqual(found(), ["d"]);
});
