/** Injection by the webhook into a real cluster: pods with a real Envoy, probes, metrics, policies. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { type KubeCluster, kubeCluster, needsKubernetes } from "../support/kube-cluster.ts";
import { kubeControlPlane } from "../support/kube-control-plane.ts";
import type { KubeNamespace } from "../support/kube-namespace.ts";

const skip = needsKubernetes();

/** Answers probes on 80 until /down is asked for; its own metrics are on another port. */
const APP = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: demoapp}
spec:
  replicas: 1
  selector: {matchLabels: {app: demoapp}}
  template:
    metadata: {labels: {app: demoapp, version: v1}}
    spec:
      containers:
      - name: demoapp
        image: ikubernetes/demoapp:v1.0
        ports: [{containerPort: 80, name: http}]
        readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}
        livenessProbe: {tcpSocket: {port: http}, periodSeconds: 5, initialDelaySeconds: 20}
---
apiVersion: v1
kind: Service
metadata: {name: demoapp}
spec:
  selector: {app: demoapp}
  ports: [{name: http, port: 8080, targetPort: 80}]
`;

async function onlyPod(cluster: KubeCluster, namespace: KubeNamespace, label: string) {
  const path = `/api/v1/namespaces/${namespace.name}/pods?labelSelector=${encodeURIComponent(label)}`;
  const { body } = await cluster.api({ path });
  const [pod] = arrayAt(body, "items").filter(isObject);
  assert.ok(pod !== undefined, label);
  return pod;
}

function names(pod: Parameters<typeof objectAt>[0], field: string): string[] {
  return arrayAt(objectAt(pod, "spec"), field)
    .filter(isObject)
    .map(container => stringAt(container, "name"));
}

describe("injection into a real cluster", { skip, timeout: 900_000 }, () => {
  for (const native of [true, false])
    test(`pods become 2/2 and talk through Envoy (native sidecars: ${native})`, async t => {
      const cluster = await kubeCluster();
      const values = { pilot: { env: { ENABLE_NATIVE_SIDECARS: String(native) } } };
      const plane = await kubeControlPlane(t, cluster, { values });
      const namespace = await cluster.namespace(t, plane.labels);
      await namespace.apply(APP);
      const client = await namespace.client();
      await namespace.readyPods("app=demoapp", 1);
      const table = await namespace.kubectl("get", "pods", "-l", "app=demoapp", "--no-headers");
      assert.match(table, /\s2\/2\s+Running\s/);
      const pod = await onlyPod(cluster, namespace, "app=demoapp");
      assert.deepEqual(names(pod, "initContainers"), [
        "istio-init",
        ...(native ? ["istio-proxy"] : []),
      ]);
      assert.deepEqual(names(pod, "containers"), ["demoapp", ...(native ? [] : ["istio-proxy"])]);
      const line = await namespace.curl(client, "demoapp:8080");
      assert.match(line, /ClientIP: 127\.0\.0\.6/, "it came through the sidecar");
      const stats = await namespace.exec("deploy/demoapp", [
        ...["curl", "-s", "localhost:15020/stats/prometheus"],
      ]);
      assert.match(
        stats.stdout,
        /istio_requests_total\{[^}]*connection_security_policy="mutual_tls"/,
      );
      const ready = await namespace.exec("deploy/demoapp", [
        ...["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "localhost:15021/healthz/ready"],
      ]);
      assert.equal(ready.stdout, "200");
    });
});
