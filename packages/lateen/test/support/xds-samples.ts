/** One of every kind of resource, grouped as the golden files are. */
import type { IpFamilies } from "../../src/model/proxies.ts";
import type {
  Endpoint,
  MetricsForm,
  MutualTlsMode,
  Protocol,
  ServicePort,
  Subset,
  TrafficPolicy,
} from "../../src/model/types.ts";
import {
  blackHoleCluster,
  discoveryOf,
  inboundPassthroughCluster,
  type OutboundClusterInput,
  outboundCluster,
  passthroughCluster,
} from "../../src/xds/cluster.ts";
import { inboundCluster } from "../../src/xds/cluster-inbound.ts";
import { serviceDomains } from "../../src/xds/domains.ts";
import {
  encodeCluster,
  encodeEndpoints,
  encodeListener,
  encodeRoutes,
} from "../../src/xds/encode.ts";
import { loadAssignment } from "../../src/xds/endpoint.ts";
import type { RoutesOverRds } from "../../src/xds/http-connection-manager.ts";
import type { TcpChain } from "../../src/xds/listener-common.ts";
import { type GatewayServer, gatewayListener } from "../../src/xds/listener-gateway.ts";
import { type InboundListenerPort, virtualInbound } from "../../src/xds/listener-inbound.ts";
import {
  type OutboundListenerInput,
  outboundListener,
  virtualOutbound,
} from "../../src/xds/listener-outbound.ts";
import type { EncodedResource } from "../../src/xds/resource.ts";
import {
  type Destination,
  type HttpMatch,
  type HttpRoute,
  routeConfiguration,
  type VirtualHostInput,
} from "../../src/xds/route.ts";
import { fileSecret, trustBundleSecret } from "../../src/xds/secret.ts";
import type { ServerTls } from "../../src/xds/tls.ts";
import { clientTls, endpoint, mesh, plainPolicy, service, servicePort } from "./xds-rows.ts";

export const reviews = service("reviews", "default");
const destinationRule = { kind: "DestinationRule", namespace: "default", name: "reviews" };
const virtualService = { kind: "VirtualService", namespace: "default", name: "reviews" };
const subset: Subset = { name: "v1", labels: { version: "v1" } };
const external = service("api", "default", {
  hostname: "api.example.com",
  name: "api.example.com",
  registry: "External",
  meshExternal: true,
  addresses: [],
});

export function clusterInput(
  port: ServicePort,
  changes: Partial<OutboundClusterInput> = {},
): OutboundClusterInput {
  const made = {
    service: reviews,
    port,
    subset: undefined,
    policy: plainPolicy,
    destinationRule: undefined,
    autoMtls: true,
    spiffeIds: ["spiffe://cluster.local/ns/default/sa/reviews"],
    endpoints: [],
    ipFamilies: "IPv4" as const,
    terse: false,
    ...changes,
  };
  return { discovery: discoveryOf(made.service, made.policy, "sidecar"), ...made };
}

function policy(changes: Partial<TrafficPolicy>): TrafficPolicy {
  return { ...plainPolicy, ...changes };
}

/** Where a sidecar goes where its client meant to go. */
function atGateways(...all: readonly Partial<OutboundClusterInput>[]): OutboundClusterInput[] {
  return all.map((changes, i) => {
    const made = clusterInput(servicePort(90 + i, "HTTP"), { subset, ...changes });
    return { ...made, discovery: discoveryOf(made.service, made.policy, "router") };
  });
}

function outboundClusters(): EncodedResource[] {
  const http = servicePort(80, "HTTP");
  const dnsEndpoint = endpoint("api.example.com", 80, { tlsMode: "disabled", health: "UNKNOWN" });
  const simple = clientTls("SIMPLE", { sni: "api.example.com" });
  const mutual = clientTls("MUTUAL", {
    clientCertificate: "/etc/certs/cert.pem",
    privateKey: "/etc/certs/key.pem",
    caCertificates: "/etc/certs/ca.pem",
    subjectAltNames: ["api.example.com"],
  });
  const headless = service("web", "default", { resolution: "Passthrough", headless: true });
  const inputs: OutboundClusterInput[] = [
    clusterInput(http),
    clusterInput(http, {
      subset,
      destinationRule,
      policy: policy({ loadBalancer: { kind: "RANDOM" } }),
    }),
    clusterInput(servicePort(81, "GRPC"), {
      policy: policy({ loadBalancer: { kind: "ROUND_ROBIN" } }),
    }),
    clusterInput(servicePort(82, "AUTO")),
    clusterInput(servicePort(83, "TCP"), { autoMtls: false }),
    clusterInput(servicePort(84, "HTTP"), { policy: policy({ tls: clientTls("DISABLE") }) }),
    clusterInput(servicePort(85, "HTTP"), { policy: policy({ tls: clientTls("ISTIO_MUTUAL") }) }),
    clusterInput(servicePort(86, "TCP"), {
      policy: policy({ loadBalancer: { kind: "PASSTHROUGH" } }),
    }),
    clusterInput(http, {
      service: { ...external, resolution: "DNSLB" },
      endpoints: [dnsEndpoint],
      policy: policy({ tls: simple }),
      destinationRule,
    }),
    clusterInput(servicePort(443, "HTTP2"), {
      service: { ...external, resolution: "DNSRoundRobinLB" },
      endpoints: [dnsEndpoint],
      policy: policy({ tls: mutual }),
    }),
    clusterInput(servicePort(444, "TLS"), { service: { ...external, resolution: "Passthrough" } }),
    clusterInput(http, { service: headless, endpoints: [endpoint("10.0.0.1", 80)] }),
    ...atGateways(
      { service: headless },
      { policy: policy({ loadBalancer: { kind: "PASSTHROUGH" } }) },
    ),
  ];
  return inputs.map(input => encodeCluster(outboundCluster(input)));
}

function fixedClusters(): EncodedResource[] {
  const inbound = (targetPort: number, protocol: Protocol): EncodedResource =>
    encodeCluster(
      inboundCluster({
        ...{ targetPort, protocol, services: [reviews], ipFamilies: "IPv4", terse: false },
        defaultEndpoint: undefined,
      }),
    );
  const sidecarIngress = inboundCluster({
    targetPort: 9080,
    protocol: "HTTP",
    services: [],
    defaultEndpoint: { address: "127.0.0.1", port: 8080 },
    ipFamilies: "IPv4",
    terse: false,
  });
  return [
    encodeCluster(blackHoleCluster()),
    encodeCluster(passthroughCluster()),
    encodeCluster(inboundPassthroughCluster("IPv4")),
    inbound(8080, "HTTP"),
    inbound(8081, "GRPC"),
    inbound(8082, "AUTO"),
    inbound(8083, "TCP"),
    encodeCluster(sidecarIngress),
  ];
}

const ASSIGNED = { labels: {}, ipFamilies: "IPv4", terse: false } as const;

function endpoints(): EncodedResource[] {
  const other = { region: "r2", zone: "z3", subZone: "rack1" };
  const all = [
    endpoint("10.0.0.3", 8080, { locality: other, weight: 3 }),
    endpoint("10.0.0.2", 8080, { labels: { version: "v2" }, tlsMode: "disabled" }),
    endpoint("10.0.0.1", 8080),
    endpoint("fd00::1", 8080, { health: "DRAINING", weight: 0 }),
    endpoint("10.0.0.4", 8080, { health: "UNKNOWN", canonicalRevision: "", locality: other }),
  ];
  return [
    encodeEndpoints(
      loadAssignment({ ...ASSIGNED, clusterName: "outbound|80||reviews", endpoints: all }),
    ),
    encodeEndpoints(
      loadAssignment({
        ...ASSIGNED,
        clusterName: "outbound|80|v1|reviews",
        endpoints: all,
        labels: subset.labels,
      }),
    ),
    encodeEndpoints(
      loadAssignment({ ...ASSIGNED, clusterName: "outbound|80||empty", endpoints: [] }),
    ),
  ];
}

export function destination(port: number, changes: Partial<Destination> = {}): Destination {
  return { hostname: reviews.hostname, port, subset: "", weight: 0, ...changes };
}

export function httpRoute(changes: Partial<HttpRoute> = {}): HttpRoute {
  return {
    source: virtualService,
    name: "",
    match: undefined,
    destinations: [destination(80)],
    timeoutMs: undefined,
    retries: undefined,
    ...changes,
  };
}

export function httpMatch(changes: Partial<HttpMatch>): HttpMatch {
  return {
    uri: undefined,
    ignoreUriCase: false,
    method: undefined,
    authority: undefined,
    scheme: undefined,
    headers: {},
    withoutHeaders: {},
    queryParams: {},
    ...changes,
  };
}

function host(
  hostname: string,
  address: string,
  changes: Partial<VirtualHostInput> = {},
): VirtualHostInput {
  const input = { hostname, addresses: [address], headless: false };
  const domains = serviceDomains({ ...input, proxyNamespace: "default", domain: "cluster.local" });
  return { hostname, port: 80, domains, routes: undefined, requireTls: false, ...changes };
}

const weighted = [
  destination(80, { subset: "v1", weight: 90 }),
  destination(80, { subset: "v2", weight: 10 }),
];
const everyMatch = httpMatch({
  uri: { prefix: "/api" },
  ignoreUriCase: true,
  method: { exact: "GET" },
  authority: { prefix: "reviews" },
  scheme: { exact: "https" },
  headers: { "x-user": { regex: "a.*" }, "x-canary": { exact: "true" }, "x-there": "present" },
  withoutHeaders: { "x-not": "present", "x-other": { prefix: "b" } },
  queryParams: { v: { regex: "1.*" }, debug: "present" },
});

function routes(): EncodedResource[] {
  const retries = { attempts: 3, perTryTimeoutMs: 500, retryOn: "gateway-error, 503,429" };
  const off = { attempts: 0, perTryTimeoutMs: undefined, retryOn: undefined };
  const virtual = host(reviews.hostname, "10.93.1.10", {
    routes: [
      httpRoute({ name: "api", match: everyMatch, timeoutMs: 2500, retries }),
      httpRoute({ match: httpMatch({ uri: { exact: "/slow" } }), retries: off }),
      httpRoute({ match: httpMatch({ uri: { regex: "/v[12]/.*" } }) }),
      httpRoute({ name: "canary", destinations: weighted }),
    ],
  });
  const sidecar = { port: 80, vhds: false } as const;
  const all = [virtual, host("sleep.other.svc.cluster.local", "10.93.1.11")];
  const redirect = host("*.example.com", "", {
    domains: ["*.example.com"],
    routes: [],
    requireTls: true,
  });
  return [
    encodeRoutes(
      routeConfiguration({ ...sidecar, name: "80", virtualHosts: all, fallback: "ALLOW_ANY" }),
    ),
    encodeRoutes(
      routeConfiguration({ ...sidecar, name: "81", virtualHosts: [], fallback: "REGISTRY_ONLY" }),
    ),
    encodeRoutes(
      routeConfiguration({
        name: "82",
        port: 82,
        virtualHosts: all,
        fallback: "ALLOW_ANY",
        vhds: true,
      }),
    ),
    encodeRoutes(
      routeConfiguration({
        ...sidecar,
        name: "http.8080",
        virtualHosts: [redirect],
        fallback: "NONE",
      }),
    ),
    encodeRoutes(
      routeConfiguration({
        ...sidecar,
        name: "http.8082",
        virtualHosts: [
          host("a.example.com", "", {
            domains: ["a.example.com"],
            routes: [httpRoute({ match: httpMatch({ uri: { pathPrefix: "/shop" } }) })],
          }),
        ],
        fallback: "NONE",
      }),
    ),
    encodeRoutes(
      routeConfiguration({ ...sidecar, name: "http.8081", virtualHosts: [], fallback: "NONE" }),
    ),
  ];
}

export function tcpChain(port: number, changes: Partial<TcpChain> = {}): TcpChain {
  return {
    serverNames: [],
    destinationCidrs: [],
    destinations: [destination(port)],
    protocol: "TCP",
    source: undefined,
    ...changes,
  };
}

/** Routes of a port that speaks `protocol`. */
export function overRds(routeName: string, protocol: Protocol = "HTTP"): RoutesOverRds {
  return { routeName, grpcWeb: protocol === "GRPC-WEB" };
}

export function outboundInput(changes: Partial<OutboundListenerInput>): OutboundListenerInput {
  const nothing = { http: undefined, chains: [], fallback: undefined };
  return { mesh, binds: ["0.0.0.0"], port: 80, ...nothing, ...changes };
}

function outboundListeners(): EncodedResource[] {
  const inputs = [
    outboundInput({ http: overRds("80"), fallback: "ALLOW_ANY" }),
    outboundInput({ port: 86, http: overRds("86", "GRPC-WEB"), fallback: "ALLOW_ANY" }),
    outboundInput({ binds: ["10.0.0.1"], port: 83, chains: [tcpChain(83)] }),
    outboundInput({
      binds: ["10.0.0.2"],
      port: 27017,
      chains: [tcpChain(83, { protocol: "MONGO" })],
    }),
    outboundInput({
      binds: ["10.0.0.1"],
      port: 82,
      http: overRds("r:82", "AUTO"),
      fallback: tcpChain(82),
    }),
    outboundInput({
      port: 443,
      chains: [
        tcpChain(444, { serverNames: ["a.example.com", "*.b.example.com"] }),
        tcpChain(83, {
          destinationCidrs: ["10.1.0.0/16", "10.2.0.1"],
          destinations: weighted,
          source: virtualService,
        }),
      ],
      fallback: "REGISTRY_ONLY",
    }),
  ];
  return [
    encodeListener(virtualOutbound(mesh, "ALLOW_ANY", "IPv4")),
    ...inputs.map(input => encodeListener(outboundListener(input))),
  ];
}

export function inboundPort(
  port: number,
  protocol: Protocol,
  mtls: MutualTlsMode,
): InboundListenerPort {
  return {
    service: reviews.key,
    hostname: reviews.hostname,
    servicePort: servicePort(port, protocol),
    targetPort: port,
    mtls,
    bind: "",
  };
}

function inboundListener(mtls: MutualTlsMode): EncodedResource {
  const protocols = ["HTTP", "TCP", "AUTO", "GRPC", "GRPC-WEB", "HTTP2", "MONGO"] as const;
  const numbers = [8080, 8083, 8082, 8084, 8085, 8086, 27017];
  const ports = protocols.map((each, i) => inboundPort(numbers[i] ?? 0, each, mtls));
  return encodeListener(
    virtualInbound({ mesh, trustDomains: ["cluster.local"], ports, mtls, ipFamilies: "IPv4" }),
  );
}

export function serverTls(mode: ServerTls["mode"], changes: Partial<ServerTls> = {}): ServerTls {
  return {
    mode,
    credentialName: undefined,
    serverCertificate: undefined,
    privateKey: undefined,
    caCertificates: undefined,
    subjectAltNames: [],
    minProtocolVersion: undefined,
    maxProtocolVersion: undefined,
    cipherSuites: [],
    ...changes,
  };
}

function gatewayListeners(): EncodedResource[] {
  const versions = { minProtocolVersion: "TLSV1_2", maxProtocolVersion: "TLSV1_3" } as const;
  const simple = serverTls("SIMPLE", { credentialName: "shop", ...versions });
  const mutual = serverTls("MUTUAL", {
    credentialName: "api",
    subjectAltNames: ["client.example"],
  });
  const passthrough = tcpChain(83, { serverNames: ["pass.example"] });
  const tls: GatewayServer[] = [
    {
      kind: "https",
      routes: overRds("https.443.a.gw.ns", "HTTPS"),
      serverNames: ["a.example"],
      tls: simple,
    },
    {
      kind: "https",
      routes: overRds("https.443.b.gw.ns", "HTTPS"),
      serverNames: ["b.example"],
      tls: mutual,
    },
    {
      kind: "https",
      routes: overRds("https.443.c.gw.ns", "HTTPS"),
      serverNames: ["c.example"],
      tls: serverTls("ISTIO_MUTUAL"),
    },
    { kind: "tcp", chain: passthrough, tls: undefined },
    { kind: "tcp", chain: tcpChain(83, { serverNames: ["d.example"] }), tls: simple },
  ];
  const common = { mesh, binds: ["0.0.0.0"] } as const;
  const http: GatewayServer = { kind: "http", routes: overRds("http.8080") };
  return [
    encodeListener(gatewayListener({ ...common, port: 8080, servers: [http] })),
    encodeListener(gatewayListener({ ...common, port: 8443, servers: tls })),
    encodeListener(
      gatewayListener({
        ...common,
        port: 31400,
        servers: [{ kind: "tcp", chain: tcpChain(83), tls: undefined }],
      }),
    ),
  ];
}

function secrets(): EncodedResource[] {
  const bundle = { trustDomain: "cluster.local", roots: [TEST_ROOT] };
  return [
    trustBundleSecret([bundle]),
    ...[
      "file-root:system",
      "file-root:/etc/certs/ca.pem",
      "file-cert:/etc/c.pem~/etc/k.pem",
    ].flatMap(name => fileSecret(name) ?? []),
  ];
}

/** A self-signed certificate nobody has the key of. */
const TEST_ROOT = `-----BEGIN CERTIFICATE-----
MIIBhjCCAS2gAwIBAgIUd4xhwWbD7VDVuyp5VCEhVhNVl3IwCgYIKoZIzj0EAwIw
GDEWMBQGA1UECgwNY2x1c3Rlci5sb2NhbDAgFw0yNjExMjEwODQ1MzBaGA8yMTI2
MTAyODA4NDUzMFowGDEWMBQGA1UECgwNY2x1c3Rlci5sb2NhbDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABFGREd2ibVTS09hEKa7P0jsM78WrYZaYrpIvFlsMNYtn
UyyXev7WS7mD8RoTvU/TzfWkXM92E8SABth/WFlFRqOjUzBRMB0GA1UdDgQWBBTY
Qh9vOG1bN8Lh3cmRSDoQgVRF6TAfBgNVHSMEGDAWgBTYQh9vOG1bN8Lh3cmRSDoQ
gVRF6TAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIG3ffhJI53n4
pceB5ZMCXQ16xpu5rd+XAnt35flTc7Z5AiBB70xAowigyNMEZAM9HuwYY0rN2/7g
z9iE3JqMH6IQPA==
-----END CERTIFICATE-----`;

function sidecarIngress(): EncodedResource {
  const sidecar = { kind: "Sidecar", namespace: "default", name: "demo" };
  const port = { ...inboundPort(9080, "HTTP", "PERMISSIVE"), hostname: "demo.default", sidecar };
  const ports = [{ ...port, bind: "10.0.0.1" }];
  return encodeListener(
    virtualInbound({
      ...{ mesh, trustDomains: ["cluster.local"], ports, mtls: "STRICT", ipFamilies: "IPv4" },
    }),
  );
}

/** What proxies of these IP families have otherwise than IPv4's. */
function otherFamilies(ipFamilies: IpFamilies): EncodedResource[] {
  const any: OutboundListenerInput["binds"] = ipFamilies === "dual" ? ["0.0.0.0", "::"] : ["::"];
  const address: typeof any = ipFamilies === "dual" ? ["10.0.0.1", "fd00::10"] : ["fd00::10"];
  const common = { mesh, trustDomains: ["cluster.local"], ipFamilies };
  const dnsEndpoint = endpoint("api.example.com", 80, { tlsMode: "disabled", health: "UNKNOWN" });
  const http: GatewayServer = { kind: "http", routes: overRds("http.8080") };
  const endpoints = [
    endpoint("10.0.0.1", 8080, { otherAddresses: ["fd00::1"] }),
    endpoint("10.0.0.2", 8080),
    endpoint("fd00::3", 8080),
  ];
  return [
    encodeListener(virtualOutbound(mesh, "ALLOW_ANY", ipFamilies)),
    encodeListener(
      virtualInbound({
        ...common,
        ports: [inboundPort(8080, "HTTP", "STRICT")],
        mtls: "STRICT",
      }),
    ),
    ...[
      outboundInput({ binds: any, http: overRds("80"), fallback: "ALLOW_ANY" }),
      outboundInput({ binds: address, port: 83, chains: [tcpChain(83)] }),
    ].map(input => encodeListener(outboundListener(input))),
    encodeListener(gatewayListener({ mesh, binds: any, port: 8080, servers: [http] })),
    encodeCluster(inboundPassthroughCluster(ipFamilies)),
    encodeCluster(
      inboundCluster({
        ...{
          targetPort: 8080,
          protocol: "HTTP",
          services: [reviews],
          ipFamilies,
          terse: false,
        },
        defaultEndpoint: undefined,
      }),
    ),
    encodeCluster(
      outboundCluster(
        clusterInput(servicePort(80, "HTTP"), {
          service: { ...external, resolution: "DNSLB" },
          endpoints: [dnsEndpoint],
          ipFamilies,
        }),
      ),
    ),
    encodeEndpoints(loadAssignment({ ...ASSIGNED, clusterName: "c", endpoints, ipFamilies })),
  ];
}

/** Endpoints and cluster of a service that prefers what is near. */
function placed(): EncodedResource[] {
  const at = (zone: string, node: string, changes: Partial<Endpoint> = {}): Partial<Endpoint> => ({
    locality: { region: "r1", zone, subZone: "" },
    nodeName: node,
    ...changes,
  });
  const endpoints = [
    endpoint("10.0.0.1", 8080, at("z1", "a")),
    endpoint("10.0.0.2", 8080, at("z1", "b")),
    endpoint("10.0.0.3", 8080, at("z2", "c")),
    endpoint("10.0.0.4", 8080, at("z2", "c", { network: "elsewhere" })),
  ];
  const place = { network: "here", region: "r1", zone: "z1", subZone: "", node: "b" };
  const kinds = ["PreferSameZone", "PreferSameNode", "Local"] as const;
  return [
    encodeCluster(
      outboundCluster(
        clusterInput(servicePort(80, "HTTP"), {
          service: { ...reviews, placement: "PreferSameZone" },
        }),
      ),
    ),
    ...kinds.map(kind =>
      encodeEndpoints(
        loadAssignment({
          ...ASSIGNED,
          clusterName: `outbound|80||${kind}`,
          endpoints,
          placement: { kind, place },
        }),
      ),
    ),
  ];
}

/** Golden files by name. */
/** What proxies get that write the labels of metrics out themselves. */
function terse(metrics: MetricsForm): EncodedResource[] {
  const seen = { ...mesh, metrics };
  const inbound = inboundCluster({
    ...{ targetPort: 8080, protocol: "HTTP", services: [reviews], ipFamilies: "IPv4" },
    defaultEndpoint: undefined,
    terse: true,
  });
  const endpoints = [endpoint("10.0.0.1", 8080)];
  const ports = [8080, 8082].map(port =>
    inboundPort(port, port === 8080 ? "HTTP" : "TCP", "STRICT"),
  );
  const listeners = [
    outboundInput({ http: { routeName: "80", grpcWeb: false }, fallback: "ALLOW_ANY" }),
    outboundInput({ binds: ["10.0.0.1"], port: 83, chains: [tcpChain(83)] }),
  ];
  return [
    ...[servicePort(80, "HTTP"), servicePort(82, "AUTO"), servicePort(83, "TCP")].map(port =>
      encodeCluster(outboundCluster(clusterInput(port, { terse: true }))),
    ),
    encodeCluster(inbound),
    encodeEndpoints(loadAssignment({ ...ASSIGNED, clusterName: "c", endpoints, terse: true })),
    encodeListener(virtualOutbound(seen, "ALLOW_ANY", "IPv4")),
    ...listeners.map(input => encodeListener(outboundListener({ ...input, mesh: seen }))),
    encodeListener(
      virtualInbound({
        ...{ mesh: seen, trustDomains: ["cluster.local"], ports, mtls: "PERMISSIVE" },
        ipFamilies: "IPv4",
      }),
    ),
    encodeListener(
      gatewayListener({
        ...{ mesh: seen, binds: ["0.0.0.0"], port: 8080 },
        servers: [{ kind: "http", routes: { routeName: "http.8080", grpcWeb: false } }],
      }),
    ),
  ];
}

export const SAMPLES: Readonly<Record<string, () => readonly EncodedResource[]>> = {
  "clusters-outbound": outboundClusters,
  "clusters-fixed": fixedClusters,
  endpoints,
  routes,
  "listeners-outbound": outboundListeners,
  "listener-inbound-permissive": () => [inboundListener("PERMISSIVE")],
  "listener-inbound-strict": () => [inboundListener("STRICT")],
  "listener-inbound-disable": () => [inboundListener("DISABLE")],
  "listener-inbound-tproxy": () => [
    encodeListener(
      virtualInbound({
        ...{ mesh, trustDomains: ["cluster.local"], ports: [], mtls: "STRICT", ipFamilies: "IPv4" },
        transparent: true,
      }),
    ),
  ],
  "listener-inbound-sidecar": () => [sidecarIngress()],
  "listeners-gateway": gatewayListeners,
  "dual-stack": () => otherFamilies("dual"),
  "ipv6-only": () => otherFamilies("IPv6"),
  placed,
  secrets,
  "metrics-compact": () => terse("compact"),
  "metrics-live": () => terse("live"),
};
