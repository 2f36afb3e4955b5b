/** Random inputs of the xDS builders, within what the model may give them. */
import fc from "fast-check";
import type { IpFamilies } from "../../src/model/proxies.ts";
import type {
  Endpoint,
  MetricsForm,
  Protocol,
  Service,
  TrafficPolicy,
} from "../../src/model/types.ts";
import { discoveryOf, outboundCluster } from "../../src/xds/cluster.ts";
import { inboundCluster } from "../../src/xds/cluster-inbound.ts";
import {
  encodeCluster,
  encodeEndpoints,
  encodeListener,
  encodeRoutes,
} from "../../src/xds/encode.ts";
import { loadAssignment } from "../../src/xds/endpoint.ts";
import { type GatewayServer, gatewayListener } from "../../src/xds/listener-gateway.ts";
import { virtualInbound } from "../../src/xds/listener-inbound.ts";
import { outboundListener } from "../../src/xds/listener-outbound.ts";
import type { EncodedResource } from "../../src/xds/resource.ts";
import {
  type Destination,
  type HttpMatch,
  type HttpRoute,
  type Match,
  routeConfiguration,
  type VirtualHostInput,
} from "../../src/xds/route.ts";
import type { ServerTls } from "../../src/xds/tls.ts";
import { clientTls, endpoint, mesh, plainPolicy, service } from "./xds-rows.ts";
import { inboundPort, serverTls, tcpChain } from "./xds-samples.ts";

const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,12}[a-z0-9])?$/);
const text = fc.oneof(label, fc.string({ maxLength: 12, unit: "grapheme-ascii" }));
const port = fc.integer({ min: 1, max: 65_535 });
const ipFamilies: fc.Arbitrary<IpFamilies> = fc.constantFrom("IPv4", "IPv6", "dual");
const protocol: fc.Arbitrary<Protocol> = fc.constantFrom(
  "HTTP",
  "HTTP2",
  "GRPC",
  "GRPC-WEB",
  "HTTPS",
  "TLS",
  "TCP",
  "MONGO",
  "MYSQL",
  "REDIS",
  "AUTO",
);
const routesOverRds = fc.record({ routeName: label, grpcWeb: fc.boolean() });
const labels = fc.dictionary(label, label, { maxKeys: 3 });
const hostname = fc
  .tuple(label, label)
  .map(([name, namespace]) => `${name}.${namespace}.svc.cluster.local`);
const mtls = fc.constantFrom("DISABLE", "PERMISSIVE", "STRICT");

const someService: fc.Arbitrary<Service> = fc
  .record({
    name: label,
    namespace: label,
    resolution: fc.constantFrom("ClientSideLB", "DNSLB", "DNSRoundRobinLB", "Passthrough"),
    meshExternal: fc.boolean(),
  })
  .map(({ name, namespace, ...changes }) => service(name, namespace, changes));

const someEndpoint: fc.Arbitrary<Endpoint> = fc
  .record({
    address: fc.ipV4(),
    port,
    labels,
    locality: fc.record({
      region: text,
      zone: text,
      subZone: fc.constantFrom("", "rack"),
    }),
    tlsMode: fc.constantFrom("istio", "disabled"),
    health: fc.constantFrom("UNKNOWN", "HEALTHY", "UNHEALTHY", "DRAINING"),
    weight: fc.integer({ min: 0, max: 1000 }),
    workloadName: text,
    canonicalName: text,
    canonicalRevision: text,
    cluster: text,
  })
  .map(({ address, port, ...changes }) => endpoint(address, port, changes));

const trafficPolicy: fc.Arbitrary<TrafficPolicy> = fc.record({
  loadBalancer: fc.record({
    kind: fc.constantFrom("LEAST_REQUEST", "ROUND_ROBIN", "RANDOM", "PASSTHROUGH"),
  }),
  tls: fc.option(
    fc
      .record({
        mode: fc.constantFrom("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"),
        sni: fc.option(hostname, { nil: undefined }),
        subjectAltNames: fc.array(hostname, { maxLength: 2 }),
        credentialName: fc.option(label, { nil: undefined }),
        insecureSkipVerify: fc.boolean(),
      })
      .map(({ mode, ...changes }) => clientTls(mode, changes)),
    { nil: undefined },
  ),
});

/** Envoy takes one endpoint in a cluster that is one DNS name, so there is one. */
export const cluster: fc.Arbitrary<EncodedResource> = fc
  .record({
    service: someService,
    number: port,
    protocol,
    subset: fc.option(fc.record({ name: label, labels: fc.constant({}) }), { nil: undefined }),
    policy: trafficPolicy,
    destinationRule: fc.option(
      fc.record({ kind: fc.constant("DestinationRule"), namespace: label, name: label }),
      { nil: undefined },
    ),
    autoMtls: fc.boolean(),
    proxyType: fc.constantFrom("sidecar", "router"),
    spiffeIds: fc.array(
      label.map(name => `spiffe://cluster.local/ns/a/sa/${name}`),
      { maxLength: 3 },
    ),
    endpoints: fc.array(someEndpoint, { minLength: 1, maxLength: 1 }),
    ipFamilies,
    terse: fc.boolean(),
  })
  .map(({ number, protocol, proxyType, ...input }) => {
    const servicePort = { name: "port", number, protocol };
    const discovery = discoveryOf(input.service, input.policy, proxyType);
    return encodeCluster(outboundCluster({ ...input, port: servicePort, discovery }));
  });

export const inbound: fc.Arbitrary<EncodedResource> = fc
  .record({
    targetPort: port,
    protocol,
    services: fc.array(someService, { maxLength: 3 }),
    ipFamilies,
    terse: fc.boolean(),
  })
  .map(input => encodeCluster(inboundCluster({ ...input, defaultEndpoint: undefined })));

export const endpoints: fc.Arbitrary<EncodedResource> = fc
  .record({
    clusterName: label,
    endpoints: fc.uniqueArray(someEndpoint, { maxLength: 8, selector: each => each.address }),
    labels: fc.constantFrom({}, { app: "a" }),
    ipFamilies,
    terse: fc.boolean(),
    placement: fc.option(
      fc.record({
        kind: fc.constantFrom("Local", "PreferSameZone", "PreferSameNode"),
        place: fc.constant({ network: "", region: "r1", zone: "z1", subZone: "", node: "node-a" }),
      }),
      { nil: undefined },
    ),
  })
  .map(input => encodeEndpoints(loadAssignment(input)));

const destination: fc.Arbitrary<Destination> = fc.record({
  hostname,
  port,
  subset: fc.constantFrom("", "v1"),
  weight: fc.integer({ min: 1, max: 100 }),
});
const path = fc.stringMatching(/^\/[a-z0-9/._~-]{0,12}$/);
const pathMatch: fc.Arbitrary<Match> = fc.oneof(
  fc.record({ exact: path }),
  fc.record({ prefix: path }),
  fc.record({ regex: path.map(each => `${each.replaceAll(".", "[.]")}.*`) }),
);
const textMatch: fc.Arbitrary<Match> = fc.oneof(
  fc.record({ exact: label }),
  fc.record({ prefix: label }),
  fc.record({ regex: fc.constant("[a-z]+") }),
);
const headers = fc.dictionary(label, fc.oneof(textMatch, fc.constant("present" as const)), {
  maxKeys: 3,
});
const optionalMatch = fc.option(textMatch, { nil: undefined });
const httpMatch: fc.Arbitrary<HttpMatch> = fc.record({
  uri: fc.option(pathMatch, { nil: undefined }),
  ignoreUriCase: fc.boolean(),
  method: optionalMatch,
  authority: optionalMatch,
  scheme: optionalMatch,
  headers,
  withoutHeaders: headers,
  queryParams: headers,
});
const httpRoute: fc.Arbitrary<HttpRoute> = fc.record({
  source: fc.record({ kind: fc.constant("VirtualService"), namespace: label, name: label }),
  name: fc.oneof(fc.constant(""), text),
  match: fc.option(httpMatch, { nil: undefined }),
  destinations: fc.array(destination, { minLength: 1, maxLength: 3 }),
  timeoutMs: fc.option(fc.integer({ min: 0, max: 100_000 }), { nil: undefined }),
  retries: fc.option(
    fc.record({
      attempts: fc.integer({ min: 0, max: 5 }),
      perTryTimeoutMs: fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined }),
      retryOn: fc.option(fc.constantFrom("5xx", "503", "gateway-error,429,reset"), {
        nil: undefined,
      }),
    }),
    { nil: undefined },
  ),
});
const virtualHost: fc.Arbitrary<VirtualHostInput> = fc
  .record({
    hostname,
    port,
    routes: fc.option(fc.array(httpRoute, { maxLength: 3 }), { nil: undefined }),
    requireTls: fc.boolean(),
  })
  .map(input => ({ ...input, domains: [input.hostname] }));

export const routes: fc.Arbitrary<EncodedResource> = fc
  .record({
    name: label,
    port,
    virtualHosts: fc.uniqueArray(virtualHost, { maxLength: 4, selector: each => each.hostname }),
    fallback: fc.constantFrom("ALLOW_ANY", "REGISTRY_ONLY", "NONE"),
    vhds: fc.constant(false),
  })
  .map(input => encodeRoutes(routeConfiguration(input)));

const metrics = fc.constantFrom<MetricsForm>("full", "compact", "live");

export const sidecarInbound: fc.Arbitrary<EncodedResource> = fc
  .record({
    metrics,
    mtls,
    ipFamilies,
    ports: fc.uniqueArray(fc.tuple(port, protocol, mtls), { maxLength: 2, selector: ([p]) => p }),
  })
  .map(({ ports, metrics, ...rest }) => {
    // The proxy's own port can not be an application's.
    const inboundPorts = ports.filter(([number]) => number !== 15_006);
    return encodeListener(
      virtualInbound({
        mesh: { ...mesh, metrics },
        trustDomains: ["cluster.local", "old.example"],
        ports: inboundPorts.map(each => inboundPort(...each)),
        ...rest,
      }),
    );
  });

export const sidecarOutbound: fc.Arbitrary<EncodedResource> = fc
  .record({
    metrics,
    binds: fc.oneof(fc.tuple(fc.ipV4()), fc.tuple(fc.ipV6()), fc.tuple(fc.ipV4(), fc.ipV6())),
    port,
    http: fc.option(routesOverRds, { nil: undefined }),
    serverNames: fc.uniqueArray(hostname, { maxLength: 3 }),
    fallback: fc.constantFrom("ALLOW_ANY", "REGISTRY_ONLY", undefined),
    protocol,
    destinations: fc.array(destination, { minLength: 1, maxLength: 3 }),
  })
  .map(({ serverNames, protocol, destinations, metrics, ...input }) => {
    const chain = tcpChain(80, { protocol, destinations });
    const bySni = serverNames.map(name => ({ ...chain, serverNames: [name] }));
    const chains = input.http === undefined ? [chain] : [];
    const seen = { ...mesh, metrics };
    return encodeListener(
      outboundListener({ mesh: seen, ...input, chains: [...chains, ...bySni] }),
    );
  });

const sni = fc.oneof(
  hostname,
  label.map(name => `*.${name}.example`),
);
const optionalCredential = fc.option(label, { nil: undefined });
const version = fc.constantFrom(undefined, "TLSV1_2", "TLSV1_3");

const gatewayTls: fc.Arbitrary<ServerTls> = fc
  .record({
    mode: fc.constantFrom("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "ISTIO_MUTUAL"),
    credentialName: optionalCredential,
    subjectAltNames: fc.array(
      fc.oneof(hostname, fc.ipV4(), fc.constant("spiffe://a/b"), fc.constant("a@b.example")),
      { maxLength: 3 },
    ),
    minProtocolVersion: version,
    cipherSuites: fc.subarray(["ECDHE-ECDSA-AES256-GCM-SHA384", "AES128-GCM-SHA256"]),
  })
  .map(({ mode, credentialName, ...changes }) => {
    const files = { serverCertificate: "/c.pem", privateKey: "/k.pem", caCertificates: "/r.pem" };
    return serverTls(mode, {
      ...changes,
      ...(credentialName === undefined ? files : { credentialName }),
    });
  });

/** One port of a gateway: plaintext, or servers told apart by their names. */
export const gateway: fc.Arbitrary<EncodedResource> = fc
  .oneof(
    routesOverRds.map((routes): GatewayServer[] => [{ kind: "http", routes }]),
    fc.uniqueArray(sni, { minLength: 1, maxLength: 4 }).chain(names =>
      fc.tuple(
        ...names.map(name =>
          fc
            .record({ routes: routesOverRds, tls: gatewayTls, tcp: fc.boolean() })
            .map(({ routes, tls, tcp }): GatewayServer => {
              if (tcp) return { kind: "tcp", chain: tcpChain(80, { serverNames: [name] }), tls };
              return { kind: "https", routes, serverNames: [name], tls };
            }),
        ),
      ),
    ),
  )
  .map(servers =>
    encodeListener(
      gatewayListener({ mesh, binds: ["0.0.0.0", "::"], port: 8443, servers: [...servers] }),
    ),
  );

/** What a Sidecar's ingress makes: a bind of its own, and the default endpoint's cluster. */
export const sidecarIngress: fc.Arbitrary<EncodedResource> = fc
  .record({ bind: fc.ipV4(), number: port, protocol, mtls })
  .map(({ bind, number, protocol, mtls }) => {
    const sidecar = { kind: "Sidecar", namespace: "default", name: "demo" };
    const chosen = number === 15_006 ? 9080 : number;
    const ports = [{ ...inboundPort(chosen, protocol, mtls), bind, sidecar }];
    return encodeListener(
      virtualInbound({ mesh, trustDomains: ["cluster.local"], ports, mtls, ipFamilies: "IPv4" }),
    );
  });

/** Gateways' and Sidecars' clusters by DNS have any number of endpoints where Envoy takes them. */
export const dnsCluster: fc.Arbitrary<EncodedResource> = fc
  .record({
    service: someService,
    endpoints: fc.array(someEndpoint, { maxLength: 5 }),
    names: fc.array(hostname, { maxLength: 2 }),
    policy: trafficPolicy,
  })
  .map(({ service, endpoints, names, policy }) =>
    encodeCluster(
      outboundCluster({
        service: { ...service, resolution: "DNSLB" },
        port: { name: "port", number: 80, protocol: "HTTP" },
        discovery: "STRICT_DNS",
        subset: undefined,
        policy: policy.loadBalancer.kind === "PASSTHROUGH" ? plainPolicy : policy,
        destinationRule: undefined,
        autoMtls: true,
        spiffeIds: [],
        endpoints: [
          ...endpoints,
          ...names.map(name => ({ ...endpoint("10.0.0.1", 80), address: name })),
        ],
        ipFamilies: "IPv4",
        terse: false,
      }),
    ),
  );
