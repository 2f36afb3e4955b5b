import assert from "node:assert/strict";
import { test } from "node:test";
import { deploymentKind } from "../api/deployment/kind.ts";
import type { JsonObject, Kind } from "../api/kind.ts";
import { namespaceKind } from "../api/namespace/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import { serviceKind } from "../api/service/kind.ts";
import { serviceAccountKind } from "../api/service-account/kind.ts";
import { silentLog } from "../base/log.ts";
import { systemClock } from "../net/clock.ts";
import { isObject, objectAt } from "../sources/json.ts";
import { succeeded } from "../sources/status.ts";
import { openStore, type Store } from "../sources/store/store.ts";
import { countedIds } from "../sources/store/test-store.ts";
import { CARRIED_OUT, localAdmission } from "./local-admission.ts";

function localStore(): Store {
  const opened = openStore({
    path: ":memory:",
    kinds: [namespaceKind, serviceAccountKind, podKind, deploymentKind, serviceKind],
    clock: systemClock,
    log: silentLog,
    ids: countedIds(),
    namespaces: ["default"],
    admission: [localAdmission(systemClock)],
  });
  assert.ok(opened.ok);
  return opened.value;
}

function object(kind: Kind, spec: JsonObject, metadata: JsonObject = {}): JsonObject {
  const apiVersion = kind.group === "" ? "v1" : `${kind.group}/v1`;
  return { apiVersion, kind: kind.kind, metadata: { name: "x", ...metadata }, spec };
}

function create(store: Store, kind: Kind, spec: JsonObject, metadata?: JsonObject): string[] {
  const made = store.create(kind, "default", object(kind, spec, metadata));
  assert.ok(made.ok, JSON.stringify(made));
  return [...made.warnings];
}

function condition(store: Store, kind: Kind): string | undefined {
  const found = store.get(kind, "default", "x");
  assert.ok(found.ok);
  const conditions = objectAt(found.value.json, "status")["conditions"];
  const all = Array.isArray(conditions) ? conditions.filter(isObject) : [];
  const own = all.filter(each => each["type"] === CARRIED_OUT);
  assert.ok(own.length < 2);
  return own[0] && String(own[0]["message"]);
}

const CONTAINER = {
  name: "web",
  command: ["sleep", "9"],
  lifecycle: { stopSignal: "SIGINT" },
  resources: { limits: { cpu: "1" } },
  securityContext: { runAsUser: 5, readOnlyRootFilesystem: true },
};

test("what a Deployment asks for in vain is named, when applied and in its status", () => {
  const store = localStore();
  const template = (spec: JsonObject) => ({ metadata: { labels: { app: "a" } }, spec });
  const spec = {
    selector: { matchLabels: { app: "a" } },
    template: template({
      hostNetwork: true,
      containers: [CONTAINER, { ...CONTAINER, name: "other" }],
      volumes: [{ name: "v", nfs: { server: "a", path: "/" } }],
    }),
  };
  const warned = create(store, deploymentKind, spec);
  const pod = "spec.template.spec";
  assert.deepEqual(
    warned.map(line => line.slice(0, line.indexOf(":"))),
    [
      `${pod}.containers[0].lifecycle.stopSignal`,
      `${pod}.containers[0].resources.limits`,
      `${pod}.containers[0].securityContext.readOnlyRootFilesystem`,
      `${pod}.hostNetwork`,
      `${pod}.volumes[0].nfs`,
    ],
  );
  assert.match(
    warned[0] ?? "",
    /stopSignal is accepted but not carried out in a local mesh: it has no effect \(and 1 more/,
  );
  assert.equal(condition(store, deploymentKind), warned.join("; "));

  const status = { conditions: [{ type: "Available", status: "True" }], replicas: 1 };
  const written = store.modify(
    deploymentKind,
    "default",
    "x",
    current => succeeded({ ...current, status }),
    { subresource: "status" },
  );
  assert.ok(written.ok);
  assert.deepEqual(written.warnings, []);
  assert.equal(condition(store, deploymentKind), warned.join("; "));
  const again = store.modify(
    deploymentKind,
    "default",
    "x",
    current => succeeded({ ...current, status }),
    { subresource: "status" },
  );
  assert.ok(again.ok);
  const same = again.value.resourceVersion === written.value.resourceVersion;
  assert.ok(same, "writing the same status changes nothing");

  const plain = template({ containers: [{ name: "web", command: ["sleep", "9"] }] });
  const mended = store.modify(deploymentKind, "default", "x", current =>
    succeeded({ ...current, spec: { ...spec, template: plain } }),
  );
  assert.ok(mended.ok);
  assert.deepEqual(mended.warnings, []);
  assert.equal(condition(store, deploymentKind), undefined);
});

test("a container that names no program is named: images are not run here", () => {
  const containers = [
    { name: "web", image: "nginx" },
    { name: "istio-proxy", image: "auto" },
  ];
  const template = { metadata: { labels: { app: "a" } }, spec: { containers } };
  const spec = { selector: { matchLabels: { app: "a" } }, template };
  const [warning = "", ...others] = create(localStore(), deploymentKind, spec);
  assert.match(
    warning,
    /^spec\.template\.spec\.containers\[0\]\.command: is required in a local mesh/,
  );
  assert.deepEqual(others, []);
});

test("an image that something stands in for needs no program", () => {
  const image = "docker.io/istio/examples-bookinfo-reviews-v2:1.20.3";
  const containers = [{ name: "reviews", image }];
  const template = { metadata: { labels: { app: "a" } }, spec: { containers } };
  const spec = { selector: { matchLabels: { app: "a" } }, template };
  assert.deepEqual(create(localStore(), deploymentKind, spec), []);
});

test("a pod is looked at when it is created by a person, not when its Deployment did", () => {
  const store = localStore();
  const [warning = ""] = create(store, podKind, {
    containers: [{ name: "c", command: ["x"], tty: true }],
  });
  assert.match(warning, /^spec\.containers\[0\]\.tty: tty is accepted but not carried out/);
  assert.equal(condition(store, podKind), warning);
  const patched = store.modify(
    podKind,
    "default",
    "x",
    current => succeeded({ ...current, status: { phase: "Running", conditions: [] } }),
    { subresource: "status" },
  );
  assert.ok(patched.ok);
  assert.equal(condition(store, podKind), warning);
  const owner = { apiVersion: "apps/v1", kind: "Deployment", name: "d", uid: "1" };
  const owned = { name: "y", ownerReferences: [owner] };
  const containers = [{ name: "c", tty: true }];
  assert.deepEqual(create(store, podKind, { containers }, owned), []);
});

test("a Service's types and addresses that reach nobody", () => {
  const store = localStore();
  const warned = create(store, serviceKind, {
    type: "NodePort",
    ports: [{ port: 80, nodePort: 30_080 }],
    loadBalancerSourceRanges: ["10.0.0.0/8"],
  });
  assert.deepEqual(
    warned.map(line => line.slice(0, line.indexOf(":"))),
    ["spec.loadBalancerSourceRanges", "spec.ports[0].nodePort", "spec.type"],
  );
});
