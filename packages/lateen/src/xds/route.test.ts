import assert from "node:assert/strict";
import { test } from "node:test";
import type { Route } from "@lateen/envoy-api/envoy/config/route/v3/route_components.js";
import { destination, httpMatch, httpRoute } from "../../test/support/xds-samples.ts";
import { type HttpRoute, type Retries, routeConfiguration, virtualHost } from "./route.ts";

function route(changes: Partial<HttpRoute>): Route {
  const host = { hostname: "a.b", port: 80, domains: ["a.b"], requireTls: false };
  const [only] = virtualHost({ ...host, routes: [httpRoute(changes)] }).routes ?? [];
  assert(only !== undefined);
  return only;
}

function retries(changes: Partial<Retries>): Retries {
  return { attempts: 2, perTryTimeoutMs: undefined, retryOn: undefined, ...changes };
}

test("a request is tried again twice by default, and not at all when told so", () => {
  assert.equal(route({}).route?.retryPolicy?.numRetries, 2);
  assert.equal(route({ retries: retries({ attempts: 0 }) }).route?.retryPolicy, undefined);
});

test("status codes among the retry conditions become Envoy's list of codes", () => {
  const of = (retryOn: string) => {
    const policy = route({ retries: retries({ retryOn }) }).route?.retryPolicy;
    return [policy?.retryOn, policy?.retriableStatusCodes];
  };
  assert.deepEqual(of("503, 429"), ["retriable-status-codes", [503, 429]]);
  assert.deepEqual(of("gateway-error,503"), ["gateway-error,retriable-status-codes", [503]]);
  assert.deepEqual(of("reset"), ["reset", []]);
  const both = "retriable-status-codes,503";
  assert.deepEqual(of(both), ["retriable-status-codes", [503]]);
});

test("timeouts keep their milliseconds", () => {
  assert.deepEqual(route({ timeoutMs: 2500 }).route?.timeout, { seconds: 2, nanos: 500_000_000 });
  assert.deepEqual(route({}).route?.timeout, { seconds: 0, nanos: 0 });
});

test("one destination is a cluster, several are weighted", () => {
  assert.match(route({}).route?.cluster ?? "", /^outbound\|80\|\|/);
  const weights = [90, 10].map(weight => destination(80, { subset: `v${weight}`, weight }));
  const weighted = route({ destinations: weights }).route?.weightedClusters?.clusters ?? [];
  assert.deepEqual(
    weighted.map(each => each.weight),
    [90, 10],
  );
  const refused = route({ destinations: [] });
  assert.deepEqual([refused.directResponse, refused.route], [{ status: 501 }, undefined]);
});

test("the operation of a request names its destination, or the VirtualService of several", () => {
  const of = (changes: Partial<HttpRoute>) => route(changes).decorator?.operation;
  const api = httpMatch({ uri: { prefix: "/api" } });
  assert.equal(of({ match: api }), "reviews.default.svc.cluster.local:80/api*");
  assert.equal(
    of({ match: api, destinations: [destination(1), destination(2)] }),
    "reviews:80/api*",
  );
  assert.equal(of({}), "reviews.default.svc.cluster.local:80/*");
});

test("virtual hosts come in the order of their names, the fallback last", () => {
  const host = (hostname: string) => ({
    hostname,
    port: 80,
    domains: [hostname],
    routes: undefined,
    requireTls: false,
  });
  const common = { name: "80", port: 80, fallback: "ALLOW_ANY" } as const;
  const virtualHosts = [host("b"), host("a")];
  const names = (vhds: boolean) =>
    routeConfiguration({ ...common, virtualHosts, vhds }).virtualHosts?.map(each => each.name);
  assert.deepEqual(names(false), ["a:80", "b:80", "allow_any"]);
  assert.deepEqual(names(true), ["allow_any"]);
});
