/** The control plane against a real API server: who is who, one leader, and roots everywhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { customResourceDefinitions } from "../../src/api/custom-resources.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { type KubeCluster, needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";
import {
  connectProxy,
  kubeDiscovery,
  makePod,
  makeToken,
  type ProxyOptions,
} from "../support/kube-discovery.ts";
import type { KubeNamespace } from "../support/kube-namespace.ts";

const skip = needsKubernetes("control-plane");
const UNAUTHENTICATED = 16;
const PERMISSION_DENIED = 7;

const ROUTE = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes}
spec: {hosts: [web], http: [{route: [{destination: {host: nowhere}}]}]}
`;

async function proxyOf(
  cluster: KubeCluster,
  url: string,
  namespace: KubeNamespace,
  change: { audience?: string; bound?: boolean } = {},
): Promise<ProxyOptions> {
  const { audience = "istio-ca", bound = true } = change;
  const place = { namespace: namespace.name, account: "default", audience };
  const token = await makeToken(cluster, { ...place, pod: bound ? "web" : undefined });
  return { url, token, namespace: namespace.name, pod: "web", address: "10.9.9.9" };
}

async function holder(cluster: KubeCluster): Promise<string> {
  const path = "/apis/coordination.k8s.io/v1/namespaces/istio-system/leases/lateen-leader";
  return stringAt(objectAt((await cluster.api({ path })).body, "spec"), "holderIdentity");
}

test("the control plane of a cluster", { skip, timeout: 300_000 }, async t => {
  const cluster = await ownKubeCluster({ mode: "control-plane" });
  await cluster.must(["create", "namespace", "istio-system"]);
  const items = customResourceDefinitions();
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  await cluster.must(["apply", "--server-side", "-f", "-"], { input: list });
  const first = await kubeDiscovery(t, cluster, "one");

  await t.test("a projected token of a pod is taken, and its pod is named by it", async t => {
    const namespace = await cluster.namespace(t);
    await makePod(cluster, namespace.name, "web", "10.9.9.9");
    const client = connectProxy(await proxyOf(cluster, first.tls, namespace));
    t.after(() => client.close());
    const { resources } = await client.response(1);
    assert.deepEqual(
      resources?.map(each => each.name),
      ["default"],
    );
    const other = await proxyOf(cluster, first.tls, namespace);
    for (const wrong of [{ pod: "another" }, { address: "10.9.9.8" }]) {
      const status = await connectProxy({ ...other, ...wrong }).status;
      assert.equal(status.code, PERMISSION_DENIED, status.message);
    }
  });

  await t.test("tokens for others, of no pod, and of nobody are refused", async t => {
    const namespace = await cluster.namespace(t);
    await makePod(cluster, namespace.name, "web", "10.9.9.9");
    const refused = async (options: ProxyOptions, wanted = UNAUTHENTICATED): Promise<string> => {
      const { code, message } = await connectProxy(options).status;
      assert.equal(code, wanted, message);
      return message;
    };
    const audience = "https://kubernetes.default.svc.cluster.local";
    const wrongAudience = await proxyOf(cluster, first.tls, namespace, { audience });
    assert.match(await refused(wrongAudience), /refused by the API server|audience/);
    const unbound = await proxyOf(cluster, first.tls, namespace, { bound: false });
    // The API server knows whose it is: as a person's it may ask debug types, and nothing else.
    const noPod = /not bound to a pod: .*only debug types are answered/;
    assert.match(await refused(unbound, PERMISSION_DENIED), noPod);
    assert.match(await refused({ ...unbound, token: "a.b.c" }), /no exp claim/);
    const { token } = await proxyOf(cluster, first.tls, namespace);
    const forged = `${token.slice(0, -40)}${[...token.slice(-40)].reverse().join("")}`;
    assert.match(await refused({ ...unbound, token: forged }), /refused by the API server/);
    assert.doesNotMatch(first.log(), new RegExp(token.slice(-40)));
  });

  await t.test("a stream ends when its pod is gone, and its token is no good any more", async t => {
    const namespace = await cluster.namespace(t);
    await makePod(cluster, namespace.name, "web", "10.9.9.9");
    const options = await proxyOf(cluster, first.tls, namespace);
    const client = connectProxy(options);
    await client.response(1);
    await namespace.kubectl("delete", "pod", "web", "--grace-period=0", "--force");
    assert.deepEqual(await client.status, { code: PERMISSION_DENIED, message: "the pod is gone" });
    assert.equal((await connectProxy(options).status).code, PERMISSION_DENIED);
  });

  await t.test("namespaces get the roots, and objects their status, from one of two", async t => {
    await cluster.until("somebody leads", async () => (await holder(cluster)) || undefined);
    const second = await kubeDiscovery(t, cluster, "two");
    const namespace = await cluster.namespace(t);
    const rootOf = (name: string): Promise<string> =>
      cluster.until(`the roots are in ${name}`, async () => {
        const path = `/api/v1/namespaces/${name}/configmaps/istio-ca-root-cert`;
        const { body } = await cluster.api({ path });
        return stringAt(objectAt(body, "data"), "root-cert.pem") || undefined;
      });
    const root = await rootOf(namespace.name);
    const path = "/api/v1/namespaces/istio-system/secrets/istio-ca-secret";
    const secret = objectAt((await cluster.api({ path })).body, "data");
    const pem = Buffer.from(stringAt(secret, "root-cert.pem"), "base64").toString();
    assert.equal(root.trim(), pem.trim());
    await namespace.apply(ROUTE);
    const conditions = (): Promise<string> =>
      cluster.until("the VirtualService has a status", async () => {
        const where = `/apis/networking.istio.io/v1/namespaces/${namespace.name}`;
        const { body } = await cluster.api({ path: `${where}/virtualservices/routes` });
        const found = arrayAt(objectAt(body, "status"), "conditions").filter(isObject);
        return found.length > 0 ? JSON.stringify(found) : undefined;
      });
    assert.match(await conditions(), /nowhere/);
    assert.equal(await holder(cluster), "one");

    await first.end("SIGTERM");
    await cluster.until("the other one leads", async () =>
      (await holder(cluster)) === "two" ? true : undefined,
    );
    const later = await cluster.namespace(t);
    assert.equal((await rootOf(later.name)).trim(), pem.trim());
    assert.match(second.log(), /leads lease=lateen-leader/);
  });
});
