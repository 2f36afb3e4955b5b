/**
 * What the control plane itself made: the mesh's root in every namespace, the Leases of its leaders, and
 * what it keeps of a change of the CA that is under way.
 */
import { CONTROL_PLANE_LABEL } from "../api/revision-label.ts";
import { CA_CHANGE_SECRET } from "../base/ca-key-secrets.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { LEADER_LEASE, leaseResource, revisionLease } from "../sources/kube/leader-election.ts";
import { CONTROL_PLANES } from "../sources/kube/other-control-planes.ts";
import { otherControlPlanes } from "./beside.ts";
import { SECRETS } from "./mesh-roots.ts";
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

/**
 * Of control planes that were removed: the Lease of the revision, and where none is left in the namespace
 * everyone's Lease and the Secret of a change of the CA, with the old key: nobody would end that change.
 */
export async function removeOwnState(
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
    const everyones = [
      { kind: "Lease", resource: leaseResource, name: LEADER_LEASE },
      { kind: "Secret", resource: SECRETS, name: CA_CHANGE_SECRET },
    ];
    const own = { kind: "Lease", resource: leaseResource, name: revisionLease(revision) };
    for (const { kind, resource, name } of [own, ...(isLast ? everyones : [])]) {
      const answer = await client.delete(resource, namespace, name);
      if (answer.ok) onRemoved({ kind, namespace, name });
      else if (answer.status.code !== 404)
        failures.push(answer.status.message ?? `${kind} ${name}`);
    }
  }
  return failures;
}
