/** Clusters come, go, and leave nothing, also when nobody took them down. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test, { describe } from "node:test";
import { promisify } from "node:util";
import { cgroupProcesses } from "../../../../scripts/kube/cgroups.ts";
import { find, sweep } from "../../../../scripts/kube/cluster.ts";
import { daemons } from "../../../../scripts/kube/daemons.ts";
import { silent } from "../../../../scripts/kube/progress.ts";
import { isAlive } from "../../src/local/proc.ts";
import { needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";
import { mountsIn } from "../support/leftovers.ts";

const scripts = join(import.meta.dirname, "../../../../scripts");
const skip = needsKubernetes();
const run = promisify(execFile);

async function script(name: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [join(scripts, `kube-${name}.ts`), ...args]);
  return stdout;
}

describe("the life of a cluster", { skip, timeout: 900_000 }, () => {
  test("a control plane comes up once, says so the second time, and goes", async () => {
    const name = `life-${process.pid}`;
    const flags = ["--control-plane-only", "--name", name];
    const first = await script("up", ...flags);
    assert.match(first, new RegExp(`cluster ${name} is up\\.`));
    const kubeconfig = /export KUBECONFIG=(\S+)/.exec(first)?.[1] ?? "";
    assert.ok(existsSync(kubeconfig));
    const found = find(name);
    assert.ok(found);
    const started = daemons(found.plan);
    assert.match(await script("up", ...flags), /is up already; it was left as it is/);
    assert.deepEqual(daemons(found.plan), started);
    const number = String(found.plan.number);
    const other = ["--control-plane-only", "--name", `other-${process.pid}`, "--number", number];
    await assert.rejects(script("up", ...other), /is the cluster life-\d+'s; take another one/);
    assert.match(await script("down", "--name", name), /is gone/);
    assert.deepEqual(started.filter(isAlive), []);
    assert.equal(existsSync(found.plan.directory), false);
    assert.match(await script("down", "--name", name), /there is no cluster/);
  });

  test("a cluster that lost its API server is replaced by the next one of its name", async () => {
    const name = `lost-${process.pid}`;
    const flags = ["--control-plane-only", "--name", name];
    await script("up", ...flags);
    const lost = find(name);
    assert.ok(lost);
    const before = daemons(lost.plan);
    const api = before.find(each => each.name === "kube-apiserver");
    assert.ok(api);
    process.kill(api.pid, "SIGKILL");
    assert.match(await script("up", ...flags), /does not answer; it is removed/);
    assert.deepEqual(before.filter(isAlive), []);
    await script("down", "--name", name);
  });

  test("etcd and the API server end and come back, with all that they held", async () => {
    const cluster = await ownKubeCluster({ mode: "control-plane" });
    await cluster.must(["create", "namespace", "kept"]);
    await cluster.stop("kube-apiserver");
    assert.equal((await cluster.api({ path: "/readyz" })).status, 0);
    await cluster.stop("etcd");
    await cluster.start("etcd", "kube-apiserver");
    assert.match(await cluster.must(["get", "namespace", "kept"]), /Active/);
    await cluster.must(["create", "namespace", "later"]);
    const account = "/api/v1/namespaces/later/serviceaccounts/default";
    await cluster.until("controllers work again", async () => {
      const { status } = await cluster.api({ path: account });
      return status === 200 ? true : undefined;
    });
  });

  test("what a killed run has left is found, and removed to the last", async () => {
    const name = `crash-${process.pid}`;
    const code = `
      const { up } = await import(${JSON.stringify(join(scripts, "kube/cluster.ts"))});
      const progress = () => {};
      await up({ name: ${JSON.stringify(name)}, mode: "node", owned: true, progress });
      console.log("up");
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise(done => child.once("exit", done));
    await Promise.race([new Promise(done => child.stdout.once("data", done)), ended]);
    child.kill("SIGKILL");
    await ended;
    const left = find(name);
    assert.ok(left);
    const { plan } = left;
    const recorded = daemons(plan);
    assert.ok(recorded.every(isAlive) && cgroupProcesses(plan).length > recorded.length);
    await sweep(silent);
    assert.deepEqual(recorded.filter(isAlive), []);
    assert.deepEqual(cgroupProcesses(plan), []);
    assert.equal(existsSync(plan.directory), false);
    assert.deepEqual(mountsIn(plan.directory), []);
    assert.equal(existsSync(`/sys/fs/cgroup/pids/${plan.id}`), false);
    assert.doesNotMatch(readFileSync("/proc/net/dev", "utf8"), new RegExp(`\\b${plan.id}:`));
  });
});
