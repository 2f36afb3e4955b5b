/** Which virtual hosts there are, under which domains, and where VirtualServices lead. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RouteConfiguration } from "@lateen/envoy-api/envoy/config/route/v3/route.js";
import { VirtualHost } from "@lateen/envoy-api/envoy/config/route/v3/route_components.js";
import { TestMesh } from "../../../test/support/mesh.ts";
import {
  gateway,
  MESH,
  proxy,
  service,
  serviceEntry,
  virtualService,
} from "../../../test/support/mesh-objects.ts";
import type { JsonObject } from "../../api/kind.ts";
import { TypeUrl } from "../resource.ts";
import { VHDS_THRESHOLD } from "./routes.ts";

const CLIENT = "default/client";

function meshWith(services: Readonly<Record<string, JsonObject>>): TestMesh {
  const mesh = new TestMesh();
  const objects = Object.entries(services).map(([at, spec], age) => service({ at, age }, spec));
  mesh.set(mesh.inputs.services, ...objects);
  mesh.connect(proxy(CLIENT));
  return mesh;
}

function ip(last: number, ...ports: readonly (readonly [string, number])[]): JsonObject {
  return {
    clusterIP: `10.1.0.${last}`,
    ports: ports.map(([name, number]) => ({ name, port: number })),
  };
}

const HTTP = ["http", 80] as const;

function hosts(mesh: TestMesh, name = "80", at = CLIENT): readonly VirtualHost[] {
  const body = mesh.resource(at, TypeUrl.route, name)?.body;
  return body === undefined ? [] : (RouteConfiguration.decode(body).virtualHosts ?? []);
}

/** `name: domains` of the virtual hosts. */
function domains(mesh: TestMesh, name = "80", at = CLIENT): readonly string[] {
  return hosts(mesh, name, at).map(host => `${host.name}: ${(host.domains ?? []).join(" ")}`);
}

/** Where each route of a virtual host leads. */
function targets(host: VirtualHost | undefined): readonly string[] {
  return (host?.routes ?? []).map(({ name, match, route }) => {
    const weighted = route?.weightedClusters?.clusters ?? [];
    const to = weighted.map(each => `${each.name}=${each.weight}`);
    const path = match?.prefix ?? match?.path ?? "";
    return `${name} ${path} ${[route?.cluster ?? "", ...to].filter(each => each).join(",")}`;
  });
}

function find(mesh: TestMesh, name: string): VirtualHost | undefined {
  return hosts(mesh).find(host => host.name === name);
}

test("short names in the own namespace; a domain belongs to the first that asks for it", () => {
  const mesh = meshWith({ "default/a": ip(1, HTTP), "other/b": ip(2, HTTP) });
  const b = "b.other.svc.cluster.local";
  assert.deepEqual(domains(mesh), [
    "a.default.svc.cluster.local:80: a.default.svc.cluster.local a.default.svc.cluster.local. a a.default.svc a.default 10.1.0.1",
    `${b}:80: ${b} ${b}. b.other b.other.svc 10.1.0.2`,
    "allow_any: *",
  ]);
  // A ServiceEntry for `b.other` has its full name, and one with the same address does not get it.
  const spec = { hosts: ["b.other"], ports: [{ number: 80, name: "http", protocol: "HTTP" }] };
  mesh.set(
    mesh.inputs.serviceEntries,
    serviceEntry({ at: "x/e", age: 9 }, { ...spec, addresses: ["10.1.0.1"], resolution: "NONE" }),
  );
  assert.deepEqual(domains(mesh).slice(1, 3), [
    `${b}:80: ${b} ${b}. b.other.svc 10.1.0.2`,
    "b.other:80: b.other b.other.",
  ]);
});

function route(name: string, destination: JsonObject, more: JsonObject = {}): JsonObject {
  return { name, ...more, route: [{ destination }] };
}

test("a VirtualService's own hosts are on port 80 and on the ports of its services", () => {
  const mesh = meshWith({ "default/a": ip(1, ["http", 8080]), "default/z": ip(2, HTTP) });
  mesh.set(
    mesh.inputs.virtualServices,
    virtualService(
      { at: "default/v" },
      { hosts: ["shop.example", "a"], http: [route("r", { host: "a" })] },
    ),
  );
  assert.deepEqual(
    domains(mesh, "8080").map(each => each.split(" ")[0]),
    ["a.default.svc.cluster.local:8080:", "shop.example:8080:", "allow_any:"],
  );
  assert.deepEqual(targets(find(mesh, "shop.example:80")), [
    "r / outbound|80||a.default.svc.cluster.local",
  ]);
  // Not a service of this port, so it has its full name only.
  assert.equal(domains(mesh)[0], "a.default.svc.cluster.local:80: a.default.svc.cluster.local");
});

test("weights, subsets, ports; nothing after a route that takes everything", () => {
  const mesh = meshWith({ "default/a": ip(1, HTTP) });
  const weighted = (subset: string, weight: number): JsonObject => ({
    destination: { host: "a", subset },
    weight,
  });
  mesh.set(
    mesh.inputs.virtualServices,
    virtualService(
      { at: "default/v" },
      {
        hosts: ["a"],
        http: [
          route(
            "first",
            { host: "a", port: { number: 81 } },
            { match: [{ uri: { exact: "/x" } }] },
          ),
          {
            name: "split",
            route: [weighted("v1", 90), weighted("v2", 10), weighted("v3", 0)],
          },
          route("never", { host: "a" }),
        ],
      },
    ),
  );
  const host = "a.default.svc.cluster.local";
  assert.deepEqual(targets(find(mesh, `${host}:80`)), [
    `first /x outbound|81||${host}`,
    `split / outbound|80|v1|${host}=90,outbound|80|v2|${host}=10`,
  ]);
});

test("of VirtualServices for one host the oldest counts, an exact name before a wildcard", () => {
  const mesh = meshWith({ "default/a": ip(1, HTTP), "default/b": ip(2, HTTP) });
  const one = (at: string, age: number, host: string): ReturnType<typeof virtualService> =>
    virtualService({ at, age }, { hosts: [host], http: [route(at, { host: "b" })] });
  mesh.set(
    mesh.inputs.virtualServices,
    one("default/wild", 1, "*.default.svc.cluster.local"),
    one("default/new", 9, "a"),
    one("default/old", 5, "a"),
  );
  const of = (name: string): string | undefined =>
    find(mesh, `${name}.default.svc.cluster.local:80`)?.routes?.[0]?.name;
  assert.equal(of("a"), "default/old");
  assert.equal(of("b"), "default/wild");
  mesh.remove(mesh.inputs.virtualServices, "default/old");
  assert.equal(of("a"), "default/new");
});

test("a match for some sources: others get the service, unless a later route takes them", () => {
  const mesh = meshWith({ "default/a": ip(1, HTTP) });
  const match = [{ sourceLabels: { app: "canary" } }];
  const set = (...more: readonly JsonObject[]): void => {
    const http = [route("canary", { host: "a", subset: "v2" }, { match }), ...more];
    mesh.set(
      mesh.inputs.virtualServices,
      virtualService({ at: "default/v" }, { hosts: ["a"], http }),
    );
  };
  mesh.connect(proxy("default/canary", { labels: { app: "canary" } }));
  const names = (at: string): readonly (string | undefined)[] =>
    (hosts(mesh, "80", at)[0]?.routes ?? []).map(each => each.name);
  set();
  assert.deepEqual(names("default/canary"), ["canary"]);
  assert.deepEqual(names(CLIENT), ["default"]);
  set(route("all", { host: "a" }));
  assert.deepEqual(names("default/canary"), ["canary", "all"].slice(0, 1));
  assert.deepEqual(names(CLIENT), ["all"]);
});

test("a sniffed port of a service has routes of its own, for every domain", () => {
  const mesh = meshWith({ "default/a": ip(1, ["", 5000]) });
  const host = "a.default.svc.cluster.local";
  assert.deepEqual(domains(mesh, `${host}:5000`), [`${host}:5000: *`]);
  assert.deepEqual(domains(mesh, "nobody:5000"), []);
  mesh.set(
    mesh.inputs.virtualServices,
    virtualService({ at: "default/v" }, { hosts: ["a"], http: [route("r", { host: "a" })] }),
  );
  assert.deepEqual(targets(hosts(mesh, `${host}:5000`)[0]), [`r / outbound|5000||${host}`]);
});

test("headless services answer for their pods by name", () => {
  const mesh = meshWith({
    "default/h": { clusterIP: "None", ports: [{ name: "http", port: 80 }] },
  });
  const [first = ""] = domains(mesh);
  assert.match(first, / \*\.h\.default\.svc\.cluster\.local /);
});

test("unknown hosts are refused where the registry is all there is", () => {
  const mesh = new TestMesh({ ...MESH, outboundTrafficPolicy: "REGISTRY_ONLY" });
  mesh.set(mesh.inputs.services, service({ at: "default/a" }, ip(1, HTTP)));
  mesh.connect(proxy(CLIENT));
  assert.equal(domains(mesh).at(-1), "block_all: *");
});

const SELECTOR = { istio: "ingressgateway" };
const ROUTER = "istio-system/gw";

function gatewayMesh(...servers: readonly JsonObject[]): TestMesh {
  const mesh = meshWith({
    "default/a": ip(1, ["http", 8080]),
    "default/m": ip(2, HTTP, ["b", 81]),
  });
  mesh.connect(proxy(ROUTER, { type: "router", labels: SELECTOR }));
  mesh.set(
    mesh.inputs.gateways,
    gateway({ at: "istio-system/g" }, { selector: SELECTOR, servers: [...servers] }),
  );
  return mesh;
}

function server(hostnames: readonly string[], more: JsonObject = {}): JsonObject {
  return { port: { number: 80, name: "http", protocol: "HTTP" }, hosts: [...hostnames], ...more };
}

function bound(
  at: string,
  hostnames: readonly string[],
  http: readonly JsonObject[],
  age = 0,
): ReturnType<typeof virtualService> {
  return virtualService(
    { at, age },
    { hosts: [...hostnames], gateways: ["istio-system/g"], http: [...http] },
  );
}

test("a gateway without routes answers 404", () => {
  const mesh = gatewayMesh(server(["*"]));
  assert.deepEqual(domains(mesh, "http.80", ROUTER), ["blackhole:80: *"]);
  assert.deepEqual(mesh.names(ROUTER, TypeUrl.listener), ["0.0.0.0_80"]);
});

test("a gateway has the hosts that its servers and the VirtualServices share", () => {
  const mesh = gatewayMesh(server(["*.example", "default/one.other"]));
  const http = [route("r", { host: "a" })];
  mesh.set(
    mesh.inputs.virtualServices,
    bound("default/v", ["a.example", "b.example", "*.other"], http),
    bound("x/v", ["one.other", "c.elsewhere"], http),
  );
  // Hosts with the same routes are one virtual host.
  assert.deepEqual(domains(mesh, "http.80", ROUTER), [
    "a.example:80: a.example b.example one.other",
  ]);
  assert.deepEqual(targets(hosts(mesh, "http.80", ROUTER)[0]), [
    // The service has one port only, so it is that one.
    "r / outbound|8080||a.default.svc.cluster.local",
  ]);
  assert.deepEqual(domains(mesh), domains(meshWith({ "default/m": ip(2, HTTP, ["b", 81]) })));
});

test("VirtualServices of one host are merged at a gateway, catch-alls last", () => {
  const mesh = gatewayMesh(server(["*"]));
  const match = [{ uri: { prefix: "/x" } }];
  mesh.set(
    mesh.inputs.virtualServices,
    bound("default/all", ["shop.example"], [route("all", { host: "m" })], 1),
    bound("default/x", ["shop.example"], [route("x", { host: "m" }, { match })], 2),
  );
  const [host] = hosts(mesh, "http.80", ROUTER);
  const m = "outbound|80||m.default.svc.cluster.local";
  assert.deepEqual(targets(host), [`x /x ${m}`, `all / ${m}`]);
});

test("httpsRedirect holds for hosts without routes, too", () => {
  const mesh = gatewayMesh(server(["shop.example"], { tls: { httpsRedirect: true } }));
  const [host] = hosts(mesh, "http.80", ROUTER);
  assert.deepEqual([host?.name, host?.requireTls], ["shop.example:80", 2]);
});

test("many virtual hosts go one by one to who can take them so", () => {
  const mesh = new TestMesh();
  const names = Array.from({ length: VHDS_THRESHOLD }, (_, i) => `s${i}`);
  mesh.set(
    mesh.inputs.services,
    ...names.map((name, i) => service({ at: `default/${name}` }, ip(i, HTTP))),
  );
  mesh.connect(proxy(CLIENT), proxy("default/delta", { vhds: "large" }));
  assert.equal(hosts(mesh).length, VHDS_THRESHOLD + 1);
  assert.deepEqual(domains(mesh, "80", "default/delta"), ["allow_any: *"]);
  const single = mesh.names("default/delta", TypeUrl.virtualHost);
  assert.equal(single.length, VHDS_THRESHOLD);
  assert.deepEqual(mesh.names(CLIENT, TypeUrl.virtualHost), []);
  const inline = hosts(mesh).filter(host => host.name !== "allow_any");
  const apart = single.map(name => {
    const body = mesh.resource("default/delta", TypeUrl.virtualHost, name)?.body;
    return body && VirtualHost.decode(body);
  });
  assert.deepEqual(apart, inline);
});

/** Virtual hosts that come by themselves, by the names of their resources. */
function apart(mesh: TestMesh, at: string): Record<string, VirtualHost> {
  return Object.fromEntries(
    mesh.names(at, TypeUrl.virtualHost).map(name => {
      const resource = mesh.resource(at, TypeUrl.virtualHost, name);
      assert.equal(resource?.name, name);
      return [name, VirtualHost.decode(resource?.body ?? new Uint8Array())];
    }),
  );
}

test("few virtual hosts go one by one to who rejected them together", () => {
  const mesh = meshWith({ "default/a": ip(1, HTTP), "default/b": ip(2, HTTP, ["http-b", 81]) });
  mesh.connect(proxy("default/apart", { vhds: "all" }), proxy("default/large", { vhds: "large" }));
  assert.deepEqual(apart(mesh, "default/large"), {});
  const inline = hosts(mesh, "80", "default/large");
  assert.deepEqual(
    Object.entries(apart(mesh, "default/apart")).map(([name, host]) => [name, host.name]),
    [
      ["80/a.default.svc.cluster.local:80", inline[0]?.name],
      ["80/b.default.svc.cluster.local:80", inline[1]?.name],
      ["81/b.default.svc.cluster.local:81", "b.default.svc.cluster.local:81"],
    ],
  );
  assert.deepEqual(domains(mesh, "80", "default/apart"), ["allow_any: *"]);
});

test("a gateway's virtual hosts go one by one to who rejected them together", () => {
  const tls = { mode: "SIMPLE", credentialName: "c" };
  const https = { port: { number: 443, name: "https", protocol: "HTTPS" }, tls };
  const mesh = gatewayMesh(server(["*"]), { ...https, hosts: ["*.example"] });
  const http = [route("r", { host: "a" })];
  mesh.set(mesh.inputs.virtualServices, bound("default/v", ["*"], http));
  const other = "istio-system/apart";
  mesh.connect(proxy(other, { type: "router", labels: SELECTOR, vhds: "all" }));
  const secure = "https.443.https.g.istio-system";
  const inline = [...hosts(mesh, "http.80", ROUTER), ...hosts(mesh, secure, ROUTER)];
  assert.deepEqual(apart(mesh, ROUTER), {});
  const single = apart(mesh, other);
  const names = [`http.80/${inline[0]?.name}`, `${secure}/${inline[1]?.name}`];
  assert.deepEqual(Object.keys(single), names);
  assert.deepEqual(Object.values(single), inline);
  for (const name of ["http.80", secure]) {
    assert.deepEqual(domains(mesh, name, other), [], "what takes every domain is no frame's");
    const body = mesh.resource(other, TypeUrl.route, name)?.body ?? new Uint8Array();
    assert.ok(RouteConfiguration.decode(body).vhds !== undefined);
  }
  mesh.remove(mesh.inputs.virtualServices, "default/v");
  assert.deepEqual(domains(mesh, "http.80", other), ["blackhole:80: *"]);
});
