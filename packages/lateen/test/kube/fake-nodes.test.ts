/** Thousands of pods without a container: what tests and benches at size stand on. */
import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { ON_FAKE_NODES } from "../../../../scripts/kube/kwok.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";

const skip = needsKubernetes("control-plane");
const REPLICAS = 250;

describe("fake nodes", { skip, timeout: 900_000 }, () => {
  test("run pods with addresses of their own, which are endpoints of their Service", async t => {
    const cluster = await ownKubeCluster({ mode: "control-plane" });
    await cluster.addFakeNodes(3);
    const namespace = await cluster.namespace(t);
    const labels = { app: "fake" };
    const template = {
      metadata: { labels },
      spec: { ...ON_FAKE_NODES, containers: [{ name: "fake", image: "none" }] },
    };
    const objects = [
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "fake" },
        spec: { replicas: REPLICAS, selector: { matchLabels: labels }, template },
      },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "fake" },
        spec: { selector: labels, ports: [{ port: 80 }] },
      },
    ];
    for (const object of objects) await namespace.apply(JSON.stringify(object));
    const pods = await namespace.readyPods("app=fake", REPLICAS, 120_000);
    const addresses = pods.map(pod => pod.address).sort();
    assert.equal(new Set(addresses).size, REPLICAS);
    const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace.name}/endpointslices`;
    await cluster.until("every pod is an endpoint", async () => {
      const { body } = await cluster.api({ path });
      const slices = arrayAt(body, "items").filter(isObject);
      const endpoints = slices.flatMap(slice => arrayAt(slice, "endpoints")).filter(isObject);
      const found = endpoints.flatMap(each => arrayAt(each, "addresses")).sort();
      return found.join() === addresses.join() ? true : undefined;
    });
    const { body } = await cluster.api({ path: "/api/v1/nodes" });
    const names = arrayAt(body, "items")
      .filter(isObject)
      .map(node => stringAt(objectAt(node, "metadata"), "name"));
    assert.deepEqual(names.sort(), ["fake-0", "fake-1", "fake-2"]);
  });
});
