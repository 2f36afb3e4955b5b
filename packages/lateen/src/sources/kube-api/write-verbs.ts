/** create, update, patch, delete and deletecollection. */
import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import type { Clock } from "../../base/clock.ts";
import type { HttpAnswer, HttpRequest } from "../../net/http-server.ts";
import { isArray, isObject, objectAt, stringAt, withKey } from "../json.ts";
import { type Applied, appliedFirst, appliedTo } from "../managed/apply.ts";
import {
  type ApiResult,
  badRequest,
  type Failed,
  failed,
  methodNotAllowed,
  succeeded,
} from "../status.ts";
import type { PropagationPolicy } from "../store/lifecycle.ts";
import type { DeleteOptions, Store } from "../store/store.ts";
import { asVersion, groupVersion, resourceId, type StoredObject } from "../store/stored.ts";
import { failedAnswer, jsonAnswer } from "./answer.ts";
import {
  count,
  flag,
  header,
  type ResourcePath,
  selectionOf,
  type WriteParameters,
  writeParameters,
} from "./api-request.ts";
import { parseApplied, parseBody, parseObject } from "./body.ts";
import { isCustom } from "./groups.ts";
import { jsonPatch, mergePatch } from "./json-patch.ts";
import { type Accepted, negotiate } from "./negotiate.ts";
import { fromScale, scaleOf } from "./scale.ts";
import { strategicPatch } from "./strategic-patch.ts";
import { insteadOf } from "./unserved-kinds.ts";

export interface WriteContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly kind: Kind;
  readonly path: ResourcePath;
  readonly request: HttpRequest;
}

const json: Accepted = { as: "", version: "", yaml: false };

function acceptedOf(request: HttpRequest): Accepted {
  return negotiate(header(request, "accept"), []) ?? json;
}

function objectAnswer(
  context: WriteContext,
  status: number,
  result: ApiResult<StoredObject>,
): HttpAnswer {
  if (!result.ok) return failedAnswer(result);
  const { kind, path, request } = context;
  const shown =
    path.subresource === "scale"
      ? scaleOf(result.value)
      : asVersion(result.value.json, kind, path.version);
  return jsonAnswer(status, shown, acceptedOf(request), result.warnings);
}

export function createObject(context: WriteContext): HttpAnswer {
  const { store, kind, path, request } = context;
  const parameters = writeParameters(request);
  if (!parameters.ok) return failedAnswer(parameters);
  const body = parseObject(request.body, header(request, "content-type"));
  if (!body.ok) return failedAnswer(body);
  const namespace = namespaceOf(context, body.value);
  if (!namespace.ok) return failedAnswer(namespace);
  const typed = withTypeOf(kind, path.version, body.value);
  return objectAnswer(context, 201, store.create(kind, namespace.value, typed, parameters.value));
}

function namespaceOf(context: WriteContext, body: JsonObject): ApiResult<string> {
  const { kind, path } = context;
  if (!kind.namespaced) return succeeded("");
  const namespace = path.namespace ?? stringAt(objectAt(body, "metadata"), "namespace");
  return namespace === ""
    ? badRequest("an empty namespace may not be set during creation: name one in the path")
    : succeeded(namespace);
}

/** A body without apiVersion and kind is of the type that the path names, as in Kubernetes. */
function withTypeOf(kind: Kind, version: string, body: JsonObject): JsonObject {
  return {
    ...body,
    apiVersion: body["apiVersion"] ?? groupVersion(kind.group, version),
    kind: body["kind"] ?? kind.kind,
  };
}

export function updateObject(context: WriteContext, name: string): HttpAnswer {
  const { kind, path, request } = context;
  const body = parseObject(request.body, header(request, "content-type"));
  if (!body.ok) return failedAnswer(body);
  return change(context, name, () => succeeded(withTypeOf(kind, path.version, body.value)));
}

export function patchObject(context: WriteContext, name: string): HttpAnswer {
  if (header(context.request, "content-type").startsWith(APPLY_TYPE))
    return applyObject(context, name);
  const patch = readPatch(context);
  return patch.ok ? change(context, name, patch.value) : failedAnswer(patch);
}

type Change = (current: JsonObject) => ApiResult<JsonObject>;

function change(context: WriteContext, name: string, make: Change): HttpAnswer {
  const { store, kind, path, request } = context;
  const parameters = writeParameters(request);
  if (!parameters.ok) return failedAnswer(parameters);
  const { subresource } = path;
  if (subresource !== undefined && !isSubresource(kind, subresource))
    return failedAnswer(
      failed(404, "NotFound", `${kind.plural} have no subresource ${JSON.stringify(subresource)}`),
    );
  const options = {
    ...parameters.value,
    subresource: subresource === "status" ? ("status" as const) : undefined,
  };
  const namespace = path.namespace ?? "";
  const result =
    subresource === "scale"
      ? changeScale(context, name, make, parameters.value)
      : store.modify(kind, namespace, name, make, options);
  return objectAnswer(context, 200, result);
}

function isSubresource(kind: Kind, name: string): boolean {
  return kind.subresources.some(subresource => subresource === name);
}

/** A Scale is a view of the object's replicas; what is written to it goes there. */
function changeScale(
  context: WriteContext,
  name: string,
  make: Change,
  parameters: WriteParameters,
): ApiResult<StoredObject> {
  const { store, kind, path } = context;
  const namespace = path.namespace ?? "";
  const found = store.get(kind, namespace, name);
  if (!found.ok) return found;
  const scale = make(scaleOf(found.value));
  if (!scale.ok) return scale;
  return store.modify(
    kind,
    namespace,
    name,
    current => fromScale(current, scale.value),
    parameters,
  );
}

function readPatch(context: WriteContext): ApiResult<Change> {
  const { kind, request } = context;
  const contentType = header(request, "content-type");
  const type = contentType.split(";")[0]?.trim() ?? "";
  const types = patchTypes(kind);
  if (!types.includes(type))
    return failed(
      415,
      "UnsupportedMediaType",
      `the body of the request was in an unknown format (${type}) - accepted media types ` +
        `include: ${types.join(", ")}${isCustom(kind.group) ? " (with kubectl: --type merge)" : ""}`,
    );
  const body = parseBody(request.body, contentType);
  if (!body.ok) return body;
  const patch = body.value;
  if (type === "application/json-patch+json")
    return succeeded(current => jsonPatch(current, patch));
  if (!isObject(patch)) return badRequest("the patch must be an object");
  if (type === "application/merge-patch+json")
    return succeeded(current => asObject(mergePatch(current, patch)));
  return succeeded(current => strategicPatch(current, patch, kind.openApi));
}

function patchTypes(kind: Kind): string[] {
  const types = ["application/json-patch+json", "application/merge-patch+json", APPLY_TYPE];
  return isCustom(kind.group) ? types : [...types, "application/strategic-merge-patch+json"];
}

const APPLY_TYPE = "application/apply-patch+yaml";

/** Creates the object where there is none. */
function applyObject(context: WriteContext, name: string): HttpAnswer {
  const { store, kind, path } = context;
  const read = readApplied(context, name);
  if (!read.ok) return failedAnswer(read);
  const { applied, parameters } = read.value;
  const namespace = path.namespace ?? "";
  const options = { ...parameters, applied: true };
  const present = store.get(kind, namespace, name);
  if (!present.ok && applied.subresource === "") {
    const created = store.create(kind, namespace, appliedFirst(applied), options);
    return objectAnswer(context, 201, created);
  }
  const subresource = applied.subresource === "status" ? ("status" as const) : undefined;
  const make: Change = current => appliedTo(current, applied);
  const result = store.modify(kind, namespace, name, make, { ...options, subresource });
  return objectAnswer(context, 200, result);
}

function readApplied(
  { kind, path, request, clock }: WriteContext,
  name: string,
): ApiResult<{ readonly applied: Applied; readonly parameters: WriteParameters }> {
  const parameters = writeParameters(request);
  if (!parameters.ok) return parameters;
  const manager = request.query.get("fieldManager") ?? "";
  const options = `PatchOptions.meta.k8s.io "" is invalid`;
  if (manager === "") {
    const why = "fieldManager: Required value: is required for apply patch";
    return failed(422, "Invalid", `${options}: ${why}`);
  }
  const { subresource = "" } = path;
  if (subresource !== "" && !(subresource === "status" && isSubresource(kind, "status")))
    return failed(415, "UnsupportedMediaType", `${subresource} can not be applied: patch it`);
  const body = parseApplied(request.body);
  if (!body.ok) return body;
  const metadata = objectAt(body.value, "metadata");
  if (Array.isArray(metadata["managedFields"]) && metadata["managedFields"].length > 0)
    return badRequest("metadata.managedFields must be nil");
  const named = { ...metadata, name: metadata["name"] ?? name };
  const config = withKey(withTypeOf(kind, path.version, body.value), "metadata", named);
  if (stringAt(named, "name") !== name)
    return badRequest(`metadata.name is ${JSON.stringify(named.name)}, the path says ${name}`);
  const time = `${new Date(clock.now()).toISOString().slice(0, 19)}Z`;
  const applied = { kind, manager, force: flag(request, "force"), time, subresource, config };
  return succeeded({ applied, parameters: parameters.value });
}

function asObject(value: Json): ApiResult<JsonObject> {
  return isObject(value) && !isArray(value)
    ? succeeded(value)
    : badRequest("the patch left no object");
}

export function deleteObject(context: WriteContext, name: string): HttpAnswer {
  const { store, kind, path } = context;
  const options = deleteOptions(context);
  if (!options.ok) return failedAnswer(options);
  const deleted = store.delete(kind, path.namespace ?? "", name, options.value);
  if (!deleted.ok) return failedAnswer(deleted);
  const { remaining, uid } = deleted.value;
  const accepted = acceptedOf(context.request);
  if (remaining !== undefined)
    return jsonAnswer(200, asVersion(remaining.json, kind, path.version), accepted);
  const group = kind.group === "" ? {} : { group: kind.group };
  const details = { name, ...group, kind: kind.plural, uid };
  const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details };
  return jsonAnswer(200, status, accepted);
}

export function deleteObjects(context: WriteContext): HttpAnswer {
  const { store, kind, path, request } = context;
  const options = deleteOptions(context);
  if (!options.ok) return failedAnswer(options);
  const selection = selectionOf(request, resourceId(kind), undefined);
  if (!selection.ok) return failedAnswer(selection);
  const deleted = store.deleteCollection(kind, path.namespace, selection.value, options.value);
  if (!deleted.ok) return failedAnswer(deleted);
  const list = {
    kind: kind.listKind,
    apiVersion: groupVersion(kind.group, path.version),
    metadata: { resourceVersion: String(store.revision) },
    items: deleted.value.map(object => asVersion(object.json, kind, path.version)),
  };
  return jsonAnswer(200, list, acceptedOf(request));
}

/** From the body (DeleteOptions) or the query, which is what a plain HTTP client uses. */
function deleteOptions(context: WriteContext): ApiResult<DeleteOptions> {
  const { request } = context;
  const empty = request.body.length === 0;
  const body = empty
    ? succeeded<JsonObject>({})
    : parseObject(request.body, header(request, "content-type"));
  if (!body.ok) return body;
  const parameters = writeParameters(request);
  if (!parameters.ok) return parameters;
  const inQuery = count(request, "gracePeriodSeconds");
  if (!inQuery.ok) return inQuery;
  const inBody = body.value["gracePeriodSeconds"];
  const grace = typeof inBody === "number" ? inBody : inQuery.value;
  const policy = propagationOf(request, body.value);
  if (!policy.ok) return policy;
  const wanted = objectAt(body.value, "preconditions");
  const uid = stringAt(wanted, "uid");
  const resourceVersion = stringAt(wanted, "resourceVersion");
  const dryRun = body.value["dryRun"];
  return succeeded({
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    propagationPolicy: policy.value,
    preconditions: {
      ...(uid === "" ? {} : { uid }),
      ...(resourceVersion === "" ? {} : { resourceVersion }),
    },
    dryRun: parameters.value.dryRun || (isArray(dryRun) && dryRun.includes("All")),
  });
}

function propagationOf(request: HttpRequest, body: JsonObject): ApiResult<PropagationPolicy> {
  const asked =
    stringAt(body, "propagationPolicy") || (request.query.get("propagationPolicy") ?? "");
  switch (asked) {
    case "":
    case "Background":
      return succeeded(body["orphanDependents"] === true ? "Orphan" : "Background");
    case "Foreground":
    case "Orphan":
      return succeeded(asked);
    default:
      return badRequest(
        `propagationPolicy: Unsupported value: ${JSON.stringify(asked)}: supported: ` +
          '"Background", "Foreground", "Orphan"',
      );
  }
}

export function noWriting(kind: Kind): Failed {
  const instead = insteadOf(kind);
  if (instead !== undefined)
    return methodNotAllowed(`${kind.plural} are not run by a mesh on this machine: ${instead}`);
  return methodNotAllowed(
    `${kind.plural} are derived from other objects here and can only be read`,
  );
}
