/** get, list and watch, as objects, as their metadata or as tables. */
import type { JsonObject, Kind } from "../../api/kind.ts";
import type { Clock } from "../../base/clock.ts";
import type { HttpAnswer, HttpRequest } from "../../net/http-server.ts";
import { objectAt, stringAt } from "../json.ts";
import { type ApiResult, badRequest, type Failed, failed, succeeded } from "../status.ts";
import { type ListOptions, parseRevision } from "../store/listing.ts";
import { asVersion, groupVersion, resourceId } from "../store/stored.ts";
import type { WatchEvent } from "../store/watch.ts";
import { failedAnswer, jsonAnswer } from "./answer.ts";
import { count, flag, header, type ResourcePath, selectionOf } from "./api-request.ts";
import { type Accepted, negotiate } from "./negotiate.ts";
import type { Served } from "./served.ts";
import { type IncludeObject, partialMetadata, table } from "./table.ts";
import { WatchStream } from "./watch-stream.ts";

const DEFAULT_WATCH_SECONDS = 3600;
const MAX_WATCH_SECONDS = 24 * 3600;

export interface ReadContext {
  readonly clock: Clock;
  readonly served: Served;
  readonly path: ResourcePath;
  readonly request: HttpRequest;
}

export function getObject(context: ReadContext, name: string): HttpAnswer {
  const { served, path, request } = context;
  const accepted = acceptedForm(request, ["Table", "PartialObjectMetadata"]);
  if (!accepted.ok) return failedAnswer(accepted);
  const found = served.reader.get(served.kind, path.namespace ?? "", name);
  if (!found.ok) return failedAnswer(found);
  const object = asVersion(found.value.json, served.kind, path.version);
  return jsonAnswer(200, formOf(context, accepted.value, object), accepted.value);
}

function formOf(context: ReadContext, accepted: Accepted, object: JsonObject): JsonObject {
  const { served, request, clock } = context;
  if (accepted.as === "PartialObjectMetadata") return partialMetadata(object);
  if (accepted.as !== "Table") return object;
  const metadata = { resourceVersion: stringAt(objectAt(object, "metadata"), "resourceVersion") };
  return table(served.kind, [object], metadata, includeOf(request), clock.now());
}

function acceptedForm(request: HttpRequest, forms: readonly string[]): ApiResult<Accepted> {
  const accepted = negotiate(header(request, "accept"), forms);
  return accepted === undefined ? notAcceptable() : succeeded(accepted);
}

function notAcceptable(): Failed {
  return failed(
    406,
    "NotAcceptable",
    "only the following media types are accepted: application/json, application/yaml",
  );
}

function includeOf(request: HttpRequest): IncludeObject {
  const include = request.query.get("includeObject");
  return include === "None" || include === "Object" ? include : "Metadata";
}

export function listObjects(context: ReadContext): HttpAnswer {
  const { served, path, request, clock } = context;
  const { kind } = served;
  const accepted = acceptedForm(request, ["Table", "PartialObjectMetadataList"]);
  if (!accepted.ok) return failedAnswer(accepted);
  const options = listOptions(context);
  if (!options.ok) return failedAnswer(options);
  const page = served.reader.list(kind, options.value);
  if (!page.ok) return failedAnswer(page);
  const objects = page.value.items.map(item => asVersion(item.json, kind, path.version));
  const metadata: JsonObject = {
    resourceVersion: String(page.value.revision),
    ...(page.value.continue === undefined ? {} : { continue: page.value.continue }),
    ...(page.value.remaining === undefined ? {} : { remainingItemCount: page.value.remaining }),
  };
  if (accepted.value.as === "Table") {
    const rows = table(kind, objects, metadata, includeOf(request), clock.now());
    return jsonAnswer(200, rows, accepted.value);
  }
  const partial = accepted.value.as === "PartialObjectMetadataList";
  const list: JsonObject = {
    kind: partial ? "PartialObjectMetadataList" : kind.listKind,
    apiVersion: partial ? "meta.k8s.io/v1" : groupVersion(kind.group, path.version),
    metadata,
    items: partial ? objects.map(partialMetadata) : objects,
  };
  return jsonAnswer(200, list, accepted.value);
}

function listOptions(context: ReadContext): ApiResult<ListOptions> {
  const { served, path, request } = context;
  const selection = selectionOf(request, resourceId(served.kind), path.name);
  if (!selection.ok) return selection;
  const limit = count(request, "limit");
  if (!limit.ok) return limit;
  return succeeded({
    namespace: path.namespace,
    selection: selection.value,
    limit: limit.value ?? 0,
    continue: request.query.get("continue") ?? "",
    resourceVersion: request.query.get("resourceVersion") ?? "",
    resourceVersionMatch: request.query.get("resourceVersionMatch") ?? "",
  });
}

export function watchObjects(context: ReadContext): HttpAnswer {
  const { served, path, request, clock } = context;
  const accepted = acceptedForm(request, ["Table", "PartialObjectMetadata"]);
  if (!accepted.ok) return failedAnswer(accepted);
  const selection = selectionOf(request, resourceId(served.kind), path.name);
  if (!selection.ok) return failedAnswer(selection);
  const seconds = count(request, "timeoutSeconds");
  if (!seconds.ok) return failedAnswer(seconds);
  const asked = request.query.get("resourceVersion") ?? "";
  const revision = parseRevision(asked);
  if (revision === undefined)
    return failedAnswer(badRequest(`resourceVersion: Invalid value: ${JSON.stringify(asked)}`));
  const sendInitial = request.query.get("sendInitialEvents");
  const initial = sendInitial === null ? revision === 0 : sendInitial === "true";
  let stream: WatchStream | undefined;
  const watch = served.reader.watch(served.kind, {
    namespace: path.namespace,
    selection: selection.value,
    since: initial ? undefined : revision,
    onReady: () => stream?.pump(),
  });
  if (!watch.ok) return failedAnswer(watch);
  const timeoutMs = 1000 * Math.min(seconds.value || DEFAULT_WATCH_SECONDS, MAX_WATCH_SECONDS);
  return {
    status: 200,
    contentType: "application/json",
    stream: sink => {
      const started = new WatchStream(watch.value, sink, {
        clock,
        bookmarks: flag(request, "allowWatchBookmarks"),
        markInitialEnd: sendInitial === "true",
        timeoutMs,
        encode: encoderOf(context, accepted.value),
        bookmark: metadata => bookmarkOf(served.kind, path.version, accepted.value, metadata),
      });
      stream = started;
      started.pump();
      return () => started.stop();
    },
  };
}

/** Watchers of one kind are told one after the other, and share the text of what just happened. */
const encoded = new Map<JsonObject, string>();
const MAX_SHARED = 256;
const MAX_SHARED_LENGTH = 64 * 1024;

function objectText(kind: Kind, version: string, object: JsonObject): string {
  if (version !== kind.storageVersion) return JSON.stringify(asVersion(object, kind, version));
  const known = encoded.get(object);
  if (known !== undefined) return known;
  const text = JSON.stringify(object);
  if (encoded.size >= MAX_SHARED) encoded.clear();
  if (text.length <= MAX_SHARED_LENGTH) encoded.set(object, text);
  return text;
}

function encoderOf(context: ReadContext, accepted: Accepted): (event: WatchEvent) => string {
  const { served, path, request, clock } = context;
  const { kind } = served;
  const line = (type: string, text: string): string => `{"type":"${type}","object":${text}}`;
  if (accepted.as === "Table")
    return ({ type, object }) => {
      const shown = asVersion(object, kind, path.version);
      const metadata = { resourceVersion: "" };
      const rows = table(kind, [shown], metadata, includeOf(request), clock.now());
      return line(type, JSON.stringify(rows));
    };
  if (accepted.as === "PartialObjectMetadata")
    return ({ type, object }) => line(type, JSON.stringify(partialMetadata(object)));
  return ({ type, object }) => line(type, objectText(kind, path.version, object));
}

function bookmarkOf(
  kind: Kind,
  version: string,
  accepted: Accepted,
  metadata: JsonObject,
): JsonObject {
  if (accepted.as === "Table")
    return {
      kind: "Table",
      apiVersion: "meta.k8s.io/v1",
      metadata,
      columnDefinitions: [],
      rows: [],
    };
  if (accepted.as === "PartialObjectMetadata")
    return { kind: accepted.as, apiVersion: "meta.k8s.io/v1", metadata };
  return { kind: kind.kind, apiVersion: groupVersion(kind.group, version), metadata };
}
