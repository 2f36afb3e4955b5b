/** Model rows for tests: a small mesh with one of everything. */
import type {
  ClientTls,
  Endpoint,
  MeshView,
  Protocol,
  Service,
  ServiceKey,
  ServicePort,
  TrafficPolicy,
} from "../../src/model/types.ts";

export const mesh: MeshView = {
  metrics: "full",
  trustDomain: "cluster.local",
  rootNamespace: "istio-system",
  domain: "cluster.local",
  accessLogFile: "/dev/stdout",
  accessLogFormat: "",
  outboundTrafficPolicy: "ALLOW_ANY",
  enableAutoMtls: true,
  meshId: "cluster.local",
  protocolDetectionTimeout: undefined,
  ingress: {
    mode: "STRICT",
    class: "istio",
    service: "istio-ingressgateway",
    selector: "ingressgateway",
  },
};

export function servicePort(number: number, protocol: Protocol, name = "port"): ServicePort {
  return { name, number, protocol, targetPort: number };
}

export function service(name: string, namespace: string, changes: Partial<Service> = {}): Service {
  const hostname = `${name}.${namespace}.svc.cluster.local`;
  return {
    key: `${namespace}/${hostname}` as ServiceKey,
    hostname,
    namespace,
    name,
    registry: "Kubernetes",
    addresses: ["10.93.1.10"],
    ports: [servicePort(80, "HTTP", "http")],
    resolution: "ClientSideLB",
    headless: false,
    meshExternal: false,
    exportTo: { kind: "public" },
    labels: {},
    selector: { app: name },
    subjectAltNames: [],
    creationTimestamp: "2026-01-01T00:00:00Z",
    source: { kind: "Service", namespace, name },
    ...changes,
  };
}

export function endpoint(address: string, port: number, changes: Partial<Endpoint> = {}): Endpoint {
  return {
    address,
    port,
    servicePort: "http",
    labels: { app: "reviews", version: "v1" },
    locality: { region: "r1", zone: "z1", subZone: "" },
    network: "",
    cluster: "Kubernetes",
    tlsMode: "istio",
    serviceAccount: "spiffe://cluster.local/ns/default/sa/reviews",
    namespace: "default",
    workloadName: "reviews-v1",
    canonicalName: "reviews",
    canonicalRevision: "v1",
    health: "HEALTHY",
    weight: 1,
    nodeName: "node-a",
    hostName: "",
    ...changes,
  };
}

export const plainPolicy: TrafficPolicy = {
  loadBalancer: { kind: "LEAST_REQUEST" },
  tls: undefined,
};

export function clientTls(mode: ClientTls["mode"], changes: Partial<ClientTls> = {}): ClientTls {
  return {
    mode,
    sni: undefined,
    subjectAltNames: [],
    caCertificates: undefined,
    clientCertificate: undefined,
    privateKey: undefined,
    credentialName: undefined,
    insecureSkipVerify: false,
    ...changes,
  };
}
