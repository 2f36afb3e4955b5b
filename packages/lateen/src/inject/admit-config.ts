/** The validating webhook's answer: what the embedded store would say about the same object. */

import { isCustomResource } from "../api/crd.ts";
import type { JsonObject, Kind } from "../api/kind.ts";
import { allKinds } from "../api/registry.ts";
import { validateBody } from "../sources/store/validate.ts";
import type { AdmissionAnswer, AdmissionRequest } from "./admission.ts";

/** Objects of kinds that are not ours, and deletions, are never held back. */
export function admitConfig(request: AdmissionRequest): AdmissionAnswer {
  const kind = kindOf(request);
  if (kind === undefined || request.subresource !== "" || request.operation === "DELETE")
    return { allowed: true };
  const { object, oldObject } = request;
  const result = validateBody(kind, request.namespace, object, {
    fieldValidation: "Warn",
    // Labels, finalizers and the end of an object that was let in before must stay possible.
    before: request.operation === "UPDATE" ? oldObject : undefined,
  });
  if (result.ok) return { allowed: true, warnings: result.warnings };
  const { status } = result;
  const message = status.message ?? "";
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
