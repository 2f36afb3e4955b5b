import { type Owner, ownerOf } from "../api/pod/owner.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { Workload } from "./sidecar-container.ts";

/**
 * Istio's rules: the owner names the workload, labels name the canonical service. `known` is the
 * owner where the pod itself does not exist yet.
 */
export function workloadOf(pod: Pod, known?: Owner): Workload {
  if (known !== undefined) return describedWorkload(pod, known);
  const owner = ownerOf(pod);
  if (owner !== undefined) return describedWorkload(pod, owner);
  const generated = pod.metadata.generateName?.replace(/-$/, "");
  const name = pod.metadata.name === "" ? (generated ?? "") : pod.metadata.name;
  return describedWorkload(pod, { apiVersion: "v1", kind: "Pod", name });
}

/** The pod's namespace; where it is not known yet, what the kubelet puts it in for. */
export function namespaceOrReference({ metadata }: Pod): string {
  return metadata.namespace === "" ? "$(POD_NAMESPACE)" : metadata.namespace;
}

/** The workload of that owner, with the canonical names that the pod's labels give. */
function describedWorkload(pod: Pod, owner: Owner): Workload {
  const { labels } = pod.metadata;
  const namespace = namespaceOrReference(pod);
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
