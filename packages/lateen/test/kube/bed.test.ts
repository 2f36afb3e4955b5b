/** The test bed itself: what all other tests on Kubernetes take for granted. */
import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { objectAt } from "../../src/sources/json.ts";
import { type KubeCluster, kubeCluster, needsKubernetes } from "../support/kube-cluster.ts";
import type { KubeNamespace } from "../support/kube-namespace.ts";
import { TestAuthority } from "../support/test-tls.ts";

const skip = needsKubernetes();
const LINE =
  /^iKubernetes demoapp v1\.0 !! ClientIP: (\S+), ServerName: (\S+), ServerIP: (\S+)!\n$/;

describe("a cluster of the test bed", { skip, timeout: 900_000 }, () => {
  test("pods run and answer: each by its address, all by their Service's name", async t => {
    const cluster = await kubeCluster();
    const namespace = await cluster.namespace(t);
    const client = await namespace.client();
    const pods = await demoapp(namespace, 3);
    for (const pod of pods) {
      const line = await namespace.curl(client, `http://${pod.address}/`);
      assert.equal(LINE.exec(line)?.[2], pod.name);
    }
    const seen = new Set<string>();
    await cluster.until("every pod has answered", async () => {
      const line = await namespace.curl(client, "demoapp:8080");
      seen.add(LINE.exec(line)?.[2] ?? line);
      return seen.size === 3 ? true : undefined;
    });
    assert.deepEqual([...seen].sort(), pods.map(pod => pod.name).sort());
    const host = `demoapp.${namespace.name}.svc.cluster.local`;
    assert.match(await namespace.curl(client, `http://${host}:8080/`), LINE);
  });

  test("a Service is reached from the machine: by its node port, and by a load balancer's address", async t => {
    const cluster = await kubeCluster();
    const namespace = await cluster.namespace(t);
    await demoapp(namespace, 1);
    const patch = JSON.stringify({ spec: { type: "LoadBalancer" } });
    await namespace.kubectl("patch", "service", "demoapp", "-p", patch);
    const address = cluster.plan.loadBalancerRange.replace("0/24", "77");
    await namespace.giveAddress("demoapp", address);
    const port = await namespace.kubectl(
      ...["get", "service", "demoapp", "-o", "jsonpath={.spec.ports[0].nodePort}"],
    );
    for (const url of [`http://${cluster.plan.address}:${port}/`, `http://${address}:8080/`]) {
      const line = await cluster.until(url, async () => {
        const answer = await fetch(url, { headers: { connection: "close" } });
        return answer.text();
      });
      assert.match(line, LINE);
    }
  });

  test("the API server calls a webhook that runs in a pod", async t => {
    const cluster = await kubeCluster();
    const namespace = await cluster.namespace(t, { "test-bed-webhook": "on" });
    await webhook(cluster, namespace);
    t.after(() => cluster.kubectl(["delete", "mutatingwebhookconfiguration", namespace.name]));
    // The configuration takes a moment to reach the API server's own memory.
    const seen = await cluster.until("a ConfigMap was changed by the webhook", async () => {
      const body = { metadata: { generateName: "probe-" } };
      const path = `/api/v1/namespaces/${namespace.name}/configmaps`;
      const answer = await cluster.api({ method: "POST", path, body });
      return objectAt(answer.body, "metadata")["labels"];
    });
    assert.deepEqual(seen, { seen: "yes" });
  });

  test("a token of a pod is known by the API server, with the pod's name", async t => {
    const cluster = await kubeCluster();
    const namespace = await cluster.namespace(t);
    const client = await namespace.client();
    const request = {
      spec: { audiences: ["istio-ca"], boundObjectRef: await reference(namespace) },
    };
    const path = `/api/v1/namespaces/${namespace.name}/serviceaccounts/default/token`;
    const made = await cluster.api({ method: "POST", path, body: request });
    const token = objectAt(made.body, "status")["token"];
    const reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    const body = { spec: { token, audiences: ["istio-ca"] } };
    const reviewed = await cluster.api({ method: "POST", path: reviews, body });
    const status = objectAt(reviewed.body, "status");
    assert.equal(status["authenticated"], true);
    const extra = objectAt(objectAt(status, "user"), "extra");
    assert.deepEqual(extra["authentication.kubernetes.io/pod-name"], [client]);
  });
});

async function demoapp(namespace: KubeNamespace, replicas: number) {
  const image = "--image=ikubernetes/demoapp:v1.0";
  await namespace.kubectl("create", "deployment", "demoapp", image, `--replicas=${replicas}`);
  await namespace.kubectl("create", "service", "clusterip", "demoapp", "--tcp=8080:80");
  return namespace.readyPods("app=demoapp", replicas);
}

async function reference(namespace: KubeNamespace): Promise<object> {
  const uid = await namespace.kubectl("get", "pod", "client", "-o", "jsonpath={.metadata.uid}");
  return { apiVersion: "v1", kind: "Pod", name: "client", uid };
}

/** A webhook that labels ConfigMaps, in a pod of the demo application's image. */
async function webhook(cluster: KubeCluster, namespace: KubeNamespace): Promise<void> {
  const authority = new TestAuthority();
  const dnsNames = [`hook.${namespace.name}.svc`];
  const { certificatePem, privateKeyPem } = authority.issue({ dnsNames });
  const metadata = { name: "hook", labels: { app: "hook" } };
  const objects = [
    { apiVersion: "v1", kind: "Secret", metadata, stringData: { certificatePem, privateKeyPem } },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: { selector: metadata.labels, ports: [{ port: 443, targetPort: 8443 }] },
    },
    { apiVersion: "v1", kind: "Pod", metadata, spec: hookPod() },
  ];
  for (const object of objects) await namespace.apply(JSON.stringify(object));
  await namespace.readyPods("app=hook", 1);
  const caBundle = Buffer.from(authority.roots.join("\n")).toString("base64");
  await cluster.apply(JSON.stringify(hookConfiguration(namespace.name, caBundle)));
}

function hookPod(): object {
  return {
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: "hook",
        image: "ikubernetes/demoapp:v1.0",
        command: ["node", "-e", HOOK],
        readinessProbe: { tcpSocket: { port: 8443 }, periodSeconds: 1 },
        volumeMounts: [{ name: "tls", mountPath: "/tls" }],
      },
    ],
    volumes: [{ name: "tls", secret: { secretName: "hook" } }],
  };
}

const HOOK = `
const { readFileSync } = require("node:fs");
const options = {
  cert: readFileSync("/tls/certificatePem"),
  key: readFileSync("/tls/privateKeyPem"),
};
require("node:https").createServer(options, async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  const { request: { uid } } = JSON.parse(text);
  const patch = [{ op: "add", path: "/metadata/labels", value: { seen: "yes" } }];
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    response: {
      uid,
      allowed: true,
      patchType: "JSONPatch",
      patch: Buffer.from(JSON.stringify(patch)).toString("base64"),
    },
  }));
}).listen(8443);
`;

function hookConfiguration(namespace: string, caBundle: string): object {
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: { name: namespace },
    webhooks: [
      {
        name: "hook.test.bed",
        admissionReviewVersions: ["v1"],
        sideEffects: "None",
        failurePolicy: "Ignore",
        timeoutSeconds: 5,
        clientConfig: { caBundle, service: { namespace, name: "hook", path: "/" } },
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
        rules: [
          {
            apiGroups: [""],
            apiVersions: ["v1"],
            operations: ["CREATE"],
            resources: ["configmaps"],
          },
        ],
      },
    ],
  };
}
