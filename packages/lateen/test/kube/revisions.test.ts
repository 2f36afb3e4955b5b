/** Two control-plane revisions on a real API server: whose are which objects, statuses and ConfigMaps. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { customResourceDefinitions } from "../../src/api/custom-resources.ts";
import { revisionTagWebhook } from "../../src/inject/webhook-objects.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { type KubeCluster, needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";
import { type KubeDiscovery, kubeDiscovery } from "../support/kube-discovery.ts";

const skip = needsKubernetes("control-plane");
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/istio-system/leases";
const WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const CANARY = {
  revision: "canary",
  namespace: "istio-system",
  enableNamespacesByDefault: false,
};

function route(name: string, revision: string | undefined): string {
  const labels = revision === undefined ? {} : { "istio.io/rev": revision };
  return JSON.stringify({
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name, namespace: "default", labels },
    spec: { hosts: [name], http: [{ route: [{ destination: { host: "nowhere" } }] }] },
  });
}

/** Names of the VirtualServices that a control plane has taken in. */
async function taken({ http }: KubeDiscovery): Promise<string> {
  const answer = await fetch(`${http}/debug/configz`);
  const objects = (await answer.json()) as { kind: string; metadata: { name: string } }[];
  const routes = objects.filter(each => each.kind === "VirtualService");
  return routes
    .map(each => each.metadata.name)
    .sort()
    .join(" ");
}

describe("two revisions", { skip, timeout: 300_000 }, () => {
  test("each has its own objects, and of what both see one writes", async t => {
    const cluster: KubeCluster = await ownKubeCluster({ mode: "control-plane" });
    await cluster.must(["create", "namespace", "istio-system"]);
    const items = customResourceDefinitions();
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    await cluster.must(["apply", "--server-side", "-f", "-"], { input: list });
    const holder = async (lease: string): Promise<string> => {
      const { body } = await cluster.api({ path: `${LEASES}/${lease}` });
      return stringAt(objectAt(body, "spec"), "holderIdentity");
    };
    const stable = await kubeDiscovery(t, cluster, "stable");
    await cluster.until("the first leads", async () =>
      (await holder("lateen-leader")) === "stable" ? true : undefined,
    );
    const canary = await kubeDiscovery(t, cluster, "canary", "--revision", "canary");
    const see = (what: string, own: string, other: string): Promise<boolean> =>
      cluster.until(what, async () => {
        const seen = [await taken(stable), await taken(canary)];
        if (seen[0] === own && seen[1] === other) return true;
        throw new Error(seen.join(" | "));
      });

    for (const revision of [undefined, "default", "canary", "prod", "gone"])
      await cluster.apply(route(`of-${revision ?? "all"}`, revision));
    await see("each has its own", "of-all of-default", "of-all of-canary");

    await t.test("a label moves an object, a tag those that carry it", async () => {
      await cluster.must(["label", "vs", "of-gone", "istio.io/rev-"]);
      await cluster.must(["label", "vs", "of-default", "istio.io/rev=canary", "--overwrite"]);
      await see("labels move", "of-all of-gone", "of-all of-canary of-default of-gone");
      await cluster.apply(JSON.stringify(revisionTagWebhook(CANARY, "prod")));
      await see("the tag", "of-all of-gone", "of-all of-canary of-default of-gone of-prod");
      const stays = revisionTagWebhook({ ...CANARY, revision: "default" }, "prod");
      await cluster.apply(JSON.stringify(stays));
      await see("it moves", "of-all of-gone of-prod", "of-all of-canary of-default of-gone");
      await cluster.api({ method: "DELETE", path: `${WEBHOOKS}/istio-revision-tag-prod` });
      await see("it goes", "of-all of-gone", "of-all of-canary of-default of-gone");
    });

    await t.test("statuses and roots are written by one each", async () => {
      const writers = async (name: string): Promise<string> => {
        const path = `/apis/networking.istio.io/v1/namespaces/default/virtualservices/${name}`;
        const { body } = await cluster.api({ path });
        const conditions = arrayAt(objectAt(body, "status"), "conditions");
        return conditions.filter(isObject).length > 0 ? "written" : "";
      };
      for (const name of ["of-all", "of-canary", "of-default", "of-gone"])
        await cluster.until(`${name} has a status`, async () => (await writers(name)) || undefined);
      assert.equal(await holder("lateen-leader"), "stable");
      assert.equal(await holder("lateen-leader-default"), "stable");
      assert.equal(await holder("lateen-leader-canary"), "canary");
      await stable.end("SIGTERM");
      await cluster.until("the canary takes over", async () =>
        (await holder("lateen-leader")) === "canary" ? true : undefined,
      );
      await cluster.must(["create", "namespace", "later"]);
      await cluster.until("the roots are there", async () => {
        const path = "/api/v1/namespaces/later/configmaps/istio-ca-root-cert";
        return (await cluster.api({ path })).status === 200 ? true : undefined;
      });
    });
  });
});
