/**
 * The objects of a load: services with their pods, endpoints, a DestinationRule of two subsets and a
 * weighted VirtualService each, spread over namespaces; and the sidecars of some of the pods.
 */
import type { JsonObject } from "../src/api/kind.ts";
import type { SimProxyOptions } from "./sim-proxy.ts";

export interface LoadSize {
  readonly proxies: number;
  readonly services: number;
  readonly endpoints: number;
  readonly namespaces: number;
  /** One Sidecar object per namespace that imports its own namespace only (`./*`). */
  readonly scoped: boolean;
  /** A TCP port beside the HTTP port of each service. */
  readonly tcp?: boolean;
  /** A second HTTP port instead: as many clusters as with a TCP port, without a listener of its own. */
  readonly secondHttp?: boolean;
  /** What real meshes have beside the usual: headless services, UDP ports, clashing names. */
  readonly mixed?: boolean;
}

interface LoadPort {
  readonly name: string;
  readonly port: number;
  readonly targetPort: number;
  readonly protocol: "TCP" | "UDP";
}

const HTTP: LoadPort = { name: "http", port: 80, targetPort: 8080, protocol: "TCP" };
const SECOND_HTTP: LoadPort = { ...HTTP, name: "http-second", port: 81, targetPort: 8081 };
const TCP: LoadPort = { name: "tcp", port: 9000, targetPort: 9001, protocol: "TCP" };
/** Of the same number as the TCP port, as kube-dns has it. */
const UDP: LoadPort = { ...TCP, name: "udp", protocol: "UDP" };
/** In a mixed load every so manyth service is headless, and as many others have a UDP port. */
const MIXED_EVERY = 10;
/** What a test of the load changes. */
export const CHANGED_SERVICE = 0;

export type ServiceName = Readonly<Record<"name" | "namespace", string>>;

export function serviceName(size: LoadSize, service: number): ServiceName {
  return { name: `svc-${service}`, namespace: `ns-${service % size.namespaces}` };
}

export function namespacesOf(size: LoadSize): JsonObject[] {
  return range(size.namespaces).map(i => {
    const name = `ns-${i}`;
    return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
  });
}

export function sidecarsOf(size: LoadSize): JsonObject[] {
  if (!size.scoped) return [];
  return range(size.namespaces).map(i => ({
    apiVersion: "networking.istio.io/v1",
    kind: "Sidecar",
    metadata: { name: "default", namespace: `ns-${i}` },
    spec: { egress: [{ hosts: ["./*"] }] },
  }));
}

/**
 * In a mixed load each namespace describes the same outside hosts, as teams do that do not know of one
 * another, and the services of another namespace: whose entry wins has to be found out each time.
 */
export function clashingEntries(size: LoadSize): JsonObject[] {
  if (size.mixed !== true) return [];
  const ports = [{ name: "http", number: HTTP.port, protocol: "HTTP" }];
  const entry = (name: string, namespace: number, host: string): JsonObject => ({
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name, namespace: `ns-${namespace}` },
    spec: { hosts: [host], ports, location: "MESH_EXTERNAL", resolution: "DNS" },
  });
  return range(size.namespaces).flatMap(i => [
    entry("outside", i, "outside.example.com"),
    // Not the changed service: all proxies are to hear of that one.
    entry("neighbour", i, hostname(size, size.namespaces + ((i + 1) % size.namespaces))),
  ]);
}

/** What an API server wants to be there before a pod. */
export function serviceAccount(size: LoadSize, service: number): JsonObject {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: serviceName(size, service) };
}

/** The objects of one service, its pods included. */
export function serviceObjects(size: LoadSize, service: number): JsonObject[] {
  const pods = range(size.endpoints).map(pod => podObject(size, service, pod));
  return [
    serviceObject(size, service),
    endpointSlice(size, service, size.endpoints),
    destinationRule(size, service),
    virtualService(size, service, 90),
    ...pods,
  ];
}

function portsOf(size: LoadSize, service: number): readonly LoadPort[] {
  const tcp = size.tcp === true ? [TCP] : [];
  const udp = size.mixed === true && service % MIXED_EVERY === 1 ? [UDP] : [];
  const second = size.secondHttp === true ? [SECOND_HTTP] : [];
  return [HTTP, ...tcp, ...second, ...udp];
}

function isHeadless(size: LoadSize, service: number): boolean {
  return size.mixed === true && service % MIXED_EVERY === 2;
}

function serviceObject(size: LoadSize, service: number): JsonObject {
  const metadata = { ...serviceName(size, service), labels: { app: `svc-${service}` } };
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata,
    spec: {
      clusterIP: isHeadless(size, service) ? "None" : address(172, service),
      selector: { app: `svc-${service}` },
      ports: portsOf(size, service).map(each => ({ ...each })),
    },
  };
}

/** With the first `count` of the service's pods. */
export function endpointSlice(size: LoadSize, service: number, count: number): JsonObject {
  const { name, namespace } = serviceName(size, service);
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-slice`,
      namespace,
      labels: { "kubernetes.io/service-name": name },
    },
    addressType: "IPv4",
    ports: portsOf(size, service).map(({ name: port, targetPort, protocol }) => ({
      name: port,
      port: targetPort,
      protocol,
    })),
    endpoints: range(count).map(pod => ({
      addresses: [podAddress(size, service, pod)],
      conditions: { ready: true, serving: true, terminating: false },
      targetRef: { kind: "Pod", name: podName(service, pod), namespace },
    })),
  };
}

function destinationRule(size: LoadSize, service: number): JsonObject {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "DestinationRule",
    metadata: serviceName(size, service),
    spec: {
      host: hostname(size, service),
      subsets: ["v1", "v2"].map(version => ({ name: version, labels: { version } })),
    },
  };
}

/** Sends `weight` of 100 to subset v1. */
export function virtualService(size: LoadSize, service: number, weight: number): JsonObject {
  const host = hostname(size, service);
  const to = (subset: string, share: number) => ({
    destination: { host, subset },
    weight: share,
  });
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: serviceName(size, service),
    spec: { hosts: [host], http: [{ route: [to("v1", weight), to("v2", 100 - weight)] }] },
  };
}

function podObject(size: LoadSize, service: number, pod: number): JsonObject {
  const { namespace } = serviceName(size, service);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: podName(service, pod), namespace, labels: podLabels(service, pod) },
    spec: {
      serviceAccountName: `svc-${service}`,
      containers: [{ name: "app", image: "app", ports: portsOf(size, service).map(containerPort) }],
    },
    status: {
      phase: "Running",
      podIP: podAddress(size, service, pod),
      conditions: [{ type: "Ready", status: "True" }],
    },
  };
}

function containerPort({ name, targetPort, protocol }: LoadPort): JsonObject {
  return { name, containerPort: targetPort, protocol };
}

function podLabels(service: number, pod: number): Record<string, string> {
  return { app: `svc-${service}`, version: pod % 2 === 0 ? "v1" : "v2" };
}

/**
 * One sidecar in the first pod of as many services, then in their second pods, and so on; where there
 * are more sidecars than pods, several connect as one.
 */
export function sidecarNodes(size: LoadSize): SimProxyOptions["node"][] {
  return range(size.proxies).map(i => {
    const service = i % size.services;
    const pod = Math.floor(i / size.services) % size.endpoints;
    const { namespace } = serviceName(size, service);
    const name = podName(service, pod);
    const ip = podAddress(size, service, pod);
    return {
      id: `sidecar~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`,
      cluster: `svc-${service}.${namespace}`,
      metadata: {
        NAMESPACE: namespace,
        NAME: name,
        INSTANCE_IPS: ip,
        SERVICE_ACCOUNT: `svc-${service}`,
        CLUSTER_ID: "Kubernetes",
        LABELS: podLabels(service, pod),
        ISTIO_VERSION: "1.30.0",
        // As every bootstrap of today says: else a proxy gets what those of earlier versions need.
        LATEEN_CAPABILITIES: "compact-metrics",
      },
    };
  });
}

/** The pod of the first sidecar. */
export function sidecarPod(size: LoadSize): {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
} {
  const { namespace } = serviceName(size, 0);
  return { name: podName(0, 0), namespace, address: podAddress(size, 0, 0) };
}

/** How many proxies have the changed service in their scope. */
export function concernedProxies(size: LoadSize): number {
  if (!size.scoped) return size.proxies;
  const { namespace } = serviceName(size, CHANGED_SERVICE);
  return sidecarNodes(size).filter(node => node.metadata?.["NAMESPACE"] === namespace).length;
}

function hostname(size: LoadSize, service: number): string {
  const { name, namespace } = serviceName(size, service);
  return `${name}.${namespace}.svc.cluster.local`;
}

function podName(service: number, pod: number): string {
  return `svc-${service}-pod-${pod}`;
}

function podAddress(size: LoadSize, service: number, pod: number): string {
  return address(10, service * size.endpoints + pod);
}

/** The `index`th host of a /8. */
function address(first: number, index: number): string {
  const host = index + 1;
  return `${first}.${(host >> 16) & 255}.${(host >> 8) & 255}.${host & 255}`;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
