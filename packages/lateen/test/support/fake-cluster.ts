/**
 * An API server that keeps what it is sent, for tests of what commands ask and apply: lists with
 * selectors, gets, server-side apply (without conflicts), deletions. Deployments are ready at once.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Json, JsonObject } from "../../src/api/kind.ts";
import { resourceOf } from "../../src/install/objects.ts";
import { resourcePath } from "../../src/sources/client/api-client.ts";
import { isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { forwarding, type PodRequest } from "./fake-forward.ts";

export interface FakeCluster {
  readonly kubeconfig: string;
  /** By path. */
  readonly objects: Map<string, JsonObject>;
  /** `METHOD path?query` of everything that was asked, in order. */
  readonly asked: readonly string[];
  /** Whom the requests came from, as far as they say: `user group,group uid`. */
  readonly impersonated: readonly string[];
  /** The same of port-forwards. */
  readonly forwardedAs: readonly string[];
  /** Of Deployments, by name; true unless a test says otherwise. */
  isReady: (name: string) => boolean;
  /** Of Deployments that do not say it; 1 unless a test says otherwise. */
  replicasOf: (name: string) => number;
  /** An object of a kind that installations have. */
  add(object: JsonObject): void;
  get(kind: string, namespace: string, name: string): JsonObject | undefined;
}

export interface FakeClusterOptions {
  /** What the account may not do: `create deployments`. */
  readonly denied?: (verb: string, resource: string) => boolean;
  /** What pods answer by port-forward. */
  readonly forward?: (request: PodRequest) => string | undefined;
  /** A Status for an object that is sent, undefined to take it. */
  readonly refuse?: (object: JsonObject) => { code: number; message: string } | undefined;
}

interface Answer {
  readonly status: number;
  readonly body: Json;
}

export async function fakeCluster(
  t: TestContext,
  options: FakeClusterOptions = {},
): Promise<FakeCluster> {
  const objects = new Map<string, JsonObject>();
  const asked: string[] = [];
  const impersonated: string[] = [];
  const forwardedAs: string[] = [];
  const server = createServer((request, response) => {
    void readBody(request).then(body => {
      asked.push(`${request.method} ${request.url}`);
      impersonated.push(impersonation(request));
      const url = new URL(request.url ?? "/", "http://localhost");
      const { status, body: answer } = answerTo(request.method ?? "", url, body);
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(answer));
    });
  });
  const answerTo = (method: string, url: URL, body: JsonObject): Answer => {
    const path = url.pathname;
    if (path === "/version")
      return { status: 200, body: { major: "1", minor: "33", gitVersion: "v1.33.0" } };
    if (path.endsWith("/selfsubjectaccessreviews")) {
      const { verb, resource } = objectAt(objectAt(body, "spec"), "resourceAttributes");
      const allowed = options.denied?.(String(verb), String(resource)) !== true;
      return { status: 201, body: { status: { allowed } } };
    }
    if (method === "PATCH") return apply(path, url, body);
    const found = objects.get(path);
    if (method === "DELETE") objects.delete(path);
    if (found !== undefined) return { status: 200, body: found };
    return isCollection(path) ? { status: 200, body: listOf(url) } : failure(404, "not found");
  };
  const apply = (path: string, url: URL, body: JsonObject): Answer => {
    const refused = options.refuse?.(body);
    if (refused !== undefined) return failure(refused.code, refused.message);
    const namespace = /^(.*)\/namespaces\/([^/]+)\/[^/]+\/[^/]+$/.exec(path)?.[2];
    if (namespace !== undefined && !objects.has(`/api/v1/namespaces/${namespace}`))
      return failure(404, `namespaces "${namespace}" not found`);
    const live = withStatus(body, cluster);
    if (!url.searchParams.has("dryRun")) objects.set(path, live);
    return { status: 200, body: live };
  };
  const listOf = (url: URL): JsonObject => {
    const selector = url.searchParams.get("labelSelector") ?? "";
    const fields = url.searchParams.get("fieldSelector") ?? "";
    const name = /metadata\.name=([^,]+)/.exec(fields)?.[1];
    const items = [...objects]
      .filter(([path]) => inCollection(path, url.pathname))
      .map(([, object]) => object)
      .filter(object => isSelected(object, selector))
      .filter(object => name === undefined || objectAt(object, "metadata")["name"] === name);
    return { items };
  };
  const forward = forwarding(options.forward ?? (() => undefined));
  server.on("upgrade", (request, socket) => {
    forwardedAs.push(impersonation(request));
    forward(request, socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const folder = mkdtempSync(join(tmpdir(), "lateen-fake-cluster-"));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, kubeconfigOf(`http://127.0.0.1:${port}`));
  t.after(() => {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true });
  });
  const pathOf = (kind: string, namespace: string, name: string): string =>
    resourcePath(resourceOf(kind), namespace, name);
  const cluster: FakeCluster = {
    kubeconfig,
    objects,
    asked,
    impersonated,
    forwardedAs,
    isReady: () => true,
    replicasOf: () => 1,
    add(object) {
      const { namespace = "", name = "" } = objectAt(object, "metadata");
      objects.set(pathOf(stringAt(object, "kind"), String(namespace), String(name)), object);
    },
    get: (kind, namespace, name) => objects.get(pathOf(kind, namespace, name)),
  };
  for (const name of ["default", "kube-system"])
    cluster.add({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  return cluster;
}

function failure(code: number, message: string): Answer {
  return { status: code, body: { kind: "Status", status: "Failure", code, message } };
}

/** `/api/v1/pods`, `/apis/apps/v1/namespaces/shop/deployments`: the last word is of many. */
function isCollection(path: string): boolean {
  const words = path.split("/").slice(path.startsWith("/apis/") ? 4 : 3);
  return words.length === 1 || (words.length === 3 && words[0] === "namespaces");
}

function inCollection(path: string, collection: string): boolean {
  const own = path.slice(0, path.lastIndexOf("/"));
  return own === collection || own.replace(/\/namespaces\/[^/]+\//, "/") === collection;
}

function isSelected(object: JsonObject, selector: string): boolean {
  const labels = objectAt(objectAt(object, "metadata"), "labels");
  return selector
    .split(",")
    .filter(each => each !== "")
    .every(each => {
      const [key = "", value] = each.split("=");
      if (key.startsWith("!")) return labels[key.slice(1)] === undefined;
      return value === undefined ? labels[key] !== undefined : labels[key] === value;
    });
}

function withStatus(
  object: JsonObject,
  { isReady, replicasOf }: Pick<FakeCluster, "isReady" | "replicasOf">,
): JsonObject {
  if (object["kind"] === "CustomResourceDefinition")
    return { ...object, status: { conditions: [{ type: "Established", status: "True" }] } };
  if (object["kind"] !== "Deployment") return object;
  const name = stringAt(objectAt(object, "metadata"), "name");
  const spec = objectAt(object, "spec");
  const count = spec["replicas"] ?? replicasOf(name);
  const conditions = [{ type: "Available", status: isReady(name) ? "True" : "False" }];
  const availableReplicas = isReady(name) ? count : 0;
  const counts = { replicas: count, updatedReplicas: count, availableReplicas };
  return { ...object, spec: { ...spec, replicas: count }, status: { conditions, ...counts } };
}

function impersonation({ headers }: IncomingMessage): string {
  const names = ["impersonate-user", "impersonate-group", "impersonate-uid"];
  return names.map(name => headers[name] ?? "").join(" ");
}

async function readBody(request: IncomingMessage): Promise<JsonObject> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString("utf8");
  const json: Json = text === "" ? {} : JSON.parse(text);
  return isObject(json) ? json : {};
}

function kubeconfigOf(server: string): string {
  return JSON.stringify({
    "current-context": "fake",
    contexts: [{ name: "fake", context: { cluster: "fake", user: "fake" } }],
    clusters: [{ name: "fake", cluster: { server } }],
    users: [{ name: "fake", user: {} }],
  });
}
