import assert from "node:assert/strict";
import { test } from "node:test";
import { TestMesh } from "../../test/support/mesh.ts";
import { service, serviceEntry } from "../../test/support/mesh-objects.ts";
import type { JsonObject } from "../api/kind.ts";

const HTTP = [{ name: "http", port: 80 }];

test("a Kubernetes Service is known by its full name", () => {
  const mesh = new TestMesh();
  const ports = [{ name: "http", port: 80, targetPort: "web" }];
  const spec = { clusterIP: "10.1.0.1", selector: { app: "x" }, ports };
  mesh.set(mesh.inputs.services, service({ at: "default/x" }, spec));
  const row = mesh.model.services.get("default/x.default.svc.cluster.local");
  assert.equal(row?.resolution, "ClientSideLB");
  assert.deepEqual(row?.addresses, ["10.1.0.1"]);
  assert.deepEqual(row?.ports, [{ name: "http", number: 80, protocol: "HTTP", targetPort: "web" }]);
  assert.deepEqual(row?.exportTo, { kind: "public" });
});

test("headless Services have no address, ExternalName ones are no services", () => {
  const mesh = new TestMesh();
  mesh.set(
    mesh.inputs.services,
    service({ at: "default/h" }, { clusterIP: "None", ports: HTTP }),
    service({ at: "default/e" }, { type: "ExternalName", externalName: "example.com" }),
  );
  assert.deepEqual(mesh.model.services.keys(), ["default/h.default.svc.cluster.local"]);
  const [, row] = [...mesh.model.services.entries()][0] ?? [];
  assert.equal(row?.resolution, "Passthrough");
  assert.deepEqual(row?.addresses, []);
});

test("the exportTo annotation", () => {
  const visibility = (annotation: string): unknown => {
    const mesh = new TestMesh();
    const annotations = { "networking.istio.io/exportTo": annotation };
    mesh.set(
      mesh.inputs.services,
      service({ at: "default/x", annotations }, { clusterIP: "10.1.0.1", ports: HTTP }),
    );
    return mesh.model.services.get("default/x.default.svc.cluster.local")?.exportTo;
  };
  assert.deepEqual(visibility("."), { kind: "namespaces", namespaces: ["default"] });
  assert.deepEqual(visibility("b, a"), { kind: "namespaces", namespaces: ["a", "b"] });
  assert.deepEqual(visibility("~"), { kind: "none" });
  assert.deepEqual(visibility("a,*"), { kind: "public" });
});

const ENTRY = { ports: [{ number: 443, name: "tls", protocol: "TLS" }], resolution: "DNS" };

test("a ServiceEntry is a service for each of its hosts", () => {
  const mesh = new TestMesh();
  mesh.set(
    mesh.inputs.serviceEntries,
    serviceEntry({ at: "default/e" }, { ...ENTRY, hosts: ["a.example", "b.example"] }),
  );
  assert.deepEqual(mesh.model.services.keys(), ["default/a.example", "default/b.example"]);
  const row = mesh.model.services.get("default/a.example");
  assert.equal(row?.resolution, "DNSLB");
  assert.equal(row?.meshExternal, true);
  assert.equal(row?.name, "a.example");
});

function tcp(...numbers: readonly number[]): JsonObject {
  return { ports: numbers.map(number => ({ number, name: `tcp-${number}`, protocol: "TCP" })) };
}

test("entries of a namespace for one host add their ports and addresses, each its own", () => {
  const mesh = new TestMesh();
  const spec = { hosts: ["a.example"], resolution: "STATIC" };
  const first = { ...spec, ...tcp(1, 2), addresses: ["240.0.0.1"] };
  const second = { ...spec, ...tcp(2, 3), addresses: ["240.0.0.2"], location: "MESH_INTERNAL" };
  mesh.set(
    mesh.inputs.serviceEntries,
    serviceEntry({ at: "default/second", age: 2 }, second),
    serviceEntry({ at: "default/first", age: 1 }, first),
    serviceEntry({ at: "other/first", age: 0 }, { ...spec, ...tcp(9) }),
  );
  const row = mesh.model.services.get("default/a.example");
  assert.equal(row?.source.name, "first");
  assert.equal(row?.meshExternal, true);
  assert.deepEqual(
    row?.ports.map(port => port.number),
    [1, 2, 3],
  );
  assert.deepEqual(row?.addresses, ["240.0.0.1", "240.0.0.2"]);
  const parts = row?.parts?.map(part => [part.addresses, part.ports.map(port => port.number)]);
  assert.deepEqual(parts, [
    [["240.0.0.1"], [1, 2]],
    [["240.0.0.2"], [2, 3]],
  ]);
  const udp = { ports: [{ number: 1, name: "udp", protocol: "UDP" }] };
  mesh.set(
    mesh.inputs.serviceEntries,
    serviceEntry({ at: "default/zero", age: 0 }, { ...spec, ...udp }),
  );
  assert.deepEqual(
    mesh.model.services
      .get("default/a.example")
      ?.ports.map(({ number, protocol }) => `${number} ${protocol}`),
    ["1 UDP", "1 TCP", "2 TCP", "3 TCP"],
  );
  mesh.remove(mesh.inputs.serviceEntries, "default/zero");
  mesh.remove(mesh.inputs.serviceEntries, "default/second");
  assert.equal(mesh.model.services.get("default/a.example")?.parts, undefined);
});

test("entries that differ in more than ports and addresses are services apart", () => {
  const spec = { ...tcp(1), hosts: ["a.example"], resolution: "STATIC" };
  const changes: readonly JsonObject[] = [
    { resolution: "DNS" },
    { exportTo: ["."] },
    { workloadSelector: { labels: { app: "x" } } },
  ];
  const keys = (spec2: JsonObject, labels: Readonly<Record<string, string>> = {}) => {
    const mesh = new TestMesh();
    mesh.set(
      mesh.inputs.serviceEntries,
      serviceEntry({ at: "default/a", age: 1 }, spec),
      serviceEntry({ at: "default/b", age: 2, labels }, { ...spec, ...tcp(2), ...spec2 }),
    );
    return mesh.model.services.keys();
  };
  const apart = ["default/a.example", "default/a.example#b"];
  for (const change of changes) assert.deepEqual(keys(change), apart);
  assert.deepEqual(keys({}, { team: "x" }), apart);
  for (const same of [{}, { exportTo: ["*"] }, { addresses: ["240.0.0.1"] }])
    assert.deepEqual(keys(same), ["default/a.example"]);
});

test("of entries for one host in a namespace, the oldest describes the service", () => {
  const mesh = new TestMesh();
  const spec = { ...ENTRY, hosts: ["a.example"] };
  mesh.set(
    mesh.inputs.serviceEntries,
    serviceEntry({ at: "default/a", age: 5 }, spec),
    serviceEntry({ at: "default/z", age: 1 }, { ...spec, resolution: "NONE" }),
  );
  assert.equal(mesh.model.services.get("default/a.example")?.source.name, "z");
  mesh.remove(mesh.inputs.serviceEntries, "default/z");
  assert.equal(mesh.model.services.get("default/a.example")?.source.name, "a");
});

test("a Kubernetes Service keeps its name from a ServiceEntry", () => {
  const mesh = new TestMesh();
  const host = "x.default.svc.cluster.local";
  mesh.set(
    mesh.inputs.serviceEntries,
    serviceEntry({ at: "default/a" }, { ...ENTRY, hosts: [host] }),
  );
  assert.equal(mesh.model.services.get(`default/${host}`)?.registry, "External");
  mesh.set(
    mesh.inputs.services,
    service({ at: "default/x", age: 9 }, { clusterIP: "10.1.0.1", ports: HTTP }),
  );
  assert.equal(mesh.model.services.get(`default/${host}`)?.registry, "Kubernetes");
});

test("addresses of a ServiceEntry: /32 is an address, other prefixes stay", () => {
  const mesh = new TestMesh();
  const addresses = ["240.0.0.1/32", "240.0.1.0/24"];
  const spec = { ...ENTRY, hosts: ["a.example"], resolution: "NONE", addresses };
  mesh.set(mesh.inputs.serviceEntries, serviceEntry({ at: "default/e" }, spec));
  const row = mesh.model.services.get("default/a.example");
  assert.deepEqual(row?.addresses, ["240.0.0.1", "240.0.1.0/24"]);
});
