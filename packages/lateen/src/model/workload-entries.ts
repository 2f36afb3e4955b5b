/** WorkloadEntries as workloads: machines that are no pods. */
import type { WorkloadEntry, WorkloadEntrySpec } from "../api/workload-entry/schema.ts";
import type { Collection, Graph } from "../flow/types.ts";
import { augmentedLabels } from "./augmented-labels.ts";
import { NOWHERE, parseLocality } from "./locality.ts";
import { type MeshNames, meshNames, spiffeId } from "./mesh.ts";
import type { Endpoint, ObjectRef } from "./types.ts";
import { canonicalName, canonicalRevision, labelledTlsMode } from "./workload-identity.ts";
import { LOCAL_CLUSTER, type Workload } from "./workloads.ts";

export function createEntryWorkloads(
  graph: Graph,
  entries: Collection<WorkloadEntry>,
  names: Collection<MeshNames>,
): Collection<Workload> {
  const options = { name: "workloads of WorkloadEntries", reads: [names] };
  return graph.derive<WorkloadEntry, Workload>(entries, options, (_key, entry, read) => {
    const { namespace, name, labels } = entry.metadata;
    const source = { kind: "WorkloadEntry", namespace, name };
    const spec = { ...entry.spec, labels: { ...labels, ...entry.spec.labels } };
    return entryWorkload(spec, source, name, meshNames(read, names).trustDomain);
  });
}

/** Also for the inline `endpoints` of a ServiceEntry. undefined: no address that Envoy can use. */
export function entryWorkload(
  spec: WorkloadEntrySpec,
  source: ObjectRef,
  workloadName: string,
  trustDomain: string,
): Workload | undefined {
  const { address, labels, serviceAccount } = spec;
  if (address === undefined || address === "" || address.startsWith("unix://")) return undefined;
  const hasAccount = serviceAccount !== undefined && serviceAccount !== "";
  const where = {
    cluster: LOCAL_CLUSTER,
    network: spec.network ?? "",
    locality: localityOf(spec),
    nodeName: "",
  };
  return {
    source,
    addresses: [address],
    ...where,
    labels: augmentedLabels(labels, where),
    ownLabels: labels,
    serviceAccount: hasAccount ? spiffeId(trustDomain, source.namespace, serviceAccount) : "",
    tlsMode: tlsMode(spec, hasAccount),
    workloadName,
    canonicalName: canonicalName(labels, workloadName),
    canonicalRevision: canonicalRevision(labels),
    namedPorts: spec.ports,
    weight: spec.weight ?? 1,
    health: "UNKNOWN",
  };
}

function localityOf({ locality, labels }: WorkloadEntrySpec): Workload["locality"] {
  if (locality !== undefined && locality !== "") return parseLocality(locality);
  const label = labels["istio-locality"];
  return label === undefined ? NOWHERE : parseLocality(label.replaceAll(".", "/"));
}

/** Without the label, an entry that says its service account has a proxy. */
function tlsMode({ labels }: WorkloadEntrySpec, hasAccount: boolean): Endpoint["tlsMode"] {
  return labelledTlsMode(labels) ?? (hasAccount ? "istio" : "disabled");
}
