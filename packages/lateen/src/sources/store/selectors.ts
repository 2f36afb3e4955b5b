/** Label and field selectors of list, watch and deletecollection, in Kubernetes' syntax. */
import type { JsonObject } from "../../api/kind.ts";
import { objectAt, valueAt } from "../json.ts";
import { type ApiResult, badRequest, succeeded } from "../status.ts";

type Operator = "exists" | "absent" | "in" | "notin" | "gt" | "lt";

export interface LabelRequirement {
  readonly key: string;
  readonly operator: Operator;
  readonly values: readonly string[];
}

export interface FieldRequirement {
  readonly path: string;
  readonly equal: boolean;
  readonly value: string;
}

export interface Selection {
  readonly labels: readonly LabelRequirement[];
  readonly fields: readonly FieldRequirement[];
}

export const everything: Selection = { labels: [], fields: [] };

const MAX_SELECTOR_LENGTH = 4 * 1024;
const KEY = "[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?";
const VALUE = "[A-Za-z0-9]?(?:[A-Za-z0-9._-]*[A-Za-z0-9])?";
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const COMPARE = new RegExp(`^(${KEY})\\s*(==|!=|=|>|<)\\s*(${VALUE})$`);
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`);

/** Parses `a=b,c!=d,e in (f,g),h,!i`; "" selects everything. */
export function parseLabelSelector(text: string): ApiResult<readonly LabelRequirement[]> {
  if (text.length > MAX_SELECTOR_LENGTH) return badRequest("the label selector is too long");
  const requirements: LabelRequirement[] = [];
  for (const part of splitOutsideParentheses(text)) {
    const requirement = parseRequirement(part);
    if (requirement === undefined)
      return badRequest(
        `unable to parse requirement ${JSON.stringify(part)} of label selector ${JSON.stringify(text)}: ` +
          "expected KEY, !KEY, KEY=VALUE, KEY!=VALUE, KEY in (A,B) or KEY notin (A,B)",
      );
    requirements.push(requirement);
  }
  return succeeded(requirements);
}

function splitOutsideParentheses(text: string): string[] {
  if (text.trim() === "") return [];
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "(") depth++;
    else if (char === ")") depth--;
    else if (char === "," && depth === 0) {
      parts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  parts.push(text.slice(start).trim());
  return parts;
}

function parseRequirement(text: string): LabelRequirement | undefined {
  const set = SET.exec(text);
  if (set !== null) {
    const values = (set[3] ?? "").split(",").map(value => value.trim());
    return { key: set[1] ?? "", operator: set[2] === "in" ? "in" : "notin", values };
  }
  const compare = COMPARE.exec(text);
  if (compare !== null) {
    const values = [compare[3] ?? ""];
    return { key: compare[1] ?? "", operator: comparison(compare[2] ?? "="), values };
  }
  const exists = EXISTS.exec(text);
  if (exists === null) return undefined;
  return { key: exists[2] ?? "", operator: exists[1] === "!" ? "absent" : "exists", values: [] };
}

function comparison(sign: string): Operator {
  if (sign === "!=") return "notin";
  if (sign === ">") return "gt";
  return sign === "<" ? "lt" : "in";
}

/** Fields that may select, beside metadata.name and metadata.namespace, by resource id. */
const SELECTABLE: Readonly<Record<string, readonly string[]>> = {
  "/pods": [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
  ],
  "/secrets": ["type"],
  "/services": ["spec.clusterIP", "spec.type"],
  "/namespaces": ["status.phase"],
  "/nodes": ["spec.unschedulable"],
  "/events": [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
};

/** Parses `metadata.name=x,status.phase!=Failed` for the resource `group/plural`. */
export function parseFieldSelector(
  resource: string,
  text: string,
): ApiResult<readonly FieldRequirement[]> {
  if (text.length > MAX_SELECTOR_LENGTH) return badRequest("the field selector is too long");
  const requirements: FieldRequirement[] = [];
  for (const part of text.split(/(?<!\\),/).filter(part => part.trim() !== "")) {
    const match = /^\s*([A-Za-z0-9.]+)\s*(==|!=|=)((?:\\.|[^\\])*)$/.exec(part);
    if (match === null)
      return badRequest(`invalid field selector ${JSON.stringify(text)}: expected FIELD=VALUE`);
    const path = match[1] ?? "";
    const allowed = ["metadata.name", "metadata.namespace", ...(SELECTABLE[resource] ?? [])];
    if (!allowed.includes(path))
      return badRequest(`field label not supported: ${path} (supported: ${allowed.join(", ")})`);
    const value = (match[3] ?? "").replace(/\\(.)/g, "$1");
    requirements.push({ path, equal: match[2] !== "!=", value });
  }
  return succeeded(requirements);
}

/** Whether an object is selected. */
export function selects(selection: Selection, object: JsonObject): boolean {
  const labels = objectAt(objectAt(object, "metadata"), "labels");
  return (
    selection.labels.every(requirement => labelMatches(requirement, labels)) &&
    selection.fields.every(field => (fieldText(object, field.path) === field.value) === field.equal)
  );
}

function labelMatches(requirement: LabelRequirement, labels: JsonObject): boolean {
  const has = Object.hasOwn(labels, requirement.key);
  const value = String(labels[requirement.key] ?? "");
  const first = requirement.values[0] ?? "";
  switch (requirement.operator) {
    case "exists":
      return has;
    case "absent":
      return !has;
    case "in":
      return has && requirement.values.includes(value);
    case "notin":
      return !has || !requirement.values.includes(value);
    case "gt":
      return has && Number(value) > Number(first);
    case "lt":
      return has && Number(value) < Number(first);
  }
}

function fieldText(object: JsonObject, path: string): string {
  const value = valueAt(object, path);
  if (value === undefined || value === null) return path === "spec.unschedulable" ? "false" : "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
