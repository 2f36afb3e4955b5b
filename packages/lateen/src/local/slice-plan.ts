import type { EndpointSlice } from "../api/endpoint-slice/kind.ts";
import type { Json, JsonObject } from "../api/kind.ts";
import { hasLabels } from "../api/label-selector.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { Service } from "../api/service/schema.ts";
import { jsonEqual } from "../sources/json.ts";
import { isPodFinished, isPodReady, isPodTerminating } from "./pod-facts.ts";

/** Kubernetes' default of --max-endpoints-per-slice. */
export const MAX_ENDPOINTS = 100;
export const SERVICE_LABEL = "kubernetes.io/service-name";
export const MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by";
export const MANAGED_BY = "endpointslice-controller.k8s.io";

/** What a slice shall hold. */
export interface SliceContent {
  readonly ports: readonly JsonObject[];
  readonly endpoints: readonly JsonObject[];
}

export interface SlicePlan {
  readonly create: readonly SliceContent[];
  readonly update: readonly { readonly slice: EndpointSlice; readonly content: SliceContent }[];
  readonly delete: readonly EndpointSlice[];
}

/** Zone of a node, for the endpoints on it. */
export type ZoneOf = (nodeName: string) => string | undefined;

/** Endpoints grouped by the ports that they resolve to: a named target port may differ by pod. */
export function desiredSlices(
  service: Service,
  pods: readonly Pod[],
  zoneOf: ZoneOf,
): readonly SliceContent[] {
  const { selector } = service.spec;
  if (selector === undefined || service.spec.type === "ExternalName") return [];
  const groups = new Map<string, { ports: JsonObject[]; endpoints: JsonObject[] }>();
  for (const pod of pods.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))) {
    if (!hasLabels(selector, pod.metadata.labels)) continue;
    if (isPodFinished(pod) || (pod.status.podIP ?? "") === "") continue;
    const ports = resolvePorts(service, pod);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    group.endpoints.push(endpointOf(service, pod, zoneOf));
    groups.set(key, group);
  }
  return [...groups.values()];
}

function resolvePorts(service: Service, pod: Pod): JsonObject[] {
  return service.spec.ports.flatMap(port => {
    const target = port.targetPort ?? port.port;
    const number = typeof target === "number" ? target : namedPort(pod, target, port.protocol);
    if (number === undefined) return [];
    const app = port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol };
    return [{ name: port.name, port: number, protocol: port.protocol, ...app }];
  });
}

function namedPort(pod: Pod, name: string, protocol: string): number | undefined {
  return pod.spec.containers
    .flatMap(container => container.ports ?? [])
    .find(port => port.name === name && port.protocol === protocol)?.containerPort;
}

function endpointOf(service: Service, pod: Pod, zoneOf: ZoneOf): JsonObject {
  const { metadata, spec, status } = pod;
  const terminating = isPodTerminating(pod);
  const serving = isPodReady(pod);
  const ready = (serving || service.spec.publishNotReadyAddresses) && !terminating;
  const zone = zoneOf(spec.nodeName ?? "");
  const named = spec.hostname !== undefined && spec.subdomain === service.metadata.name;
  return {
    addresses: [status.podIP ?? ""],
    conditions: { ready, serving, terminating },
    ...(named ? { hostname: spec.hostname ?? "" } : {}),
    nodeName: spec.nodeName ?? "",
    ...(zone === undefined ? {} : { zone }),
    targetRef: {
      kind: "Pod",
      namespace: metadata.namespace,
      name: metadata.name,
      uid: metadata.uid,
    },
  };
}

/**
 * What to change so that the slices say what they should, with as few writes as possible: an endpoint
 * stays in the slice where it is, new ones fill up slices that have room.
 */
export function planSlices(
  desired: readonly SliceContent[],
  existing: readonly EndpointSlice[],
): SlicePlan {
  const plan = { create: [] as SliceContent[], update: [] as SlicePlan["update"][number][] };
  const left = new Set(existing);
  for (const group of desired) {
    const same = existing.filter(slice => jsonEqual(portsOf(slice), sorted(group.ports)));
    for (const slice of same) left.delete(slice);
    planGroup(group, same, plan.create, plan.update, left);
  }
  return { ...plan, delete: [...left] };
}

function planGroup(
  group: SliceContent,
  slices: readonly EndpointSlice[],
  create: SliceContent[],
  update: SlicePlan["update"][number][],
  remove: Set<EndpointSlice>,
): void {
  const waiting = new Map(group.endpoints.map(endpoint => [identity(endpoint), endpoint]));
  const filled = slices.map(slice => ({ slice, endpoints: [] as JsonObject[] }));
  for (const { slice, endpoints } of filled)
    for (const old of slice.endpoints) {
      const key = sliceIdentity(old);
      const wanted = waiting.get(key);
      if (wanted !== undefined) endpoints.push(wanted);
      waiting.delete(key);
    }
  const added = [...waiting.values()];
  for (const { endpoints } of filled)
    endpoints.push(...added.splice(0, Math.max(0, MAX_ENDPOINTS - endpoints.length)));
  while (added.length > 0)
    create.push({ ports: group.ports, endpoints: added.splice(0, MAX_ENDPOINTS) });
  for (const { slice, endpoints } of filled) {
    if (endpoints.length === 0) remove.add(slice);
    else if (!sameEndpoints(slice, endpoints))
      update.push({ slice, content: { ports: group.ports, endpoints } });
  }
}

function identity(endpoint: JsonObject): string {
  const target = endpoint["targetRef"];
  const uid = typeof target === "object" && target !== null && "uid" in target ? target.uid : "";
  return `${uid} ${String(endpoint["addresses"])}`;
}

function sliceIdentity(endpoint: EndpointSlice["endpoints"][number]): string {
  return `${endpoint.targetRef?.uid ?? ""} ${String(endpoint.addresses)}`;
}

function sameEndpoints(slice: EndpointSlice, endpoints: readonly JsonObject[]): boolean {
  if (slice.endpoints.length !== endpoints.length) return false;
  return endpoints.every((endpoint, i) => {
    const old = slice.endpoints[i];
    return old !== undefined && jsonEqual(endpointJson(old), endpoint);
  });
}

function endpointJson(endpoint: EndpointSlice["endpoints"][number]): JsonObject {
  const { addresses, conditions, hostname, nodeName, zone, targetRef } = endpoint;
  return {
    addresses,
    conditions: {
      ready: conditions.ready ?? null,
      serving: conditions.serving ?? null,
      terminating: conditions.terminating ?? null,
    },
    ...(hostname === undefined ? {} : { hostname }),
    nodeName: nodeName ?? "",
    ...(zone === undefined ? {} : { zone }),
    targetRef: {
      kind: targetRef?.kind ?? "",
      namespace: targetRef?.namespace ?? "",
      name: targetRef?.name ?? "",
      uid: targetRef?.uid ?? "",
    },
  };
}

function portsOf(slice: EndpointSlice): Json {
  return sorted(
    slice.ports.map(({ name, port, protocol, appProtocol }) => ({
      name,
      port: port ?? 0,
      protocol,
      ...(appProtocol === undefined ? {} : { appProtocol }),
    })),
  );
}

function sorted(ports: readonly JsonObject[]): Json {
  return ports.toSorted((a, b) => (String(a["name"]) < String(b["name"]) ? -1 : 1));
}
