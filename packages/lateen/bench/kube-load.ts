/** The objects of the load on a real API server: Deployments on nodes that are not there, and one Service to change. */
import { ON_FAKE_NODES } from "../../../scripts/kube/kwok.ts";
import type { JsonObject } from "../src/api/kind.ts";

export interface KubeLoadSize {
  /** Of a hundred each at most, as an EndpointSlice and a fake node hold no more. */
  readonly pods: number;
  readonly services: number;
  readonly namespaces: number;
  /** Simulated sidecars, each with the token of a pod; one real Envoy comes on top. */
  readonly proxies: number;
}

const PORT = 80;
const TARGET_PORT = 8080;
export const NODE_PREFIX = "fake-";

/** What a change is made of: its endpoints and its route are the bench's own, no controller's. */
export const PROBE = { namespace: "bench-probe", name: "probe" } as const;
const PROBE_HOST = `${PROBE.name}.${PROBE.namespace}.svc.cluster.local`;

export function namespaceNames({ namespaces }: KubeLoadSize): string[] {
  return range(namespaces).map(i => `bench-${i}`);
}

export function deploymentName(size: KubeLoadSize, index: number) {
  return { name: `svc-${index}`, namespace: `bench-${index % size.namespaces}` };
}

export function podsOf(size: KubeLoadSize, index: number): number {
  const each = Math.floor(size.pods / size.services);
  return index < size.pods % size.services ? each + 1 : each;
}

export function service(size: KubeLoadSize, index: number): JsonObject {
  const metadata = deploymentName(size, index);
  const ports = [{ name: "http", port: PORT, targetPort: TARGET_PORT }];
  return { apiVersion: "v1", kind: "Service", metadata, spec: { selector: app(index), ports } };
}

/** Placed by name: that pods are scheduled is not what is measured, and costs a third more. */
export function deployment(size: KubeLoadSize, index: number): JsonObject {
  const labels = app(index);
  const { tolerations } = ON_FAKE_NODES;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: deploymentName(size, index),
    spec: {
      replicas: podsOf(size, index),
      selector: { matchLabels: labels },
      template: {
        metadata: { labels: { ...labels, version: "v1" } },
        spec: {
          nodeName: `${NODE_PREFIX}${index}`,
          tolerations: tolerations.map(each => ({ ...each })),
          automountServiceAccountToken: false,
          containers: [{ name: "app", image: "none", ports: [{ containerPort: TARGET_PORT }] }],
        },
      },
    },
  };
}

export function probeObjects(): JsonObject[] {
  const metadata = { ...PROBE };
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: { ports: [{ name: "http", port: PORT, targetPort: TARGET_PORT }] },
    },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": PROBE.name } },
      addressType: "IPv4",
      ports: [{ name: "http", port: TARGET_PORT, protocol: "TCP" }],
      ...probeEndpoints("10.99.0.0"),
    },
    {
      apiVersion: "networking.istio.io/v1",
      kind: "VirtualService",
      metadata,
      ...probeRoute("/first"),
    },
  ];
}

export function probeEndpoints(address: string) {
  return { endpoints: [{ addresses: [address], conditions: { ready: true } }] };
}

export function probeRoute(prefix: string) {
  const route = [{ destination: { host: PROBE_HOST } }];
  const marked = { match: [{ uri: { prefix } }], route };
  return { spec: { hosts: [PROBE_HOST], http: [marked, { route }] } };
}

function app(index: number): Record<string, string> {
  return { app: `svc-${index}` };
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
