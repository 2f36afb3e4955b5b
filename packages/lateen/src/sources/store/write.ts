/** Creating and replacing one object inside a transaction. */
import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import { arrayAt, jsonEqual, objectAt, stringAt, withKey } from "../json.ts";
import { entriesOf, managedAfterWrite, withEntries } from "../managed/managers.ts";
import {
  type ApiResult,
  alreadyExists,
  badRequest,
  conflict,
  failed,
  forbidden,
  invalid,
  notFound,
  succeeded,
} from "../status.ts";
import type { Admission } from "./admission.ts";
import { immutabilityCauses } from "./immutable.ts";
import { isTerminating } from "./lifecycle.ts";
import { resourceId, type StoredObject } from "./stored.ts";
import type { Transaction } from "./transaction.ts";
import { checkTarget, type FieldValidation, validateBody } from "./validate.ts";

export interface WriteContext {
  readonly txn: Transaction;
  readonly admission: readonly Admission[];
  /** Five random characters. */
  readonly suffix: () => string;
}

/** How `metadata.managedFields` goes on. */
export interface FieldKeeping {
  /** Who writes; for objects that have been applied by the server. */
  readonly manager?: string;
  /** The body says it itself: a server-side apply. */
  readonly applied?: boolean;
}

export interface ReplaceOptions extends FieldKeeping {
  readonly fieldValidation: FieldValidation;
  /** `status`: only the status is taken. */
  readonly subresource: "status" | undefined;
}

const MAX_GENERATED_NAMES = 8;
const MAX_GENERATED_PREFIX = 58;

export function createIn(
  context: WriteContext,
  kind: Kind,
  namespace: string,
  body: JsonObject,
  options: FieldKeeping & { readonly fieldValidation: FieldValidation },
): ApiResult<StoredObject> {
  const { txn } = context;
  const target = checkTarget(kind, namespace, body);
  if (!target.ok) return target;
  const valid = validateBody(kind, namespace, body, options);
  if (!valid.ok) return valid;
  if (stringAt(objectAt(body, "metadata"), "resourceVersion") !== "")
    return badRequest("resourceVersion should not be set on objects to be created");
  const name = nameFor(context, kind, namespace, valid.value.metadata);
  if (!name.ok) return name;
  const place = checkNamespace(txn, kind, namespace, name.value);
  if (!place.ok) return place;
  const content = hasStatus(kind) ? withoutStatus(valid.value.content) : valid.value.content;
  const metadata: JsonObject = {
    ...valid.value.metadata,
    name: name.value,
    ...(kind.namespaced ? { namespace } : {}),
    uid: txn.newUid(),
    creationTimestamp: txn.timestamp(),
    ...("spec" in content ? { generation: 1 } : {}),
  };
  const admitted = admit(context, kind, namespace, withMetadata(content, metadata), undefined);
  if (!admitted.ok) return admitted;
  const kept = options.applied === true ? withFieldsOf(body, admitted.value) : admitted.value;
  return succeeded(txn.put(kind, kept), [...valid.warnings, ...admitted.warnings]);
}

function nameFor(
  context: WriteContext,
  kind: Kind,
  namespace: string,
  metadata: JsonObject,
): ApiResult<string> {
  const exists = (name: string): boolean =>
    context.txn.tables.get(resourceId(kind), namespace, name) !== undefined;
  const name = stringAt(metadata, "name");
  if (name !== "") return exists(name) ? alreadyExists(kind, name) : succeeded(name);
  const prefix = stringAt(metadata, "generateName").slice(0, MAX_GENERATED_PREFIX);
  for (let attempt = 0; attempt < MAX_GENERATED_NAMES; attempt++) {
    const generated = `${prefix}${context.suffix()}`;
    if (!exists(generated)) return succeeded(generated);
  }
  return alreadyExists(kind, `${prefix}*`);
}

function checkNamespace(
  txn: Transaction,
  kind: Kind,
  namespace: string,
  name: string,
): ApiResult<null> {
  if (!kind.namespaced) return succeeded(null);
  const found = txn.tables.get("/namespaces", "", namespace);
  if (found === undefined)
    return notFound({ group: "", plural: "namespaces", kind: "Namespace" }, namespace);
  if (!isTerminating(found)) return succeeded(null);
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  const message = `namespace ${namespace} is being terminated`;
  return forbidden(kind, name, why, [
    { reason: "NamespaceTerminating", message, field: "metadata.namespace" },
  ]);
}

export function replaceIn(
  context: WriteContext,
  current: StoredObject,
  body: JsonObject,
  options: ReplaceOptions,
): ApiResult<StoredObject> {
  const { kind } = current;
  const checked = checkIdentity(current, body);
  if (!checked.ok) return checked;
  const wanted =
    options.subresource === "status"
      ? {
          ...current.json,
          apiVersion: stringAt(body, "apiVersion"),
          status: objectAt(body, "status"),
        }
      : body;
  const valid = validateBody(kind, current.namespace, wanted, {
    fieldValidation: options.fieldValidation,
    before: current.json,
  });
  if (!valid.ok) return valid;
  const merged = mergeWithCurrent(current, valid.value.content, valid.value.metadata, options);
  if (!merged.ok) return merged;
  const { namespace } = current;
  const admitted = admit(context, kind, namespace, merged.value, current.json);
  if (!admitted.ok) return admitted;
  const warnings = [...valid.warnings, ...admitted.warnings];
  const causes = immutabilityCauses(resourceId(kind), current.json, admitted.value);
  if (causes.length > 0) return invalid(kind, current.name, causes);
  const next = keepFields(context, current, body, admitted.value, options);
  if (jsonEqual(next, current.json)) return succeeded(current, warnings);
  return succeeded(context.txn.put(kind, countGeneration(current, next)), warnings);
}

function withFieldsOf(body: JsonObject, object: JsonObject): JsonObject {
  return withEntries(object, entriesOf(body));
}

function keepFields(
  { txn }: WriteContext,
  current: StoredObject,
  body: JsonObject,
  next: JsonObject,
  options: ReplaceOptions,
): JsonObject {
  if (options.applied === true) return withFieldsOf(body, next);
  const asked = objectAt(body, "metadata")["managedFields"];
  const kept = objectAt(current.json, "metadata")["managedFields"];
  if (asked === undefined && kept === undefined) return next;
  return managedAfterWrite(current.kind, current.json, asked, next, {
    manager: options.manager ?? "unknown",
    subresource: options.subresource ?? "",
    time: txn.timestamp(),
  });
}

function checkIdentity(current: StoredObject, body: JsonObject): ApiResult<null> {
  const target = checkTarget(current.kind, current.namespace, body);
  if (!target.ok) return target;
  const metadata = objectAt(body, "metadata");
  const name = stringAt(metadata, "name");
  if (name !== current.name)
    return badRequest(
      `the name of the object (${name}) does not match the name on the URL (${current.name})`,
    );
  const uid = stringAt(metadata, "uid");
  const resourceVersion = stringAt(metadata, "resourceVersion");
  return checkPreconditions(current, {
    ...(uid === "" ? {} : { uid }),
    ...(resourceVersion === "" ? {} : { resourceVersion }),
  });
}

/** A Conflict where the object is not, or no longer, the one that the client means. */
export function checkPreconditions(
  current: StoredObject,
  wanted: { readonly uid?: string; readonly resourceVersion?: string },
): ApiResult<null> {
  if (wanted.uid !== undefined && wanted.uid !== current.uid)
    return conflict(
      current.kind,
      current.name,
      `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${current.uid}`,
    );
  if (
    wanted.resourceVersion !== undefined &&
    wanted.resourceVersion !== "0" &&
    wanted.resourceVersion !== String(current.resourceVersion)
  )
    return conflict(
      current.kind,
      current.name,
      "the object has been modified; please apply your changes to the latest version and try again",
    );
  return succeeded(null);
}

/** Fields that only the server sets. */
const KEPT: readonly string[] = [
  "namespace",
  "uid",
  "resourceVersion",
  "creationTimestamp",
  "generation",
  "generateName",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
];

function mergeWithCurrent(
  current: StoredObject,
  content: JsonObject,
  wanted: JsonObject,
  options: ReplaceOptions,
): ApiResult<JsonObject> {
  const { kind, json } = current;
  const before = objectAt(json, "metadata");
  if (options.subresource === "status")
    return succeeded(withKey(json, "status", objectAt(content, "status")));
  const finalizers = arrayAt(wanted, "finalizers");
  const added = finalizers.filter(item => !arrayAt(before, "finalizers").includes(item));
  if (isTerminating(current) && added.length > 0)
    return failed(
      422,
      "Invalid",
      `${kind.kind} "${current.name}" is invalid: metadata.finalizers: Forbidden: no new finalizers ` +
        `can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
    );
  const metadata: Record<string, Json> = { ...wanted };
  for (const key of KEPT) {
    const value = before[key];
    if (value !== undefined) metadata[key] = value;
    else delete metadata[key];
  }
  const status = json["status"];
  const body = hasStatus(kind) ? withoutStatus(content) : content;
  const complete = withMetadata(body, metadata);
  return succeeded(hasStatus(kind) && status !== undefined ? { ...complete, status } : complete);
}

function admit(
  context: WriteContext,
  kind: Kind,
  namespace: string,
  object: JsonObject,
  before: JsonObject | undefined,
): ApiResult<JsonObject> {
  let admitted = object;
  const warnings: string[] = [];
  for (const admission of context.admission) {
    const { tables } = context.txn;
    const result = admission({ kind, namespace, object: admitted, before, tables });
    if (!result.ok) return result;
    admitted = result.value;
    warnings.push(...result.warnings);
  }
  return succeeded(admitted, warnings);
}

/** The generation counts changes of what is wanted: neither metadata nor status. */
function countGeneration(current: StoredObject, next: JsonObject): JsonObject {
  const metadata = objectAt(next, "metadata");
  const generation = Number(metadata["generation"] ?? 0);
  if (generation === 0 && !("spec" in next)) return next;
  const strip = (json: JsonObject): JsonObject => {
    const { metadata: _metadata, status: _status, ...wanted } = json;
    return wanted;
  };
  if (jsonEqual(strip(current.json), strip(next))) return next;
  return withKey(next, "metadata", { ...metadata, generation: generation + 1 });
}

function hasStatus(kind: Kind): boolean {
  return kind.subresources.includes("status");
}

function withoutStatus(json: JsonObject): JsonObject {
  const { status: _status, ...rest } = json;
  return rest;
}

/** apiVersion, kind, metadata, then the rest: the order in which people read objects. */
function withMetadata(content: JsonObject, metadata: JsonObject): JsonObject {
  const { apiVersion, kind, metadata: _old, ...rest } = content;
  return { apiVersion: apiVersion ?? "", kind: kind ?? "", metadata, ...rest };
}
