/** `lateen install` and what goes with it, on an API server that only keeps what it is sent. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import type { JsonObject } from "../../src/api/kind.ts";
import { installCommand, upgradeCommand } from "../../src/bin/install-command.ts";
import { manifestCommand } from "../../src/bin/manifest-command.ts";
import { tagCommand } from "../../src/bin/tag-command.ts";
import { uninstallCommand } from "../../src/bin/uninstall-command.ts";
import { verifyInstallCommand } from "../../src/bin/verify-install-command.ts";
import { isObject } from "../../src/sources/json.ts";
import { type FakeCluster, fakeCluster } from "../support/fake-cluster.ts";
import { must, run } from "../support/run-on-fake.ts";

const MINIMAL = "-y --set profile=minimal";

test("the control plane's namespace: by flag, file or value, and everywhere the same", async t => {
  const cluster = await fakeCluster(t);
  const file = `${cluster.kubeconfig}.yaml`;
  const operator = (spec: JsonObject): void =>
    writeFileSync(
      file,
      JSON.stringify({ apiVersion: "install.istio.io/v1alpha1", kind: "IstioOperator", spec }),
    );
  operator({ namespace: "by-file", profile: "minimal" });
  await must(cluster, installCommand, `${MINIMAL} -i by-flag`);
  await must(cluster, installCommand, `-y -f ${file}`);
  await must(cluster, installCommand, `${MINIMAL} --set values.global.istioNamespace=by-value`);
  for (const namespace of ["by-flag", "by-file", "by-value"])
    assert.ok(cluster.get("Deployment", namespace, "istiod"), namespace);
  assert.equal(cluster.get("Namespace", "", "istio-system"), undefined);
  await must(cluster, installCommand, `-y -f ${file} -i by-file`);

  const contradicted = await run(cluster, installCommand, `-y -f ${file} -i elsewhere`);
  assert.equal(contradicted.code, 1);
  assert.equal(
    contradicted.stderr,
    '--istioNamespace: found "elsewhere", and spec.namespace is "by-file": both name the control ' +
      "plane's namespace; expected one of them, or the same in both\n",
  );
  operator({ namespace: "a", values: { global: { istioNamespace: "b" } } });
  const generated = await run(cluster, manifestCommand, `generate -f ${file}`);
  assert.match(generated.stderr, /^spec.namespace: found "a", and spec.values.global.istioN/);
  const odd = await run(cluster, manifestCommand, "generate -i My_Mesh");
  assert.match(odd.stderr, /^--istioNamespace: found "My_Mesh"; expected a name of up to 63/);
  const printed = await must(cluster, manifestCommand, "generate -i elsewhere");
  assert.doesNotMatch(printed, /namespace: istio-system/);
});

test("two meshes of one cluster are told apart by -i", async t => {
  const cluster = await fakeCluster(t);
  for (const namespace of ["one", "two"])
    await must(cluster, installCommand, `${MINIMAL} -i ${namespace}`);
  assert.ok(cluster.get("Deployment", "one", "istiod"), "the second did not prune the first");
  const rows = async (line: string): Promise<string> => must(cluster, verifyInstallCommand, line);
  assert.match(await rows("-i two"), /Deployment: istiod.two/);
  assert.doesNotMatch(await rows("-i two"), /Deployment: istiod.one/);
  const nowhere = await run(cluster, verifyInstallCommand, "-i three");
  assert.match(nowhere.stderr, /no installation of Lateen was found in namespace three/);
  const upgraded = await run(cluster, upgradeCommand, `${MINIMAL} -i three`);
  assert.match(upgraded.stderr, /revision default is not installed in namespace three/);

  const unclear = await run(cluster, tagCommand, "generate prod --revision default");
  assert.match(unclear.stderr, /found multiple canonical webhooks/);
  const tag = await must(cluster, tagCommand, "generate prod --revision default -i two");
  assert.match(tag, /namespace: two/);
  const missing = await run(cluster, tagCommand, "generate prod --revision default -i three");
  assert.match(missing.stderr, /with revision "default" in namespace "three"/);

  const which = await run(cluster, uninstallCommand, "-y --revision default");
  assert.match(which.stderr, /revision default is installed in namespaces one, two/);
  await must(cluster, uninstallCommand, "-y --purge -i two");
  assert.equal(cluster.get("Deployment", "two", "istiod"), undefined);
  assert.ok(cluster.get("Deployment", "one", "istiod"));
  const left = [...cluster.objects.keys()].filter(path => /\btwo\b/.test(path));
  assert.deepEqual(left, ["/api/v1/namespaces/two"], "what is only the second's is gone");
  assert.ok(cluster.get("ClusterRole", "", "istio-reader-clusterrole-one"));
  const crd = "virtualservices.networking.istio.io";
  assert.ok(cluster.get("CustomResourceDefinition", "", crd), "the other mesh needs it");
  await must(cluster, uninstallCommand, "-y --purge -i one");
  assert.equal(cluster.get("CustomResourceDefinition", "", crd), undefined);
});

test("an upgrade to the version that is there is none", async t => {
  const cluster = await fakeCluster(t);
  await must(cluster, installCommand, MINIMAL);
  const said = await must(cluster, upgradeCommand, MINIMAL);
  assert.match(said, /^Version 0.1.0 is installed already: only the configuration is applied.\n/);
  assert.doesNotMatch(said, /Upgrading/);
});

test("what the API server would refuse is said before anything is changed, in a dry run, too", async t => {
  const refused = { code: 422, message: "spec.strategy.rollingUpdate.maxSurge: Invalid value" };
  const isOdd = (object: JsonObject): boolean =>
    object["kind"] === "Deployment" && JSON.stringify(object).includes('"maxSurge":"many"');
  const cluster = await fakeCluster(t, { refuse: object => (isOdd(object) ? refused : undefined) });
  const before = cluster.objects.size;
  const line = `${MINIMAL} --set values.pilot.rollingMaxSurge=many`;
  for (const dryRun of ["", " --dry-run"]) {
    const { code, stderr } = await run(cluster, installCommand, `${line}${dryRun}`);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      "✘ Installation encountered an error: the API server would refuse objects, and nothing was " +
        `changed:\n  Deployment:istio-system:istiod: ${refused.message}\n`,
    );
  }
  assert.equal(cluster.objects.size, before);
  const tried = cluster.asked.filter(each => each.includes("/deployments/istiod-"));
  assert.ok(
    tried.every(each => /\/namespaces\/default\/.*dryRun=All/.test(each)),
    tried.join(),
  );
});

test("what is in namespace default, or may not be, says nothing of a new namespace", async t => {
  const message = "spec.selector: Invalid value: field is immutable";
  const denied = "ValidatingAdmissionPolicy 'no-workloads' with binding 'b' denied request: no";
  for (const [name, said] of [
    ["istiod", message],
    [undefined, denied],
  ] as const) {
    const isThere = ({ kind, metadata }: JsonObject): boolean =>
      kind === "Deployment" &&
      isObject(metadata) &&
      metadata["namespace"] === "default" &&
      (name === undefined || metadata["name"] === name);
    const refuse = (object: JsonObject) =>
      isThere(object) ? { code: 422, message: said } : undefined;
    const cluster = await fakeCluster(t, { refuse });
    await must(cluster, installCommand, MINIMAL);
    assert.ok(cluster.get("Deployment", "istio-system", "istiod"), said);
  }
});

test("a control plane of 0 replicas is said at once, and nothing waits for it", async t => {
  const cluster = await fakeCluster(t);
  const asked = "-y --set components.pilot.k8s.replicaCount=0 --readiness-timeout 1m";
  // The gateway would not become ready, ever.
  cluster.isReady = name => name === "istiod";
  const { code, stdout, stderr } = await run(cluster, installCommand, asked);
  assert.equal(code, 0, stderr);
  assert.match(stdout + stderr, /istiod is to have 0 replicas .* no control plane will run/);

  // Scaled by hand, and an autoscaler that leaves such a Deployment alone.
  const gateways = "-y --set profile=minimal --readiness-timeout 1m";
  cluster.replicasOf = () => 0;
  const scaled = await run(cluster, installCommand, gateways);
  assert.equal(scaled.code, 1);
  assert.equal(
    scaled.stderr,
    "✘ Istiod encountered an error: Deployment/istio-system/istiod is not ready, and waiting would " +
      "not help: it has 0 replicas: no control plane runs\nkubectl scale deployment istiod -n " +
      "istio-system --replicas 1, or --set components.pilot.k8s.replicaCount=1\n",
  );
});

test("the closing line names the Istio whose layout was asked for", async t => {
  const cluster = await fakeCluster(t);
  const closing = async (flags: string): Promise<string | undefined> =>
    (await must(cluster, installCommand, `${MINIMAL}${flags}`)).trimEnd().split("\n").at(-1);
  assert.equal(await closing(""), "Thank you for installing Lateen 0.1.");
  for (const version of ["1.12", "1.14"])
    assert.equal(
      await closing(` --compat ${version}`),
      `Thank you for installing Istio ${version}.  It is Lateen 0.1, which speaks Istio's API.`,
    );
});

/** As charts of our version leave them, and Helm the release. */
function byHelm(
  cluster: FakeCluster,
  kind: string,
  metadata: JsonObject,
  more: JsonObject = {},
): void {
  const labels = {
    "app.kubernetes.io/managed-by": "Helm",
    "app.kubernetes.io/part-of": "istio",
    "app.kubernetes.io/version": "0.1.0",
  };
  const annotations = {
    "meta.helm.sh/release-name": "istiod",
    "meta.helm.sh/release-namespace": "mesh",
  };
  const given = metadata["labels"] ?? {};
  const all = { ...labels, ...(isObject(given) ? given : {}) };
  cluster.add({ kind, metadata: { annotations, ...metadata, labels: all }, ...more });
}

test("what Helm's charts installed is verified by what the release is to have", async t => {
  const cluster = await fakeCluster(t);
  const labels = { app: "istiod", "lateen.dev/control-plane": "true", "istio.io/rev": "default" };
  const ready = { spec: { replicas: 1 }, status: { updatedReplicas: 1, availableReplicas: 1 } };
  byHelm(cluster, "Deployment", { name: "istiod", namespace: "mesh", labels }, ready);
  byHelm(cluster, "Service", { name: "istiod", namespace: "mesh" });
  const ownerReferences = [{ kind: "Service", name: "istiod" }];
  byHelm(cluster, "EndpointSlice", { name: "istiod-x", namespace: "mesh", ownerReferences });
  byHelm(cluster, "Service", {
    ...{ name: "istio-of-others", namespace: "mesh" },
    labels: { "app.kubernetes.io/version": "1.27.0" },
  });
  const labelled = await must(cluster, verifyInstallCommand, "-i mesh");
  assert.match(labelled, /^✔ Service: istiod.mesh .*\n✔ Deployment: istiod.mesh checked/);
  assert.doesNotMatch(labelled, /of-others|EndpointSlice/);
  assert.match(labelled, /Checked 1 Istio Deployments\n✔ Istio is installed and verified/);

  const manifest = ["istio", "values"]
    .map(name => `---\nkind: ConfigMap\nmetadata: {name: ${name}}\n`)
    .concat("---\nkind: CustomResourceDefinition\nmetadata: {name: sidecars.x}\n");
  const release = gzipSync(JSON.stringify({ manifest: manifest.join("") })).toString("base64");
  const data = { release: Buffer.from(release).toString("base64") };
  const owner = { owner: "helm", name: "istiod", status: "deployed", version: "1" };
  const path = "/api/v1/namespaces/mesh/secrets/sh.helm.release.v1.istiod.v1";
  cluster.objects.set(path, { metadata: { name: "x", labels: owner }, data });
  byHelm(cluster, "ConfigMap", { name: "istio", namespace: "mesh" });
  const { code, stdout, stderr } = await run(cluster, verifyInstallCommand, "--revision default");
  assert.equal(code, 1);
  assert.match(stdout, /✔ ConfigMap: istio.mesh/);
  assert.match(
    stderr,
    /✘ CustomResourceDefinition: sidecars.x: not found\n✘ ConfigMap: values.mesh: not/,
  );
  assert.match(stderr, /✘ 2 of 5 objects are missing or not ready/);

  const removed = await run(cluster, uninstallCommand, "-y --purge");
  assert.equal(removed.code, 1);
  assert.match(removed.stderr, /is Helm's to remove\nhelm uninstall istiod -n mesh\n/);
  const upgraded = await run(cluster, upgradeCommand, `${MINIMAL} -i mesh`);
  assert.match(upgraded.stderr, /nothing to upgrade\nwhat Helm's charts installed is upgraded by/);
});
