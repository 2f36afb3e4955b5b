/** `lateen uninstall` beside what it must leave alone, on an API server that only keeps what it is sent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { installCommand } from "../../src/bin/install-command.ts";
import { tagCommand } from "../../src/bin/tag-command.ts";
import { question, uninstallCommand } from "../../src/bin/uninstall-command.ts";
import { type FakeCluster, fakeCluster } from "../support/fake-cluster.ts";
import { must, run } from "../support/run-on-fake.ts";

const CRD = "virtualservices.networking.istio.io";
const TAG = "istio-revision-tag-prod-mesh";

function install(cluster: FakeCluster, namespace: string): Promise<string> {
  return must(cluster, installCommand, `-y --set profile=minimal -i ${namespace}`);
}

/** Its Deployment, and the webhook of a tag that somebody made for it. */
function addByHelm(cluster: FakeCluster, namespace: string): void {
  const labels = {
    ...{ app: "istiod", "lateen.dev/control-plane": "true", "istio.io/rev": "helm" },
    "app.kubernetes.io/managed-by": "Helm",
  };
  const annotations = { "meta.helm.sh/release-name": "istiod" };
  const metadata = { name: "istiod-helm", namespace, labels, annotations };
  cluster.add({ kind: "Deployment", metadata });
  const tag = {
    ...{ "istio.io/rev": "helm", "istio.io/tag": "prod" },
    "app.kubernetes.io/managed-by": "lateen",
  };
  const webhooks = [{ clientConfig: { service: { name: "istiod-helm", namespace } } }];
  const kind = "MutatingWebhookConfiguration";
  cluster.add({ kind, metadata: { name: TAG, labels: tag }, webhooks });
}

test("purge leaves what a control plane of Helm's charts needs", async t => {
  for (const line of ["-y --purge", "-y --purge -i one"]) {
    const cluster = await fakeCluster(t);
    await install(cluster, "one");
    addByHelm(cluster, "mesh");
    const said = await must(cluster, uninstallCommand, line);
    assert.match(said, /\d+ CRDs stay: another control plane is in the cluster/);
    assert.equal(cluster.get("Deployment", "one", "istiod"), undefined);
    assert.ok(cluster.get("CustomResourceDefinition", "", CRD), line);
    assert.ok(cluster.get("MutatingWebhookConfiguration", "", TAG), "and its tags");
  }
});

test("purge where Helm's charts installed all says so, and leaves tags alone", async t => {
  const cluster = await fakeCluster(t);
  addByHelm(cluster, "mesh");
  const { code, stdout, stderr } = await run(cluster, uninstallCommand, "-y --purge");
  assert.equal(code, 1);
  assert.match(stderr, /is Helm's to remove\nhelm uninstall istiod -n mesh\n/);
  assert.doesNotMatch(stdout, /complete/);
  assert.ok(cluster.get("MutatingWebhookConfiguration", "", TAG));
});

test("purge removes the tags of what goes", async t => {
  const cluster = await fakeCluster(t);
  await install(cluster, "one");
  await must(cluster, tagCommand, "set prod --revision default -i one -y");
  await must(cluster, uninstallCommand, "-y --purge");
  const left = [...cluster.objects.keys()].filter(path => path.includes("webhookconfigurations"));
  assert.deepEqual(left, []);
});

test("only proxies of the mesh that goes are said to be detached", async t => {
  const cluster = await fakeCluster(t);
  for (const namespace of ["one", "two"]) {
    await install(cluster, namespace);
    const annotations = { "istio.io/rev": "default" };
    const args = ["--config-yaml", `address: istiod.${namespace}.svc`];
    cluster.objects.set(`/api/v1/namespaces/shop/pods/of-${namespace}`, {
      metadata: { name: `of-${namespace}`, namespace: "shop", annotations },
      spec: { containers: [{ name: "istio-proxy", args }] },
    });
  }
  const second = await must(cluster, uninstallCommand, "-y --revision default -i two");
  assert.match(second, /still 1 proxies .* revision default\nof-two.shop\n/);
  const first = await must(cluster, uninstallCommand, "-y --revision default -i one");
  assert.match(first, /still 2 proxies/, "no other control plane is left");
});

test("with the last control plane of a namespace goes what it keeps of a change of the CA", async t => {
  const cluster = await fakeCluster(t);
  const path = "/api/v1/namespaces/one/secrets/lateen-ca-change";
  await install(cluster, "one");
  await must(cluster, installCommand, "-y --set profile=minimal -i one --revision canary");
  cluster.objects.set(path, { metadata: { name: "lateen-ca-change", namespace: "one" } });
  await must(cluster, uninstallCommand, "-y --revision canary");
  assert.ok(cluster.objects.has(path), "the other revision needs it");
  const said = await must(cluster, uninstallCommand, "-y --purge");
  assert.match(said, /Removed Secret:one:lateen-ca-change/);
  assert.ok(!cluster.objects.has(path));
});

test("the question names the mesh", () => {
  assert.match(question(undefined, undefined), /^All Istio resources will be pruned from the clu/);
  assert.match(question(undefined, "two"), /^All Istio resources of the mesh in namespace two wi/);
  assert.match(question("v1", "two"), /^All objects of revision v1 of the mesh in namespace two /);
});
