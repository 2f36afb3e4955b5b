/** Which cluster and which control plane a command line is about: `--context`, `-i`, `--as`. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { JsonObject } from "../../src/api/kind.ts";
import { installCommand } from "../../src/bin/install-command.ts";
import { precheckCommand } from "../../src/bin/precheck-command.ts";
import { tagCommand } from "../../src/bin/tag-command.ts";
import { uninstallCommand } from "../../src/bin/uninstall-command.ts";
import { verifyInstallCommand } from "../../src/bin/verify-install-command.ts";
import type { Command } from "../../src/cli/command.ts";
import { type FakeCluster, fakeCluster } from "../support/fake-cluster.ts";
import type { PodRequest } from "../support/fake-forward.ts";
import type { Ran } from "../support/kube-cluster.ts";
import { runCommand } from "../support/run-command.ts";

const main = join(import.meta.dirname, "../../src/bin/main.ts");
const WHERE = "second-mesh";

/** A control plane in a namespace of its own, with one proxy, and another one where people look first. */
function pods({ namespace, pod, port, path }: PodRequest): string | undefined {
  if (pod === "sleep-1")
    return port === 15000 && path === "/clusters?format=json" ? CLUSTERS : undefined;
  if (port !== 8080) return undefined;
  const version = namespace === WHERE ? "0.2.0" : "0.1.0";
  if (path === "/version") return JSON.stringify({ version, instance: pod });
  const proxy = namespace === WHERE ? "sleep-1.shop" : "other-1.default";
  const status = { proxy, cluster_id: "Kubernetes", istio_version: version, types: {} };
  return path.startsWith("/debug/syncz") ? JSON.stringify([status]) : undefined;
}

const CLUSTERS = JSON.stringify({
  cluster_statuses: [
    {
      name: "outbound|80||web.shop.svc.cluster.local",
      host_statuses: [{ address: { socket_address: { address: "10.0.0.7", port_value: 8080 } } }],
    },
  ],
});

function pod(namespace: string, name: string, labels: JsonObject): JsonObject {
  return {
    metadata: { name, namespace, labels },
    status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
  };
}

function addPod(cluster: FakeCluster, namespace: string, name: string, labels: JsonObject): void {
  const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
  cluster.objects.set(path, pod(namespace, name, labels));
}

interface Two {
  /** Of the current context. */
  readonly near: FakeCluster;
  readonly far: FakeCluster;
  readonly kubeconfig: string;
}

/** One kubeconfig with contexts `near`, the current one, and `far`. */
async function twoClusters(t: TestContext): Promise<Two> {
  const near = await fakeCluster(t);
  const far = await fakeCluster(t, { forward: pods });
  const istiod = { app: "istiod", "istio.io/rev": "default" };
  addPod(far, "istio-system", "istiod-a", istiod);
  addPod(far, WHERE, "istiod-b", istiod);
  addPod(far, "shop", "sleep-1", { app: "sleep" });
  const [one, two] = [near, far].map(each => JSON.parse(readFileSync(each.kubeconfig, "utf8")));
  const renamed = (name: string, config: { clusters: [{ cluster: object }] }) => ({
    name,
    cluster: config.clusters[0].cluster,
  });
  const kubeconfig = `${near.kubeconfig}.two`;
  const contexts = ["near", "far"].map(name => ({
    name,
    context: { cluster: name, user: "me" },
  }));
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      "current-context": "near",
      contexts,
      clusters: [renamed("near", one), renamed("far", two)],
      users: [{ name: "me", user: {} }],
    }),
  );
  return { near, far, kubeconfig };
}

/** The whole program, so that its flags are what counts. */
function lateen({ kubeconfig }: Two, line: string): Promise<Ran> {
  const words = [main, ...line.split(" "), "--kubeconfig", kubeconfig];
  return new Promise(done => {
    execFile(process.execPath, words, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : 1, stdout, stderr });
    });
  });
}

test("version, ps and pc ask the control plane of -i in the cluster of --context", async t => {
  const two = await twoClusters(t);
  const there = `--context far -i ${WHERE}`;
  const version = await lateen(two, `version -o json ${there}`);
  assert.equal(version.code, 0, version.stderr);
  assert.deepEqual(JSON.parse(version.stdout).meshVersion, [{ Info: { version: "0.2.0" } }]);
  const usual = await lateen(two, "version --context=far -o json");
  assert.deepEqual(JSON.parse(usual.stdout).meshVersion, [{ Info: { version: "0.1.0" } }]);
  const ps = await lateen(two, `ps ${there}`);
  assert.match(ps.stdout, /^sleep-1\.shop +Kubernetes .*istiod-b +0\.2\.0 /m, ps.stderr);
  assert.doesNotMatch(ps.stdout, /other-1/);
  const endpoints = await lateen(two, `pc endpoints sleep-1.shop ${there}`);
  assert.match(endpoints.stdout, /^10\.0\.0\.7:8080 .*web\.shop/m, endpoints.stderr);
  const nobody = await lateen(two, "ps --context far -i nowhere");
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /^no running Istio pods in "nowhere"\n/);
  assert.deepEqual(two.near.asked, [], "the current context is not meant");
  const near = await lateen(two, "ps");
  assert.match(near.stderr, /^no running Istio pods in "istio-system"\n/);
});

test("--proxy-admin-port is where Envoy is asked", async t => {
  const two = await twoClusters(t);
  const line = `pc endpoints sleep-1.shop --context far -i ${WHERE}`;
  const other = await lateen(two, `${line} --proxy-admin-port 15001`);
  assert.equal(other.code, 1);
  assert.match(
    other.stderr,
    /^the Envoy of pod sleep-1 in namespace shop does not answer: status 404/,
  );
  assert.equal((await lateen(two, `${line} --proxy-admin-port 15000`)).code, 0);
});

test("a context that is not there is named, with those that are", async t => {
  const two = await twoClusters(t);
  const { code, stderr } = await lateen(two, "ps --context fra");
  assert.equal(code, 1);
  assert.match(stderr, /fra/);
  assert.match(stderr, /near|far/);
});

test("commands of an installation go to the cluster of --context, and nowhere else", async t => {
  const { near, far, kubeconfig } = await twoClusters(t);
  const run = async (command: Command, line: string): Promise<string> => {
    const words = [...line.split(" "), "--kubeconfig", kubeconfig, "--context", "far", "-i", WHERE];
    const { code, stdout, stderr } = await runCommand(command, words);
    assert.equal(code, 0, `${command.name} ${line}\n${stdout}\n${stderr}`);
    return stdout;
  };
  await run(precheckCommand, "-o log");
  await run(installCommand, "-y --set profile=minimal");
  assert.ok(far.get("Deployment", WHERE, "istiod"));
  assert.match(await run(verifyInstallCommand, "-r default"), /✔ Deployment: istiod\.second-mesh/);
  await run(tagCommand, "set prod --revision default -y");
  assert.match(await run(tagCommand, "list"), /^prod +default/m);
  await run(tagCommand, "remove prod -y");
  await run(uninstallCommand, "--purge -y");
  assert.equal(far.get("Deployment", WHERE, "istiod"), undefined);
  assert.deepEqual(near.asked, []);
});

test("--as: every request says whom it stands for, also those of port-forwards", async t => {
  const two = await twoClusters(t);
  const words = ["--kubeconfig", two.kubeconfig, "--context", "far"];
  const as = ["--as", "ann", "--as-group", "dev", "--as-group=ops,qa", "--as-uid", "7"];
  await runCommand(precheckCommand, [...words, ...as]);
  assert.ok(two.far.impersonated.length > 0);
  assert.deepEqual([...new Set(two.far.impersonated)], ["ann dev, ops, qa 7"]);
  const nobody = await runCommand(precheckCommand, [...words, "--as-group", "dev"]);
  assert.equal(nobody.stderr, "--as-group and --as-uid go with --as: found no user\n");
  const ps = await lateen(two, `ps --context far -i ${WHERE} --as bob`);
  assert.equal(ps.code, 0, ps.stderr);
  assert.equal(two.far.forwardedAs.at(-1), "bob  ");
});
