/**
 * The Kubernetes API over a store, as a function from request to answer: served over HTTP by
 * server.ts, and called directly by clients in the same process.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { JsonObject } from "../../api/kind.ts";
import type { Clock } from "../../base/clock.ts";
import type { HttpAnswer, HttpRequest, HttpUpgrade } from "../../net/http-server.ts";
import { badRequest, type Failed, failed, methodNotAllowed } from "../status.ts";
import type { Store } from "../store/store.ts";
import { resourceId } from "../store/stored.ts";
import { failedAnswer, jsonAnswer } from "./answer.ts";
import { flag, header, parseResourcePath, type ResourcePath } from "./api-request.ts";
import { derivedCrds } from "./derived-crds.ts";
import { derivedEndpoints } from "./derived-endpoints.ts";
import { aggregated, coreVersions, groupDocument, groupList, resourceList } from "./discovery.ts";
import { servedElsewhere, unknownPath } from "./elsewhere.ts";
import { negotiate } from "./negotiate.ts";
import { openApiDocument, openApiIndex } from "./openapi.ts";
import { openApiV2 } from "./openapi-v2.ts";
import type { PodAccess } from "./pod-access.ts";
import { ExecSessions } from "./pod-exec.ts";
import { logAnswer } from "./pod-log.ts";
import { getObject, listObjects, watchObjects } from "./read-verbs.ts";
import { reviewAnswer } from "./reviews.ts";
import { scaleOf } from "./scale.ts";
import { type Served, ServedResources } from "./served.ts";
import { unservedKinds } from "./unserved-kinds.ts";
import {
  createObject,
  deleteObject,
  deleteObjects,
  noWriting,
  patchObject,
  updateObject,
} from "./write-verbs.ts";

export interface KubeApiOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Our version, for /version. */
  readonly version: string;
  /** Every request must then bring it as `Authorization: Bearer`. */
  readonly token?: string;
  /** Without it logs and commands are other programs' to serve. */
  readonly pods?: PodAccess;
}

export type Handler = (request: HttpRequest) => HttpAnswer;

export function kubeApiHandler(options: KubeApiOptions): Handler {
  const { store } = options;
  const own = store.kinds.map((kind): Served => ({ kind, reader: store, writable: true }));
  const startedAt = `${new Date(options.clock.now()).toISOString().slice(0, 19)}Z`;
  const endpoints = derivedEndpoints(store);
  const derived = [derivedCrds(store, startedAt), ...(endpoints === undefined ? [] : [endpoints])];
  const served = new ServedResources([...own, ...derived, ...unservedKinds(store)]);
  return request => {
    const refused = authenticate(options.token, request);
    if (refused !== undefined) return failedAnswer(refused);
    return fixedAnswer(options, served, request) ?? resourceAnswer(options, served, request);
  };
}

function authenticate(token: string | undefined, request: HttpRequest): Failed | undefined {
  if (token === undefined) return checkHost(request);
  const given = header(request, "authorization").replace(/^Bearer /i, "");
  if (timingSafeEqual(digest(given), digest(token))) return undefined;
  return failed(401, "Unauthorized", "Unauthorized: a valid bearer token is needed");
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Without a token a web page could reach us under a name of its own that resolves to loopback. */
function checkHost(request: HttpRequest): Failed | undefined {
  const host = header(request, "host").replace(/:\d+$/, "");
  if (host === "" || host === "localhost" || host === "[::1]") return undefined;
  if (/^127\.\d+\.\d+\.\d+$/.test(host)) return undefined;
  return failed(403, "Forbidden", `forbidden: this API is for this machine only, not ${host}`);
}

function fixedAnswer(
  options: KubeApiOptions,
  served: ServedResources,
  request: HttpRequest,
): HttpAnswer | undefined {
  const path = request.path.replace(/\/+$/, "");
  if (["/healthz", "/livez", "/readyz"].includes(path))
    return { status: 200, body: "ok", contentType: "text/plain" };
  const review = request.method === "POST" ? reviewAnswer(path) : undefined;
  if (review !== undefined) return jsonAnswer(201, review, { as: "", version: "", yaml: false });
  if (path === "/openapi/v2" && request.method === "GET")
    return openApiV2(header(request, "accept"));
  const document = fixedDocument(options, served, path);
  if (document === undefined) return undefined;
  if (request.method !== "GET")
    return failedAnswer(methodNotAllowed(`${path} answers to GET only`));
  const asAggregated = path === "/api" || path === "/apis" ? ["APIGroupDiscoveryList"] : [];
  const accepted = negotiate(header(request, "accept"), asAggregated);
  const form = accepted ?? { as: "", version: "", yaml: false };
  if (form.as === "APIGroupDiscoveryList")
    return jsonAnswer(200, aggregated(served, path === "/api"), form);
  return jsonAnswer(200, document, form);
}

function fixedDocument(
  options: KubeApiOptions,
  served: ServedResources,
  path: string,
): JsonObject | undefined {
  const [, first, second, third, ...more] = path.split("/");
  if (path === "/version") return versionDocument(options.version);
  if (path === "/api") return coreVersions();
  if (path === "/apis") return groupList(served);
  if (path === "/openapi/v3") return openApiIndex(served);
  if (first === "openapi" && second === "v3") {
    const [group = "", version = ""] = third === "api" ? ["", more[0]] : more;
    return openApiDocument(served, group, version);
  }
  if (first === "api" && second !== undefined && third === undefined)
    return resourceList(served, "", second);
  if (first !== "apis" || second === undefined || more.length > 0) return undefined;
  return third === undefined ? groupDocument(served, second) : resourceList(served, second, third);
}

/** The minor version is that of the API whose forms are served. */
function versionDocument(version: string): JsonObject {
  return {
    major: "1",
    minor: "32",
    gitVersion: `v1.32.0+lateen-${version}`,
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: "",
    compiler: "",
    platform: "linux/amd64",
  };
}

function resourceAnswer(
  options: KubeApiOptions,
  served: ServedResources,
  request: HttpRequest,
): HttpAnswer {
  const path = parseResourcePath(request.path);
  const found = path && served.find(path.group, path.version, path.plural);
  if (path === undefined || found === undefined) return failedAnswer(unknownPath(request.path));
  if (!found.kind.namespaced && path.namespace !== undefined)
    return failedAnswer(unknownPath(request.path));
  if (found.kind.namespaced && path.namespace === undefined && path.name !== undefined)
    return failedAnswer(unknownPath(request.path));
  return request.method === "GET"
    ? readAnswer(options, found, path, request)
    : writeAnswer(options, found, path, request);
}

function readAnswer(
  options: KubeApiOptions,
  served: Served,
  path: ResourcePath,
  request: HttpRequest,
): HttpAnswer {
  const context = { clock: options.clock, served, path, request };
  if (path.subresource !== undefined) return subresourceAnswer(options, served, path, context);
  if (flag(request, "watch")) return watchObjects(context);
  return path.name === undefined ? listObjects(context) : getObject(context, path.name);
}

function subresourceAnswer(
  options: KubeApiOptions,
  served: Served,
  path: ResourcePath,
  context: Parameters<typeof getObject>[0],
): HttpAnswer {
  const { name = "", subresource = "" } = path;
  const { pods } = options;
  if (pods !== undefined && resourceId(served.kind) === "/pods" && subresource !== "status")
    return podAnswer(options, pods, served, path, context.request);
  const elsewhere = servedElsewhere(path);
  if (elsewhere !== undefined) return failedAnswer(elsewhere);
  if (!served.kind.subresources.some(known => known === subresource))
    return failedAnswer(unknownPath(context.request.path));
  if (subresource === "status") return getObject(context, name);
  const found = options.store.get(served.kind, path.namespace ?? "", name);
  if (!found.ok) return failedAnswer(found);
  return jsonAnswer(200, scaleOf(found.value), { as: "", version: "", yaml: false });
}

function podAnswer(
  options: KubeApiOptions,
  pods: PodAccess,
  served: Served,
  path: ResourcePath,
  request: HttpRequest,
): HttpAnswer {
  const { namespace = "", name = "", subresource } = path;
  const pod = options.store.get(served.kind, namespace, name);
  if (!pod.ok) return failedAnswer(pod);
  if (subresource === "log") return logAnswer(pods, pod.value, request);
  if (subresource === "exec") return failedAnswer(badRequest("Upgrade request required"));
  return failedAnswer(
    servedElsewhere(path, pods.forwardLine({ namespace, name }, "")) ?? unknownPath(request.path),
  );
}

/** Takes connections that become something else: commands in pods. */
export function kubeApiUpgrade(
  options: KubeApiOptions,
): (request: HttpRequest, upgrade: HttpUpgrade) => Promise<HttpAnswer | undefined> {
  const { store, pods, token } = options;
  const kind = store.kinds.find(each => resourceId(each) === "/pods");
  const sessions = new ExecSessions();
  return async (request, upgrade) => {
    const refused = authenticate(token, request);
    if (refused !== undefined) return failedAnswer(refused);
    const path = parseResourcePath(request.path);
    const { namespace = "", name, subresource = "" } = path ?? {};
    const isPods = path?.group === "" && path.plural === "pods" && name !== undefined;
    if (path !== undefined && pods === undefined) {
      const elsewhere = servedElsewhere(path);
      if (elsewhere !== undefined) return failedAnswer(elsewhere);
    }
    if (path === undefined || !isPods || kind === undefined || pods === undefined)
      return failedAnswer(badRequest(`there is nothing to upgrade to at ${request.path}`));
    const pod = store.get(kind, namespace, name);
    if (!pod.ok) return failedAnswer(pod);
    if (subresource === "exec") return sessions.open(pods, pod.value, request, upgrade);
    const ports = request.query.getAll("ports").join(" ");
    const elsewhere = servedElsewhere(path, pods.forwardLine({ namespace, name }, ports));
    return failedAnswer(elsewhere ?? unknownPath(request.path));
  };
}

function writeAnswer(
  options: KubeApiOptions,
  served: Served,
  path: ResourcePath,
  request: HttpRequest,
): HttpAnswer {
  const { kind } = served;
  const { name, subresource } = path;
  const elsewhere = servedElsewhere(path);
  if (elsewhere !== undefined) return failedAnswer(elsewhere);
  if (!served.writable) return failedAnswer(noWriting(kind));
  const context = { store: options.store, clock: options.clock, kind, path, request };
  switch (request.method) {
    case "POST":
      if (name === undefined) return createObject(context);
      break;
    case "PUT":
      if (name !== undefined) return updateObject(context, name);
      break;
    case "PATCH":
      if (name !== undefined) return patchObject(context, name);
      break;
    case "DELETE":
      if (subresource !== undefined) break;
      return name === undefined ? deleteObjects(context) : deleteObject(context, name);
  }
  return failedAnswer(methodNotAllowed(`${request.path} does not answer to ${request.method}`));
}
