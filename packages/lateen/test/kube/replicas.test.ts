/** Two replicas of a control plane against a real API server: what one knows, the other makes use of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { customResourceDefinitions } from "../../src/api/custom-resources.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { TypeUrl } from "../../src/xds/resource.ts";
import { type KubeCluster, needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";
import {
  connectProxy,
  type KubeDiscovery,
  kubeDiscovery,
  makePod,
  makeToken,
  must,
  type ProxyOptions,
} from "../support/kube-discovery.ts";
import type { KubeNamespace } from "../support/kube-namespace.ts";

const skip = needsKubernetes("control-plane");
const ADDRESS = "127.0.0.1";
const LEASE = "/apis/coordination.k8s.io/v1/namespaces/istio-system/leases/lateen-leader";
const REPORTS = "/api/v1/namespaces/istio-system/configmaps";
/** A proxy is spoken of when it has waited for longer than other replicas need to say what they know. */
const WAITED_MS = 4_000;

const WEB = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80}]}
`;

test("two replicas", { skip, timeout: 600_000 }, async t => {
  const cluster = await ownKubeCluster({ mode: "control-plane" });
  await cluster.must(["create", "namespace", "istio-system"]);
  const items = customResourceDefinitions();
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  await cluster.must(["apply", "--server-side", "-f", "-"], { input: list });
  const started = ["one", "two"].map(name => kubeDiscovery(t, cluster, name));
  const [one, two] = await Promise.all(started);
  assert.ok(one !== undefined && two !== undefined);

  await t.test("a certificate of one is as good as the other's, and not given again", async t => {
    const namespace = await cluster.namespace(t);
    const proxy = await proxyOf(cluster, namespace, "web");
    const first = connectProxy({ ...proxy, url: one.tls });
    const [secret] = (await first.response(1)).resources ?? [];
    const [, issuer] = (secret?.version ?? "").split(".");
    first.close();
    const fresh = connectProxy({ ...proxy, url: two.tls });
    const [another] = (await fresh.response(1)).resources ?? [];
    assert.equal((another?.version ?? "").split(".")[1], issuer, "both sign with one root");
    fresh.close();
    const moved = connectProxy({ ...proxy, url: two.tls, has: secret?.version ?? "" });
    t.after(() => moved.close());
    moved.send({ typeUrl: TypeUrl.cluster });
    const next = await moved.response(1);
    assert.equal(next.typeUrl, TypeUrl.cluster, "the certificate is not sent, clusters are");
  });

  await t.test(
    "what proxies of a follower reject is in the status that the leader writes",
    async t => {
      const leader = await cluster.until("somebody leads", async () => {
        const { body } = await cluster.api({ path: LEASE });
        return stringAt(objectAt(body, "spec"), "holderIdentity") || undefined;
      });
      const follower = leader === "one" ? two : one;
      const namespace = await cluster.namespace(t);
      await namespace.apply(WEB);
      const proxy = await proxyOf(cluster, namespace, "sleep");
      const client = connectProxy({ ...proxy, url: follower.tls });
      t.after(() => client.close());
      client.send({ typeUrl: TypeUrl.cluster });
      const name = `outbound|80||web.${namespace.name}.svc.cluster.local`;
      const clusters = await cluster.until("the cluster is sent", async () =>
        client.responses.find(each => each.resources?.some(resource => resource.name === name)),
      );
      const { nonce: responseNonce = "" } = clusters;
      const errorDetail = { code: 3, message: `Error adding ${name}: a test` };
      client.send({ typeUrl: TypeUrl.cluster, responseNonce, errorDetail });
      const text = await reconciled(namespace, "False");
      assert.match(
        text,
        /^proxy sleep\..* rejected CDS outbound\|80\|\|web\..*: "Error adding .*: a test"$/,
      );
      client.close();
      assert.equal(await reconciled(namespace, "True"), "no proxy rejects it");
      await cluster.until("nothing is left to say", async () => {
        const { body } = await cluster.api({ path: REPORTS });
        const names = arrayAt(body, "items")
          .filter(isObject)
          .map(item => stringAt(objectAt(item, "metadata"), "name"));
        return names.some(each => each.startsWith("lateen-replica-")) ? undefined : true;
      });
    },
  );

  await t.test("a refused proxy: the reason is an Event on its Pod, of one of them", async t => {
    const namespace = await cluster.namespace(t);
    const proxy = await proxyOf(cluster, namespace, "web");
    const refused = await connectProxy({ ...proxy, url: one.tls, address: "10.9.9.8" }).status;
    const why = 'address of the node id: found "10.9.9.8", expected 127.0.0.1';
    assert.equal(refused.message, why);
    await proxyWaits(cluster, namespace, "web");
    const message = await cluster.until("there is an Event", async () => {
      const found = await eventsOf(cluster, namespace);
      return found.length > 0 ? found : undefined;
    });
    assert.equal(message.length, 1);
    assert.match(message[0] ?? "", /^istio-proxy runs since [^ ]+Z and is not ready: the c/);
    assert.ok(message[0]?.endsWith(`the control plane refuses it: ${why}`));
    for (const [replica, why] of [
      [one, /^not connected to the control plane; refused: address of/],
      [two, /^not connected to the control plane; the pod is Running$/],
    ] as const)
      await cluster.until("each says what it knows", async () => {
        assert.match(await missing(replica), why);
        return true;
      });
  });
});

async function proxyOf(
  cluster: KubeCluster,
  namespace: KubeNamespace,
  pod: string,
): Promise<Omit<ProxyOptions, "url">> {
  await makePod(cluster, namespace.name, pod, ADDRESS, "istio-proxy");
  const bound = { namespace: namespace.name, account: "default", audience: "istio-ca", pod };
  return {
    token: await makeToken(cluster, bound),
    namespace: namespace.name,
    pod,
    address: ADDRESS,
  };
}

/** Message of the condition when it is so. */
function reconciled(namespace: KubeNamespace, status: string): Promise<string> {
  const path = `jsonpath={.status.conditions[?(@.type=="Reconciled")]}`;
  return namespace.until(`Reconciled is ${status}`, async () => {
    const text = await namespace.kubectl("get", "service", "web", "-o", path);
    const condition = JSON.parse(text);
    return condition.status === status ? String(condition.message) : undefined;
  });
}

/** As a kubelet says it of a container that runs, and whose readiness probe fails. */
async function proxyWaits(
  cluster: KubeCluster,
  namespace: KubeNamespace,
  pod: string,
): Promise<void> {
  const startedAt = new Date(Date.now() - WAITED_MS).toISOString().replace(/\.\d+/, "");
  const facts = { image: "x", imageID: "x", restartCount: 0, ready: false };
  const status = { name: "istio-proxy", ...facts, state: { running: { startedAt } } };
  await must(cluster, {
    method: "PATCH",
    path: `/api/v1/namespaces/${namespace.name}/pods/${pod}/status`,
    contentType: "application/merge-patch+json",
    body: { status: { containerStatuses: [status] } },
  });
}

async function eventsOf(cluster: KubeCluster, namespace: KubeNamespace): Promise<string[]> {
  const { body } = await cluster.api({ path: `/api/v1/namespaces/${namespace.name}/events` });
  return arrayAt(body, "items")
    .filter(isObject)
    .filter(event => event["reason"] === "WaitingForConfiguration")
    .map(event => stringAt(event, "message"));
}

/** What a replica says of the only proxy that is not connected to it. */
async function missing({ http }: KubeDiscovery): Promise<string> {
  const answer = await fetch(`${http}/debug/syncz?missing`);
  const found = ((await answer.json()) as { waiting?: string }[]).flatMap(
    each => each.waiting ?? [],
  );
  assert.equal(found.length, 1, found.join("\n"));
  return found[0] ?? "";
}
