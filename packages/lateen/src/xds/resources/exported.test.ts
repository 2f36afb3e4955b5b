import assert from "node:assert/strict";
import { test } from "node:test";
import { TestMesh } from "../../../test/support/mesh.ts";
import {
  pod,
  proxy,
  service,
  serviceExport,
  serviceImport,
  slice,
} from "../../../test/support/mesh-objects.ts";
import { resourceJson } from "../../../test/support/standalone.ts";
import { TypeUrl } from "../resource.ts";

const CLUSTER = "outbound|80||web.a.svc.clusterset.local";
const OWN = "outbound|80||web.a.svc.cluster.local";

function openMesh(): TestMesh {
  const mesh = new TestMesh();
  const { inputs } = mesh;
  const ports = [{ name: "http", port: 80 }];
  mesh.set(
    inputs.services,
    service({ at: "a/web" }, { clusterIP: "10.1.0.1", ports, selector: { app: "web" } }),
  );
  mesh.set(inputs.pods, pod({ at: "a/web-1", labels: { app: "web" } }, { ip: "10.0.0.1" }));
  mesh.set(
    inputs.endpointSlices,
    slice("a/web-1", {
      service: "web",
      ports: { http: 8080 },
      pods: [{ name: "web-1", ip: "10.0.0.1" }],
    }),
  );
  mesh.connect(proxy("a/web-1", { labels: { app: "web" }, ip: "10.0.0.1" }), proxy("b/client"));
  return mesh;
}

function text(mesh: TestMesh, type: Parameters<TestMesh["resource"]>[1], name: string): string {
  const found = mesh.resource("b/client", type, name);
  return JSON.stringify(found && resourceJson(found));
}

test("an exported and imported Service has a host of its own, with the endpoints of the Service", () => {
  const mesh = openMesh();
  const { inputs } = mesh;
  const hasHost = (): boolean => mesh.names("b/client", TypeUrl.cluster).includes(CLUSTER);
  mesh.set(inputs.serviceImports, serviceImport({ at: "a/web" }, { ips: ["10.9.0.1"] }));
  assert.equal(hasHost(), false, "not exported");
  const inbound = mesh.classOf("a/web-1").inbound;
  mesh.set(inputs.serviceExports, serviceExport({ at: "a/web" }));
  assert.equal(hasHost(), true);
  assert.equal(mesh.classOf("a/web-1").inbound, inbound, "its pods listen to what they did");
  const endpoints = (name: string): string =>
    text(mesh, TypeUrl.endpoint, name).replaceAll(name, "");
  assert.match(endpoints(CLUSTER), /10\.0\.0\.1/);
  assert.equal(endpoints(CLUSTER), endpoints(OWN));
  const routes = text(mesh, TypeUrl.route, "80");
  for (const domain of ["web.a.svc.clusterset.local", "10.9.0.1"])
    assert.ok(routes.includes(`"${domain}"`), domain);
  mesh.set(inputs.serviceImports, serviceImport({ at: "a/web" }, { type: "Headless" }));
  assert.equal(hasHost(), false, "without an address");
});
