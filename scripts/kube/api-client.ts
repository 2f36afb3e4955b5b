/** The little of the Kubernetes API that bringing a cluster up needs, as its administrator. */
import { readFileSync } from "node:fs";
import { type Agent, request } from "node:https";
import { join } from "node:path";
import type { Json, JsonObject } from "../../packages/lateen/src/api/kind.ts";
import { isObject } from "../../packages/lateen/src/sources/json.ts";
import { type ClusterPlan, pathsOf } from "./plan.ts";

export interface ApiAnswer {
  /** 0 when nobody answered. */
  readonly status: number;
  /** Decoded; empty where it is not a JSON object. */
  readonly body: JsonObject;
  readonly text: string;
}

export interface ApiRequest {
  readonly method?: "GET" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  /** For patches; JSON when not given. */
  readonly contentType?: string;
  readonly timeoutMs?: number;
  /** Keeps connections for the next requests; without it each has one of its own. */
  readonly agent?: Agent;
}

const TIMEOUT_MS = 30_000;
/** More than the API server itself waits for etcd before it says that it is not ready. */
const PROBE_MS = 5000;
const MAX_BODY = 256 << 20;

export function callApi(plan: ClusterPlan, wanted: ApiRequest): Promise<ApiAnswer> {
  const { pki } = pathsOf(plan);
  const body = wanted.body === undefined ? undefined : JSON.stringify(wanted.body);
  return new Promise(done => {
    const failed = (): void => done({ status: 0, body: {}, text: "" });
    const call = request({
      host: plan.address,
      port: plan.ports.api,
      path: wanted.path,
      method: wanted.method ?? "GET",
      ca: readFileSync(join(pki, "ca.crt")),
      cert: readFileSync(join(pki, "admin.crt")),
      key: readFileSync(join(pki, "admin.key")),
      timeout: wanted.timeoutMs ?? TIMEOUT_MS,
      agent: wanted.agent,
      headers: body === undefined ? {} : { "content-type": wanted.contentType ?? JSON_TYPE },
    });
    call.on("timeout", () => call.destroy());
    call.on("error", failed);
    call.on("response", response => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_BODY) call.destroy();
        chunks.push(chunk);
      });
      response.on("error", failed);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        done({ status: response.statusCode ?? 0, body: decode(text), text });
      });
    });
    call.end(body);
  });
}

/** Whether the API server says that it is ready. It is not waited for long: there is a next time. */
export async function isApiReady(plan: ClusterPlan): Promise<boolean> {
  const { status } = await callApi(plan, { path: "/readyz", timeoutMs: PROBE_MS });
  return status === 200;
}

const JSON_TYPE = "application/json";

function decode(text: string): JsonObject {
  try {
    const value = JSON.parse(text) as Json;
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
