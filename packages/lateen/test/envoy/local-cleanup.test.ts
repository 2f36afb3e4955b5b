/** A local mesh leaves nothing behind: neither when it is stopped nor when it is killed. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { runCommand } from "../../src/local/command.ts";
import { openLocalNetwork } from "../../src/local/open-network.ts";
import { bootId, processesIn } from "../../src/local/proc.ts";
import { markerOf, readRecord, recordPath } from "../../src/local/process-record.ts";
import { reap } from "../../src/local/reap.ts";
import { startLocalMesh } from "../support/local-mesh.ts";
import { needsRoot } from "../support/pod-mesh.ts";

const skip = needsRoot();

interface Running {
  readonly stateDir: string;
  readonly cidr: string;
  readonly marker: string;
  readonly hostInterface: string;
  signal(name: NodeJS.Signals): Promise<void>;
}

async function startMesh(): Promise<Running> {
  const stateDir = await mkdtemp(join(tmpdir(), "lateen-crash-"));
  const program = join(import.meta.dirname, "../support/crashing-mesh.ts");
  const child = spawn(process.execPath, [program, stateDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<void>(done => child.once("exit", () => done()));
  const cidr = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
    child.once("exit", code => reject(new Error(`it ended with ${code}`)));
  });
  const header = readRecord(recordPath(stateDir))?.header;
  assert.ok(header !== undefined);
  return {
    stateDir,
    cidr,
    marker: markerOf(header),
    hostInterface: header.hostInterface ?? "",
    signal: async name => {
      child.kill(name);
      await exited;
    },
  };
}

/** What there is of the mesh on the host; everything else belongs to somebody else. */
async function traces(
  mesh: Pick<Running, "marker" | "hostInterface" | "cidr">,
): Promise<Record<string, number>> {
  const count = (text: string, part: string): number => text.split(part).length - 1;
  const { stdout: links } = await runCommand("ip", ["-oneline", "link"]);
  const { stdout: routes } = await runCommand("ip", ["route", "show", "table", "all"]);
  const { stdout: rules } = await runCommand("nft", ["list", "ruleset"]);
  return {
    processes: processesIn(new Set(), mesh.marker).length,
    links: count(links, mesh.hostInterface),
    routes: count(routes, mesh.cidr),
    mounts: count(readFileSync("/proc/self/mountinfo", "utf8"), "lateen"),
    rules: count(rules, "table ip lateen"),
  };
}

const nothing = { processes: 0, links: 0, routes: 0, mounts: 0, rules: 0 };

describe("a local mesh that ends", { skip }, () => {
  test("killed with -9: pods go on, what is left is ended by the record alone", async () => {
    const mesh = await startMesh();
    try {
      const up = await traces(mesh);
      // The node, the pod, its Envoy, its shell and two sleeps at least; on the host a link and a route.
      assert.ok((up["processes"] ?? 0) >= 5, JSON.stringify(up));
      assert.deepEqual({ ...up, processes: 0 }, { ...nothing, links: 1, routes: 1 });
      const second = await openLocalNetwork(mesh.stateDir, silentLog);
      assert.ok(!second.ok);
      assert.match(second.diagnostics[0]?.message ?? "", /is running as process \d+/);

      await mesh.signal("SIGKILL");
      assert.deepEqual(await traces(mesh), up);
      const ended = await reap(recordPath(mesh.stateDir), silentLog);
      assert.ok(ended.ok, JSON.stringify(ended.diagnostics));
      assert.deepEqual(await traces(mesh), nothing);
      assert.equal(existsSync(recordPath(mesh.stateDir)), false);
    } finally {
      await mesh.signal("SIGKILL");
      await reap(recordPath(mesh.stateDir), silentLog);
      await rm(mesh.stateDir, { recursive: true, force: true });
    }
  });

  test("a new run on leftovers ends them first, and leaves nothing itself", async () => {
    const mesh = await startMesh();
    await mesh.signal("SIGKILL");
    const opened = await openLocalNetwork(mesh.stateDir, silentLog);
    assert.ok(opened.ok, JSON.stringify(opened.diagnostics));
    assert.equal((await traces(mesh)).processes, 0);
    const { hostInterface, plan } = opened.value.node;
    await opened.value.close();
    const own = { ...mesh, hostInterface, cidr: plan.cidr };
    assert.deepEqual(await traces(own), nothing);
    assert.equal(existsSync(recordPath(mesh.stateDir)), false);
    await rm(mesh.stateDir, { recursive: true, force: true });
  });

  test("stopped in order: nothing is left", async () => {
    const mesh = await startLocalMesh({ gateways: ["ingress"] });
    const { record, node } = mesh.network;
    const own = {
      marker: record.marker,
      hostInterface: node.hostInterface,
      cidr: node.plan.cidr,
    };
    assert.equal((await traces(own)).links, 1);
    await mesh.stop();
    assert.deepEqual(await traces(own), nothing);
    assert.equal(existsSync(record.path), false);
  });

  test("a number on record that another process has by now is left alone", async () => {
    const stateDir = await mkdtemp(join(tmpdir(), "lateen-crash-"));
    const stranger = spawn("sleep", ["1000"], { stdio: "ignore" });
    try {
      const earlier = { pid: stranger.pid, startTime: "1" };
      const header = { instance: "gone", boot: bootId(), owner: earlier };
      const entries = [header, { ...earlier, role: "pod default/x", sandbox: true }];
      const text = entries.map(entry => JSON.stringify(entry)).join("\n");
      await writeFile(recordPath(stateDir), `${text}\n`);
      const ended = await reap(recordPath(stateDir), silentLog);
      assert.ok(ended.ok);
      assert.equal(ended.value.processes, 0);
      assert.equal(stranger.exitCode ?? stranger.signalCode, null);
    } finally {
      stranger.kill("SIGKILL");
      await rm(stateDir, { recursive: true, force: true });
    }
  });

  test("a record of another boot, or a broken one, ends nothing", async () => {
    const stateDir = await mkdtemp(join(tmpdir(), "lateen-crash-"));
    const own = { pid: process.pid, startTime: "1" };
    const header = { instance: "x", boot: "another", owner: own };
    const victim = { ...own, role: "pod", sandbox: true };
    await writeFile(
      recordPath(stateDir),
      `${JSON.stringify(header)}\n${JSON.stringify(victim)}\n{"pid":1,`,
    );
    const ended = await reap(recordPath(stateDir), silentLog);
    assert.ok(ended.ok);
    assert.equal(ended.value.processes, 0);
    await writeFile(recordPath(stateDir), "not json\n");
    assert.equal(readRecord(recordPath(stateDir)), undefined);
    await rm(stateDir, { recursive: true, force: true });
  });
});
