import assert from "node:assert/strict";
import { test } from "node:test";
import { pod } from "../../test/support/mesh-objects.ts";
import {
  canonicalName,
  canonicalRevision,
  podTlsMode,
  podWorkloadName,
} from "./workload-identity.ts";

const ip = { ip: "10.0.0.1" };

test("a pod's workload is its Deployment", () => {
  const labels = { "pod-template-hash": "abc12" };
  const plain = pod({ at: "default/web-abc12-x", labels }, ip);
  const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-abc12", uid: "1" };
  const owned = (ownerReferences: readonly object[]): string =>
    podWorkloadName({
      ...plain,
      metadata: { ...plain.metadata, ownerReferences: ownerReferences as [] },
    });
  assert.equal(podWorkloadName(plain), "web-abc12-x");
  assert.equal(owned([{ ...owner, controller: true }]), "web");
  assert.equal(owned([{ ...owner, controller: true, kind: "StatefulSet", name: "db" }]), "db");
  const job = { ...owner, controller: true, kind: "Job", apiVersion: "batch/v1" };
  assert.equal(owned([{ ...job, name: "backup-29384620" }]), "backup");
  assert.equal(owned([{ ...job, name: "import-2" }]), "import-2");
  assert.equal(owned([owner]), "web-abc12-x");
});

test("canonical name and revision come from the first label that is there", () => {
  const labels = { app: "a", "app.kubernetes.io/name": "k", version: "v1" };
  assert.equal(canonicalName(labels, "workload"), "k");
  assert.equal(canonicalName({}, "workload"), "workload");
  assert.equal(canonicalName({ app: "" }, "workload"), "workload");
  assert.equal(canonicalRevision(labels), "v1");
  assert.equal(canonicalRevision({}), "");
});

test("a pod speaks the mesh's TLS by its label; the injector's annotation alone may be a gateway's", () => {
  const label = (mode: string): Record<string, string> => ({ "security.istio.io/tlsMode": mode });
  const annotations = { "sidecar.istio.io/status": "{}" };
  assert.equal(podTlsMode(pod({ at: "a/p" }, ip)), "disabled");
  assert.equal(podTlsMode(pod({ at: "a/p", labels: label("istio") }, ip)), "istio");
  assert.equal(podTlsMode(pod({ at: "a/p", annotations }, ip)), "disabled");
  assert.equal(
    podTlsMode(pod({ at: "a/p", annotations, labels: label("disabled") }, ip)),
    "disabled",
  );
});
