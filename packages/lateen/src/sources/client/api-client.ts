/** The Kubernetes API's verbs as functions, the same against the embedded store and a real server. */

import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../json.ts";
import { type ApiResult, type Failed, failed, type Status, succeeded } from "../status.ts";
import type { Transport, TransportResponse } from "./transport.ts";
import { parseWarnings } from "./warnings.ts";

/** What a path needs to know of a kind. */
export type Resource = Pick<Kind, "group" | "versions" | "plural" | "namespaced">;

export interface Selectors {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** `metadata`: objects come without spec and status (PartialObjectMetadata), where the server can. */
export type ObjectForm = "full" | "metadata";

export interface ListRequest extends Selectors {
  /** undefined: all namespaces. */
  readonly namespace?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly form?: ObjectForm;
}

export interface ObjectList {
  readonly items: readonly JsonObject[];
  readonly resourceVersion: string;
  /** "" on the last page. */
  readonly continue: string;
}

export interface WatchRequest extends Selectors {
  readonly namespace?: string;
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
  readonly form?: ObjectForm;
}

export interface WatchLine {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: JsonObject;
}

export interface WatchReader {
  /** Events that arrived together. */
  onEvents(events: readonly WatchLine[]): void;
  /** Last call. `refused` where the server would not begin, or was not there. */
  onEnd(refused: Failed | undefined): void;
}

export interface ChangeRequest {
  readonly dryRun?: boolean;
  readonly fieldValidation?: "Strict" | "Warn" | "Ignore";
  readonly subresource?: "status" | "scale";
}

export type PatchType = "merge" | "json" | "strategic";

export interface DeleteRequest {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly dryRun?: boolean;
}

const LIST_FORMS: Readonly<Record<ObjectForm, string>> = {
  full: "application/json",
  metadata: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
};
const WATCH_FORMS: Readonly<Record<ObjectForm, string>> = {
  full: "application/json",
  metadata: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
};
const PATCH_TYPES: Readonly<Record<PatchType, string>> = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  strategic: "application/strategic-merge-patch+json",
};

/** `/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME/SUB`, in the kind's preferred version. */
export function resourcePath(
  resource: Resource,
  namespace: string | undefined,
  name?: string,
  subresource?: string,
): string {
  const version = resource.versions[0] ?? "v1";
  const parts = resource.group === "" ? ["api", version] : ["apis", resource.group, version];
  if (resource.namespaced && namespace !== undefined) parts.push("namespaces", namespace);
  parts.push(resource.plural);
  if (name !== undefined) parts.push(name);
  if (subresource !== undefined) parts.push(subresource);
  return `/${parts.map(encodeURIComponent).join("/")}`;
}

export class ApiClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get(resource: Resource, namespace: string, name: string): Promise<ApiResult<JsonObject>> {
    return this.send("GET", resourcePath(resource, namespace, name));
  }

  async list(resource: Resource, request: ListRequest = {}): Promise<ApiResult<ObjectList>> {
    const { namespace, form = "full", ...parameters } = request;
    const path = resourcePath(resource, namespace);
    const accept = LIST_FORMS[form];
    const result = await this.send("GET", withQuery(path, { ...parameters }), { accept });
    if (!result.ok) return result;
    const metadata = objectAt(result.value, "metadata");
    return succeeded({
      items: itemsOf(result.value),
      resourceVersion: stringAt(metadata, "resourceVersion"),
      continue: stringAt(metadata, "continue"),
    });
  }

  /** Follows changes after `resourceVersion`; the returned function stops it silently. */
  watch(resource: Resource, request: WatchRequest, reader: WatchReader): () => void {
    const { namespace, form = "full", ...parameters } = request;
    const path = resourcePath(resource, namespace);
    const query = { watch: true, allowWatchBookmarks: true, ...parameters };
    return this.#transport.stream(
      { method: "GET", target: withQuery(path, query), headers: { accept: WATCH_FORMS[form] } },
      {
        onOpen: () => {},
        onLines: lines => reader.onEvents(lines.map(parseLine)),
        onEnd: refused => reader.onEnd(refused === undefined ? undefined : failureOf(refused)),
      },
    );
  }

  /** `namespace` is "" for cluster-scoped kinds. */
  create(
    resource: Resource,
    namespace: string,
    body: JsonObject,
    request: ChangeRequest = {},
  ): Promise<ApiResult<JsonObject>> {
    const path = resourcePath(resource, namespace);
    return this.send("POST", withQuery(path, changeQuery(request)), { body });
  }

  /** Replaces the object; with a resourceVersion in it only if it still is that one. */
  update(
    resource: Resource,
    body: JsonObject,
    request: ChangeRequest = {},
  ): Promise<ApiResult<JsonObject>> {
    const metadata = objectAt(body, "metadata");
    const [namespace, name] = [stringAt(metadata, "namespace"), stringAt(metadata, "name")];
    const path = resourcePath(resource, namespace, name, request.subresource);
    return this.send("PUT", withQuery(path, changeQuery(request)), { body });
  }

  patch(
    resource: Resource,
    namespace: string,
    name: string,
    type: PatchType,
    patch: Json,
    request: ChangeRequest = {},
  ): Promise<ApiResult<JsonObject>> {
    const path = resourcePath(resource, namespace, name, request.subresource);
    return this.send("PATCH", withQuery(path, changeQuery(request)), {
      body: patch,
      contentType: PATCH_TYPES[type],
    });
  }

  /** The object where something still holds it, else a `Status`. */
  delete(
    resource: Resource,
    namespace: string,
    name: string,
    request: DeleteRequest = {},
  ): Promise<ApiResult<JsonObject>> {
    const { gracePeriodSeconds, propagationPolicy, uid, resourceVersion } = request;
    const body: JsonObject = {
      kind: "DeleteOptions",
      apiVersion: "v1",
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
      ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
      preconditions: {
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
      ...(request.dryRun === true ? { dryRun: ["All"] } : {}),
    };
    return this.send("DELETE", resourcePath(resource, namespace, name), { body });
  }

  /** Any request: for tables, discovery and other forms that have no function of their own. */
  async send(
    method: string,
    target: string,
    more: {
      readonly body?: Json;
      readonly contentType?: string;
      readonly accept?: string;
    } = {},
  ): Promise<ApiResult<JsonObject>> {
    const { body, contentType = "application/json", accept = "application/json" } = more;
    const response = await this.#transport.request({
      method,
      target,
      headers: { accept, ...(body === undefined ? {} : { "content-type": contentType }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (response.status < 200 || response.status > 299) return failureOf(response);
    const value = parseObject(response.body);
    const warnings = parseWarnings(response.warning);
    return value === undefined ? notJson(response) : succeeded(value, warnings);
  }
}

/** Kubernetes leaves out of the items what the list says once: their version and kind. */
function itemsOf(list: JsonObject): JsonObject[] {
  const apiVersion = stringAt(list, "apiVersion");
  const kind = stringAt(list, "kind").replace(/List$/, "");
  const items = arrayAt(list, "items").filter(isObject);
  return items.map(item => (item["kind"] === undefined ? { apiVersion, kind, ...item } : item));
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export function withQuery(path: string, query: Query): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query))
    if (value !== undefined && value !== "") parameters.set(key, String(value));
  return parameters.size === 0 ? path : `${path}?${parameters}`;
}

function changeQuery(request: ChangeRequest): Query {
  return {
    dryRun: request.dryRun === true ? "All" : undefined,
    fieldValidation: request.fieldValidation,
    fieldManager: "lateen",
  };
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: Json = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const LINE_TYPES: readonly WatchLine["type"][] = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"];

/** What is no event counts as an error, after which the reader lists again. */
function parseLine(line: string): WatchLine {
  const value = parseObject(line) ?? {};
  const type = LINE_TYPES.find(known => known === value["type"]) ?? "ERROR";
  return { type, object: objectAt(value, "object") };
}

function failureOf(response: TransportResponse): Failed {
  const warnings = parseWarnings(response.warning);
  if (response.status === 0) return failed(503, "ServiceUnavailable", response.body);
  const body = parseObject(response.body);
  const failure =
    body === undefined || stringAt(body, "kind") !== "Status"
      ? notJson(response)
      : { ...statusFailure(body, response.status), warnings };
  return patient(failure, response.retryAfterSeconds);
}

/** With the header's time where the body has none. */
function patient(failure: Failed, retryAfterSeconds: number | undefined): Failed {
  const { status } = failure;
  if (retryAfterSeconds === undefined || status.details?.retryAfterSeconds !== undefined)
    return failure;
  return { ...failure, status: { ...status, details: { ...status.details, retryAfterSeconds } } };
}

/** A `Status` object from the wire. */
export function statusFailure(body: JsonObject, code: number): Failed {
  const details = body["details"];
  const status: Status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: stringAt(body, "message"),
    reason: stringAt(body, "reason"),
    ...(isObject(details) ? { details } : {}),
    code,
  };
  return { ok: false, status, warnings: [] };
}

function notJson(response: TransportResponse): Failed {
  const text = response.body.slice(0, 200);
  return failed(response.status, "Unknown", `unexpected answer ${response.status}: ${text}`);
}
