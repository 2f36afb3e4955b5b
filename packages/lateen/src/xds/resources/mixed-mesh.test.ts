/** Many services of every kind on few ports: whatever meets whatever, nothing leads nowhere. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import {
  Cluster,
  Cluster_DiscoveryType as DiscoveryType,
} from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import { RouteConfiguration } from "@lateen/envoy-api/envoy/config/route/v3/route.js";
import type { VirtualHost } from "@lateen/envoy-api/envoy/config/route/v3/route_components.js";
import { HttpConnectionManager } from "@lateen/envoy-api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.js";
import { TcpProxy } from "@lateen/envoy-api/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.js";
import { TestMesh } from "../../../test/support/mesh.ts";
import {
  destinationRule,
  gateway,
  pod,
  proxy,
  service,
  serviceEntry,
  slice,
  virtualService,
} from "../../../test/support/mesh-objects.ts";
import type { JsonObject } from "../../api/kind.ts";
import { TypeUrl } from "../resource.ts";

const SERVICES = 500;
const NAMESPACES = ["default", "other", "third"];
const NUMBERS = [80, 81, 53, 443, 9000];
/** Of one port each; names say the protocol. */
const NAMES = ["http", "tcp", "grpc", "grpc-web", "https", "db", "mongo", "http2", "redis"];

const at = (i: number): string => `${NAMESPACES[i % 3]}/s${Math.floor(i / 3)}`;
const pick = <T>(from: readonly T[], i: number): T => from[i % from.length] ?? assert.fail();

/** One to three ports, some of them UDP or SCTP of a number that TCP has, too, in either order. */
function portsOf(i: number): JsonObject[] {
  const number = pick(NUMBERS, i * 7);
  const name = pick(NAMES, i);
  const tcp = { name: `${name}-a`, port: number, targetPort: 8000 + (i % 10) };
  const other = { name: "x", port: number, protocol: i % 2 === 0 ? "UDP" : "SCTP" };
  const second = { name: `${pick(NAMES, i + 4)}-b`, port: pick(NUMBERS, i * 7 + 1) };
  return [[tcp], [other, tcp], [tcp, other], [second, tcp], [other]][i % 5] ?? [];
}

function fill(mesh: TestMesh): void {
  const { inputs } = mesh;
  const indices = Array.from({ length: SERVICES }, (_, i) => i);
  mesh.graph.commit({ source: "test" }, writer => {
    for (const i of indices) {
      const clusterIP = i % 4 === 0 ? "None" : `10.1.${i >> 8}.${i & 255}`;
      const spec = { clusterIP, selector: { app: `s${i}` }, ports: portsOf(i) };
      const [namespace = "", name = ""] = at(i).split("/");
      const ip = `10.9.${i >> 8}.${i & 255}`;
      const listed = portsOf(i).map(({ name: port }, j) => [String(port), 8000 + j] as const);
      const pods = [{ name, ip }];
      writer.set(inputs.services, at(i), service({ at: at(i) }, spec));
      writer.set(inputs.pods, at(i), pod({ at: at(i), labels: { app: `s${i}` } }, { ip }));
      const ports = Object.fromEntries(listed);
      writer.set(inputs.endpointSlices, at(i), slice(at(i), { service: name, ports, pods }));
      if (i % 6 === 0) writer.set(inputs.destinationRules, at(i), rule(i, name));
      if (i % 10 === 1)
        // The name of another namespace's Service, or one that several entries give.
        writer.set(
          inputs.serviceEntries,
          at(i),
          entry(i, `${name}.${namespace}.svc.cluster.local`),
        );
    }
    const hosts = ["web.example"];
    const to = indices.filter(i => i % 20 === 0).map(i => ({ destination: target(i), weight: 1 }));
    writer.set(inputs.gateways, "default/g", gateway({ at: "default/g" }, GATEWAY));
    const route = { hosts, gateways: ["g"], http: [{ route: to }] };
    writer.set(inputs.virtualServices, "default/v", virtualService({ at: "default/v" }, route));
  });
}

const GATEWAY: JsonObject = {
  selector: { app: "edge" },
  servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
};

function rule(i: number, host: string) {
  const simple = i % 12 === 0 ? "PASSTHROUGH" : "RANDOM";
  const subsets = [{ name: "v1", labels: { app: `s${i}` } }];
  return destinationRule(
    { at: at(i) },
    { host, trafficPolicy: { loadBalancer: { simple } }, subsets },
  );
}

function entry(i: number, own: string) {
  const resolution = pick(["NONE", "STATIC", "DNS"], i);
  return serviceEntry(
    { at: at(i), age: i % 50 },
    {
      hosts: [i % 20 === 1 ? own : `e${i % 7}.example`],
      resolution,
      ports: [{ number: pick(NUMBERS, i), name: "p", protocol: pick(["TCP", "HTTP", "TLS"], i) }],
      ...(resolution === "STATIC" ? { endpoints: [{ address: "10.8.0.1" }] } : {}),
      ...(i % 30 === 1 ? { addresses: [`240.0.${i >> 8}.${i & 255}`] } : {}),
    },
  );
}

/** Its first port that proxies carry; without one, any that it has. */
function target(i: number): JsonObject {
  const [namespace, name] = at(i).split("/");
  const ports = portsOf(i);
  const port = ports.find(({ protocol }) => protocol === undefined) ?? ports[0];
  const host = `${name}.${namespace}.svc.cluster.local`;
  return { host, port: { number: Number(port?.["port"]) } };
}

describe(`${SERVICES} services of every kind on ${NUMBERS.length} ports`, () => {
  const mesh = new TestMesh();
  const clients = { sidecar: "default/client", router: "default/edge" };
  const clusters: Record<string, ReadonlyMap<string, Cluster>> = {};

  before(() => {
    fill(mesh);
    mesh.connect(
      proxy(clients.sidecar, { ip: "10.10.0.1" }),
      proxy(clients.router, { type: "router", ip: "10.10.0.2", labels: { app: "edge" } }),
    );
    for (const client of Object.values(clients))
      clusters[client] = new Map(
        mesh.names(client, TypeUrl.cluster).map(name => {
          const body = mesh.resource(client, TypeUrl.cluster, name)?.body;
          assert.ok(body, `${client} has no ${name}`);
          return [name, Cluster.decode(body)];
        }),
      );
  });

  const has = (client: string, name: string): boolean => clusters[client]?.has(name) === true;

  test("each name is there once, with its resource", () => {
    for (const client of Object.values(clients))
      for (const type of [TypeUrl.cluster, TypeUrl.listener] as const) {
        const names = mesh.names(client, type);
        assert.equal(new Set(names).size, names.length);
        for (const name of names) assert.ok(mesh.resource(client, type, name), name);
      }
    assert.deepEqual(mesh.graph.failures(), []);
  });

  test("clusters by EDS have an assignment, and gateways send nothing back to themselves", () => {
    for (const [client, found] of Object.entries(clusters))
      for (const [name, cluster] of found)
        if (cluster.type === DiscoveryType.EDS)
          assert.ok(mesh.resource(client, TypeUrl.endpoint, name), `${client}: ${name}`);
    for (const [name, { type }] of clusters[clients.router] ?? [])
      assert.notEqual(type, DiscoveryType.ORIGINAL_DST, name);
  });

  test("every port that proxies carry has a cluster, and no other", () => {
    for (let i = 0; i < SERVICES; i++) {
      const [namespace, name] = at(i).split("/");
      const host = `${name}.${namespace}.svc.cluster.local`;
      for (const { port: number } of portsOf(i)) {
        const carried = portsOf(i).some(
          each => each.port === number && each.protocol === undefined,
        );
        const cluster = `outbound|${number}||${host}`;
        for (const client of Object.values(clients))
          assert.equal(has(client, cluster), carried, `${client}: ${cluster}`);
      }
    }
  });

  test("listeners and routes lead to clusters that are there", () => {
    const routes = new Set<string>();
    for (const client of Object.values(clients)) {
      for (const name of mesh.names(client, TypeUrl.listener))
        for (const { http, tcp } of filtersOf(
          mesh.resource(client, TypeUrl.listener, name)?.body,
        )) {
          for (const cluster of tcp)
            assert.ok(has(client, cluster), `${client} ${name}: ${cluster}`);
          for (const route of http) routes.add(`${client} ${route}`);
        }
    }
    for (const each of routes) {
      const [client = "", name = ""] = each.split(" ");
      const body = mesh.resource(client, TypeUrl.route, name)?.body;
      assert.ok(body, `${client} has no routes ${name}`);
      for (const host of RouteConfiguration.decode(body).virtualHosts ?? [])
        for (const cluster of targetsOf(host))
          assert.ok(has(client, cluster), `${client} ${name} ${host.name}: ${cluster}`);
    }
    assert.ok(routes.size > NUMBERS.length);
  });
});

function targetsOf({ routes = [] }: VirtualHost): readonly string[] {
  return routes.flatMap(({ route }) => {
    const weighted = route?.weightedClusters?.clusters ?? [];
    const all = [route?.cluster, ...weighted.map(each => each.name)];
    return all.flatMap(name => (name === undefined || name === "" ? [] : [name]));
  });
}

/** Of each filter chain: clusters of TCP, and names of routes. */
function filtersOf(body: Uint8Array | undefined) {
  const {
    filterChains = [],
    defaultFilterChain,
    name = "",
  } = Listener.decode(body ?? new Uint8Array());
  // What reaches the application is another matter.
  if (name === "virtualInbound") return [];
  const chains =
    defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
  return chains
    .flatMap(chain => chain.filters ?? [])
    .map(({ name: filter = "", typedConfig }) => {
      const value = typedConfig?.value ?? new Uint8Array();
      const routeName = filter.endsWith("http_connection_manager")
        ? HttpConnectionManager.decode(value).rds?.routeConfigName
        : undefined;
      const cluster = filter.endsWith("tcp_proxy") ? TcpProxy.decode(value).cluster : undefined;
      return {
        http: routeName === undefined ? [] : [routeName],
        tcp: cluster === undefined || cluster === "" ? [] : [cluster],
      };
    });
}
