/** Meshes side by side, and what is left of one that crashed, was interrupted or ended: nothing. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { demoapp, rolledOut } from "../support/demoapp.ts";
import { type Footprint, footprint, leftOf, mountsIn } from "../support/leftovers.ts";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";

const skip = whyNoMesh() ?? false;
const program = join(import.meta.dirname, "../../bin/lateen.mjs");
/** Does not end when it is asked to. */
const DEAF = "trap '' TERM; while :; do sleep 1; done";

describe("a mesh that crashes", { skip }, () => {
  let mesh: RunningMesh;

  before(async () => {
    mesh = await RunningMesh.start();
    await mesh.ok("label namespace default istio-injection=enabled");
    await mesh.ok("apply -f samples/demoapp/sleep.yaml");
    await mesh.ok("apply -f -", demoapp({ name: "web" }));
    for (const name of ["sleep", "web"]) await rolledOut(mesh, name);
  });
  after(() => mesh?.stop());

  const callsWeb = async (inMesh: RunningMesh) => {
    const [sleep = ""] = await inMesh.pods("sleep-");
    const answer = await inMesh.ok(["exec", sleep, "--", "curl", "-s", "http://web:8080/"]);
    assert.match(answer, /^iKubernetes demoapp v1\.0/);
  };

  const nothingIsLeft = (before: Footprint) => {
    assert.ok(before.processes.length > 8, "it was something");
    assert.ok(before.namespaces.length >= 13, "node, gateways and pods had namespaces");
    assert.deepEqual(leftOf(before), []);
    assert.deepEqual(mountsIn(mesh.home), []);
  };

  test("a second `up` says that it runs already; the first goes on", async () => {
    const second = await mesh.lateen("up");
    assert.equal(second.code, 1);
    assert.match(
      second.stderr,
      new RegExp(`mesh "${mesh.name}" is running already, as process ${mesh.supervisorPid}`),
    );
    assert.match(second.stderr, /lateen down.*--mesh NAME/);
    await callsWeb(mesh);
  });

  test("two meshes run side by side, and the end of one leaves the other alone", async () => {
    const other = await RunningMesh.start([], "b");
    try {
      assert.notEqual(other.ingress, mesh.ingress);
      assert.equal((await other.pods("web-")).length, 0, "the other mesh's pods are not here");
      await other.ok("label namespace default istio-injection=enabled");
      await other.ok("apply -f samples/demoapp/sleep.yaml");
      await other.ok("apply -f -", demoapp({ name: "web" }));
      for (const name of ["sleep", "web"]) await rolledOut(other, name);
      await callsWeb(other);
      await callsWeb(mesh);
      const before = footprint(other);
      assert.equal(await other.ok("down"), `mesh "${other.name}" is down\n`);
      nothingIsLeft(before);
      assert.deepEqual(mountsIn(other.home), []);
    } finally {
      await other.stop();
    }
    await callsWeb(mesh);
  });

  test("after a crash the other commands say what has died and what to do", async () => {
    const before = footprint(mesh);
    await mesh.crash();
    assert.notDeepEqual(leftOf(before), [], "pods outlive their supervisor");
    const get = await mesh.lateen("get pods");
    assert.equal(get.code, 1);
    const died = new RegExp(
      `mesh "${mesh.name}" is not running: its process \\d+ has died\n` +
        `.*'lateen up --mesh ${mesh.name}'.*'lateen down --mesh ${mesh.name}'`,
    );
    assert.match(get.stderr, died);
  });

  test("`up` cleans up what the crash has left and brings everything back", async () => {
    await mesh.startAgain();
    for (const name of ["sleep", "web"]) await rolledOut(mesh, name);
    await callsWeb(mesh);
  });

  test("`down` cleans up after a crash", async () => {
    const before = footprint(mesh);
    await mesh.crash();
    const down = await mesh.ok("down");
    assert.match(down, /^cleaned up \d+ processes of a mesh that crashed\n$/);
    nothingIsLeft(before);
    assert.equal(await mesh.ok("down"), `mesh "${mesh.name}" is not running\n`);
  });

  test("Ctrl-C while it starts leaves nothing", async () => {
    const child = mesh.spawn("up");
    let output = "";
    const ended = new Promise<number | null>(done => child.once("exit", done));
    const begun = new Promise<void>(done => {
      child.stdout?.on("data", (chunk: Buffer) => {
        output += chunk.toString("utf8");
        if (output.includes("control plane:")) done();
      });
    });
    await Promise.race([begun, ended]);
    const before = footprint(mesh);
    child.kill("SIGINT");
    assert.notEqual(await ended, 0, "it did not come up");
    assert.doesNotMatch(output, /mesh is ready/);
    assert.ok(before.namespaces.length > 0);
    assert.deepEqual(leftOf({ ...before, prefix: "none" }), []);
  });

  test("a second Ctrl-C ends it at once, and leaves nothing either", async () => {
    const deaf = await RunningMesh.start([], "d");
    try {
      await deaf.ok("apply -f -", demoapp({ name: "deaf", command: ["sh", "-c", DEAF] }));
      await deaf.until("it runs", async () => / Running /.test(await deaf.ok("get pods")));
      const before = footprint(deaf);
      process.kill(deaf.supervisorPid, "SIGINT");
      await deaf.until("it ends", async () => deaf.output.includes("Ctrl-C again"));
      // Two at nearly the same time are one: npm and the terminal both send it.
      await new Promise(done => setTimeout(done, 1100));
      process.kill(deaf.supervisorPid, "SIGINT");
      await deaf.until("it says so", async () => /ended at once: \d+ processes/.test(deaf.output));
      await deaf.until("nothing is left", async () => leftOf(before).length === 0);
      assert.equal(await deaf.ok("down"), `mesh "${deaf.name}" is not running\n`);
    } finally {
      await deaf.stop();
    }
  });

  test("a home that can not be one is told, at once", async () => {
    for (const home of ["/proc", "/dev/null"]) {
      const ran = await runUp(home);
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, /^.*the mesh can not keep its files in .*\n.*set LATEEN_HOME/);
    }
  });
});

/** `lateen up` with a home of its own, to its end. */
function runUp(home: string): Promise<{ code: number | null; stderr: string }> {
  const env = { ...process.env, LATEEN_HOME: home };
  const child = spawn(process.execPath, [program, "up", "--mesh", "nowhere"], { env });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("utf8");
  });
  return new Promise(done => child.once("exit", code => done({ code, stderr })));
}
