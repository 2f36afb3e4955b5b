/** Two proxies for loopback: one beside a client, one beside a server, with our resources. */
import type { Endpoint, Protocol } from "../../src/model/types.ts";
import {
  blackHoleCluster,
  inboundPassthroughCluster,
  outboundCluster,
  passthroughCluster,
} from "../../src/xds/cluster.ts";
import { inboundCluster } from "../../src/xds/cluster-inbound.ts";
import { encodeCluster, encodeListener, encodeRoutes } from "../../src/xds/encode.ts";
import { loadAssignment } from "../../src/xds/endpoint.ts";
import { gatewayListener } from "../../src/xds/listener-gateway.ts";
import { virtualInbound } from "../../src/xds/listener-inbound.ts";
import { outboundListener } from "../../src/xds/listener-outbound.ts";
import { routeConfiguration } from "../../src/xds/route.ts";
import { type JsonObject, resourceJson } from "./standalone.ts";
import { clientTls, endpoint, mesh, plainPolicy, service, servicePort } from "./xds-rows.ts";
import {
  clusterInput,
  destination,
  httpRoute,
  inboundPort,
  outboundInput,
  overRds,
  tcpChain,
} from "./xds-samples.ts";

/** The ports of the server's proxy, one for each way a service may be declared. */
export const KINDS = ["http", "h2", "sniffed", "strict", "tcp", "greeting"] as const;
export type Kind = (typeof KINDS)[number];
export const PROTOCOLS: Readonly<Record<Kind, Protocol>> = {
  http: "HTTP",
  h2: "HTTP2",
  sniffed: "AUTO",
  strict: "HTTP",
  tcp: "TCP",
  greeting: "AUTO",
};
export const SERVICE = service("reviews", "default");
const LEGACY = service("legacy", "default");
/** Its DestinationRule says that it speaks the mesh's TLS; its endpoint does not. */
const RULED = service("ruled", "default");
export const CLIENT_ID = "spiffe://cluster.local/ns/clients/sa/sleep";
export const SERVER_ID = "spiffe://cluster.local/ns/default/sa/reviews";

/** Service ports. */
export const PORTS = { http: 80, h2: 81, sniffed: 82, tcp: 83, strict: 84, greeting: 85 } as const;

export function serverResources(ports: Record<Kind, number>) {
  return [
    encodeCluster(blackHoleCluster()),
    encodeCluster(inboundPassthroughCluster("IPv4")),
    ...KINDS.map(kind =>
      encodeCluster(
        inboundCluster({
          targetPort: ports[kind],
          // The application of this test speaks HTTP/1 whatever its proxy is spoken to.
          protocol: kind === "tcp" ? "TCP" : "HTTP",
          services: [SERVICE],
          defaultEndpoint: undefined,
          ipFamilies: "IPv4",
          terse: false,
        }),
      ),
    ),
    encodeListener(
      virtualInbound({
        mesh,
        trustDomains: ["cluster.local"],
        ports: KINDS.map(kind =>
          inboundPort(ports[kind], PROTOCOLS[kind], kind === "strict" ? "STRICT" : "PERMISSIVE"),
        ),
        mtls: "PERMISSIVE",
        ipFamilies: "IPv4",
      }),
    ),
  ];
}

export function clientResources() {
  const cluster = (of: typeof SERVICE, kind: Kind, policy = plainPolicy) =>
    encodeCluster(
      outboundCluster(
        clusterInput(servicePort(PORTS[kind], PROTOCOLS[kind]), {
          service: of,
          spiffeIds: [SERVER_ID],
          policy,
        }),
      ),
    );
  return [
    encodeCluster(passthroughCluster()),
    ...KINDS.map(kind => cluster(SERVICE, kind)),
    cluster(LEGACY, "http"),
    cluster(RULED, "http", { ...plainPolicy, tls: clientTls("ISTIO_MUTUAL") }),
    encodeListener(
      gatewayListener({
        mesh,
        binds: ["0.0.0.0"],
        port: 8080,
        servers: [{ kind: "http", routes: overRds("http.8080") }],
      }),
    ),
    ...KINDS.map(kind =>
      encodeListener(
        outboundListener(
          outboundInput({
            binds: ["10.0.0.1"],
            port: PORTS[kind],
            http: kind === "tcp" ? undefined : overRds(String(PORTS[kind]), PROTOCOLS[kind]),
            chains: kind === "tcp" ? [tcpChain(PORTS.tcp)] : [],
            fallback: PROTOCOLS[kind] === "AUTO" ? tcpChain(PORTS[kind]) : undefined,
          }),
        ),
      ),
    ),
  ];
}

export function clientEndpoints(
  ports: Record<Kind, number>,
  app: number,
): Record<string, JsonObject> {
  const at = (port: number, changes: Partial<Endpoint> = {}): JsonObject => {
    const endpoints = [endpoint("127.0.0.1", port, changes)];
    const json = JSON.parse(
      JSON.stringify(
        loadAssignment({
          clusterName: "x",
          endpoints,
          labels: {},
          ipFamilies: "IPv4",
          terse: false,
        }),
      ),
    );
    return json.endpoints[0].lbEndpoints[0];
  };
  return {
    ...Object.fromEntries(
      KINDS.map(kind => [`outbound|${PORTS[kind]}||${SERVICE.hostname}`, at(ports[kind])]),
    ),
    [`outbound|80||${RULED.hostname}`]: at(ports.http, { tlsMode: "disabled" }),
    [`outbound|80||${LEGACY.hostname}`]: at(app, { tlsMode: "disabled", workloadName: "legacy" }),
  };
}

export function routes(kind: Kind): JsonObject {
  const port = PORTS[kind];
  const { "@type": _, ...config } = resourceJson(
    encodeRoutes(
      routeConfiguration({
        name: String(port),
        port,
        virtualHosts: [SERVICE, LEGACY, RULED].map(each => ({
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

/** One host with a route, as a VirtualService has it. */
export function gatewayRoutes(): JsonObject {
  const destinations = [destination(PORTS.http)];
  const input = { hostname: "shop.example", domains: ["shop.example"], requireTls: false };
  const virtualHosts = [{ ...input, port: 80, routes: [httpRoute({ destinations })] }];
  const common = { name: "http.8080", port: 80, vhds: false } as const;
  const { "@type": _, ...config } = resourceJson(
    encodeRoutes(routeConfiguration({ ...common, virtualHosts, fallback: "NONE" })),
  );
  return config;
}
