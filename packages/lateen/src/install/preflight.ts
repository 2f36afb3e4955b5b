/**
 * What the API server would refuse, asked before anything is applied: an installation that stops half-way
 * leaves a cluster that is neither the old nor the new one. Where the namespace is only to be made, its
 * objects are tried in one that every cluster has, under names that nothing has there: what is in it says
 * nothing of a new one.
 */
import { randomBytes } from "node:crypto";
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
/** Of a Service; names of the other kinds may be longer. */
const NAME_MAX = 63;

/** `NAME: the API server's words` of each; what nobody may try is left to the installation itself. */
export async function refusals(
  client: ApiClient,
  objects: readonly PlannedObject[],
): Promise<readonly string[]> {
  const found: string[] = [];
  const missing = new Map<string, boolean>();
  const suffix = `-${randomBytes(4).toString("hex")}`;
  for (const { object } of objects) {
    const { kind, namespace, name } = nameOf(object);
    if (!KINDS.includes(kind)) continue;
    const isMissing = missing.get(namespace) ?? (await isAbsent(client, namespace));
    missing.set(namespace, isMissing);
    const place = isMissing ? STAND_IN : namespace;
    const tried = isMissing ? unusedName(name, suffix) : name;
    const path = resourcePath(resourceOf(kind), place, tried);
    const query = { fieldManager: FIELD_MANAGER, force: true, dryRun: "All" };
    const body = isMissing ? inStandIn(object, tried) : object;
    const contentType = "application/apply-patch+yaml";
    const answer = await client.send("PATCH", withQuery(path, query), { body, contentType });
    if (answer.ok || !isAboutTheObject(answer.status, isMissing)) continue;
    const message = (answer.status.message ?? "").replaceAll(tried, name);
    found.push(`${describeName(nameOf(object))}: ${message}`);
  }
  return found;
}

async function isAbsent(client: ApiClient, namespace: string): Promise<boolean> {
  const answer = await client.get(resourceOf("Namespace"), "", namespace);
  return !answer.ok && answer.status.code === 404;
}

/** No longer than the name may be, so that only a name that is too long itself is refused. */
function unusedName(name: string, suffix: string): string {
  if (name.length > NAME_MAX) return name + suffix;
  return name.slice(0, NAME_MAX - suffix.length).replace(/[-.]+$/, "") + suffix;
}

function inStandIn(object: JsonObject, name: string): JsonObject {
  return { ...object, metadata: { ...objectAt(object, "metadata"), namespace: STAND_IN, name } };
}

/** Webhooks and policies (`ValidatingAdmissionPolicy`) may ask other things of another namespace. */
const BY_POLICY = /admission webhook|AdmissionPolicy/;

function isAboutTheObject({ code, message = "" }: Status, isElsewhere: boolean): boolean {
  if (isElsewhere && BY_POLICY.test(message)) return false;
  // Values of a wrong type are no bad request but an internal error to server-side apply.
  return code === 400 || code === 422 || message.includes("typed patch object");
}
