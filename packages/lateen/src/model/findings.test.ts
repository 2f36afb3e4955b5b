import assert from "node:assert/strict";
import { test } from "node:test";
import { TestMesh } from "../../test/support/mesh.ts";
import {
  destinationRule,
  gateway,
  pod,
  service,
  serviceEntry,
  sidecar,
  virtualService,
} from "../../test/support/mesh-objects.ts";
import type { JsonObject } from "../api/kind.ts";
import { Redacted } from "../base/redacted.ts";

function mesh(): TestMesh {
  const made = new TestMesh();
  const ports = [{ name: "http", port: 80 }];
  made.set(made.inputs.services, service({ at: "shop/x" }, { clusterIP: "10.1.0.1", ports }));
  return made;
}

/** `path reason: message` of what was found of an object. */
function found(made: TestMesh, key: string): readonly string[] {
  const rows = made.model.findings.get(key) ?? [];
  return rows.map(({ path, reason, message }) => `${path} ${reason}: ${message}`);
}

const ALL: JsonObject = { egress: [{ hosts: ["*/*"] }] };

function route(destination: JsonObject): JsonObject {
  return { route: [{ destination }] };
}

test("a VirtualService whose references are all there has no findings", () => {
  const made = mesh();
  made.set(
    made.inputs.virtualServices,
    virtualService({ at: "shop/v" }, { hosts: ["x"], http: [route({ host: "x" })] }),
  );
  assert.deepEqual(made.model.findings.keys(), []);
});

test("missing gateway, host, port and subset, each by its path", () => {
  const made = mesh();
  made.set(
    made.inputs.virtualServices,
    virtualService(
      { at: "shop/v" },
      {
        hosts: ["x"],
        gateways: ["mesh", "g"],
        http: [
          route({ host: "nobody" }),
          route({ host: "x", port: { number: 81 } }),
          route({ host: "x", subset: "v1" }),
        ],
      },
    ),
  );
  const reason = "ReferencedResourceNotFound";
  assert.deepEqual(found(made, "VirtualService.networking.istio.io/shop/v"), [
    `spec.gateways[1] ${reason}: found no Gateway shop/g`,
    `spec.http[0].route[0].destination.host ${reason}: found no service for host nobody.shop.svc.cluster.local`,
    `spec.http[1].route[0].destination.port.number ${reason}: x.shop.svc.cluster.local has no port 81, only 80`,
    `spec.http[2].route[0].destination.subset ${reason}: no DestinationRule for x.shop.svc.cluster.local has a subset v1`,
  ]);
  made.set(
    made.inputs.destinationRules,
    destinationRule({ at: "shop/x" }, { host: "x", subsets: [{ name: "v1", labels: {} }] }),
  );
  assert.equal(found(made, "VirtualService.networking.istio.io/shop/v").length, 3);
});

test("a host that an older VirtualService has", () => {
  const made = mesh();
  const spec = { hosts: ["x"], http: [route({ host: "x" })] };
  made.set(
    made.inputs.virtualServices,
    virtualService({ at: "shop/new", age: 2 }, spec),
    virtualService({ at: "shop/old", age: 1 }, spec),
  );
  assert.deepEqual(found(made, "VirtualService.networking.istio.io/shop/new"), [
    "spec.hosts[0] ConflictingMeshGatewayVirtualServiceHosts: shop/old is older and has the routes of x.shop.svc.cluster.local",
  ]);
  assert.deepEqual(found(made, "VirtualService.networking.istio.io/shop/old"), []);
});

test("a host that no server of the gateway takes", () => {
  const made = mesh();
  const server = { port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*.example"] };
  made.set(made.inputs.gateways, gateway({ at: "shop/g" }, { selector: {}, servers: [server] }));
  const http = [route({ host: "x" })];
  const spec = { hosts: ["a.example", "a.other"], gateways: ["g"], http };
  made.set(made.inputs.virtualServices, virtualService({ at: "shop/v" }, spec));
  assert.deepEqual(found(made, "VirtualService.networking.istio.io/shop/v"), [
    "spec.hosts[1] VirtualServiceHostNotFoundInGateway: no server of its gateways takes a.other",
  ]);
  const both = (hosts: readonly string[]) =>
    virtualService({ at: "shop/v" }, { hosts, gateways: ["g", "mesh"], http });
  made.set(made.inputs.virtualServices, both(["a.example", "x"]));
  assert.deepEqual(found(made, "VirtualService.networking.istio.io/shop/v"), []);
  made.set(made.inputs.virtualServices, both(["x"]));
  assert.deepEqual(found(made, "VirtualService.networking.istio.io/shop/v"), [
    "spec.hosts[0] VirtualServiceHostNotFoundInGateway: no server of its gateways takes x.shop.svc.cluster.local",
  ]);
});

test("a DestinationRule for a host that nobody has", () => {
  const made = mesh();
  made.set(
    made.inputs.destinationRules,
    destinationRule({ at: "shop/a" }, { host: "y" }),
    destinationRule({ at: "shop/b" }, { host: "x" }),
    destinationRule({ at: "shop/c" }, { host: "*.shop.svc.cluster.local" }),
    destinationRule({ at: "shop/d" }, { host: "*.example" }),
  );
  assert.deepEqual(made.model.findings.keys(), ["DestinationRule.networking.istio.io/shop/a"]);
});

test("a DestinationRule of which an older one has the policy and a subset", () => {
  const made = mesh();
  const subset = (name: string): JsonObject => ({ name, labels: {} });
  const rule = { host: "x", trafficPolicy: { tls: { mode: "DISABLE" } } };
  made.set(
    made.inputs.destinationRules,
    destinationRule({ at: "shop/new", age: 2 }, { ...rule, subsets: [subset("v1"), subset("v2")] }),
    destinationRule({ at: "shop/old", age: 1 }, { ...rule, subsets: [subset("v1")] }),
    destinationRule({ at: "shop/own", age: 3 }, { host: "x", exportTo: ["."], subsets: [] }),
  );
  assert.deepEqual(made.model.findings.keys(), ["DestinationRule.networking.istio.io/shop/new"]);
  const host = "x.shop.svc.cluster.local";
  assert.deepEqual(found(made, "DestinationRule.networking.istio.io/shop/new"), [
    `spec.trafficPolicy ConflictingDestinationRules: has no effect: DestinationRule old, which is older, has one for ${host}`,
    "spec.subsets[0].name ConflictingDestinationRules: has no effect: DestinationRule old, which is older, defines v1 too",
  ]);
});

test("a Gateway's server that an older Gateway shuts out", () => {
  const made = mesh();
  const labels = { app: "gw" };
  const spec = (protocol: string): JsonObject => ({
    selector: labels,
    servers: [{ port: { number: 80, name: "p", protocol }, hosts: ["*"] }],
  });
  made.set(made.inputs.pods, pod({ at: "shop/p", labels }, { ip: "10.0.0.1" }));
  made.set(
    made.inputs.gateways,
    gateway({ at: "shop/new", age: 2 }, spec("TCP")),
    gateway({ at: "shop/old", age: 1 }, spec("HTTP")),
  );
  assert.deepEqual(made.model.findings.keys(), ["Gateway.networking.istio.io/shop/new"]);
  assert.deepEqual(found(made, "Gateway.networking.istio.io/shop/new"), [
    "spec.servers[0] ConflictingGateways: has no effect: port 80 is taken by shop/old for HTTP",
  ]);
});

test("selectors that select nothing, until they do", () => {
  const made = mesh();
  const labels = { app: "gw" };
  const server = { port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] };
  made.set(
    made.inputs.gateways,
    gateway({ at: "shop/g" }, { selector: labels, servers: [server] }),
  );
  made.set(
    made.inputs.sidecars,
    sidecar({ at: "shop/s" }, { ...ALL, workloadSelector: { labels } }),
  );
  const ports = [{ number: 80, name: "http", protocol: "HTTP" }];
  const spec = { hosts: ["e.example"], ports, resolution: "STATIC", workloadSelector: { labels } };
  made.set(made.inputs.serviceEntries, serviceEntry({ at: "shop/e" }, spec));
  const message = "NoMatchingWorkloadsFound: found no pod with app=gw";
  assert.deepEqual(found(made, "Gateway.networking.istio.io/shop/g"), [`spec.selector ${message}`]);
  assert.equal(found(made, "Sidecar.networking.istio.io/shop/s").length, 1);
  assert.equal(found(made, "ServiceEntry.networking.istio.io/shop/e").length, 1);
  made.set(made.inputs.pods, pod({ at: "shop/p", labels }, { ip: "10.0.0.1" }));
  assert.deepEqual(made.model.findings.keys(), []);
});

test("a second Sidecar for a whole namespace, and a host that a Service has", () => {
  const made = mesh();
  made.set(
    made.inputs.sidecars,
    sidecar({ at: "shop/a", age: 2 }, ALL),
    sidecar({ at: "shop/b", age: 1 }, ALL),
  );
  const ports = [{ number: 80, name: "http", protocol: "HTTP" }];
  const host = "x.shop.svc.cluster.local";
  const spec = { hosts: [host], ports, resolution: "NONE" };
  made.set(made.inputs.serviceEntries, serviceEntry({ at: "shop/e" }, spec));
  assert.deepEqual(found(made, "Sidecar.networking.istio.io/shop/a"), [
    " MultipleSidecarsWithoutWorkloadSelectors: Sidecar shop/b is older and holds for the namespace",
  ]);
  assert.deepEqual(found(made, "ServiceEntry.networking.istio.io/shop/e"), [
    `spec.hosts[0] HostTaken: ${host} is described by Service shop/x`,
  ]);
});

test("entries for one host: what can not be added, ports that are taken, what other namespaces get", () => {
  const made = mesh();
  const ports = (...all: readonly [number, string][]): JsonObject => ({
    ports: all.map(([number, name]) => ({ number, name, protocol: "TCP" })),
  });
  const spec = { hosts: ["e.example"], resolution: "DNS" };
  made.set(
    made.inputs.serviceEntries,
    serviceEntry({ at: "shop/a", age: 1 }, { ...spec, ...ports([1, "one"], [2, "two"]) }),
    serviceEntry({ at: "shop/b", age: 2 }, { ...spec, ...ports([2, "two"], [1, "uno"], [3, "x"]) }),
    serviceEntry({ at: "shop/c", age: 3 }, { ...spec, ...ports([4, "x"]), resolution: "NONE" }),
    serviceEntry({ at: "other/d", age: 4 }, { ...spec, ...ports([5, "x"]) }),
    serviceEntry({ at: "alone/e", age: 5 }, { ...spec, ...ports([5, "x"]), exportTo: ["."] }),
  );
  const of = (at: string): readonly string[] =>
    found(made, `ServiceEntry.networking.istio.io/${at}`);
  assert.deepEqual(of("shop/a"), []);
  assert.deepEqual(of("shop/b"), [
    "spec.ports[1] PortTaken: port 1 of e.example is described by ServiceEntry shop/a, which is older",
  ]);
  assert.deepEqual(of("shop/c"), [
    "spec.hosts[0] HostTaken: e.example is described by ServiceEntry shop/a, which is older, and another spec.resolution can not be added to it",
  ]);
  assert.deepEqual(of("other/d"), [
    "spec.hosts[0] HostTaken: for clients of other namespaces e.example is described by a ServiceEntry of namespace shop, which comes first",
  ]);
  assert.deepEqual(of("alone/e"), []);
});

test("a Gateway's port that its Service does not have", () => {
  const made = mesh();
  const labels = { app: "gw" };
  const server = (number: number): JsonObject => ({
    port: { number, name: `p${number}`, protocol: "HTTP" },
    hosts: ["*"],
  });
  made.set(
    made.inputs.pods,
    pod({ at: "edge/p", labels }, { ip: "10.0.0.1", ports: { web: 8081 } }),
  );
  const servers = [80, 8080, 8081, 82, 53, 9999].map(server);
  made.set(made.inputs.gateways, gateway({ at: "shop/g" }, { selector: labels, servers }));
  const key = "Gateway.networking.istio.io/shop/g";
  assert.deepEqual(found(made, key), []);
  const ports = [
    { name: "http", port: 80, targetPort: 8080 },
    { name: "web", port: 81, targetPort: "web" },
    { name: "dns", port: 53, protocol: "UDP" },
  ];
  const spec = { clusterIP: "10.1.0.9", selector: labels, ports };
  made.set(made.inputs.services, service({ at: "edge/gw" }, spec));
  const missing = (at: number, number: number): string =>
    `spec.servers[${at}].port.number GatewayPortNotDefinedOnService: found ${number}, want a port of Service edge/gw, which has 80, 81`;
  assert.deepEqual(found(made, key), [missing(3, 82), missing(4, 53), missing(5, 9999)]);
  made.set(made.inputs.gateways, gateway({ at: "shop/g" }, { selector: {}, servers }));
  assert.deepEqual(found(made, key), []);
});

test("a credential that is not where the gateway's pods are", () => {
  const made = mesh();
  const labels = { istio: "gateway" };
  const tls = { mode: "SIMPLE", credentialName: "shop" };
  const port = { number: 443, name: "https", protocol: "HTTPS" };
  const server = { port, hosts: ["a.example"], tls };
  made.set(made.inputs.pods, pod({ at: "edge/gw", labels }, { ip: "10.0.0.1" }));
  made.set(
    made.inputs.gateways,
    gateway({ at: "shop/g" }, { selector: labels, servers: [server] }),
  );
  const set = (key: string): void => {
    const row = {
      certificateChain: "c",
      privateKey: new Redacted("k"),
      roots: "",
      revocations: "",
    };
    made.graph.commit({ source: "test" }, writer => writer.set(made.inputs.credentials, key, row));
  };
  const message =
    'ReferencedResourceNotFound: found "shop", want a Secret with a certificate in the namespace of the gateway\'s pods: edge';
  const missing = [`spec.servers[0].tls.credentialName ${message}`];
  set("shop/shop");
  assert.deepEqual(found(made, "Gateway.networking.istio.io/shop/g"), missing);
  set("edge/shop");
  assert.deepEqual(found(made, "Gateway.networking.istio.io/shop/g"), []);
  const ofTheCa = { ...server, tls: { ...tls, credentialName: "cacerts" } };
  made.set(
    made.inputs.gateways,
    gateway({ at: "shop/g" }, { selector: labels, servers: [ofTheCa] }),
  );
  const [refused = ""] = found(made, "Gateway.networking.istio.io/shop/g");
  assert.match(refused, /found "cacerts", which holds the key of the mesh's CA/);
});
