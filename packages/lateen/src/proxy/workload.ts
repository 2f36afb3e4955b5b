import type { Pod } from "../api/pod/schema.ts";
import type { Workload } from "./sidecar-container.ts";

export interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

/**
 * Istio's rules: the owner names the workload, labels name the canonical service. `known` is the
 * owner where the pod itself does not exist yet.
 */
export function workloadOf(pod: Pod, known?: Owner): Workload {
  if (known !== undefined) return describedWorkload(pod, known);
  const { labels } = pod.metadata;
  const owner = (pod.metadata.ownerReferences ?? []).find(ref => ref.controller === true);
  const hash = labels["pod-template-hash"];
  if (owner?.kind === "ReplicaSet" && hash !== undefined && owner.name.endsWith(`-${hash}`)) {
    const name = owner.name.slice(0, -hash.length - 1);
    return describedWorkload(pod, { apiVersion: "apps/v1", kind: "Deployment", name });
  }
  if (owner?.kind === "Job") {
    // A CronJob's Jobs are named NAME-MINUTES; what scheduled them is not in the pod.
    const scheduled = /^(.+)-\d{8,10}$/.exec(owner.name)?.[1];
    if (scheduled !== undefined)
      return describedWorkload(pod, { apiVersion: "batch/v1", kind: "CronJob", name: scheduled });
  }
  if (owner !== undefined) return describedWorkload(pod, owner);
  const generated = pod.metadata.generateName?.replace(/-$/, "");
  const name = pod.metadata.name === "" ? (generated ?? "") : pod.metadata.name;
  return describedWorkload(pod, { apiVersion: "v1", kind: "Pod", name });
}

/** The workload of that owner, with the canonical names that the pod's labels give. */
function describedWorkload(pod: Pod, owner: Owner): Workload {
  const { labels, namespace } = pod.metadata;
  const { apiVersion, kind, name } = owner;
  const canonical = labels["service.istio.io/canonical-name"] ?? labels["app.kubernetes.io/name"];
  const revision =
    labels["service.istio.io/canonical-revision"] ?? labels["app.kubernetes.io/version"];
  return {
    name,
    owner: `kubernetes://apis/${apiVersion}/namespaces/${namespace}/${kind.toLowerCase()}s/${name}`,
    canonicalName: canonical ?? labels["app"] ?? name,
    canonicalRevision: revision ?? labels["version"] ?? "latest",
  };
}
