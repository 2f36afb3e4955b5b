/** Fields that may not change after creation, by resource id, as the API server holds them. */
import type { Json, JsonObject } from "../../api/kind.ts";
import { isObject, jsonEqual, objectAt, stringAt, valueAt } from "../json.ts";
import type { StatusCause } from "../status.ts";

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  "apps/deployments": ["spec.selector"],
  "apps/replicasets": ["spec.selector"],
  "apps/statefulsets": ["spec.selector", "spec.serviceName", "spec.podManagementPolicy"],
  "apps/daemonsets": ["spec.selector"],
  "batch/jobs": ["spec.selector", "spec.completionMode"],
  "discovery.k8s.io/endpointslices": ["addressType"],
  "/secrets": ["type"],
};

/** Parts of a pod's spec that may change: everything else is what its containers were started with. */
const POD_MUTABLE: readonly string[] = ["activeDeadlineSeconds", "tolerations"];

/** What an update may not do; empty when all is well. */
export function immutabilityCauses(
  resource: string,
  before: JsonObject,
  after: JsonObject,
): StatusCause[] {
  const causes: StatusCause[] = [];
  for (const field of FIELDS[resource] ?? []) {
    const found = valueAt(after, field);
    if (!jsonEqual(valueAt(before, field), found)) causes.push(fixed(field, found));
  }
  if (resource === "/services") checkService(before, after, causes);
  if (resource === "/pods") checkPod(before, after, causes);
  if (resource === "/secrets" || resource === "/configmaps") checkFrozen(before, after, causes);
  return causes;
}

function fixed(field: string, found: Json | undefined): StatusCause {
  const message = `Invalid value: ${JSON.stringify(found ?? null)}: field is immutable`;
  return { reason: "FieldValueInvalid", message, field };
}

function checkService(before: JsonObject, after: JsonObject, causes: StatusCause[]): void {
  const old = objectAt(before, "spec");
  const now = objectAt(after, "spec");
  const changesType = [old, now].some(spec => stringAt(spec, "type") === "ExternalName");
  const address = stringAt(old, "clusterIP");
  if (changesType || address === "" || stringAt(now, "clusterIP") === address) return;
  const message = `Invalid value: ${JSON.stringify([now["clusterIP"] ?? ""])}: may not change once set`;
  causes.push({ reason: "FieldValueInvalid", message, field: "spec.clusterIPs[0]" });
}

function checkPod(before: JsonObject, after: JsonObject, causes: StatusCause[]): void {
  // Being put on a node is the one thing that happens to a pod's spec later, and once.
  const free = stringAt(objectAt(before, "spec"), "nodeName") === "";
  const old = fixedPodPart(objectAt(before, "spec"), free);
  const now = fixedPodPart(objectAt(after, "spec"), free);
  if (jsonEqual(old, now)) return;
  causes.push({
    reason: "FieldValueForbidden",
    message:
      "Forbidden: pod updates may not change fields other than `spec.containers[*].image`," +
      "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` " +
      "(only additions to existing tolerations); change the Deployment's template instead",
    field: "spec",
  });
}

function fixedPodPart(spec: JsonObject, withoutNode: boolean): JsonObject {
  const part: Record<string, Json> = {};
  for (const [key, value] of Object.entries(spec)) {
    if (POD_MUTABLE.includes(key)) continue;
    if (key === "nodeName" && withoutNode) continue;
    part[key] =
      (key === "containers" || key === "initContainers") && Array.isArray(value)
        ? value.map((item: Json) => (isObject(item) ? { ...item, image: "" } : item))
        : value;
  }
  return part;
}

function checkFrozen(before: JsonObject, after: JsonObject, causes: StatusCause[]): void {
  if (before["immutable"] !== true) return;
  for (const field of ["data", "binaryData", "stringData", "immutable"])
    if (!jsonEqual(before[field], after[field]))
      causes.push({
        reason: "FieldValueForbidden",
        message: "Forbidden: field is immutable when `immutable` is set",
        field,
      });
}
