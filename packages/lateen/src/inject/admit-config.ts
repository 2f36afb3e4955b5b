/** The validating webhook's answer: what the embedded store would say about the same object. */

import { isCustomResource } from "../api/crd.ts";
import type { JsonObject, Kind } from "../api/kind.ts";
import { allKinds } from "../api/registry.ts";
import { jsonEqual, objectAt, stringAt } from "../sources/json.ts";
import { validateBody } from "../sources/store/validate.ts";
import type { AdmissionAnswer, AdmissionRequest } from "./admission.ts";

/** Objects of kinds that are not ours, and deletions, are never held back. */
export function admitConfig(request: AdmissionRequest): AdmissionAnswer {
  const kind = kindOf(request);
  if (kind === undefined || request.subresource !== "" || request.operation === "DELETE")
    return { allowed: true };
  const { object, oldObject } = request;
  const result = validateBody(kind, request.namespace, object, "Warn");
  if (result.ok) return { allowed: true, warnings: result.warnings };
  const { status } = result;
  const message = status.message ?? "";
  // Labels, finalizers and the end of an object that was let in before must stay possible.
  if (request.operation === "UPDATE" && sameContent(object, oldObject))
    return { allowed: true, warnings: [message, ...result.warnings] };
  return {
    allowed: false,
    code: status.code,
    reason: status.reason ?? "Invalid",
    message,
    ...(status.details === undefined
      ? {}
      : { details: JSON.parse(JSON.stringify(status.details)) as JsonObject }),
    warnings: result.warnings,
  };
}

function kindOf({ group, resource }: AdmissionRequest): Kind | undefined {
  return allKinds.find(
    kind => isCustomResource(kind) && kind.group === group && kind.plural === resource,
  );
}

function sameContent(object: JsonObject, before: JsonObject): boolean {
  return (
    stringAt(object, "apiVersion") === stringAt(before, "apiVersion") &&
    jsonEqual(objectAt(object, "spec"), objectAt(before, "spec"))
  );
}
