/** Kubernetes objects as installations make them: which kinds, under which paths, in which order. */

import type { JsonObject } from "../api/kind.ts";
import { assert } from "../base/assert.ts";
import type { Resource } from "../sources/client/api-client.ts";
import { objectAt, stringAt } from "../sources/json.ts";

export type ComponentName =
  | "Base"
  | "Pilot"
  | "IstiodRemote"
  | "IngressGateways"
  | "EgressGateways";

export interface PlannedObject {
  readonly component: ComponentName;
  readonly object: JsonObject;
  /** Paths of fields that are no more than our default: what somebody else has set there stays. */
  readonly yields?: readonly string[];
}

interface KindPlace {
  readonly kind: string;
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

function place(kind: string, apiVersion: string, plural: string, namespaced = true): KindPlace {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  return { kind, group: group ?? "", version: version ?? "", plural, namespaced };
}

const RBAC = "rbac.authorization.k8s.io/v1";
const ADMISSION = "admissionregistration.k8s.io/v1";

/** In the order in which they are applied: each needs those before it only. Deleted in reverse. */
const PLACES: readonly KindPlace[] = [
  place("Namespace", "v1", "namespaces", false),
  place("CustomResourceDefinition", "apiextensions.k8s.io/v1", "customresourcedefinitions", false),
  place("ServiceAccount", "v1", "serviceaccounts"),
  place("ClusterRole", RBAC, "clusterroles", false),
  place("ClusterRoleBinding", RBAC, "clusterrolebindings", false),
  place("Role", RBAC, "roles"),
  place("RoleBinding", RBAC, "rolebindings"),
  place("ConfigMap", "v1", "configmaps"),
  place("ValidatingWebhookConfiguration", ADMISSION, "validatingwebhookconfigurations", false),
  place("MutatingWebhookConfiguration", ADMISSION, "mutatingwebhookconfigurations", false),
  place("Service", "v1", "services"),
  place("EndpointSlice", "discovery.k8s.io/v1", "endpointslices"),
  place("Deployment", "apps/v1", "deployments"),
  place("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
  place("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers"),
];

export const INSTALLED_KINDS: readonly string[] = PLACES.map(each => each.kind);

export function isNamespacedKind(kind: string): boolean {
  return placeOf(kind).namespaced;
}

export function resourceOf(kind: string): Resource {
  const { group, version, plural, namespaced } = placeOf(kind);
  return { group, versions: [version], plural, namespaced };
}

export function apiVersionOf(kind: string): string {
  const { group, version } = placeOf(kind);
  return group === "" ? version : `${group}/${version}`;
}

function placeOf(kind: string): KindPlace {
  const found = PLACES.find(each => each.kind === kind);
  assert(found !== undefined, `an installation has no kind ${kind}`);
  return found;
}

export interface ObjectName {
  readonly kind: string;
  /** "" for those of the cluster. */
  readonly namespace: string;
  readonly name: string;
}

export function nameOf(object: JsonObject): ObjectName {
  const metadata = objectAt(object, "metadata");
  const kind = stringAt(object, "kind");
  return { kind, namespace: stringAt(metadata, "namespace"), name: stringAt(metadata, "name") };
}

/** `Deployment:istio-system:istiod`, as istioctl writes it. */
export function describeName({ kind, namespace, name }: ObjectName): string {
  return `${kind}:${namespace}:${name}`;
}

/** Stable: within a kind the order stays. */
export function inOrder(objects: readonly PlannedObject[]): PlannedObject[] {
  const rank = ({ object }: PlannedObject): number =>
    INSTALLED_KINDS.indexOf(stringAt(object, "kind"));
  return [...objects].sort((a, b) => rank(a) - rank(b));
}
