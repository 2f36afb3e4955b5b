/** `lateen x precheck`, and what `install` finds beside it in a cluster. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { gatewayKind } from "../../src/api/gateway/kind.ts";
import type { JsonObject, Kind } from "../../src/api/kind.ts";
import { peerAuthenticationKind } from "../../src/api/peer-authentication/kind.ts";
import { serviceEntryKind } from "../../src/api/service-entry/kind.ts";
import { installCommand } from "../../src/bin/install-command.ts";
import { precheckCommand } from "../../src/bin/precheck-command.ts";
import { mutatingWebhookConfiguration } from "../../src/inject/webhook-objects.ts";
import { resourcePath } from "../../src/sources/client/api-client.ts";
import { type FakeCluster, type FakeClusterOptions, fakeCluster } from "../support/fake-cluster.ts";
import { pluggedCa } from "../support/plugged-ca.ts";
import { run } from "../support/run-on-fake.ts";

const ENDING = "2026-01-01T00:00:00Z";
const FIT = "✔ No issues found when checking the cluster. Lateen is safe to install or upgrade!\n";

async function checked(cluster: FakeCluster, line = ""): Promise<string> {
  return (await run(cluster, precheckCommand, line)).stdout;
}

async function withMesh(t: TestContext, line = "", more: FakeClusterOptions = {}) {
  const cluster = await fakeCluster(t, more);
  await addMesh(cluster, line);
  return cluster;
}

async function addMesh(cluster: FakeCluster, line = ""): Promise<string> {
  const install = `-y --set profile=minimal ${line}`;
  const { code, stderr } = await run(cluster, installCommand, install);
  assert.equal(code, 0, stderr);
  return stderr;
}

function namespace(cluster: FakeCluster, name: string, labels: JsonObject = {}): void {
  cluster.add({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
}

function addRoot(cluster: FakeCluster, place: string, pem: string): void {
  const data = { "root-cert.pem": Buffer.from(pem).toString("base64") };
  const metadata = { name: "istio-ca-secret", namespace: place };
  const path = `/api/v1/namespaces/${place}/secrets/istio-ca-secret`;
  cluster.objects.set(path, { apiVersion: "v1", kind: "Secret", metadata, data });
}

test("what an account may not do is one finding, kinds by the verbs", async t => {
  const denied = (verb: string, resource: string): boolean =>
    resource === "namespaces" || (verb === "create" && /^(deployments|services)$/.test(resource));
  const cluster = await fakeCluster(t, { denied });
  const { code, stdout } = await run(cluster, precheckCommand, "-i mesh");
  assert.equal(code, 1);
  assert.equal(
    stdout,
    "Error: you may not do what an installation does:\n" +
      "  create, get, list, patch, delete: namespaces\n" +
      "  create in namespace mesh: services, deployments\n",
  );
});

test("namespaces that ask for a revision nobody has are named", async t => {
  const cluster = await withMesh(t, "--revision canary");
  assert.equal(await checked(cluster), FIT);
  namespace(cluster, "served", { "istio.io/rev": "canary" });
  assert.equal(await checked(cluster), FIT);
  for (const name of ["b", "a"]) namespace(cluster, name, { "istio.io/rev": "prod" });
  const ending = { name: "ending", labels: { "istio.io/rev": "prod" }, deletionTimestamp: ENDING };
  cluster.add({ apiVersion: "v1", kind: "Namespace", metadata: ending });
  assert.equal(
    await checked(cluster),
    "Warning: a, b: namespaces with istio.io/rev=prod, and no control plane has that revision or tag: their " +
      "pods get no sidecar. 'lateen tag set prod --revision REVISION' or 'lateen install --revision prod' " +
      "serves them\n",
  );
});

test("meshes of different roots must not see the same namespaces", async t => {
  const cluster = await withMesh(t, "-i one");
  addRoot(cluster, "one", "ROOT ONE");
  namespace(cluster, "shop", { mesh: "one" });
  const fight = /^Warning: .* both see namespaces default, shop: only one of them keeps/m;
  const own = /the control plane in two would make a root of its own, another than that in one/;
  assert.match(await checked(cluster, "-i two"), fight);
  assert.match(await checked(cluster, "-i two"), own);
  assert.equal(await checked(cluster, "-i one"), FIT);
  const selectors = "--set meshConfig.discoverySelectors[0].matchLabels.mesh";
  const said = await addMesh(cluster, `-i two ${selectors}=one`);
  assert.match(said, /both see namespaces shop: only/);

  addRoot(cluster, "two", "ROOT TWO");
  const different = /the control planes in one and two have different roots, and both see/;
  assert.match(await checked(cluster, "-i one"), different);
  assert.doesNotMatch(await addMesh(cluster, `-i one ${selectors}=other`), different);
  addRoot(cluster, "two", "ROOT ONE");
  assert.equal(await checked(cluster, "-i two"), FIT, "one root for both");
});

function istiod(place: string, container: JsonObject): JsonObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "istiod", namespace: place, labels: { app: "istiod" } },
    spec: { template: { spec: { containers: [container] } } },
  };
}

const NGINX = { name: "web", image: "nginx" };
const PILOT = { name: "discovery", image: "docker.io/istio/pilot:1.27.0", args: ["discovery"] };

test("a tenant's Deployment with the label app=istiod is no Istio", async t => {
  const cluster = await fakeCluster(t);
  cluster.add(istiod("tenant", NGINX));
  assert.equal(await checked(cluster), FIT);
  await addMesh(cluster);
  assert.equal(await checked(cluster), FIT);
});

test("Istio is seen in our namespace, by its webhooks, and by what it runs", async t => {
  const found = /Deployment [a-z-]+\/istiod is a control plane of another installation/;
  const inOurs = await fakeCluster(t);
  inOurs.add(istiod("istio-system", NGINX));
  assert.match(await checked(inOurs), found);
  const running = await fakeCluster(t);
  running.add(istiod("elsewhere", PILOT));
  assert.match(await checked(running), found);
  const serving = await fakeCluster(t);
  serving.add(istiod("elsewhere", NGINX));
  const install = { revision: "default", namespace: "elsewhere", enableNamespacesByDefault: false };
  serving.add(mutatingWebhookConfiguration(install));
  assert.match(await checked(serving), found);
  const { code, stderr } = await run(serving, installCommand, "-y --revision canary");
  assert.equal(code, 1);
  assert.match(stderr, /the CA of elsewhere\/istiod is elsewhere/);
});

function addStored(cluster: FakeCluster, kind: Kind, name: string, spec: JsonObject): void {
  const object = {
    apiVersion: `${kind.group}/${kind.versions[0]}`,
    kind: kind.kind,
    metadata: { name, namespace: "shop" },
    spec,
  };
  cluster.objects.set(resourcePath(kind, "shop", name), object);
}

function addMap(cluster: FakeCluster, name: string, data: JsonObject): void {
  const metadata = { name, namespace: "istio-system" };
  cluster.add({ apiVersion: "v1", kind: "ConfigMap", metadata, data });
}

const KEPT = "it stays as it is, and is refused where it is new";

test("stored objects that would be refused if they were new are listed, with field, found and right value", async t => {
  const cluster = await fakeCluster(t);
  addStored(cluster, peerAuthenticationKind, "fine", { mtls: { mode: "STRICT" } });
  addStored(cluster, peerAuthenticationKind, "ports", {
    portLevelMtls: { 80: { mode: "STRICT" } },
  });
  const long = `*-${"a".repeat(62)}.example.com`;
  addStored(cluster, serviceEntryKind, "long", { hosts: [long, "a.b"] });
  addStored(cluster, gatewayKind, "broken", { servers: [] });
  const { code, stdout } = await run(cluster, precheckCommand);
  assert.equal(code, 0, "they keep nobody from an upgrade");
  assert.deepEqual(stdout.split("\n"), [
    "Warning: Gateway shop/broken: spec.servers: found no servers, want at least one; this version does not read it",
    `Warning: ServiceEntry shop/long: spec.hosts[0]: found "${long}", want at most 63 characters up to the first dot (found 64); ${KEPT}`,
    `Warning: PeerAuthentication shop/ports: spec: found portLevelMtls without selector.matchLabels, want labels of workloads, or no portLevelMtls; ${KEPT}`,
    "",
  ]);
  const asked = cluster.asked.filter(each => !each.startsWith("GET") && !each.includes("access"));
  assert.deepEqual(asked, [], "nothing is changed");
});

test("there may be many of them, and of each many faults", async t => {
  const cluster = await fakeCluster(t);
  const labels = Array.from({ length: 7 }, (_, i) => `*-${"a".repeat(62)}.${i}.com`);
  for (let i = 0; i < 120; i++) addStored(cluster, serviceEntryKind, `e${i}`, { hosts: labels });
  const lines = (await checked(cluster)).trimEnd().split("\n");
  assert.equal(lines.length, 100 * 6 + 1);
  assert.equal(lines[5], "Warning: ServiceEntry shop/e0: and 2 more");
  assert.equal(lines.at(-1), "Warning: and 20 more objects that would be refused if new");
});

test("the control plane's own ConfigMaps and its CA are looked at, too", async t => {
  const cluster = await fakeCluster(t);
  addMap(cluster, "istio", { mesh: "accessLogFile: off" });
  addMap(cluster, "istio-canary", { mesh: "trustDomain: [" });
  addMap(cluster, "istio-sidecar-injector", {
    config: "injectedAnnotations: {a: on}",
    values: "{}",
  });
  addMap(cluster, "istio-ca-root-cert", { "root-cert.pem": "x" });
  const texts = await checked(cluster);
  assert.match(
    texts,
    /^Warning: ConfigMap istio-system\/istio: data\.mesh: accessLogFile: found a boolean \(false\), want a string; it stays/m,
  );
  assert.match(
    texts,
    /^Warning: ConfigMap istio-system\/istio-canary: data\.mesh: is not YAML: .*; this version does not read it$/m,
  );
  assert.match(
    texts,
    /^Warning: ConfigMap istio-system\/istio-sidecar-injector: config\.injectedAnnotations\.a: found a boolean/m,
  );
  assert.equal(texts.trimEnd().split("\n").length, 3);
  const data = Object.fromEntries(
    Object.entries(pluggedCa("ec", Date.now() - 2000, Date.now() - 1000)).map(([key, text]) => [
      key,
      Buffer.from(text).toString("base64"),
    ]),
  );
  const metadata = { name: "cacerts", namespace: "istio-system" };
  const secret = { apiVersion: "v1", kind: "Secret", metadata, data };
  cluster.objects.set("/api/v1/namespaces/istio-system/secrets/cacerts", secret);
  const { code, stdout } = await run(cluster, precheckCommand);
  assert.equal(code, 1);
  assert.match(
    stdout,
    /^Error: Secret istio-system\/cacerts: data\["ca-cert\.pem"\]: .*, not now; a control plane of this version does not start with it$/m,
  );
  assert.ok(!stdout.includes("PRIVATE"));
});
