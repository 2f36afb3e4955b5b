/**
 * What the API server would refuse, asked before anything is applied: an installation that stops half-way
 * leaves a cluster that is neither the old nor the new one. Where the namespace is only to be made, its
 * objects are tried in one that every cluster has.
 */
import type { JsonObject } from "../api/kind.ts";
import { type ApiClient, resourcePath, withQuery } from "../sources/client/api-client.ts";
import { objectAt } from "../sources/json.ts";
import type { Status } from "../sources/status.ts";
import { FIELD_MANAGER } from "./apply.ts";
import { describeName, nameOf, type PlannedObject, resourceOf } from "./objects.ts";

/** Those that settings shape. */
const KINDS: readonly string[] = [
  "Service",
  "Deployment",
  "PodDisruptionBudget",
  "HorizontalPodAutoscaler",
];
const STAND_IN = "default";

/** `NAME: the API server's words` of each; what nobody may try is left to the installation itself. */
export async function refusals(
  client: ApiClient,
  objects: readonly PlannedObject[],
): Promise<readonly string[]> {
  const found: string[] = [];
  const missing = new Map<string, boolean>();
  for (const { object } of objects) {
    const { kind, namespace, name } = nameOf(object);
    if (!KINDS.includes(kind)) continue;
    const isMissing = missing.get(namespace) ?? (await isAbsent(client, namespace));
    missing.set(namespace, isMissing);
    const place = isMissing ? STAND_IN : namespace;
    const path = resourcePath(resourceOf(kind), place, name);
    const query = { fieldManager: FIELD_MANAGER, force: true, dryRun: "All" };
    const body = isMissing ? inStandIn(object) : object;
    const contentType = "application/apply-patch+yaml";
    const answer = await client.send("PATCH", withQuery(path, query), { body, contentType });
    if (!answer.ok && isAboutTheObject(answer.status, isMissing))
      found.push(`${describeName(nameOf(object))}: ${answer.status.message}`);
  }
  return found;
}

async function isAbsent(client: ApiClient, namespace: string): Promise<boolean> {
  const answer = await client.get(resourceOf("Namespace"), "", namespace);
  return !answer.ok && answer.status.code === 404;
}

function inStandIn(object: JsonObject): JsonObject {
  return { ...object, metadata: { ...objectAt(object, "metadata"), namespace: STAND_IN } };
}

/** Policies of the cluster may ask other things of another namespace. */
function isAboutTheObject({ code, message = "" }: Status, isElsewhere: boolean): boolean {
  if (isElsewhere && message.includes("admission webhook")) return false;
  // Values of a wrong type are no bad request but an internal error to server-side apply.
  return code === 400 || code === 422 || message.includes("typed patch object");
}
