/**
 * What an object's `.status` should say (Istio, "Configuration Status Field"): conditions, and one
 * entry of `validationMessages` for each problem. An object that never had a problem gets no status;
 * one that had keeps its conditions, so that people see that it is mended.
 */
import type { Json, JsonObject } from "../api/kind.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { arrayAt, isObject, jsonEqual, stringAt } from "../sources/json.ts";
import { disputeText, rejectionText } from "./evidence.ts";
import {
  countText,
  diagnosticText,
  documentationUrl,
  joinTexts,
  type MessageType,
  messageType,
  REJECTED,
} from "./messages.ts";
import type { ObjectReport, Rejection } from "./object-report.ts";

/** `Accepted`: the object as it is now is in force. The others are Istio's. */
const ACCEPTED = "Accepted";
const PASSED_ANALYSIS = "PassedAnalysis";
const RECONCILED = "Reconciled";
/** Ours: proxies of other namespaces alone reject what was made of it. */
const DISPUTED = "DisputedByProxies";
const OURS: readonly string[] = [ACCEPTED, PASSED_ANALYSIS, RECONCILED, DISPUTED];

/** etcd and watchers carry these around; the object itself is where to look. */
const MAX_CONDITION_CHARS = 2048;
const MAX_MESSAGES = 25;

export interface StatusInput {
  /** undefined: nothing is wrong. */
  readonly report: ObjectReport | undefined;
  /** The status that is there. */
  readonly current: JsonObject;
  /** Of the object that the report is about. */
  readonly generation: number;
  /** Kinds of Kubernetes' own have no place for these. */
  readonly withMessages: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The fields of the status to be written; undefined: it is as it should be. */
export function desiredStatus(input: StatusInput): JsonObject | undefined {
  const { report, current, generation, withMessages } = input;
  const before = arrayAt(current, "conditions").filter(isObject);
  if (report === undefined && !hasConditions(current)) return undefined;
  const conditions = [
    ...before.filter(condition => !OURS.includes(stringAt(condition, "type"))),
    ...ourConditions(input, before),
  ];
  const fields: Record<string, Json> = { conditions };
  if (withMessages) {
    fields["validationMessages"] = validationMessages(report);
    fields["observedGeneration"] = generation;
  }
  const same = Object.entries(fields).every(([key, value]) => isSame(value, current[key]));
  return same ? undefined : fields;
}

/** Whether some of the conditions are of our types. */
export function hasConditions(status: JsonObject): boolean {
  return arrayAt(status, "conditions").some(
    condition => isObject(condition) && OURS.includes(stringAt(condition, "type")),
  );
}

export function isRejected(status: JsonObject): boolean {
  return arrayAt(status, "conditions").some(
    condition =>
      isObject(condition) &&
      stringAt(condition, "type") === RECONCILED &&
      stringAt(condition, "status") === "False",
  );
}

/** An empty list is no list: API servers may drop it. */
function isSame(wanted: Json, found: Json | undefined): boolean {
  if (Array.isArray(wanted) && wanted.length === 0 && found === undefined) return true;
  return jsonEqual(wanted, found);
}

interface Condition {
  readonly type: string;
  readonly holds: boolean;
  readonly reason: string;
  readonly message: string;
}

function ourConditions(input: StatusInput, before: readonly JsonObject[]): JsonObject[] {
  const { report, generation, now } = input;
  const diagnostics = report?.diagnostics ?? [];
  const rejections = report?.rejections ?? [];
  const wanted = [
    acceptedCondition(report?.accepted ?? true, diagnostics),
    analysisCondition(diagnostics),
  ];
  const disputes = report?.disputes ?? [];
  const had = (type: string): boolean => before.some(each => stringAt(each, "type") === type);
  if (rejections.length > 0 || had(RECONCILED)) wanted.push(reconciledCondition(rejections));
  if (disputes.length > 0 || had(DISPUTED)) wanted.push(disputedCondition(disputes));
  return wanted.map(({ type, holds, reason, message }) => {
    const status = holds ? "True" : "False";
    const old = before.find(condition => stringAt(condition, "type") === type) ?? {};
    const since = stringAt(old, "status") === status ? stringAt(old, "lastTransitionTime") : "";
    return {
      type,
      status,
      reason,
      message,
      observedGeneration: generation,
      lastTransitionTime: since === "" ? timeText(now) : since,
    };
  });
}

function acceptedCondition(accepted: boolean, diagnostics: readonly Diagnostic[]): Condition {
  if (accepted)
    return { type: ACCEPTED, holds: true, reason: "Valid", message: "the object is in force" };
  const errors = diagnostics.filter(each => each.severity === "error").map(diagnosticText);
  const text = joinTexts(errors, MAX_CONDITION_CHARS);
  const message = `not in force, what was last good stays: ${text}`;
  return { type: ACCEPTED, holds: false, reason: "Invalid", message };
}

function analysisCondition(diagnostics: readonly Diagnostic[]): Condition {
  const type = PASSED_ANALYSIS;
  if (diagnostics.length === 0)
    return { type, holds: true, reason: "NoIssuesFound", message: "nothing found" };
  const errors = diagnostics.filter(each => each.severity === "error").length;
  const warnings = diagnostics.length - errors;
  const counts = [
    ...(errors > 0 ? [countText(errors, "error")] : []),
    ...(warnings > 0 ? [countText(warnings, "warning")] : []),
  ].join(" and ");
  const text = joinTexts(diagnostics.map(diagnosticText), MAX_CONDITION_CHARS);
  const reason = errors > 0 ? "ErrorsFound" : "WarningsFound";
  return { type, holds: false, reason, message: `${counts} found: ${text}` };
}

function reconciledCondition(rejections: readonly Rejection[]): Condition {
  const type = RECONCILED;
  if (rejections.length === 0)
    return { type, holds: true, reason: "Acknowledged", message: "no proxy rejects it" };
  const message = joinTexts(rejections.map(rejectionText), MAX_CONDITION_CHARS);
  return { type, holds: false, reason: "RejectedByEnvoy", message };
}

/** Nobody's words but ours: whose proxies they are may be hostile. */
function disputedCondition(disputes: readonly Rejection[]): Condition {
  const type = DISPUTED;
  if (disputes.length === 0)
    return { type, holds: false, reason: "Undisputed", message: "no proxy rejects it" };
  const texts = disputes.map(disputeText);
  const message = `what they say is in the control plane's log: ${joinTexts(texts, MAX_CONDITION_CHARS)}`;
  return { type, holds: true, reason: "OfOtherNamespaces", message };
}

function validationMessages(report: ObjectReport | undefined): JsonObject[] {
  const all: JsonObject[] = [
    ...(report?.rejections ?? []).map(() => validationMessage(REJECTED, "ERROR")),
    ...(report?.diagnostics ?? []).map(each =>
      validationMessage(messageType(each), each.severity === "error" ? "ERROR" : "WARNING"),
    ),
  ];
  return all.slice(0, MAX_MESSAGES);
}

function validationMessage(type: MessageType, level: string): JsonObject {
  const url = documentationUrl(type);
  return {
    type: { name: type.name, code: type.code },
    level,
    ...(url === undefined ? {} : { documentationUrl: url }),
  };
}

/** Whole seconds, as Kubernetes writes times. */
function timeText(now: number): string {
  return `${new Date(now).toISOString().slice(0, 19)}Z`;
}
