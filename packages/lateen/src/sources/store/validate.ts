/** What a client sent, checked by its kind and brought into the form that is stored. */

import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import { asNew, type Diagnostic, messageOf } from "../../base/diagnostic.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../json.ts";
import {
  type ApiResult,
  badRequest,
  invalid,
  type StatusCause,
  succeeded,
  tooLarge,
} from "../status.ts";
import { clientMetadata, metadataCauses } from "./metadata.ts";
import { pruneUnknown } from "./prune.ts";
import { type Judged, judgeUpdate } from "./ratchet.ts";
import { groupVersion, resourceId } from "./stored.ts";

/** What happens to fields that the kind does not know; kubectl asks for Strict. */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

const MAX_OBJECT_BYTES = 1.5 * 1024 * 1024;
const MAX_CAUSES = 50;
const NOT_READ = "this object is not in force until that is mended";

/** Checks apiVersion, kind and namespace of a body against where it was sent to. */
export function checkTarget(kind: Kind, namespace: string, body: JsonObject): ApiResult<null> {
  const expected = kind.versions.map(version => groupVersion(kind.group, version));
  const apiVersion = stringAt(body, "apiVersion");
  if (!expected.includes(apiVersion))
    return badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version ` +
        `(${expected.join(" or ")})`,
    );
  if (stringAt(body, "kind") !== kind.kind)
    return badRequest(
      `the kind in the data (${stringAt(body, "kind")}) does not match the expected kind (${kind.kind})`,
    );
  const metadata = body["metadata"];
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata))
    return badRequest(`${kind.kind}: metadata must be an object`);
  const own = stringAt(objectAt(body, "metadata"), "namespace");
  if (own === "" || own === namespace) return succeeded(null);
  return badRequest(
    kind.namespaced
      ? `the namespace of the provided object does not match the namespace sent on the request (${own} and ${namespace})`
      : `${kind.kind} is not namespaced: metadata.namespace must not be set (found ${JSON.stringify(own)})`,
  );
}

export interface ValidBody {
  /** Everything outside metadata: pruned, with the storage version and the kind's defaults. */
  readonly content: JsonObject;
  /** metadata as far as clients may set it. */
  readonly metadata: JsonObject;
}

export interface Validation {
  readonly fieldValidation: FieldValidation;
  /** The object that is stored and is to be changed; undefined: it is new. */
  readonly before?: JsonObject | undefined;
}

/** Decodes with the kind; errors become a 422 with causes, unknown fields what was asked for. */
export function validateBody(
  kind: Kind,
  namespace: string,
  body: JsonObject,
  { fieldValidation, before }: Validation,
): ApiResult<ValidBody> {
  const named = { ...objectAt(body, "metadata"), ...(kind.namespaced ? { namespace } : {}) };
  const decoded = kind.decode({ ...body, metadata: named });
  const name = stringAt(named, "name") || stringAt(named, "generateName");
  const unknown = decoded.diagnostics
    .filter(found => found.reason === "UnknownField")
    .map(unknownField);
  if (fieldValidation === "Strict" && unknown.length > 0)
    return badRequest(
      `${kind.kind} in version "${versionOf(body)}" cannot be handled as a ${kind.kind}: ` +
        `strict decoding error: ${unknown.slice(0, MAX_CAUSES).join(", ")}`,
    );
  const { refused, kept } = judge(kind, body, decoded.diagnostics, before);
  const causes = [...metadataCauses(body), ...refused.map(causeOf)];
  if (causes.length > 0) return invalid(kind, name, causes.slice(0, MAX_CAUSES));
  const others = decoded.diagnostics.filter(each => !isProblem(each));
  const warnings = warningsOf([...kept, ...others], fieldValidation === "Warn" ? unknown : []);
  const content = contentOf(kind, body);
  if (JSON.stringify(content).length > MAX_OBJECT_BYTES)
    return tooLarge(
      `${kind.kind} "${name}" is larger than ${MAX_OBJECT_BYTES} bytes, which is the limit for one object`,
    );
  return succeeded({ content, metadata: clientMetadata(body) }, warnings);
}

function isProblem({ severity, newOnly }: Diagnostic): boolean {
  return severity === "error" || newOnly === true;
}

function judge(
  kind: Kind,
  body: JsonObject,
  diagnostics: readonly Diagnostic[],
  before: JsonObject | undefined,
): Judged {
  const problems = diagnostics.filter(isProblem);
  if (problems.length === 0) return { refused: [], kept: [] };
  if (before !== undefined)
    return judgeUpdate(problems, {
      kind,
      before: contentOf(kind, before),
      after: contentOf(kind, body),
    });
  if (!isMade(kind, body)) return { refused: asNew(problems), kept: [] };
  const isError = ({ severity }: Diagnostic): boolean => severity === "error";
  return {
    refused: problems.filter(isError),
    kept: problems.filter(each => !isError(each)),
  };
}

/** By a controller, of a template that is stored: what that is let have, its pods may have. */
function isMade(kind: Kind, body: JsonObject): boolean {
  const owners = arrayAt(objectAt(body, "metadata"), "ownerReferences");
  return (
    resourceId(kind) === "/pods" &&
    owners.some(owner => isObject(owner) && owner["controller"] === true)
  );
}

function contentOf(kind: Kind, body: JsonObject): JsonObject {
  const { apiVersion: _version, kind: _kind, ...rest } = body;
  const apiVersion = groupVersion(kind.group, kind.storageVersion);
  const typed: JsonObject = { apiVersion, kind: kind.kind, ...rest };
  return kind.applyDefaults(pruneUnknown(dropNulls(typed), kind.openApi));
}

/** Null means "not set" wherever the kind's schema did not refuse it. */
function dropNulls(object: JsonObject): JsonObject {
  const kept: Record<string, Json> = {};
  for (const [key, value] of Object.entries(object)) if (value !== null) kept[key] = value;
  return kept;
}

function versionOf(body: JsonObject): string {
  const apiVersion = stringAt(body, "apiVersion");
  return apiVersion.slice(apiVersion.indexOf("/") + 1);
}

/** Kubernetes' words with the whole path; what the decoder suggests instead stays behind them. */
function unknownField(found: Diagnostic): string {
  return `unknown field "${found.path}"${found.message.replace(/^unknown field "[^"]*"/, "")}`;
}

function warningsOf(diagnostics: readonly Diagnostic[], unknown: readonly string[]): string[] {
  const warnings = new Set(unknown);
  for (const found of diagnostics) {
    if (found.reason === "UnknownField") continue;
    const message =
      found.severity === "error" ? `${found.message} (as before: ${NOT_READ})` : messageOf(found);
    warnings.add(found.path === "" ? message : `${found.path}: ${message}`);
  }
  return [...warnings].slice(0, MAX_CAUSES);
}

const REASONS: Readonly<Record<string, string>> = {
  WrongType: "FieldValueTypeInvalid",
  Required: "FieldValueRequired",
  Missing: "FieldValueRequired",
  Duplicate: "FieldValueDuplicate",
  TooLong: "FieldValueTooLong",
  NotSupported: "FieldValueNotSupported",
  Forbidden: "FieldValueForbidden",
};

function causeOf(found: Diagnostic): StatusCause {
  const reason = REASONS[found.reason] ?? "FieldValueInvalid";
  return { reason, message: found.message, field: found.path };
}
