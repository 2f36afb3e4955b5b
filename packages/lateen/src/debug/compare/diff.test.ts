import assert from "node:assert/strict";
import { test } from "node:test";
import { differences } from "./diff.ts";
import type { Json } from "./json.ts";
import { messageNamed } from "./schema.ts";

const paths = (type: string, expected: Json, got: Json): string[] =>
  differences(expected, got, messageNamed(type)).map(each => each.path);

const LISTENER = "envoy.config.listener.v3.Listener";
const ROUTES = "envoy.config.route.v3.RouteConfiguration";
const CLUSTER = "envoy.config.cluster.v3.Cluster";
const ASSIGNMENT = "envoy.config.endpoint.v3.ClusterLoadAssignment";

test("the order of keys means nothing", () => {
  assert.deepEqual(paths(CLUSTER, { name: "a", type: "EDS" }, { type: "EDS", name: "a" }), []);
});

test("a field that differs, is missing or is too much is named", () => {
  const found = differences(
    { name: "a", type: "EDS", lbPolicy: "RANDOM" },
    { name: "a", type: "STATIC", connectTimeout: "1s" },
    messageNamed(CLUSTER),
  );
  assert.deepEqual(found, [
    { path: "type", expected: "EDS", got: "STATIC" },
    { path: "lbPolicy", expected: "RANDOM", got: undefined },
    { path: "connectTimeout", expected: undefined, got: "1s" },
  ]);
});

test("filter chains, virtual hosts, domains and endpoints have no order", () => {
  const chain = (port: number): Json => ({ filterChainMatch: { destinationPort: port } });
  assert.deepEqual(
    paths(LISTENER, { filterChains: [chain(1), chain(2)] }, { filterChains: [chain(2), chain(1)] }),
    [],
  );
  const host = (name: string, ...domains: string[]): Json => ({ name, domains });
  assert.deepEqual(
    paths(
      ROUTES,
      { virtualHosts: [host("a", "x", "y"), host("b", "z")] },
      { virtualHosts: [host("b", "z"), host("a", "y", "x")] },
    ),
    [],
  );
  const locality = (zone: string, ...addresses: string[]): Json => ({
    locality: { zone },
    lbEndpoints: addresses.map(address => ({
      endpoint: { address: { socketAddress: { address } } },
    })),
  });
  assert.deepEqual(
    paths(
      ASSIGNMENT,
      { endpoints: [locality("z1", "1.1.1.1", "2.2.2.2"), locality("z2")] },
      { endpoints: [locality("z2"), locality("z1", "2.2.2.2", "1.1.1.1")] },
    ),
    [],
  );
});

test("routes, filters and ALPN have an order", () => {
  const route = (prefix: string): Json => ({ name: prefix, match: { prefix } });
  const hosts = (...prefixes: string[]): Json => ({
    virtualHosts: [{ name: "a", routes: prefixes.map(route) }],
  });
  assert.deepEqual(paths(ROUTES, hosts("/a", "/b", "/c"), hosts("/a", "/b", "/c")), []);
  assert.deepEqual(paths(ROUTES, hosts("/a", "/b", "/c"), hosts("/b", "/a", "/c")), [
    "virtualHosts[0 a].routes[0 /a]",
    "virtualHosts[0 a].routes[1 /a]",
  ]);
  const filters = (...names: string[]): Json => ({
    filterChains: [{ filters: names.map(name => ({ name })) }],
  });
  assert.equal(paths(LISTENER, filters("a", "b"), filters("b", "a")).length, 2);
});

test("one element too few or too many is one difference, whatever stands behind it", () => {
  const hosts = (...prefixes: string[]): Json => ({
    virtualHosts: [
      { name: "a", routes: prefixes.map(prefix => ({ name: prefix, match: { prefix } })) },
    ],
  });
  assert.deepEqual(paths(ROUTES, hosts("/a", "/b", "/c"), hosts("/b", "/c")), [
    "virtualHosts[0 a].routes[0 /a]",
  ]);
  assert.deepEqual(paths(ROUTES, hosts("/b"), hosts("/a", "/b", "/c")).length, 2);
});

test("what is inside an Any is compared as what it is", () => {
  const manager = (...domains: string[]): Json => ({
    filterChains: [
      {
        filters: [
          {
            name: "hcm",
            typedConfig: {
              "@type":
                "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
              routeConfig: { virtualHosts: [{ name: "v", domains }] },
            },
          },
        ],
      },
    ],
  });
  assert.deepEqual(paths(LISTENER, manager("x", "y"), manager("y", "x")), []);
  assert.deepEqual(paths(LISTENER, manager("x"), manager("y")), [
    "filterChains[0].filters[0 hcm].typedConfig.routeConfig.virtualHosts[0 v].domains[0]",
  ]);
});

test("a message of another type is one difference", () => {
  const socket = (type: string): Json => ({
    transportSocket: { name: "t", typedConfig: { "@type": `type.googleapis.com/${type}`, a: 1 } },
  });
  assert.deepEqual(paths(CLUSTER, socket("a.A"), socket("b.B")), ["transportSocket.typedConfig"]);
});

test("an absent message is not an empty one", () => {
  assert.deepEqual(paths(CLUSTER, { commonLbConfig: {} }, {}), ["commonLbConfig"]);
});
