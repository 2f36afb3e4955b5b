/** Endpoint assignments: EDS resources, and the same thing inline in DNS-resolved clusters. */

import { isIP } from "node:net";
import { HealthStatus } from "@lateen/envoy-api/envoy/config/core/v3/health_check.js";
import type { ClusterLoadAssignment } from "@lateen/envoy-api/envoy/config/endpoint/v3/endpoint.js";
import type {
  LbEndpoint,
  LocalityLbEndpoints,
} from "@lateen/envoy-api/envoy/config/endpoint/v3/endpoint_components.js";
import { compare } from "../model/order.ts";
import type { Place } from "../model/placements.ts";
import type { IpFamilies } from "../model/proxies.ts";
import type { Endpoint, Locality, Placement } from "../model/types.ts";
import { filterMetadata, socketAddress } from "./message.ts";
import { METADATA_NAMESPACE, workloadMetadata } from "./names.ts";

export interface EndpointsInput {
  /** Of the cluster that asks: `outbound|80|v1|host`. */
  readonly clusterName: string;
  /** Endpoints of one service port, in any order. */
  readonly endpoints: readonly Endpoint[];
  /** The subset's labels; an endpoint must carry them all. Empty: no subset. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of the client: which of an endpoint's addresses it can dial. */
  readonly ipFamilies: IpFamilies;
  /** Without what only the full form of metrics reads, and without what Envoy does anyway. */
  readonly terse: boolean;
  /** Where the client is, if the service makes a difference. */
  readonly placement?: { readonly kind: Placement; readonly place: Place } | undefined;
}

/**
 * Endpoints grouped by locality, both in a fixed order. A locality weighs what its endpoints weigh
 * together, so that every endpoint gets its share as long as no locality policy says otherwise.
 * Where near endpoints are preferred, a locality is split by how near its endpoints are.
 */
export function loadAssignment(input: EndpointsInput): ClusterLoadAssignment {
  const groups = new Map<string, Group>();
  const labels = Object.entries(input.labels);
  const chosen = input.endpoints.filter(
    endpoint => hasLabels(endpoint, labels) && isReachable(endpoint, input.placement),
  );
  for (const endpoint of chosen.sort(compareEndpoints)) {
    const distance = distanceTo(endpoint, input.placement);
    const locality = localityKey(endpoint.locality);
    const key = `${locality}/${distance}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { locality, distance, endpoints: [endpoint] });
    else group.endpoints.push(endpoint);
  }
  const sorted = [...groups.values()].sort(
    (a, b) => compare(a.locality, b.locality) || a.distance - b.distance,
  );
  // Envoy wants priorities without gaps.
  const distances = [...new Set(sorted.map(group => group.distance))].sort((a, b) => a - b);
  return {
    clusterName: input.clusterName,
    endpoints: sorted.map(group =>
      localityEndpoints(group, distances.indexOf(group.distance), input),
    ),
  };
}

interface Group {
  readonly locality: string;
  readonly distance: number;
  readonly endpoints: Endpoint[];
}

function localityEndpoints(
  { endpoints }: Group,
  priority: number,
  seen: Seen,
): LocalityLbEndpoints {
  const [first] = endpoints;
  return {
    locality: first === undefined ? {} : { ...first.locality },
    lbEndpoints: endpoints.map(endpoint => lbEndpoint(endpoint, seen)),
    loadBalancingWeight: endpoints.reduce((sum, endpoint) => sum + weightOf(endpoint), 0),
    ...(priority === 0 ? {} : { priority }),
  };
}

/** `internalTrafficPolicy: Local`: those on other nodes are not there. */
function isReachable(endpoint: Endpoint, placement: EndpointsInput["placement"]): boolean {
  return placement?.kind !== "Local" || endpoint.nodeName === placement.place.node;
}

/**
 * How much of the client's place an endpoint does not share: 0 is nearest. Istio compares network,
 * region and zone, for the node also sub-zone and node, and the first difference decides.
 */
function distanceTo(endpoint: Endpoint, placement: EndpointsInput["placement"]): number {
  if (placement === undefined || placement.kind === "Local") return 0;
  const { place } = placement;
  const { locality } = endpoint;
  const same = [
    // Whoever says nothing of its network is in the only one.
    [endpoint.network, place.network].includes("") || endpoint.network === place.network,
    locality.region === place.region,
    locality.zone === place.zone,
  ];
  if (placement.kind === "PreferSameNode")
    same.push(locality.subZone === place.subZone, endpoint.nodeName === place.node);
  const different = same.indexOf(false);
  return different < 0 ? 0 : same.length - different;
}

type Seen = Pick<EndpointsInput, "ipFamilies" | "terse">;

function lbEndpoint(endpoint: Endpoint, seen: Seen): LbEndpoint {
  const [address = endpoint.address, ...more] = dialledAddresses(endpoint, seen.ipFamilies);
  const { port } = endpoint;
  const additional = more.map(each => ({ address: socketAddress(each, port) }));
  return {
    endpoint: {
      address: socketAddress(address, port),
      ...(additional.length === 0 ? {} : { additionalAddresses: additional }),
    },
    healthStatus: HEALTH[endpoint.health],
    metadata: filterMetadata({
      "envoy.transport_socket_match":
        endpoint.tlsMode === "istio" ? { tlsMode: "istio" } : undefined,
      istio: { workload: workloadOf(endpoint) },
      [METADATA_NAMESPACE]: seen.terse ? undefined : peerLabels(endpoint),
    }),
    loadBalancingWeight: weightOf(endpoint),
  };
}

/** An endpoint of the other family alone stays: its client may know better than we do. */
function dialledAddresses(
  { address, otherAddresses = [] }: Endpoint,
  ipFamilies: IpFamilies,
): readonly string[] {
  if (otherAddresses.length === 0) return [address];
  const all = [address, ...otherAddresses];
  if (ipFamilies === "dual") return all;
  const family = ipFamilies === "IPv6" ? 6 : 4;
  const usable = all.filter(each => isIP(each) === family);
  return usable.length === 0 ? [address] : usable.slice(0, 1);
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

/** The same facts as `istio.workload`, one a key: Envoy itself can not split a string. */
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

function hasLabels(endpoint: Endpoint, labels: readonly (readonly [string, string])[]): boolean {
  return labels.every(([key, value]) => endpoint.labels[key] === value);
}

/** Envoy refuses a weight of 0; Istio takes "no weight" for 1. */
function weightOf(endpoint: Endpoint): number {
  return endpoint.weight === 0 ? 1 : endpoint.weight;
}

function localityKey(locality: Locality): string {
  return [locality.region, locality.zone, locality.subZone].join("/");
}

function compareEndpoints(a: Endpoint, b: Endpoint): number {
  return compare(a.address, b.address) || a.port - b.port;
}
