/**
 * A client's and a server's proxy on loopback, with the page for scrapers: what builders of one version
 * send, and what the bootstrap of one version makes of it.
 */
import type { Server } from "node:net";
import type { Endpoint, MetricsForm, Protocol } from "../../src/model/types.ts";
import type { JsonOutObject } from "../../src/proxy/json.ts";
import { EnvoyProcess, eventually } from "./envoy-process.ts";
import { type JsonObject, loopbackBootstrap, resourceJson } from "./standalone.ts";
import { environment, freePorts, type testAuthority } from "./traffic.ts";
import { endpoint, mesh, plainPolicy, service, servicePort } from "./xds-rows.ts";
import { clusterInput, inboundPort, outboundInput, tcpChain } from "./xds-samples.ts";

/** The builders of a version. Inputs that an earlier one does not know it does not read. */
export interface Builders {
  readonly cluster: Pick<
    typeof import("../../src/xds/cluster.ts"),
    "blackHoleCluster" | "inboundPassthroughCluster" | "outboundCluster" | "passthroughCluster"
  >;
  readonly inbound: Pick<typeof import("../../src/xds/cluster-inbound.ts"), "inboundCluster">;
  readonly encode: Pick<
    typeof import("../../src/xds/encode.ts"),
    "encodeCluster" | "encodeListener" | "encodeRoutes"
  >;
  readonly endpoint: Pick<typeof import("../../src/xds/endpoint.ts"), "loadAssignment">;
  readonly listenerInbound: Pick<
    typeof import("../../src/xds/listener-inbound.ts"),
    "virtualInbound"
  >;
  readonly listenerOutbound: Pick<
    typeof import("../../src/xds/listener-outbound.ts"),
    "outboundListener"
  >;
  readonly route: Pick<typeof import("../../src/xds/route.ts"), "routeConfiguration">;
}

export const BUILDER_PATHS: Readonly<Record<keyof Builders, string>> = {
  cluster: "src/xds/cluster.ts",
  inbound: "src/xds/cluster-inbound.ts",
  encode: "src/xds/encode.ts",
  endpoint: "src/xds/endpoint.ts",
  listenerInbound: "src/xds/listener-inbound.ts",
  listenerOutbound: "src/xds/listener-outbound.ts",
  route: "src/xds/route.ts",
};

export interface PairOptions {
  readonly builders: Builders;
  readonly metrics: MetricsForm;
  /** Of the version whose bootstrap the proxies have. */
  readonly bootstrap: JsonOutObject;
  readonly authority: ReturnType<typeof testAuthority>;
  /** What the client's proxy says that its application is named; default sleep. */
  readonly clientName?: string;
  /** Ports of the applications. */
  readonly apps: { readonly http: number; readonly tcp: number };
}

export const CLIENT_ID = "spiffe://cluster.local/ns/clients/sa/sleep";
export const SERVER_ID = "spiffe://cluster.local/ns/default/sa/reviews";
const SERVICE = service("reviews", "default");
const LEGACY = service("legacy", "default");

/** What the client's proxy has a listener for; the second half is TCP that fails, each in its way. */
const OUTBOUND = ["http", "h2", "sniffed", "tcp", "unproven", "refused", "empty"] as const;
const INBOUND = ["http", "h2", "sniffed", "tcp"] as const;
type Outbound = (typeof OUTBOUND)[number];
type Inbound = (typeof INBOUND)[number];
const PROTOCOLS: Readonly<Record<Outbound, Protocol>> = {
  http: "HTTP",
  h2: "HTTP2",
  sniffed: "AUTO",
  tcp: "TCP",
  unproven: "TCP",
  refused: "TCP",
  empty: "TCP",
};
const PORTS: Readonly<Record<Outbound, number>> = {
  http: 80,
  h2: 81,
  sniffed: 82,
  tcp: 83,
  unproven: 84,
  refused: 85,
  empty: 86,
};

export interface Pair {
  readonly client: EnvoyProcess;
  readonly server: EnvoyProcess;
  readonly clientPorts: Record<Outbound, number>;
  readonly serverPorts: Record<Inbound, number>;
  /** What Prometheus gets of each. */
  pages(): Promise<{ readonly client: string; readonly server: string }>;
  stop(): Promise<void>;
}

export async function startPair(options: PairOptions): Promise<Pair> {
  const serverPorts = await freePorts(INBOUND);
  const clientPorts = await freePorts(OUTBOUND);
  const own = await freePorts(["closed", "clientPage", "serverPage", "clientAdmin", "serverAdmin"]);
  const server = await EnvoyProcess.start(
    withPage(serverBootstrap(options, serverPorts), options, own.serverPage, own.serverAdmin),
    [],
    environment("reviews", "default"),
  );
  const page = async (port: number): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${port}/stats/prometheus`);
    return answer.text();
  };
  const pages = async () => ({
    client: await page(own.clientPage),
    server: await page(own.serverPage),
  });
  const started = [server];
  const stop = async (): Promise<void> => {
    for (const each of started.splice(0)) await each.stop();
  };
  try {
    const client = await EnvoyProcess.start(
      withPage(
        clientBootstrap(options, clientPorts, { ...serverPorts, closed: own.closed }),
        options,
        own.clientPage,
        own.clientAdmin,
      ),
      [],
      environment(options.clientName ?? "sleep", "clients"),
    );
    started.push(client);
    for (const each of started) await eventually("a proxy", () => each.isLive());
    return { client, server, clientPorts, serverPorts, pages, stop };
  } catch (error) {
    const logs = started.map(each => each.log.slice(-2000)).join("\n");
    await stop();
    throw new Error(`${error}\n${logs}`, { cause: error });
  }
}

/** Its first listener is 15090, in front of its own admin interface; here on these ports. */
function withPage(
  config: JsonObject,
  { bootstrap }: PairOptions,
  port: number,
  admin: number,
): Readonly<Record<string, unknown>> {
  const own: {
    static_resources: { listeners: JsonObject[]; clusters: JsonObject[] };
  } = JSON.parse(
    JSON.stringify(bootstrap).replaceAll('"port_value":15000', `"port_value":${admin}`),
  );
  const staticResources = Object(config["staticResources"]);
  const [listener] = own.static_resources.listeners;
  const clusters = own.static_resources.clusters.filter(
    each => each["name"] === "prometheus_stats",
  );
  const address = { socket_address: { address: "127.0.0.1", port_value: port } };
  return {
    ...config,
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: admin } } },
    stats_config: bootstrap["stats_config"],
    deferred_stat_options: bootstrap["deferred_stat_options"],
    staticResources: {
      ...staticResources,
      listeners: [...staticResources.listeners, { ...listener, name: "page", address }],
      clusters: [...staticResources.clusters, ...clusters],
    },
  };
}

function serverBootstrap(options: PairOptions, ports: Record<Inbound, number>): JsonObject {
  const { builders, apps, authority } = options;
  const { encodeCluster, encodeListener } = builders.encode;
  const seen = seenBy(options.metrics);
  return loopbackBootstrap(
    [
      encodeCluster(builders.cluster.blackHoleCluster()),
      encodeCluster(builders.cluster.inboundPassthroughCluster("IPv4")),
      ...INBOUND.map(kind =>
        encodeCluster(
          builders.inbound.inboundCluster({
            targetPort: ports[kind],
            // The application speaks HTTP/1 whatever its proxy is spoken to.
            protocol: kind === "tcp" ? "TCP" : "HTTP",
            services: [SERVICE, LEGACY],
            defaultEndpoint: undefined,
            ...seen.input,
          }),
        ),
      ),
      encodeListener(
        builders.listenerInbound.virtualInbound({
          mesh: seen.mesh,
          trustDomains: ["cluster.local"],
          ports: INBOUND.map(kind => inboundPort(ports[kind], PROTOCOLS[kind], "PERMISSIVE")),
          mtls: "PERMISSIVE",
          ipFamilies: "IPv4",
        }),
      ),
    ],
    {
      endpoints: Object.fromEntries(
        INBOUND.map(kind => [
          `inbound|${ports[kind]}||`,
          { address: "127.0.0.1", port: kind === "tcp" ? apps.tcp : apps.http },
        ]),
      ),
      routes: [],
      ports: { virtualInbound: INBOUND.map(kind => ports[kind]) },
      ...authority(SERVER_ID),
    },
  );
}

function seenBy(metrics: MetricsForm) {
  return {
    mesh: { ...mesh, metrics },
    input: { ipFamilies: "IPv4", terse: metrics !== "full" },
  } as const;
}

function clientBootstrap(
  options: PairOptions,
  ports: Record<Outbound, number>,
  server: Record<Inbound | "closed", number>,
): JsonObject {
  const { builders, metrics, apps, authority } = options;
  const { encodeCluster, encodeListener } = builders.encode;
  const seen = seenBy(metrics);
  const cluster = (of: typeof SERVICE, kind: Outbound, spiffeId: string) =>
    encodeCluster(
      builders.cluster.outboundCluster({
        ...clusterInput(servicePort(PORTS[kind], PROTOCOLS[kind]), {
          service: of,
          spiffeIds: [spiffeId],
          policy: plainPolicy,
        }),
        ...seen.input,
      }),
    );
  const at = (port: number, changes: Partial<Endpoint> = {}): JsonObject => {
    const endpoints = [endpoint("127.0.0.1", port, changes)];
    const made = builders.endpoint.loadAssignment({
      clusterName: "x",
      endpoints,
      labels: {},
      ...seen.input,
    });
    return JSON.parse(JSON.stringify(made)).endpoints[0].lbEndpoints[0];
  };
  const name = (kind: Outbound): string => `outbound|${PORTS[kind]}||${SERVICE.hostname}`;
  const routesOf = (kind: Outbound) => {
    if (PROTOCOLS[kind] === "TCP") return {};
    const routeName = String(PORTS[kind]);
    // The second is how earlier builders are told.
    return { http: { routeName, grpcWeb: false }, routeName };
  };
  const listener = (kind: Outbound) =>
    encodeListener(
      builders.listenerOutbound.outboundListener({
        ...outboundInput({
          binds: ["10.0.0.1"],
          port: PORTS[kind],
          chains: PROTOCOLS[kind] === "TCP" ? [tcpChain(PORTS[kind])] : [],
          fallback: kind === "sniffed" ? tcpChain(PORTS.sniffed) : undefined,
        }),
        ...routesOf(kind),
        mesh: seen.mesh,
      }),
    );
  const config = loopbackBootstrap(
    [
      encodeCluster(builders.cluster.passthroughCluster()),
      ...OUTBOUND.map(kind =>
        cluster(SERVICE, kind, kind === "unproven" ? `${SERVER_ID}-2` : SERVER_ID),
      ),
      cluster(LEGACY, "http", SERVER_ID),
      ...OUTBOUND.map(listener),
    ],
    {
      endpoints: {
        ...Object.fromEntries(INBOUND.map(kind => [name(kind), at(server[kind])])),
        [name("unproven")]: at(server.tcp),
        [name("refused")]: at(server.closed),
        [`outbound|80||${LEGACY.hostname}`]: at(apps.http, {
          tlsMode: "disabled",
          workloadName: "legacy",
          canonicalRevision: "",
        }),
      },
      routes: [PORTS.http, PORTS.h2, PORTS.sniffed].map(port => routes(builders, port)),
      ports: Object.fromEntries(OUTBOUND.map(kind => [`10.0.0.1_${PORTS[kind]}`, [ports[kind]]])),
      ...authority(CLIENT_ID),
    },
  );
  return withoutEndpoints(config, name("empty"));
}

function withoutEndpoints(config: JsonObject, name: string): JsonObject {
  const resources = Object(config["staticResources"]);
  const clusters = resources.clusters.map(({ edsClusterConfig, ...rest }: JsonObject) =>
    rest["name"] === name ? { ...rest, type: "STATIC" } : { ...rest, edsClusterConfig },
  );
  return { ...config, staticResources: { ...resources, clusters } };
}

function routes(builders: Builders, port: number): JsonObject {
  const { "@type": _, ...config } = resourceJson(
    builders.encode.encodeRoutes(
      builders.route.routeConfiguration({
        name: String(port),
        port,
        virtualHosts: (port === PORTS.http ? [SERVICE, LEGACY] : [SERVICE]).map(each => ({
          hostname: each.hostname,
          port,
          domains: [each.name],
          routes: undefined,
          requireTls: false,
        })),
        fallback: "ALLOW_ANY",
        vhds: false,
      }),
    ),
  );
  return config;
}

export function closeAll(servers: readonly Server[]): void {
  for (const each of servers) each.close();
}
