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
  const lead = (namespace: string): void => {
    const metadata = { name: "injector", labels: { app: "sidecar-injector" } };
    const hook = { name: "x", clientConfig: { service: { name: "istiod", namespace } } };
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
  assert.deepEqual(seen, [true, false]);
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
