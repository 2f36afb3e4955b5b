/** Two clusters of one machine on one flat network; the second with IPv6 and kube-proxy's nftables. */
import assert from "node:assert/strict";
import test, { describe } from "node:test";
import {
  type KubeCluster,
  kubeCluster,
  needsKubernetes,
  ownKubeCluster,
} from "../support/kube-cluster.ts";
import type { KubeNamespace, PodFacts } from "../support/kube-namespace.ts";

const skip = needsKubernetes();
const LINE = /^iKubernetes demoapp v1\.1 !! ClientIP: (\S+), /;

describe("two clusters", { skip, timeout: 900_000 }, () => {
  test("reach one another's pods, load balancers and API servers, and speak IPv6 inside", async t => {
    const first = await kubeCluster();
    const second = await ownKubeCluster({ dualStack: true, proxyMode: "nftables" });
    const here = await first.namespace(t);
    const there = await second.namespace(t);
    const client = await here.client();
    const [pod] = await demoapp(there);
    assert.ok(pod);
    assert.match(await here.curl(client, `http://${pod.address}/`), LINE);
    const address = second.plan.loadBalancerRange.replace("0/24", "10");
    await there.giveAddress("demoapp", address);
    assert.match(await here.curl(client, `http://${address}:8080/`), LINE);
    const version = await here.curl(client, "--insecure", `${second.server}/version`);
    assert.equal(JSON.parse(version).gitVersion, "v1.36.1");
    await speaksIpv6(second, there);
  });
});

async function speaksIpv6(cluster: KubeCluster, namespace: KubeNamespace): Promise<void> {
  const client = await namespace.client();
  const line = await namespace.curl(client, "--ipv6", "http://demoapp:8080/");
  const range = cluster.plan.podRanges[1]?.split("::")[0] ?? "no second range";
  assert.ok(LINE.exec(line)?.[1]?.startsWith(`${range}::`), line);
  assert.match(await namespace.curl(client, "--ipv4", "http://demoapp:8080/"), LINE);
}

/** One pod that listens on both families, behind a Service of both. */
async function demoapp(namespace: KubeNamespace): Promise<PodFacts[]> {
  await namespace.apply(`
apiVersion: v1
kind: Pod
metadata: {name: demoapp, labels: {app: demoapp}}
spec:
  containers:
  - {name: demoapp, image: "ikubernetes/demoapp:v1.1", env: [{name: HOST, value: "::"}]}
---
apiVersion: v1
kind: Service
metadata: {name: demoapp}
spec:
  type: LoadBalancer
  ipFamilyPolicy: PreferDualStack
  selector: {app: demoapp}
  ports: [{port: 8080, targetPort: 80}]
`);
  return namespace.readyPods("app=demoapp", 1);
}
