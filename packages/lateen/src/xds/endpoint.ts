/** Endpoint assignments: EDS resources, and the same thing inline in DNS-resolved clusters. */
import { HealthStatus } from "@lateen/envoy-api/envoy/config/core/v3/health_check.js";
import type { ClusterLoadAssignment } from "@lateen/envoy-api/envoy/config/endpoint/v3/endpoint.js";
import type {
  LbEndpoint,
  LocalityLbEndpoints,
} from "@lateen/envoy-api/envoy/config/endpoint/v3/endpoint_components.js";
import type { Endpoint, Locality } from "../model/types.ts";
import { filterMetadata, socketAddress } from "./message.ts";
import { METADATA_NAMESPACE, workloadMetadata } from "./names.ts";

export interface EndpointsInput {
  /** Of the cluster that asks: `outbound|80|v1|host`. */
  readonly clusterName: string;
  /** Endpoints of one service port, in any order. */
  readonly endpoints: readonly Endpoint[];
  /** The subset's labels; an endpoint must carry them all. Empty: no subset. */
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Endpoints grouped by locality, both in a fixed order. A locality weighs what its endpoints weigh
 * together, so that every endpoint gets its share as long as no locality policy says otherwise.
 */
export function loadAssignment(input: EndpointsInput): ClusterLoadAssignment {
  const byLocality = new Map<string, Endpoint[]>();
  const chosen = input.endpoints.filter(endpoint => hasLabels(endpoint, input.labels));
  for (const endpoint of chosen.sort(compareEndpoints)) {
    const key = localityKey(endpoint.locality);
    const group = byLocality.get(key);
    if (group === undefined) byLocality.set(key, [endpoint]);
    else group.push(endpoint);
  }
  const groups = [...byLocality].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    clusterName: input.clusterName,
    endpoints: groups.map(([, endpoints]) => localityEndpoints(endpoints)),
  };
}

function localityEndpoints(endpoints: readonly Endpoint[]): LocalityLbEndpoints {
  const [first] = endpoints;
  return {
    locality: first === undefined ? {} : { ...first.locality },
    lbEndpoints: endpoints.map(lbEndpoint),
    loadBalancingWeight: endpoints.reduce((sum, endpoint) => sum + weightOf(endpoint), 0),
  };
}

export function lbEndpoint(endpoint: Endpoint): LbEndpoint {
  return {
    endpoint: { address: socketAddress(endpoint.address, endpoint.port) },
    healthStatus: HEALTH[endpoint.health],
    metadata: filterMetadata({
      "envoy.transport_socket_match":
        endpoint.tlsMode === "istio" ? { tlsMode: "istio" } : undefined,
      istio: { workload: workloadOf(endpoint) },
      [METADATA_NAMESPACE]: peerLabels(endpoint),
    }),
    loadBalancingWeight: weightOf(endpoint),
  };
}

const HEALTH = {
  UNKNOWN: HealthStatus.UNKNOWN,
  HEALTHY: HealthStatus.HEALTHY,
  UNHEALTHY: HealthStatus.UNHEALTHY,
  DRAINING: HealthStatus.DRAINING,
} as const;

function workloadOf(endpoint: Endpoint): string {
  return workloadMetadata(
    endpoint.workloadName,
    endpoint.namespace,
    endpoint.canonicalName,
    endpoint.canonicalRevision,
    endpoint.cluster,
  );
}

/** Keys of the peer labels in endpoint metadata: short, as they are sent once an endpoint. */
export const PEER_LABEL_KEYS = {
  workload: "w",
  namespace: "n",
  canonicalName: "c",
  canonicalRevision: "r",
  cluster: "k",
} as const;

/** The same facts as `istio.workload`, one a key: metrics can not split a string. */
function peerLabels(endpoint: Endpoint): Record<string, string> {
  const labels: Record<string, string> = {};
  const add = (key: string, value: string): void => {
    if (value !== "") labels[key] = value;
  };
  add(PEER_LABEL_KEYS.workload, endpoint.workloadName);
  add(PEER_LABEL_KEYS.namespace, endpoint.namespace);
  add(PEER_LABEL_KEYS.canonicalName, endpoint.canonicalName);
  add(PEER_LABEL_KEYS.canonicalRevision, endpoint.canonicalRevision);
  add(PEER_LABEL_KEYS.cluster, endpoint.cluster);
  return labels;
}

function hasLabels(endpoint: Endpoint, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([key, value]) => endpoint.labels[key] === value);
}

/** Envoy refuses a weight of 0; Istio takes "no weight" for 1. */
function weightOf(endpoint: Endpoint): number {
  return endpoint.weight === 0 ? 1 : endpoint.weight;
}

function localityKey(locality: Locality): string {
  return [locality.region, locality.zone, locality.subZone].join("/");
}

function compareEndpoints(a: Endpoint, b: Endpoint): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return a.port - b.port;
}
