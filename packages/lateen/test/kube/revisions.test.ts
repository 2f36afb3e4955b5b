/** Two control-plane revisions on a real API server: whose are which objects, statuses and ConfigMaps. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { customResourceDefinitions } from "../../src/api/custom-resources.ts";
import type { JsonObject } from "../../src/api/kind.ts";
import { tagCommand } from "../../src/bin/tag-command.ts";
import { mutatingWebhookConfiguration } from "../../src/inject/webhook-objects.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { isDeactivated } from "../../src/sources/kube/other-control-planes.ts";
import {
  type KubeCluster,
  needsKubernetes,
  ownKubeCluster,
  type Ran,
} from "../support/kube-cluster.ts";
import { type KubeDiscovery, kubeDiscovery } from "../support/kube-discovery.ts";
import { lateenOn } from "../support/lateen-command.ts";
import { runCommand } from "../support/run-command.ts";

const skip = needsKubernetes("control-plane");
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/istio-system/leases";
/** With webhooks, for what keeps them; nobody calls them here. */
const HTTPS = ["--https-addr", "127.0.0.1:0"];
const FACTS = { namespace: "istio-system", enableNamespacesByDefault: false };

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

describe("two revisions", { skip, timeout: 600_000 }, () => {
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
    const stable = await kubeDiscovery(t, cluster, "stable", ...HTTPS);
    await cluster.until("the first leads", async () =>
      (await holder("lateen-leader")) === "stable" ? true : undefined,
    );
    const canary = await kubeDiscovery(t, cluster, "canary", "--revision", "canary", ...HTTPS);
    const tag = (...words: readonly string[]): Promise<Ran> =>
      runCommand(tagCommand, [...words, "--kubeconfig", cluster.kubeconfig]);
    const printed = async (...words: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await tag(...words);
      assert.deepEqual([code, stderr], [0, ""], `lateen tag ${words.join(" ")}`);
      return stdout;
    };
    for (const revision of ["default", "canary"])
      await cluster.apply(JSON.stringify(mutatingWebhookConfiguration({ ...FACTS, revision })));
    const hooks = async (kind: string, name: string): Promise<readonly JsonObject[]> => {
      const path = `/apis/admissionregistration.k8s.io/v1/${kind}webhookconfigurations/${name}`;
      return arrayAt((await cluster.api({ path })).body, "webhooks").filter(isObject);
    };
    for (const name of ["istio-sidecar-injector", "istio-sidecar-injector-canary"])
      await cluster.until(`${name} has a root`, async () => {
        const [hook] = await hooks("mutating", name);
        return objectAt(hook ?? {}, "clientConfig")["caBundle"] === undefined ? undefined : true;
      });
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
      const made = await printed("set", "prod", "--revision", "canary");
      assert.equal(made, created("prod", "canary"));
      await see("the tag", "of-all of-gone", "of-all of-canary of-default of-gone of-prod");
      await printed("set", "prod", "--revision", "default", "--overwrite");
      await see("it moves", "of-all of-gone of-prod", "of-all of-canary of-default of-gone");
      assert.equal(await printed("remove", "prod"), "Revision tag prod removed\n");
      await see("it goes", "of-all of-gone", "of-all of-canary of-default of-gone");
    });

    await t.test("tags are set, listed, generated and removed as by istioctl", async () => {
      const again = (): Promise<Ran> => tag("set", "prod", "-r", "canary");
      assert.equal((await again()).code, 0);
      assert.equal(
        (await again()).stderr,
        'revision tag "prod" already exists, and --overwrite is false\n',
      );
      await cluster.must(["create", "namespace", "shop"]);
      await cluster.must(["label", "namespace", "shop", "istio.io/rev=prod"]);
      assert.equal(
        await printed("list"),
        "TAG     REVISION NAMESPACES\nprod    canary   shop\ndefault default  \n",
      );
      const json = await printed("list", "-o", "json");
      assert.deepEqual(JSON.parse(json)[0], {
        tag: "prod",
        revision: "canary",
        namespaces: ["shop"],
      });
      const yaml = await printed("generate", "blue", "--revision", "canary");
      assert.match(await cluster.apply(yaml), /istio-revision-tag-blue created/);
      const unsure = await lateenOn(cluster, "tag", "remove", "prod");
      assert.equal(
        unsure.stdout,
        'Caution, found 1 namespace(s) still injected by tag "prod": shop\n' +
          "Proceed with operation? [y/N]Aborting operation.\n",
      );
      for (const name of ["prod", "blue"]) await printed("remove", name, "-y");
    });

    await t.test(
      "tag default moves there and back; each control plane gives its root",
      async () => {
        const services = (found: readonly JsonObject[]): string[] => [
          ...new Set(
            found.map(each => {
              const config = objectAt(each, "clientConfig");
              const { name } = objectAt(config, "service");
              return `${name} ${config["caBundle"] === undefined ? "without" : "with"} a root`;
            }),
          ),
        ];
        const moved = await tag("set", "default", "--revision", "canary");
        assert.equal(moved.stdout, created("default", "canary"), moved.stderr);
        const where = async (): Promise<string[]> => [
          ...services(await hooks("mutating", "istio-revision-tag-default")),
          ...services(await hooks("validating", "istiod-default-validator")),
        ];
        assert.deepEqual(await where(), ["istiod-canary with a root", "istiod-canary with a root"]);
        const off = await hooks("mutating", "istio-sidecar-injector");
        assert.ok(isDeactivated({ webhooks: off }));
        await printed("set", "default", "--revision", "default", "--overwrite");
        assert.deepEqual(await where(), ["istiod with a root", "istiod with a root"]);
        assert.equal(
          await printed("list"),
          "TAG     REVISION NAMESPACES\n        canary   \ndefault default  \n",
        );
        const removed = await tag("remove", "default");
        assert.match(removed.stderr, /nobody serves namespaces with istio-injection=enabled now/);
      },
    );

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

function created(tag: string, revision: string): string {
  return `Revision tag "${tag}" created, referencing control plane revision "${revision}". To enable injection using this
revision tag, use 'kubectl label namespace <NAMESPACE> istio.io/rev=${tag}'
`;
}
