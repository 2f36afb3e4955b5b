/** What a named protocol changes in the connection managers and filters of its port. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import { HttpConnectionManager } from "@lateen/envoy-api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.js";
import { TestMesh } from "../../../test/support/mesh.ts";
import { gateway, pod, proxy, service } from "../../../test/support/mesh-objects.ts";
import { TypeUrl } from "../resource.ts";

const GRPC_WEB = "envoy.filters.http.grpc_web";
const MANAGER = "envoy.filters.network.http_connection_manager";

/** Services `web` and, younger, `later` of one port each, by the names of their ports. */
function meshOf(web: string, later: string): TestMesh {
  const mesh = new TestMesh();
  const labels = { app: "web" };
  const spec = (name: string, clusterIP: string) => ({
    clusterIP,
    selector: name === web ? labels : { app: "later" },
    ports: [{ name, port: 80, targetPort: 8080 }],
  });
  mesh.set(
    mesh.inputs.services,
    service({ at: "default/web" }, spec(web, "10.1.0.1")),
    service({ at: "default/later", age: 1 }, spec(later, "10.1.0.2")),
  );
  mesh.set(mesh.inputs.pods, pod({ at: "default/p", labels }, { ip: "10.0.0.1" }));
  mesh.connect(
    proxy("default/p", { labels, ip: "10.0.0.1" }),
    proxy("default/edge", { type: "router", labels: { app: "edge" }, ip: "10.0.0.2" }),
  );
  return mesh;
}

/** Filters of the chains for a port, and what their connection managers say. */
function chainsOf(mesh: TestMesh, at: string, listener: string, port?: number) {
  const body = mesh.resource(at, TypeUrl.listener, listener)?.body;
  assert.ok(body, listener);
  const { filterChains = [] } = Listener.decode(body);
  return filterChains
    .filter(({ filterChainMatch }) => filterChainMatch?.destinationPort === port)
    .map(({ filters = [] }) => {
      const manager = filters.find(({ name }) => name === MANAGER);
      const decoded =
        manager && HttpConnectionManager.decode(manager.typedConfig?.value ?? NOTHING);
      const [host] = decoded?.routeConfig?.virtualHosts ?? [];
      return {
        filters: filters.map(({ name = "" }) => name.split(".").at(-1)),
        http: (decoded?.httpFilters ?? []).map(({ name }) => name),
        http2: decoded?.http2ProtocolOptions,
        retries: host?.routes?.[0]?.route?.retryPolicy?.retryOn,
      };
    });
}

const NOTHING = new Uint8Array();

for (const [name, expected] of [
  ["http", { http2: false, retries: "reset-before-request", web: false }],
  ["http2", { http2: true, retries: "reset-before-request", web: false }],
  ["grpc", { http2: true, retries: undefined, web: false }],
  ["grpc-web", { http2: true, retries: undefined, web: true }],
] as const)
  test(`an application's ${name} port`, () => {
    const chains = chainsOf(meshOf(name, "tcp"), "default/p", "virtualInbound", 8080);
    assert.equal(chains.length, 2);
    for (const { http2, retries, http } of chains) {
      assert.equal(http2 !== undefined, expected.http2);
      assert.equal(retries, expected.retries);
      assert.equal(http.includes(GRPC_WEB), expected.web);
    }
  });

test("an application's mongo port", () => {
  const chains = chainsOf(meshOf("mongo", "http"), "default/p", "virtualInbound", 8080);
  assert.equal(chains.length, 3);
  for (const { filters } of chains)
    assert.deepEqual(filters.slice(-2), ["mongo_proxy", "tcp_proxy"]);
});

test("browsers' gRPC to services: the first one of a port says whether it is there", () => {
  const has = (mesh: TestMesh): boolean =>
    chainsOf(mesh, "default/p", "0.0.0.0_80").some(({ http }) => http[0] === GRPC_WEB);
  assert.equal(has(meshOf("grpc-web", "http")), true);
  assert.equal(has(meshOf("http", "grpc-web")), false);
});

test("browsers' gRPC at a gateway", () => {
  for (const protocol of ["GRPC-WEB", "GRPC", "HTTP"]) {
    const mesh = meshOf("http", "tcp");
    const server = { port: { number: 80, name: "p", protocol }, hosts: ["*"] };
    mesh.set(
      mesh.inputs.gateways,
      gateway({ at: "default/g" }, { selector: { app: "edge" }, servers: [server] }),
    );
    const chains = chainsOf(mesh, "default/edge", "0.0.0.0_80");
    assert.equal(chains.length, 1);
    assert.equal(chains[0]?.http.includes(GRPC_WEB), protocol === "GRPC-WEB");
  }
});
