/** HTTPS for the API server's webhooks (15017): `/inject` and `/validate`, as Istio has them. */
import type { Json } from "../api/kind.ts";
import { LimitedLog } from "../base/limited-log.ts";
import type { Log } from "../base/log.ts";
import { systemClock } from "../net/clock.ts";
import {
  type HttpAnswer,
  type HttpListener,
  type HttpRequest,
  type HttpTls,
  serveHttp,
} from "../net/http-server.ts";
import { findExcess } from "../sources/json.ts";
import {
  type AdmissionAnswer,
  type AdmissionRequest,
  answerReview,
  readReview,
} from "./admission.ts";
import { admitConfig } from "./admit-config.ts";
import { admitPod, type Injector, parseInjectPath } from "./admit-pod.ts";

export interface WebhookServerOptions {
  readonly host: string;
  /** 0: any free one; Istio's is 15017. */
  readonly port: number;
  /** Of `istiod.<namespace>.svc`; exchanged by `setTls` of what is returned. */
  readonly tls: HttpTls;
  readonly log: Log;
  /** Asked for each review: configuration may change at any time. */
  readonly injector: () => Injector;
  readonly onReview?: (outcome: {
    readonly path: "inject" | "validate";
    readonly allowed: boolean;
    readonly patched: boolean;
  }) => void;
}

/** A review holds two objects of at most 3 MiB. */
const BODY_LIMIT_BYTES = 8 << 20;
const MAX_DEPTH = 100;

/** Rejects when the address can not be had. */
export function serveWebhooks(options: WebhookServerOptions): Promise<HttpListener> {
  const { host, port, tls, log } = options;
  const told = { ...options, outsiders: new LimitedLog(log, systemClock) };
  const inject = (request: HttpRequest): HttpAnswer => {
    const path = parseInjectPath(request.params["rest"] ?? "");
    if (path === undefined)
      return badRequest(`${request.path}: expected /inject/cluster/NAME/net/NETWORK`);
    return review(told, "inject", request, each => admitPod(each, options.injector(), path));
  };
  const validate = (request: HttpRequest): HttpAnswer =>
    review(told, "validate", request, admitConfig);
  return serveHttp(
    {
      routes: [
        { method: "POST", pattern: "/inject", handle: inject },
        { method: "POST", pattern: "/inject/*rest", handle: inject },
        { method: "POST", pattern: "/validate", handle: validate },
        { method: "GET", pattern: "/ready", handle: () => text(200, "ok\n") },
      ],
      log,
      tls,
      bodyLimitBytes: BODY_LIMIT_BYTES,
    },
    { host, port },
  );
}

function review(
  options: WebhookServerOptions & { readonly outsiders: LimitedLog },
  path: "inject" | "validate",
  http: HttpRequest,
  answer: (request: AdmissionRequest) => AdmissionAnswer,
): HttpAnswer {
  const json = parse(http.body);
  if (typeof json === "string") return badRequest(json);
  const found = readReview(json.value);
  if (typeof found === "string") return badRequest(found);
  const { request, apiVersion } = found;
  const result = answer(request);
  const patched = result.allowed && (result.patch?.length ?? 0) > 0;
  options.onReview?.({ path, allowed: result.allowed, patched });
  const about = { path, namespace: request.namespace, name: request.name };
  const by = `${path} ${request.namespace}`;
  if (!result.allowed)
    options.outsiders.warn(by, "review refused", { ...about, why: result.message });
  else options.log.debug("review", { ...about, patched });
  return { status: 200, json: answerReview(apiVersion, request.uid, result) };
}

function parse(body: Uint8Array): { readonly value: Json } | string {
  try {
    const value: Json = JSON.parse(Buffer.from(body).toString("utf8"));
    const excess = findExcess(value, MAX_DEPTH);
    return excess === undefined ? { value } : `the body is ${excess}`;
  } catch {
    return "the body is no JSON";
  }
}

function badRequest(message: string): HttpAnswer {
  return text(400, `${message}\n`);
}

function text(status: number, body: string): HttpAnswer {
  return { status, body, contentType: "text/plain; charset=utf-8" };
}
