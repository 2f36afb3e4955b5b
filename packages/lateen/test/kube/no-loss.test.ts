/**
 * Under load, over keep-alive and new connections, with default retries and with none, from and to
 * sidecars of both forms: applications are rolled and scaled down, the control plane is rolled and
 * killed, the API server and etcd come again. No request fails, and nothing is pushed that a proxy has.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type KubeCluster, needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";
import {
  assertNothingLost,
  type KubeLoad,
  prepareLoad,
  startKubeLoad,
} from "../support/kube-load.ts";
import { KubeNamespace } from "../support/kube-namespace.ts";
import { lateenOn } from "../support/lateen-command.ts";

const skip = needsKubernetes();
const SYSTEM = ["-n", "istio-system"];
const CLASSIC = { "sidecar.istio.io/nativeSidecar": "false" };
const FORMS = ["native", "classic"] as const;
const SERVICES = FORMS.flatMap(form => [form, `${form}-once`]);

describe("nothing is lost", { skip, timeout: 900_000 }, () => {
  let cluster: KubeCluster;
  let namespace: KubeNamespace;
  /** By address: whether the cluster's DNS loses nothing is not the matter. */
  let urls: readonly string[] = [];

  const started = async (round: string): Promise<readonly KubeLoad[]> =>
    Promise.all(
      FORMS.map(form =>
        startKubeLoad(namespace, `${round}-${form}`, urls, form === "classic" ? CLASSIC : {}),
      ),
    );

  const nothingLost = async (round: string, loads: readonly KubeLoad[]): Promise<void> => {
    for (const [i, form] of FORMS.entries()) {
      const reports = (await loads[i]?.end()) ?? [];
      await assertNothingLost(namespace, `${round}-${form}`, urls, reports);
      await namespace.kubectl("delete", "pod", `${round}-${form}`, "--wait=false");
    }
  };

  const controlPlanes = async (count: number): Promise<readonly string[]> => {
    const system = new KubeNamespace(cluster, "istio-system");
    const pods = await system.readyPods("app=istiod", count, 120_000);
    return pods.map(pod => pod.name);
  };

  test("two replicas are installed", async () => {
    cluster = await ownKubeCluster();
    const set = ["profile=minimal", "components.pilot.k8s.replicaCount=2"];
    set.push("meshConfig.accessLogFile=/dev/stdout");
    const flags = set.flatMap(each => ["--set", each]);
    const installed = await lateenOn(cluster, "install", ...flags, "-y");
    assert.equal(installed.code, 0, installed.stderr);
    await controlPlanes(2);
    const budget = await cluster.must(["get", "pdb", ...SYSTEM, "-o", "name"]);
    assert.match(budget, /istiod/);
    await cluster.must(["create", "namespace", "load"]);
    await cluster.must(["label", "namespace", "load", "istio-injection=enabled"]);
    namespace = new KubeNamespace(cluster, "load");
    await prepareLoad(namespace);
    for (const form of FORMS) await namespace.apply(server(form));
    await namespace.apply(ONCE);
    urls = await Promise.all(
      SERVICES.map(async name => {
        const path = "jsonpath={.spec.clusterIP}";
        return `http://${await namespace.kubectl("get", "service", name, "-o", path)}:8080/`;
      }),
    );
    for (const form of FORMS) await namespace.readyPods(`app=${form}`, 3, 120_000);
  });

  test("a rollout and a scale-down of the applications", async () => {
    const loads = await started("apps");
    for (const form of FORMS) await namespace.kubectl("rollout", "restart", `deploy/${form}`);
    for (const form of FORMS)
      await namespace.kubectl("rollout", "status", `deploy/${form}`, "--timeout=60s");
    for (const form of FORMS) await namespace.kubectl("scale", `deploy/${form}`, "--replicas=1");
    for (const form of FORMS) await namespace.readyPods(`app=${form}`, 1);
    await nothingLost("apps", loads);
  });

  test("the control plane is rolled, and killed; API server and etcd end and come again", async () => {
    const loads = await started("control");
    await cluster.must([...SYSTEM, "rollout", "restart", "deploy/istiod"]);
    await cluster.must([...SYSTEM, "rollout", "status", "deploy/istiod", "--timeout=60s"]);
    await cluster.must([
      ...SYSTEM,
      "delete",
      "pod",
      "-l",
      "app=istiod",
      "--grace-period=0",
      "--force",
    ]);
    await controlPlanes(2);
    await cluster.stop("kube-apiserver");
    await cluster.stop("etcd");
    await cluster.start("etcd", "kube-apiserver");
    await nothingLost("control", loads);
  });
});

function server(name: string): string {
  const annotations = name === "classic" ? CLASSIC : {};
  const services = [name, `${name}-once`].map(service => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: service },
    spec: { selector: { app: name }, ports: [{ name: "http", port: 8080, targetPort: 80 }] },
  }));
  const container = {
    name: "demoapp",
    image: "ikubernetes/demoapp:v1.0",
    ports: [{ containerPort: 80 }],
    // docs/applications.md: callers learn that the pod goes at the moment when SIGTERM would come.
    lifecycle: { preStop: { sleep: { seconds: 3 } } },
    // A busy machine is no reason to take a pod out.
    readinessProbe: {
      ...{ httpGet: { path: "/readyz", port: 80 }, periodSeconds: 1 },
      ...{ timeoutSeconds: 10, failureThreshold: 30 },
    },
  };
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name }, annotations },
        spec: { containers: [container] },
      },
    },
  };
  return JSON.stringify({ apiVersion: "v1", kind: "List", items: [deployment, ...services] });
}

const ONCE = FORMS.map(
  form => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${form}-once}
spec:
  hosts: [${form}-once]
  http:
  - route: [{destination: {host: ${form}-once}}]
    retries: {attempts: 0}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec:
  egress: [{hosts: ["./*"]}]
`,
).join("---\n");
