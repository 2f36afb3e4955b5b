/** The source of a cluster, against the embedded store's API: it speaks the same list and watch. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { configMapKind } from "../../api/config-map/kind.ts";
import type { JsonObject, Kind } from "../../api/kind.ts";
import { namespaceKind } from "../../api/namespace/kind.ts";
import { podKind } from "../../api/pod/kind.ts";
import { serviceKind } from "../../api/service/kind.ts";
import { silentLog } from "../../base/log.ts";
import { ApiClient } from "../client/api-client.ts";
import { type LocalHandler, localTransport } from "../client/local-transport.ts";
import { objectAt } from "../json.ts";
import { kubeApiHandler } from "../kube-api/handler.ts";
import { succeeded } from "../status.ts";
import { testKinds, testStore, value, widget, widgetKind } from "../store/test-store.ts";
import { KubeSource } from "./kube-source.ts";

const KINDS: readonly Kind[] = [configMapKind, serviceKind, podKind, widgetKind];

async function settle(): Promise<void> {
  for (let i = 0; i < 60; i++) await new Promise(setImmediate);
}

function setUp(more: (inner: LocalHandler) => LocalHandler = inner => inner) {
  const kinds = [...testKinds, configMapKind];
  const { store, clock } = testStore({ kinds });
  const handler = more(kubeApiHandler({ store, clock, version: "0" }));
  const source = new KubeSource({
    name: "test",
    client: new ApiClient(localTransport(handler)),
    kinds: KINDS,
    meshConfig: { namespace: "istio-system", name: "istio" },
    clock,
    random: () => 0,
    log: silentLog,
  });
  const told: string[] = [];
  const objects = new Map<string, JsonObject>();
  let synced = 0;
  source.start({
    onChanges: changes => {
      for (const { kind, namespace, name, object } of changes) {
        const key = `${kind.kind} ${namespace}/${name}`;
        told.push(`${object === undefined ? "-" : "+"}${key}`);
        if (object !== undefined) objects.set(key, object);
      }
    },
    onProblems: () => {},
    onSynced: () => synced++,
  });
  const take = (): string[] => told.splice(0).sort();
  return { store, clock, source, objects, take, synced: () => synced };
}

type Store = ReturnType<typeof setUp>["store"];

function addNamespace(store: Store, name: string, labels: JsonObject = {}): void {
  value(
    store.create(namespaceKind, "", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels },
    }),
  );
}

function configMap(name: string, mesh: string): JsonObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { mesh } };
}

const SELECTORS =
  "discoverySelectors: [{matchLabels: {mesh: 'yes'}}, {matchExpressions: [{key: x, operator: Exists}]}]";

test("one sync for all; of ConfigMaps only the mesh configuration", async t => {
  const { store, source, take, synced } = setUp();
  t.after(() => source.stop());
  addNamespace(store, "istio-system");
  value(store.create(configMapKind, "istio-system", configMap("istio", "")));
  value(store.create(configMapKind, "istio-system", configMap("other", "")));
  value(store.create(widgetKind, "default", widget("a")));
  await settle();
  assert.deepEqual(take(), ["+ConfigMap istio-system/istio", "+Widget default/a"]);
  assert.equal(synced(), 1);
  value(store.delete(widgetKind, "default", "a"));
  await settle();
  assert.deepEqual([take(), synced()], [["-Widget default/a"], 1]);
});

test("nothing is synced while one kind can not be listed", async t => {
  let down = true;
  const { source, clock, synced } = setUp(inner => request => {
    if (down && request.path.includes("/widgets")) return { status: 503, json: {} };
    return inner(request);
  });
  t.after(() => source.stop());
  for (let i = 0; i < 20; i++) {
    await settle();
    clock.advance(5000);
  }
  assert.equal(synced(), 0);
  down = false;
  clock.advance(10_000);
  await settle();
  assert.equal(synced(), 1);
});

test("discoverySelectors of a version that read YAML otherwise select what they did", async t => {
  const { store, source, take } = setUp();
  t.after(() => source.stop());
  addNamespace(store, "istio-system");
  addNamespace(store, "seen", { mesh: "yes" });
  addNamespace(store, "hidden");
  const text = "discoverySelectors: [{matchLabels: {mesh: yes}}]";
  value(store.create(configMapKind, "istio-system", configMap("istio", text)));
  for (const namespace of ["seen", "hidden"])
    value(store.create(widgetKind, namespace, widget("w")));
  await settle();
  assert.deepEqual(take(), ["+ConfigMap istio-system/istio", "+Widget seen/w"]);
});

test("discoverySelectors: namespaces come into view and leave it, live", async t => {
  const { store, source, take, synced } = setUp();
  t.after(() => source.stop());
  addNamespace(store, "istio-system");
  addNamespace(store, "seen", { mesh: "yes" });
  addNamespace(store, "hidden");
  value(store.create(configMapKind, "istio-system", configMap("istio", SELECTORS)));
  for (const namespace of ["seen", "hidden", "istio-system"])
    value(store.create(widgetKind, namespace, widget("w")));
  await settle();
  assert.equal(synced(), 1);
  assert.deepEqual(take(), [
    "+ConfigMap istio-system/istio",
    "+Widget istio-system/w",
    "+Widget seen/w",
  ]);
  const label = (name: string, labels: JsonObject): void => {
    value(
      store.modify(namespaceKind, "", name, current =>
        succeeded({ ...current, metadata: { ...objectAt(current, "metadata"), labels } }),
      ),
    );
  };
  label("hidden", { x: "" });
  await settle();
  assert.deepEqual(take(), ["+Widget hidden/w"]);
  label("seen", {});
  await settle();
  assert.deepEqual(take(), ["-Widget seen/w"]);
  value(store.create(widgetKind, "seen", widget("unseen")));
  await settle();
  assert.deepEqual(take(), []);
  const edit = (mesh: string): void => {
    value(
      store.modify(configMapKind, "istio-system", "istio", current =>
        succeeded({ ...current, data: { mesh } }),
      ),
    );
  };
  edit("discoverySelectors: {wrong: true}");
  await settle();
  assert.deepEqual(take(), ["+ConfigMap istio-system/istio"]);
  edit("");
  await settle();
  assert.deepEqual(take(), [
    "+ConfigMap istio-system/istio",
    "+Widget seen/unseen",
    "+Widget seen/w",
  ]);
});

test("of a Pod only what routing needs is told; of its status only readiness", async t => {
  const { store, source, objects } = setUp();
  t.after(() => source.stop());
  const ports = [{ name: "http", containerPort: 80 }, { containerPort: 81 }];
  value(
    store.create(podKind, "default", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: "p",
        labels: { app: "p" },
        annotations: { "sidecar.istio.io/status": "s", "kubernetes.io/config.seen": "t" },
      },
      spec: {
        containers: [
          { name: "c", image: "i", command: ["x"], env: [{ name: "A", value: "b" }], ports },
        ],
        volumes: [{ name: "v", emptyDir: {} }],
      },
    }),
  );
  await settle();
  const pod = objects.get("Pod default/p") ?? {};
  assert.deepEqual(objectAt(pod, "spec")["containers"], [
    { name: "c", ports: [{ name: "http", containerPort: 80, protocol: "TCP" }] },
  ]);
  const metadata = objectAt(pod, "metadata");
  assert.deepEqual(metadata["annotations"], { "sidecar.istio.io/status": "s" });
  assert.equal(metadata["resourceVersion"], undefined);
  assert.ok(podKind.decode(pod).ok);
});
