import assert from "node:assert/strict";
import { request as httpsRequest } from "node:https";
import { after, before, test } from "node:test";
import { TestAuthority } from "../../test/support/test-tls.ts";
import type { Json, JsonObject } from "../api/kind.ts";
import { silentLog } from "../base/log.ts";
import type { HttpListener } from "../net/http-server.ts";
import { objectAt } from "../sources/json.ts";
import { jsonPatch } from "../sources/kube-api/json-patch.ts";
import { type InjectorTexts, readInjectorConfig } from "./config.ts";
import { configOf, modern } from "./testdata/cases.ts";
import { invalidGateway } from "./webhook-bundles.ts";
import { serveWebhooks } from "./webhook-server.ts";

const authority = new TestAuthority();
let texts: InjectorTexts = { config: "", values: "", mesh: "" };
let server: HttpListener;
const outcomes: string[] = [];

before(async () => {
  const { certificateChain: cert, privateKey: key } = authority.server();
  server = await serveWebhooks({
    host: "127.0.0.1",
    port: 0,
    tls: { cert, key },
    log: silentLog,
    onReview: ({ path, allowed, patched }) => void outcomes.push(`${path} ${allowed} ${patched}`),
    injector: () => ({ config: readInjectorConfig(texts), features: modern, version: "1.0" }),
  });
});
after(() => server.close());

function post(path: string, body: string): Promise<{ status: number; body: string }> {
  const options = {
    host: "localhost",
    port: server.port,
    path,
    method: "POST",
    ca: [...authority.roots],
  };
  return new Promise((done, fail) => {
    const call = httpsRequest(options, answer => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.on("end", () => done({ status: answer.statusCode ?? 0, body: text }));
    });
    call.on("error", fail);
    call.end(body);
  });
}

function reviewOf(resource: JsonObject, object: Json, more: JsonObject = {}): JsonObject {
  return {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: "u1",
      resource,
      operation: "CREATE",
      namespace: "web",
      name: "",
      object,
      ...more,
    },
  };
}

async function review(path: string, body: JsonObject): Promise<JsonObject> {
  const answer = await post(path, JSON.stringify(body));
  assert.equal(answer.status, 200, answer.body);
  const json: JsonObject = JSON.parse(answer.body);
  assert.equal(json["apiVersion"], "admission.k8s.io/v1");
  assert.equal(objectAt(json, "response")["uid"], "u1");
  return objectAt(json, "response");
}

const pods = { group: "", version: "v1", resource: "pods" };
const gateways = { group: "networking.istio.io", version: "v1", resource: "gateways" };
const pod: JsonObject = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { generateName: "app-", labels: { app: "app" } },
  spec: { containers: [{ name: "app", image: "app:1" }] },
};

function patched(response: JsonObject, object: JsonObject): JsonObject {
  assert.equal(response["patchType"], "JSONPatch");
  const text = Buffer.from(String(response["patch"]), "base64").toString("utf8");
  const result = jsonPatch(object, JSON.parse(text));
  assert.ok(result.ok);
  return result.value;
}

test("a pod gets its sidecar as a JSON patch; injecting the result changes nothing", async () => {
  const response = await review("/inject", reviewOf(pods, pod));
  assert.equal(response["allowed"], true);
  const after = patched(response, pod);
  const text = JSON.stringify(after);
  assert.match(text, /"name":"istio-proxy"/);
  assert.match(text, /\.web~web\.svc\.cluster\.local/, "the namespace is the request's");
  const again = await review("/inject", reviewOf(pods, after));
  assert.deepEqual(again, { uid: "u1", allowed: true });
});

test("istioctl kube-inject asks without a uid, a resource or an operation, and gets the patch", async () => {
  // As Go's types marshal it (istioctl/pkg/kubeinject).
  const kind = { group: "admission.k8s.io", version: "v1", kind: "AdmissionRequest" };
  const resource = { group: "", version: "", resource: "" };
  const object = {
    ...pod,
    metadata: { creationTimestamp: null, labels: { app: "app" } },
    status: {},
  };
  const request = {
    uid: "",
    kind,
    resource,
    operation: "",
    namespace: "web",
    userInfo: {},
    object,
  };
  const more = { oldObject: null, options: null };
  const common = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview" };
  const asked = JSON.stringify({ ...common, request: { ...request, ...more } });
  const answer = await post("/inject", asked);
  assert.equal(answer.status, 200, answer.body);
  const response = objectAt(JSON.parse(answer.body), "response");
  assert.deepEqual([response["uid"], response["allowed"]], ["", true]);
  assert.match(JSON.stringify(patched(response, object)), /"name":"istio-proxy"/);
  // The API server always says whose review it is: without that there is nobody to answer.
  const nobody = {
    ...reviewOf(pods, pod),
    request: { ...objectAt(reviewOf(pods, pod), "request"), uid: "" },
  };
  assert.equal((await post("/inject", JSON.stringify(nobody))).status, 400);
});

test("cluster and network come from the webhook's path", async () => {
  const response = await review("/inject/cluster/c2/net/n--slash--2", reviewOf(pods, pod));
  const text = JSON.stringify(patched(response, pod));
  assert.match(text, /\\"CLUSTER_ID\\":\\"c2\\"/);
  assert.match(text, /\\"NETWORK\\":\\"n\/2\\"/);
  assert.equal((await post("/inject/region/x", JSON.stringify(reviewOf(pods, pod)))).status, 400);
});

test("what is not a new pod, or says no, passes as it is", async () => {
  const refusing = { ...pod, metadata: { labels: { "sidecar.istio.io/inject": "false" } } };
  for (const body of [
    reviewOf(pods, refusing),
    reviewOf(pods, pod, { operation: "UPDATE" }),
    reviewOf(pods, pod, { subResource: "exec" }),
    reviewOf({ group: "", version: "v1", resource: "services" }, {}),
  ])
    assert.deepEqual(await review("/inject", body), { uid: "u1", allowed: true });
});

test("a pod with a bad annotation is refused with words that name it", async () => {
  const bad = { ...pod, metadata: { annotations: { "sidecar.istio.io/proxyCPU": "much" } } };
  const response = await review("/inject", reviewOf(pods, bad));
  assert.equal(response["allowed"], false);
  const { code, message } = objectAt(response, "status");
  assert.equal(code, 400);
  assert.equal(
    message,
    'the sidecar can not be injected: metadata.annotations[sidecar.istio.io/proxyCPU]: found "much"; ' +
      "expected a quantity such as 100m or 128Mi",
  );
});

test("a broken configuration of the injector refuses pods and says where", async () => {
  texts = { config: "", values: '{"global": {"proxy": 7}}', mesh: "" };
  const response = await review("/inject", reviewOf(pods, pod));
  texts = { config: "", values: "", mesh: "" };
  assert.equal(response["allowed"], false);
  assert.match(
    String(objectAt(response, "status")["message"]),
    /injector's configuration has errors: values\.global\.proxy: found an integer/,
  );
});

test("what is no review is answered 400, and too much 413", async () => {
  for (const body of [
    "",
    "[]",
    "{",
    '{"kind":"AdmissionReview"}',
    JSON.stringify({ ...reviewOf(pods, pod), request: {} }),
  ])
    assert.equal((await post("/inject", body)).status, 400, body);
  assert.equal((await post("/nowhere", "{}")).status, 404);
  assert.equal((await post("/inject", "x".repeat(9 << 20))).status, 413);
});

test("configuration objects: the store's own words, for errors and for warnings", async () => {
  const object = invalidGateway("web", "default");
  const response = await review("/validate", reviewOf(gateways, object));
  assert.equal(response["allowed"], false);
  const { code, message, details } = objectAt(response, "status");
  assert.equal(code, 422);
  assert.match(String(message), /Gateway.*"lateen-invalid" is invalid: spec\.servers\[0\]\.tls/);
  assert.match(JSON.stringify(details), /"causes":\[/);
  const good = {
    ...object,
    spec: {
      servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"], bindd: 1 }],
    },
  };
  const allowed = await review("/validate", reviewOf(gateways, good));
  assert.equal(allowed["allowed"], true);
  assert.match(String(allowed["warnings"]), /unknown field "spec\.servers\[0\]\.bindd"/);
});

test("what was let in before can still be deleted and get labels", async () => {
  const before = invalidGateway("web", "default");
  const labelled = { ...before, metadata: { ...objectAt(before, "metadata"), labels: { a: "b" } } };
  const update = { operation: "UPDATE", oldObject: before };
  const response = await review("/validate", reviewOf(gateways, labelled, update));
  assert.equal(response["allowed"], true);
  assert.match(String(response["warnings"]), /spec\.servers.*as before: .*not in force/);
  const gone = { operation: "DELETE", oldObject: before };
  assert.equal((await review("/validate", reviewOf(gateways, null, gone)))["allowed"], true);
});

test("a rule that came after an object was let in is for new ones, and for changes of what breaks it", async () => {
  const policies = { group: "security.istio.io", version: "v1", resource: "authorizationpolicies" };
  const broken = { from: [{ source: { serviceAccounts: ["web/a"], namespaces: ["web"] } }] };
  const policy = (...rules: readonly JsonObject[]): JsonObject => ({
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    metadata: { name: "p", namespace: "web" },
    spec: { action: "DENY", rules },
  });
  const expected =
    /from\[0\]\.source: found serviceAccounts beside namespaces, want one or the other/;
  const created = await review("/validate", reviewOf(policies, policy(broken)));
  assert.equal(created["allowed"], false);
  assert.match(String(objectAt(created, "status")["message"]), expected);
  const update = (object: JsonObject) =>
    review(
      "/validate",
      reviewOf(policies, object, { operation: "UPDATE", oldObject: policy(broken) }),
    );
  const other = { to: [{ operation: { paths: ["/a"] } }] };
  const moved = await update(policy(other, broken));
  assert.equal(moved["allowed"], true);
  assert.match(String(moved["warnings"]), expected);
  assert.equal((await update(policy(other)))["allowed"], true);
  assert.equal((await update(policy(broken, broken)))["allowed"], false);
  const changed = { from: [{ source: { serviceAccounts: ["web/b"], namespaces: ["web"] } }] };
  assert.equal((await update(policy(changed)))["allowed"], false);
});

test("kinds that are not ours are never held back", async () => {
  const other = { group: "networking.istio.io", version: "v9", resource: "novelties" };
  assert.equal((await review("/validate", reviewOf(other, { spec: 1 })))["allowed"], true);
});

test("the configuration that tests begin with is the one that is read", () => {
  assert.equal(configOf(texts).revision, "default");
});

test("every review is told of, for the metrics", () => {
  for (const outcome of [
    "inject true true",
    "inject true false",
    "inject false false",
    "validate false false",
  ])
    assert.ok(outcomes.includes(outcome), outcome);
});
