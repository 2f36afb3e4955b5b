/** What serves: the model's projection of Pods (and, in workload-entries.ts, of WorkloadEntries). */
import type { Pod } from "../api/pod/schema.ts";
import type { Collection, Graph, Reader, SelectableIndex } from "../flow/types.ts";
import { augmentedLabels, NETWORK } from "./augmented-labels.ts";
import { localityOfLabels, NOWHERE } from "./locality.ts";
import { type MeshNames, meshNames, spiffeId } from "./mesh.ts";
import type { Endpoint, Locality, ObjectRef } from "./types.ts";
import {
  canonicalName,
  canonicalRevision,
  podTlsMode,
  podWorkloadName,
} from "./workload-identity.ts";

/** Name of the only Kubernetes cluster, until remote ones are sources too. */
export const LOCAL_CLUSTER = "Kubernetes";

export interface Workload {
  readonly source: ObjectRef;
  readonly addresses: readonly string[];
  /** With those that the control plane adds (`augmentedLabels`). */
  readonly labels: Readonly<Record<string, string>>;
  /** Those that the object has: what Kubernetes' own selectors see. */
  readonly ownLabels: Readonly<Record<string, string>>;
  /** SPIFFE id, "" when unknown. */
  readonly serviceAccount: string;
  readonly cluster: string;
  readonly network: string;
  readonly locality: Locality;
  readonly nodeName: string;
  readonly tlsMode: Endpoint["tlsMode"];
  readonly workloadName: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  /** Pod: container ports by name; WorkloadEntry: ports by service port name. */
  readonly namedPorts: Readonly<Record<string, number>>;
  readonly weight: number;
  readonly health: Endpoint["health"];
}

export function createPodWorkloads(
  graph: Graph,
  pods: Collection<Pod>,
  nodes: Collection<Locality>,
  names: Collection<MeshNames>,
): Collection<Workload> {
  const options = { name: "workloads of pods", reads: [nodes, names] };
  return graph.derive<Pod, Workload>(pods, options, (_key, pod, read) => {
    if (hasEnded(pod)) return undefined;
    const addresses = podAddresses(pod);
    if (addresses.length === 0) return undefined;
    return podWorkload(pod, addresses, podLocality(pod, read, nodes), meshNames(read, names));
  });
}

/** Workloads by their labels and namespace, for selectors. */
export function workloadsByLabel(
  graph: Graph,
  workloads: Collection<Workload>,
  name: string,
): SelectableIndex<Workload> {
  return graph.selectableIndex(workloads, name, (_key, { source, labels }) => ({
    namespace: source.namespace,
    labels,
  }));
}

function podWorkload(
  pod: Pod,
  addresses: readonly string[],
  locality: Locality,
  names: MeshNames,
): Workload {
  const { metadata, spec } = pod;
  const workloadName = podWorkloadName(pod);
  const account = spec.serviceAccountName ?? spec.serviceAccount ?? "default";
  const where = {
    cluster: LOCAL_CLUSTER,
    network: metadata.labels[NETWORK] ?? "",
    locality,
    nodeName: spec.nodeName ?? "",
  };
  return {
    source: { kind: "Pod", namespace: metadata.namespace, name: metadata.name },
    addresses,
    ...where,
    labels: augmentedLabels(metadata.labels, where),
    ownLabels: metadata.labels,
    serviceAccount: spiffeId(names.trustDomain, metadata.namespace, account),
    tlsMode: podTlsMode(pod),
    workloadName,
    canonicalName: canonicalName(metadata.labels, workloadName),
    canonicalRevision: canonicalRevision(metadata.labels) || "latest",
    namedPorts: containerPorts(pod),
    weight: 1,
    health: podHealth(pod),
  };
}

function hasEnded(pod: Pod): boolean {
  return pod.status.phase === "Succeeded" || pod.status.phase === "Failed";
}

export function podAddresses(pod: Pod): readonly string[] {
  const several = (pod.status.podIPs ?? []).flatMap(each => (each.ip ? [each.ip] : []));
  if (several.length > 0) return several;
  return pod.status.podIP === undefined || pod.status.podIP === "" ? [] : [pod.status.podIP];
}

function podLocality(pod: Pod, read: Reader, nodes: Collection<Locality>): Locality {
  const label = pod.metadata.labels["istio-locality"];
  if (label !== undefined && label !== "") {
    const [region = "", zone = "", subZone = ""] = label.split(".");
    return { region, zone, subZone };
  }
  const node = pod.spec.nodeName;
  const fromNode = node === undefined ? undefined : read.get(nodes, node);
  return fromNode ?? localityOfLabels(pod.metadata.labels) ?? NOWHERE;
}

/** Used where a selector chooses pods directly (ServiceEntry); slices bring their own conditions. */
function podHealth(pod: Pod): Endpoint["health"] {
  if (pod.metadata.deletionTimestamp !== undefined) return "DRAINING";
  const ready = pod.status.conditions.some(
    condition => condition.type === "Ready" && condition.status === "True",
  );
  return ready ? "HEALTHY" : "UNHEALTHY";
}

function containerPorts(pod: Pod): Readonly<Record<string, number>> {
  const ports: Record<string, number> = Object.create(null);
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers])
    for (const port of container.ports) {
      // Kubernetes resolves a named target port by the transport protocol, too.
      if (port.name !== undefined && port.protocol === "TCP")
        ports[port.name] ??= port.containerPort;
    }
  return ports;
}
