/** Services of type ExternalName. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RouteConfiguration } from "@lateen/envoy-api/envoy/config/route/v3/route.js";
import { TestMesh } from "../../../test/support/mesh.ts";
import {
  proxy,
  service,
  serviceEntry,
  sidecar,
  virtualService,
  weightedRoute,
} from "../../../test/support/mesh-objects.ts";
import { TypeUrl } from "../resource.ts";

const PORTS = [{ name: "http", port: 80 }];
const WEB = "web.default.svc.cluster.local";

function alias(at: string, externalName: string, annotations = {}) {
  return service({ at, annotations }, { type: "ExternalName", externalName });
}

function meshWith(...aliases: ReturnType<typeof alias>[]): TestMesh {
  const mesh = new TestMesh();
  const web = service({ at: "default/web" }, { clusterIP: "10.1.0.1", ports: PORTS });
  mesh.set(mesh.inputs.services, web, ...aliases);
  mesh.connect(proxy("default/client"), proxy("other/client"));
  return mesh;
}

/** Domains of a virtual host of port 80. */
function domains(mesh: TestMesh, host = WEB, at = "other/client"): readonly string[] {
  const body = mesh.resource(at, TypeUrl.route, "80")?.body ?? new Uint8Array();
  const found = RouteConfiguration.decode(body).virtualHosts?.find(
    each => each.name === `${host}:80`,
  );
  return found?.domains ?? [];
}

const WEB_DOMAINS = [WEB, `${WEB}.`, "web.default", "web.default.svc", "10.1.0.1"];

test("an alias' names are the service's, in the forms that its own namespace has", () => {
  const mesh = meshWith(alias("other/shop", `${WEB}.`));
  const full = ["shop.other.svc.cluster.local", "shop.other.svc.cluster.local."];
  const own = [...full, "shop", "shop.other.svc", "shop.other"];
  assert.deepEqual(domains(mesh), [...WEB_DOMAINS, ...own]);
  assert.deepEqual(domains(mesh, WEB, "default/client").slice(-4), [
    ...full,
    "shop.other",
    "shop.other.svc",
  ]);
  // It is no service itself.
  assert.deepEqual(
    mesh.names("other/client", TypeUrl.cluster).filter(name => name.includes("shop")),
    [],
  );
  mesh.remove(mesh.inputs.services, "other/shop");
  assert.deepEqual(domains(mesh), WEB_DOMAINS);
});

test("aliases of aliases count, circles do not", () => {
  const mesh = meshWith(
    alias("other/a", "b.other.svc.cluster.local"),
    alias("other/b", WEB),
    alias("other/c", "d.other.svc.cluster.local"),
    alias("other/d", "c.other.svc.cluster.local"),
  );
  const named = domains(mesh).filter(name => name.length === 1);
  assert.deepEqual(named, ["a", "b"]);
});

test("an alias of a host outside stands for its ServiceEntry, and for nothing without one", () => {
  const mesh = meshWith(alias("other/api", "api.example.com."));
  assert.deepEqual(domains(mesh, "api.example.com"), []);
  const spec = {
    hosts: ["api.example.com"],
    ports: [{ number: 80, name: "http", protocol: "HTTP" }],
    resolution: "DNS",
  };
  mesh.set(mesh.inputs.serviceEntries, serviceEntry({ at: "default/api" }, spec));
  assert.deepEqual(domains(mesh, "api.example.com").slice(0, 5), [
    "api.example.com",
    "api.example.com.",
    "api.other.svc.cluster.local",
    "api.other.svc.cluster.local.",
    "api",
  ]);
});

test("routes of the service hold for its alias, and routes may lead to an alias", () => {
  const mesh = meshWith(alias("other/shop", WEB));
  const http = [weightedRoute("shop.other.svc.cluster.local", { "": 1 })];
  mesh.set(
    mesh.inputs.virtualServices,
    virtualService({ at: "default/web" }, { hosts: [WEB], http }),
  );
  assert.deepEqual(mesh.model.virtualServices.shapes.get("default/web")?.destinations, [WEB]);
  assert.ok(domains(mesh).includes("shop.other.svc.cluster.local"));
});

test("who does not see or import the alias does not have its names", () => {
  const kept = { "networking.istio.io/exportTo": "." };
  const mesh = meshWith(alias("other/shop", WEB), alias("default/mine", WEB, kept));
  const names = domains(mesh).filter(name => name.endsWith(".cluster.local"));
  assert.deepEqual(names, [WEB, "shop.other.svc.cluster.local"]);
  const egress = [{ hosts: ["default/*"] }];
  mesh.set(mesh.inputs.sidecars, sidecar({ at: "other/default" }, { egress }));
  assert.deepEqual(domains(mesh), WEB_DOMAINS);
});

test("an alias costs the routes of its service's port", () => {
  const mesh = meshWith();
  const many = Array.from({ length: 50 }, (_, i) =>
    service({ at: `default/s${i}` }, { clusterIP: `10.1.1.${i}`, ports: PORTS }),
  );
  mesh.set(mesh.inputs.services, ...many);
  domains(mesh);
  const stats = mesh.set(mesh.inputs.services, alias("other/shop", WEB));
  assert.equal(stats.derived.get("service shapes")?.computed, 1);
  for (const family of stats.dirtied.keys())
    assert.doesNotMatch(family, /EDS|endpoint assignments/);
});

test("a chain of aliases that is longer than resolvers go leads nowhere", () => {
  const links = Array.from({ length: 40 }, (_, i) =>
    alias(`other/a${i}`, i === 0 ? WEB : `a${i - 1}.other.svc.cluster.local`),
  );
  const has = (i: number) => domains(meshWith(...links)).includes(`a${i}.other.svc.cluster.local`);
  assert.deepEqual([0, 15, 16, 39].map(has), [true, true, false, false]);
});
