/** What of ours is in a cluster, found by its labels. */
import type { JsonObject } from "../api/kind.ts";
import { CONTROL_PLANE_LABEL, REVISION_LABEL } from "../api/revision-label.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { arrayAt, objectAt, stringAt } from "../sources/json.ts";
import { CONTROL_PLANES, webhookNamespaces } from "../sources/kube/other-control-planes.ts";
import type { Status } from "../sources/status.ts";
import { apiVersionOf, INSTALLED_KINDS, nameOf, type ObjectName, resourceOf } from "./objects.ts";
import { COMPONENT_LABEL, MESH_LABEL, OWNER, OWNER_LABEL } from "./render.ts";

export interface InstalledObject extends ObjectName {
  readonly component: string;
  /** "" for what all revisions share. */
  readonly revision: string;
  /** Namespace of the control plane that it was installed with: what tells meshes of a cluster apart. */
  readonly mesh: string;
  readonly object: JsonObject;
}

export type Found =
  | { readonly ok: true; readonly objects: readonly InstalledObject[] }
  | { readonly ok: false; readonly status: Status };

const PAGE = 500;

/** All of it, of all revisions, in the order in which it was applied. */
export async function installedObjects(client: ApiClient): Promise<Found> {
  const objects: InstalledObject[] = [];
  for (const kind of INSTALLED_KINDS) {
    const resource = resourceOf(kind);
    let next = "";
    do {
      const request = { labelSelector: `${OWNER_LABEL}=${OWNER},${COMPONENT_LABEL}`, limit: PAGE };
      const page = await client.list(resource, { ...request, continue: next });
      if (!page.ok) return { ok: false, status: page.status };
      objects.push(...page.value.items.filter(isOwn).map(item => describe(kind, item)));
      next = page.value.continue;
    } while (next !== "");
  }
  return { ok: true, objects };
}

export interface ControlPlane {
  readonly namespace: string;
  readonly name: string;
  readonly revision: string;
}

export type FoundControlPlanes =
  | { readonly ok: true; readonly planes: readonly ControlPlane[] }
  | { readonly ok: false; readonly status: Status };

/** Deployments of Lateen's control planes, whoever installed them: also those of Helm's charts. */
export async function controlPlanes(client: ApiClient): Promise<FoundControlPlanes> {
  const labelSelector = `${CONTROL_PLANES},${CONTROL_PLANE_LABEL}`;
  const list = await client.list(resourceOf("Deployment"), { labelSelector });
  if (!list.ok) return { ok: false, status: list.status };
  const planes = list.value.items.map(item => {
    const labels = objectAt(objectAt(item, "metadata"), "labels");
    const { namespace, name } = nameOf(item);
    return { namespace, name, revision: stringAt(labels, REVISION_LABEL) };
  });
  return { ok: true, planes };
}

/** Webhook configurations of tags that people set: no installation manages them. */
export async function tagObjects(client: ApiClient): Promise<Found> {
  const objects: InstalledObject[] = [];
  for (const kind of ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"]) {
    const labelSelector = `${OWNER_LABEL}=${OWNER},!${COMPONENT_LABEL}`;
    const list = await client.list(resourceOf(kind), { labelSelector });
    if (!list.ok) return { ok: false, status: list.status };
    objects.push(...list.value.items.map(item => describe(kind, item)));
  }
  return { ok: true, objects };
}

/** Controllers give what they make for an object of ours its labels: EndpointSlices of a Service. */
export function isOwn(item: JsonObject): boolean {
  return arrayAt(objectAt(item, "metadata"), "ownerReferences").length === 0;
}

function describe(kind: string, item: JsonObject): InstalledObject {
  const object = { ...item, apiVersion: apiVersionOf(kind), kind };
  const labels = objectAt(objectAt(item, "metadata"), "labels");
  return {
    ...nameOf(object),
    component: stringAt(labels, COMPONENT_LABEL),
    revision: stringAt(labels, REVISION_LABEL),
    mesh: stringAt(labels, MESH_LABEL) || webhookNamespaces(object)[0] || nameOf(object).namespace,
    object,
  };
}

/** What was installed with the control plane of that namespace; undefined: of all. */
export function ofMesh(
  objects: readonly InstalledObject[],
  namespace: string | undefined,
): readonly InstalledObject[] {
  return objects.filter(({ mesh }) => namespace === undefined || mesh === namespace);
}

/** Namespaces of the control planes among them, in order. */
export function meshesOf(objects: readonly InstalledObject[]): readonly string[] {
  const planes = objects.filter(({ component }) => PLANES.includes(component));
  return [...new Set(planes.map(({ mesh }) => mesh))].sort();
}

const PLANES: readonly string[] = ["Pilot", "IstiodRemote"];

/** Names of the revisions whose control plane is there. */
export function revisionsOf(objects: readonly InstalledObject[]): readonly string[] {
  const found = objects.map(each => each.revision).filter(each => each !== "");
  return [...new Set(found)].sort();
}

/** Of `before` what `wanted` has no more, last things first. */
export function leftOver(
  before: readonly InstalledObject[],
  wanted: readonly ObjectName[],
): readonly InstalledObject[] {
  const kept = new Set(wanted.map(keyOf));
  return before.filter(each => !kept.has(keyOf(each))).reverse();
}

function keyOf({ kind, namespace, name }: ObjectName): string {
  return `${kind}/${namespace}/${name}`;
}
