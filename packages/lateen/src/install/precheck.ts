/** What would keep an installation from working, found before anything is changed. */

import type { JsonObject } from "../api/kind.ts";
import { REVISION_LABEL, TAG_LABEL } from "../api/revision-label.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { checkRoot, otherControlPlanes } from "./beside.ts";
import { installedObjects, revisionsOf } from "./installed.ts";
import { rootConflicts } from "./mesh-roots.ts";
import { INSTALLED_KINDS, resourceOf } from "./objects.ts";
import { OWNER, OWNER_LABEL, VERSION_LABEL } from "./render.ts";
import { labelOf, namespacesOfTag } from "./revision-tags.ts";
import { skewWarning } from "./version-skew.ts";

export interface Finding {
  readonly severity: "error" | "warning";
  readonly message: string;
}

/** Native sidecars are on by default from here; before, the older form of injection serves. */
const MINOR_MIN = 28;
const NATIVE_SIDECARS_MINOR = 29;
const VERBS = ["create", "get", "list", "patch", "delete"];

export interface VersionStep {
  /** undefined: from whatever is installed. */
  readonly from: string | undefined;
  readonly to: string;
  /** Only control planes of this revision are looked at for their versions; undefined: all. */
  readonly revision?: string | undefined;
}

/** `dataPlane`: not whether a control plane could be installed, only what pods and proxies meet. */
export type PrecheckScope = "everything" | "dataPlane";

export async function precheck(
  client: ApiClient,
  namespace: string,
  step: VersionStep,
  scope: PrecheckScope = "everything",
): Promise<readonly Finding[]> {
  const controlPlane =
    scope === "dataPlane"
      ? []
      : [
          ...(await checkVersion(client)),
          ...(await checkPermissions(client, namespace)),
          ...(await checkOthers(client, namespace)),
          ...(await rootConflicts(client, namespace)),
        ];
  return [...controlPlane, ...(await checkRevisions(client)), ...(await checkStep(client, step))];
}

async function checkVersion(client: ApiClient): Promise<Finding[]> {
  const answer = await client.send("GET", "/version");
  if (!answer.ok) return [error(`the cluster can not be reached: ${answer.status.message}`)];
  const version = stringAt(answer.value, "gitVersion");
  const minor = Number.parseInt(stringAt(answer.value, "minor"), 10) || 0;
  if (minor < MINOR_MIN)
    return [error(`found Kubernetes ${version}; expected 1.${MINOR_MIN} or later`)];
  if (minor < NATIVE_SIDECARS_MINOR)
    return [
      warning(`Kubernetes ${version} has no native sidecars: pods may start before their proxy`),
    ];
  return [];
}

/** One finding for all that is missing: kinds by the verbs that are denied. */
async function checkPermissions(client: ApiClient, namespace: string): Promise<Finding[]> {
  const missing = new Map<string, string[]>();
  for (const kind of INSTALLED_KINDS) {
    const { group, plural, namespaced } = resourceOf(kind);
    const denied: string[] = [];
    for (const verb of VERBS) {
      const attributes = { group, resource: plural, verb, ...(namespaced ? { namespace } : {}) };
      const answer = await client.send(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {
          body: {
            apiVersion: "authorization.k8s.io/v1",
            kind: "SelfSubjectAccessReview",
            spec: { resourceAttributes: attributes },
          },
        },
      );
      if (!answer.ok) return [error(`permissions can not be checked: ${answer.status.message}`)];
      if (objectAt(answer.value, "status")["allowed"] !== true) denied.push(verb);
    }
    if (denied.length === 0) continue;
    const where = `${denied.join(", ")}${namespaced ? ` in namespace ${namespace}` : ""}`;
    missing.set(where, [...(missing.get(where) ?? []), plural]);
  }
  if (missing.size === 0) return [];
  const lines = [...missing].map(([where, plurals]) => `\n  ${where}: ${plurals.join(", ")}`);
  return [error(`you may not do what an installation does:${lines.join("")}`)];
}

const SHOWN_MAX = 10;

/** Namespaces whose pods ask for a revision, or a tag, that nobody serves. */
async function checkRevisions(client: ApiClient): Promise<Finding[]> {
  const webhooks = await client.list(resourceOf("MutatingWebhookConfiguration"));
  const namespaces = await client.list(resourceOf("Namespace"), {
    labelSelector: REVISION_LABEL,
    form: "metadata",
  });
  if (!webhooks.ok || !namespaces.ok) return [];
  const served = webhooks.value.items.flatMap(each => [
    labelOf(each, REVISION_LABEL),
    labelOf(each, TAG_LABEL),
  ]);
  // Nothing can be created any more in one that is being deleted.
  const lasting = namespaces.value.items.filter(each => !isBeingDeleted(each));
  const asked = new Set(lasting.map(each => labelOf(each, REVISION_LABEL)));
  const lost = [...asked].filter(revision => !served.includes(revision)).sort();
  return lost.map(revision => {
    const names = namespacesOfTag(lasting, revision);
    const more = names.length > SHOWN_MAX ? ` and ${names.length - SHOWN_MAX} more` : "";
    return warning(
      `${names.slice(0, SHOWN_MAX).join(", ")}${more}: namespaces with istio.io/rev=${revision}, and no control ` +
        `plane has that revision or tag: their pods get no sidecar. 'lateen tag set ${revision} --revision ` +
        `REVISION' or 'lateen install --revision ${revision}' serves them`,
    );
  });
}

function isBeingDeleted(object: JsonObject): boolean {
  return "deletionTimestamp" in objectAt(object, "metadata");
}

/** Another installation under the same names, and what it would be in each other's way. */
async function checkOthers(client: ApiClient, namespace: string): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const other of await otherControlPlanes(client, [namespace])) {
    const name = `${other.namespace}/${other.name}`;
    const same = name === `${namespace}/istiod` ? ": install with --revision beside it" : "";
    found.push(warning(`Deployment ${name} is a control plane of another installation${same}`));
    found.push(...(await checkRoot(client, namespace, other)));
  }
  const installed = await installedObjects(client);
  if (!installed.ok)
    return [...found, error(`what is installed can not be listed: ${installed.status.message}`)];
  for (const revision of revisionsOf(installed.objects)) {
    const [plane] = installed.objects.filter(
      each =>
        each.kind === "Deployment" && each.component === "Pilot" && each.revision === revision,
    );
    if (plane === undefined) continue;
    if (objectAt(plane.object, "spec")["replicas"] === 0)
      found.push(warning(`the control plane of revision ${revision} has 0 replicas: none runs`));
    const conditions = arrayAt(objectAt(plane.object, "status"), "conditions").filter(isObject);
    const available = conditions.find(each => each["type"] === "Available");
    if (available?.["status"] !== "True")
      found.push(warning(`the control plane of revision ${revision} is not available`));
  }
  return found;
}

async function checkStep(
  client: ApiClient,
  { from, to, revision }: VersionStep,
): Promise<Finding[]> {
  const list = await client.list(resourceOf("Deployment"), {
    labelSelector: `app=istiod,${OWNER_LABEL}=${OWNER}${revision === undefined ? "" : `,${REVISION_LABEL}=${revision}`}`,
  });
  const installed = (list.ok ? list.value.items : []).map(item =>
    stringAt(objectAt(objectAt(item, "metadata"), "labels"), VERSION_LABEL),
  );
  const versions = from === undefined ? [...new Set(installed)] : [from];
  return versions
    .map(version => skewWarning(version, to))
    .filter(message => message !== undefined)
    .map(warning);
}

function error(message: string): Finding {
  return { severity: "error", message };
}

function warning(message: string): Finding {
  return { severity: "warning", message };
}
