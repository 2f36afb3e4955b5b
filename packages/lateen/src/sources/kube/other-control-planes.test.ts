import assert from "node:assert/strict";
import { test } from "node:test";
import { defineKind } from "../../api/define.ts";
import type { JsonObject, Kind } from "../../api/kind.ts";
import { namespaceKind } from "../../api/namespace/kind.ts";
import { any, integer, list, object } from "../../api/schema.ts";
import { silentLog } from "../../base/log.ts";
import { ApiClient } from "../client/api-client.ts";
import { localTransport } from "../client/local-transport.ts";
import { kubeApiHandler } from "../kube-api/handler.ts";
import { testStore, value } from "../store/test-store.ts";
import { hasOtherControlPlane, OtherControlPlanes } from "./other-control-planes.ts";

const deployments: Kind = defineKind({
  ...{ group: "apps", versions: ["v1"], kind: "Deployment", plural: "deployments" },
  description: "Pods.",
  fields: { spec: object({ replicas: integer() }) },
  columns: [],
});
const webhooks: Kind = defineKind({
  ...{ group: "admissionregistration.k8s.io", versions: ["v1"], namespaced: false },
  ...{ kind: "MutatingWebhookConfiguration", plural: "mutatingwebhookconfigurations" },
  description: "Webhooks.",
  fields: { webhooks: list(any()) },
  columns: [],
});

async function settle(): Promise<void> {
  for (let i = 0; i < 80; i++) await new Promise(setImmediate);
}

function setUp() {
  const { store, clock } = testStore({ kinds: [namespaceKind, deployments, webhooks] });
  const client = new ApiClient(localTransport(kubeApiHandler({ store, clock, version: "0" })));
  const seen: (boolean | undefined)[] = [];
  const others: OtherControlPlanes = new OtherControlPlanes({
    ...{ client, clock, namespace: "istio-system", log: silentLog },
    random: () => 0,
    onChange: () => void seen.push(others.present),
  });
  for (const name of ["istio-system", "tenant"])
    value(
      store.create(namespaceKind, "", { apiVersion: "v1", kind: "Namespace", metadata: { name } }),
    );
  const put = (namespace: string, labels: JsonObject = {}, replicas = 1): void => {
    const metadata = { name: "istiod", namespace, labels: { app: "istiod", ...labels } };
    const body = { apiVersion: "apps/v1", kind: "Deployment", metadata, spec: { replicas } };
    value(store.create(deployments, namespace, body));
  };
  const lead = (
    namespace: string,
    labels: JsonObject = {},
    name = "injector",
    selectors: JsonObject = {},
  ): void => {
    const metadata = { name, labels: { app: "sidecar-injector", ...labels } };
    const service = { name: "istiod", namespace };
    const hook = { name: "x", clientConfig: { service }, ...selectors };
    const apiVersion = "admissionregistration.k8s.io/v1";
    const body = { apiVersion, kind: webhooks.kind, metadata, webhooks: [hook] };
    value(store.create(webhooks, "", body));
  };
  const asked = () => hasOtherControlPlane(client, "istio-system");
  return { store, others, seen, put, lead, asked };
}

test("a Deployment of our own namespace with Istio's label is Istio's control plane", async t => {
  const { store, others, seen, put, asked } = setUp();
  t.after(() => others.stop());
  put("istio-system");
  others.start();
  await settle();
  assert.deepEqual(seen, [true]);
  assert.equal(await asked(), true);
  store.delete(deployments, "istio-system", "istiod");
  await settle();
  assert.deepEqual(seen, [true, false]);
  put("istio-system", { "lateen.dev/control-plane": "true" });
  await settle();
  assert.equal(others.present, false);
  assert.equal(await asked(), false);
});

test("elsewhere the label alone says nothing: a webhook has to lead there", async t => {
  const { others, seen, put, lead, asked } = setUp();
  t.after(() => others.stop());
  put("tenant");
  others.start();
  await settle();
  assert.deepEqual(seen, [false]);
  assert.equal(await asked(), false);
  lead("tenant");
  await settle();
  assert.deepEqual(seen, [false, true]);
  assert.equal(await asked(), true);
});

test("one that is scaled to nothing is switched off", async t => {
  const { others, seen, put } = setUp();
  t.after(() => others.stop());
  put("istio-system", {}, 0);
  others.start();
  await settle();
  assert.deepEqual(seen, [false]);
});

test("one of our own kind that is scaled to nothing is there; a webhook switched off injects nothing", async t => {
  const { others, put, lead } = setUp();
  t.after(() => others.stop());
  put("tenant", { "lateen.dev/control-plane": "true" }, 0);
  const never = { matchLabels: { "istio.io/deactivated": "never-match" } };
  const off = { namespaceSelector: never, objectSelector: never };
  lead("tenant", { "istio.io/rev": "default" }, "off", off);
  lead("istio-system", { "istio.io/rev": "default" }, "own");
  others.start();
  await settle();
  assert.equal(others.runsIn("tenant"), true);
  assert.equal(others.injectorOf({ "istio-injection": "enabled" }), "istio-system");
});

test("other control planes of our own kind: where they are, and where each label leads", async t => {
  const { store, others, put, lead } = setUp();
  t.after(() => others.stop());
  others.start();
  put("tenant", { "lateen.dev/control-plane": "true" });
  await settle();
  assert.deepEqual([others.runsIn("istio-system"), others.runsIn("tenant")], [true, false]);
  lead("tenant", { "istio.io/rev": "b" });
  lead("tenant", { "istio.io/rev": "b", "istio.io/tag": "prod" }, "tag");
  lead("istio-system", { "istio.io/rev": "default" }, "own");
  await settle();
  assert.equal(others.runsIn("tenant"), true);
  const led = (labels: JsonObject) => others.injectorOf(labels);
  assert.equal(led({ "istio.io/rev": "b" }), "tenant");
  assert.equal(led({ "istio.io/rev": "prod" }), "tenant");
  assert.equal(led({ "istio-injection": "enabled" }), "istio-system");
  assert.equal(led({ "istio-injection": "enabled", "istio.io/rev": "b" }), "istio-system");
  assert.equal(led({ "istio-injection": "disabled", "istio.io/rev": "b" }), undefined);
  assert.equal(led({ "istio.io/rev": "nobody" }), undefined);
  assert.equal(led({}), undefined);
  lead("tenant", { "istio.io/rev": "default" }, "second");
  await settle();
  assert.equal(led({ "istio-injection": "enabled" }), undefined, "two say that it is theirs");
  store.delete(deployments, "tenant", "istiod");
  await settle();
  assert.deepEqual([others.present, others.runsIn("tenant")], [false, false]);
});
