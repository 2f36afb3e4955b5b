import assert from "node:assert/strict";
import { test } from "node:test";
import { gateway } from "../../test/support/mesh-objects.ts";
import type { JsonObject } from "../api/kind.ts";
import { hostsForNamespace, type MergedGateway, mergeGateways, sniNames } from "./gateways.ts";

const NAMES = {
  http: (port: number): string => `http.${port}`,
  https: (...parts: readonly (string | number)[]): string => `https.${parts.join(".")}`,
};

/** Gateways by `namespace/name` in the order of their age. */
function merge(gateways: Readonly<Record<string, readonly JsonObject[]>>): MergedGateway {
  const objects = Object.entries(gateways).map(([at, servers], age) =>
    gateway({ at, age }, { selector: {}, servers: [...servers] }),
  );
  return mergeGateways(objects.reverse(), { 80: 8080, 443: 8443 }, NAMES);
}

function http(hosts: readonly string[], number = 80): JsonObject {
  return { port: { number, name: "http", protocol: "HTTP" }, hosts: [...hosts] };
}

function https(name: string, hosts: readonly string[]): JsonObject {
  const tls = { mode: "SIMPLE", credentialName: "c" };
  return { port: { number: 443, name, protocol: "HTTPS" }, hosts: [...hosts], tls };
}

function shown({ ports }: MergedGateway): readonly string[] {
  return ports.map(({ number, kind, servers }) => {
    const of = servers.map(server => `${server.gateway} ${server.routeName}`);
    return `${number} ${kind}: ${of.join(", ")}`;
  });
}

test("HTTP servers of a port share it, at the target port of the gateway's Service", () => {
  const merged = merge({ "a/one": [http(["x.example"])], "b/two": [http(["*"])] });
  assert.deepEqual(shown(merged), ["8080 http: a/one http.8080, b/two http.8080"]);
  assert.deepEqual(merged.rejected, []);
});

test("every version of HTTP shares a port, whichever came first", () => {
  const speaks = (protocol: string): JsonObject => ({
    port: { number: 80, name: protocol.toLowerCase(), protocol },
    hosts: [`${protocol.toLowerCase().replaceAll("_", "-")}.example`],
  });
  const protocols = ["GRPC", "HTTP", "HTTP2", "GRPC-WEB", "HTTP_PROXY"];
  for (const first of protocols) {
    const rest = protocols.filter(each => each !== first);
    const merged = merge({ "a/one": [speaks(first)], "b/two": rest.map(speaks) });
    assert.deepEqual(shown(merged), [
      `8080 http: a/one http.8080${", b/two http.8080".repeat(rest.length)}`,
    ]);
    assert.deepEqual(merged.rejected, []);
  }
});

test("a host that is redirected to HTTPS is the first Gateway's", () => {
  const redirect = (hosts: readonly string[]): JsonObject => ({
    port: { number: 80, name: "redirect", protocol: "HTTP" },
    hosts: [...hosts],
    tls: { httpsRedirect: true },
  });
  const merged = merge({
    "a/one": [redirect(["x.example"])],
    "b/two": [redirect(["x.example", "y.example"]), http(["x.example"])],
  });
  assert.deepEqual(shown(merged), ["8080 http: a/one http.8080, b/two http.8080"]);
  assert.deepEqual(merged.rejected, [
    { gateway: "b/two", index: 0, reason: "host x.example is taken on port 8080 by Gateway a/one" },
  ]);
});

test("TLS servers are told apart by host; a host twice is rejected", () => {
  const merged = merge({
    "a/one": [https("s1", ["x.example"]), https("s2", ["y.example"])],
    "b/two": [https("s1", ["x.example"])],
  });
  assert.deepEqual(shown(merged), ["8443 tls: a/one https.443.s1.one.a, a/one https.443.s2.one.a"]);
  assert.deepEqual(merged.rejected, [
    { gateway: "b/two", index: 0, reason: "host x.example is taken on port 8443 by Gateway a/one" },
  ]);
});

test("no declared Gateway passes for one that was made of an Ingress", () => {
  const spec = (hosts: readonly string[]): JsonObject => ({
    selector: {},
    servers: [https("s", hosts)],
  });
  const annotations = { "lateen.dev/ingress": "victim/web" };
  const first = gateway({ at: "a/one", age: 0, annotations }, spec(["x.example"]));
  const second = gateway({ at: "b/two", age: 1, annotations }, spec(["x.example", "y.example"]));
  const merged = mergeGateways([first, second], {}, NAMES);
  assert.deepEqual(shown(merged), ["443 tls: a/one https.443.s.one.a"]);
  assert.deepEqual(merged.rejected, [
    { gateway: "b/two", index: 0, reason: "host x.example is taken on port 443 by Gateway a/one" },
  ]);
});

test("Envoy tells TLS servers apart by name alone, whichever namespaces may use the hosts", () => {
  const merged = merge({
    "a/one": [https("s1", ["x.example"]), https("s2", ["a/*"])],
    "b/two": [https("s1", ["./x.example"]), https("s2", ["./*"]), https("s3", ["./y.example"])],
  });
  assert.deepEqual(
    merged.rejected.map(({ gateway: name, index, reason }) => `${name} ${index}: ${reason}`),
    [
      "b/two 0: host x.example is taken on port 8443 by Gateway a/one",
      "b/two 1: host * is taken on port 8443 by Gateway a/one",
    ],
  );
  assert.deepEqual(sniNames(["a/x.example", "x.example", "y.example"]), ["x.example", "y.example"]);
});

test("what does not fit an existing server is rejected, whatever the order it came in", () => {
  const tcp = { port: { number: 80, name: "tcp", protocol: "TCP" }, hosts: ["*"] };
  const merged = merge({ "a/one": [http(["*"])], "b/two": [tcp] });
  assert.deepEqual(shown(merged), ["8080 http: a/one http.8080"]);
  assert.equal(merged.rejected[0]?.reason, "port 8080 is taken by a/one for HTTP");
});

test("hosts bound to a namespace", () => {
  const merged = merge({ "a/one": [http(["./x.example", "b/y.example", "*/z.example"])] });
  const hosts = merged.ports[0]?.servers[0]?.hosts ?? [];
  assert.deepEqual(hosts, ["a/x.example", "b/y.example", "z.example"]);
  assert.deepEqual(hostsForNamespace(hosts, "a"), ["x.example", "z.example"]);
  assert.deepEqual(hostsForNamespace(hosts, "c"), ["z.example"]);
});
