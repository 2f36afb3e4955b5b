/** The mesh's root in every namespace, and the Leases of its leaders: made by the control plane itself. */
import { CONTROL_PLANE_LABEL } from "../api/revision-label.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { LEADER_LEASE, leaseResource, revisionLease } from "../sources/kube/leader-election.ts";
import { CONTROL_PLANES } from "../sources/kube/other-control-planes.ts";
import { otherControlPlanes } from "./beside.ts";
import { type ObjectName, resourceOf } from "./objects.ts";

const ROOT_CONFIG_MAP = "istio-ca-root-cert";
const DEPLOYMENTS = resourceOf("Deployment");
const OWN = `${CONTROL_PLANES},${CONTROL_PLANE_LABEL}`;
const PAGE = 500;

/**
 * Only where no control plane is left: Istio's, beside ours, keeps the same ConfigMaps. `namespaces` are
 * those that ours were in. Resolves to what could not be removed.
 */
export async function removeRoots(
  client: ApiClient,
  namespaces: readonly string[],
  onRemoved: (name: ObjectName) => void,
): Promise<readonly string[]> {
  const own = await client.list(DEPLOYMENTS, { labelSelector: OWN, limit: 1 });
  if (!own.ok) return [own.status.message ?? "can not list Deployments"];
  if (own.value.items.length > 0) return [];
  if ((await otherControlPlanes(client, namespaces)).length > 0) return [];
  const resource = resourceOf("ConfigMap");
  const failures: string[] = [];
  let next = "";
  do {
    const page = await client.list(resource, {
      labelSelector: "istio.io/config=true",
      fieldSelector: `metadata.name=${ROOT_CONFIG_MAP}`,
      limit: PAGE,
      continue: next,
    });
    if (!page.ok) return [page.status.message ?? "can not list ConfigMaps"];
    for (const item of page.value.items) {
      const namespace = stringAt(objectAt(item, "metadata"), "namespace");
      const answer = await client.delete(resource, namespace, ROOT_CONFIG_MAP);
      const name = { kind: "ConfigMap", namespace, name: ROOT_CONFIG_MAP };
      if (answer.ok) onRemoved(name);
      else if (answer.status.code !== 404)
        failures.push(answer.status.message ?? `ConfigMap ${namespace}/${ROOT_CONFIG_MAP}`);
    }
    next = page.value.continue;
  } while (next !== "");
  return failures;
}

/** Of control planes that were removed: the revision's own, and everyone's when there is none left. */
export async function removeLeases(
  client: ApiClient,
  removed: readonly { readonly namespace: string; readonly revision: string }[],
  onRemoved: (name: ObjectName) => void,
): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const { namespace, revision } of removed) {
    const left = await client.list(DEPLOYMENTS, {
      namespace,
      labelSelector: OWN,
    });
    const isLast = left.ok && left.value.items.length === 0;
    for (const name of [revisionLease(revision), ...(isLast ? [LEADER_LEASE] : [])]) {
      const answer = await client.delete(leaseResource, namespace, name);
      if (answer.ok) onRemoved({ kind: "Lease", namespace, name });
      else if (answer.status.code !== 404) failures.push(answer.status.message ?? `Lease ${name}`);
    }
  }
  return failures;
}
