/** Who a pod belongs to, as far as the pod itself says (Istio: GetWorkloadMetaFromPod). */
import type { Pod } from "./schema.ts";

export interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

const POD_TEMPLATE_HASH = "pod-template-hash";
/** A CronJob's Jobs are named NAME-MINUTES; what scheduled them is not in the pod. */
const SCHEDULED = /^(.+)-\d{8,10}$/;

/** The Deployment of a ReplicaSet, the CronJob of a Job, else the controller; none: undefined. */
export function ownerOf(pod: Pod): Owner | undefined {
  const { labels, ownerReferences } = pod.metadata;
  const owner = ownerReferences?.find(each => each.controller === true);
  if (owner === undefined) return undefined;
  const { apiVersion, kind, name } = owner;
  const suffix = `-${labels[POD_TEMPLATE_HASH] ?? ""}`;
  if (kind === "ReplicaSet" && suffix !== "-" && name.endsWith(suffix))
    return { apiVersion: "apps/v1", kind: "Deployment", name: name.slice(0, -suffix.length) };
  const scheduled = kind === "Job" ? SCHEDULED.exec(name)?.[1] : undefined;
  if (scheduled !== undefined) return { apiVersion: "batch/v1", kind: "CronJob", name: scheduled };
  return { apiVersion, kind, name };
}
