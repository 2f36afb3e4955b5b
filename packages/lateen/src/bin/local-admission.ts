/** What a local mesh does not carry out is said when it is applied, and kept in the object's status. */
import type { JsonObject, Kind } from "../api/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { notCarriedOut } from "../local/not-carried-out.ts";
import { arrayAt, isObject, objectAt, stringAt, withKey } from "../sources/json.ts";
import { succeeded } from "../sources/status.ts";
import type { Admission } from "../sources/store/admission.ts";

/** Condition in the status; it is there only while something is not carried out. */
export const CARRIED_OUT = "CarriedOut";
const MAX_MESSAGE = 2048;

/** To be asked before the injector: what that adds is carried out. */
export function localAdmission(clock: Clock): Admission {
  return ({ kind, object, before }) => {
    const found = findings(kind, object, before);
    if (found === "as before") return succeeded(withCondition(kind, object, conditionOf(before)));
    const condition = conditionFor(found, conditionOf(before), clock);
    const warnings = isSameSpec(object, before) ? [] : found.map(textOf);
    return succeeded(withCondition(kind, object, condition), warnings);
  };
}

/** A running pod has containers of the injector's beside those of its author. */
function findings(
  kind: Kind,
  object: JsonObject,
  before: JsonObject | undefined,
): readonly Diagnostic[] | "as before" {
  if (kind.group !== "" && kind.group !== "apps") return [];
  if (kind.kind !== "Pod") return notCarriedOut(kind.kind, object);
  if (before !== undefined) return "as before";
  // The Deployment has been warned of already.
  const owned = arrayAt(objectAt(object, "metadata"), "ownerReferences").length > 0;
  return owned ? [] : notCarriedOut(kind.kind, object);
}

function isSameSpec(object: JsonObject, before: JsonObject | undefined): boolean {
  return before !== undefined && JSON.stringify(object["spec"]) === JSON.stringify(before["spec"]);
}

function textOf({ path, message }: Diagnostic): string {
  return `${path}: ${message}`;
}

function conditionOf(object: JsonObject | undefined): JsonObject | undefined {
  const conditions = arrayAt(objectAt(object ?? {}, "status"), "conditions").filter(isObject);
  return conditions.find(condition => stringAt(condition, "type") === CARRIED_OUT);
}

function conditionFor(
  found: readonly Diagnostic[],
  before: JsonObject | undefined,
  clock: Clock,
): JsonObject | undefined {
  if (found.length === 0) return undefined;
  const text = found.map(textOf).join("; ");
  const message = text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE - 3)}...` : text;
  if (before !== undefined && stringAt(before, "message") === message) return before;
  return {
    type: CARRIED_OUT,
    status: "False",
    reason: "NotCarriedOut",
    message,
    lastTransitionTime: `${new Date(clock.now()).toISOString().slice(0, 19)}Z`,
  };
}

/** Whoever writes the status writes all of its conditions: this one is put back each time. */
function withCondition(
  kind: Kind,
  object: JsonObject,
  condition: JsonObject | undefined,
): JsonObject {
  const kept = conditionOf(object);
  if (kept === condition || !kind.subresources.includes("status")) return object;
  const status = objectAt(object, "status");
  const others = arrayAt(status, "conditions").filter(one => one !== kept);
  const conditions = condition === undefined ? others : [...others, condition];
  return withKey(object, "status", { ...status, conditions });
}
