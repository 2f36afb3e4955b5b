/**
 * A local mesh is brought from an earlier version to this one and back, under load: the control plane
 * first, under pods that were started before, then everything. No request fails, pods of either version
 * come up under the control plane of the other, and their metrics have the same names and labels.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { demoapp, rolledOut } from "../support/demoapp.ts";
import { CALL_ECHO, ECHO } from "../support/echo.ts";
import { assertNoLoss, type LoadRun, startLoad, underLoad } from "../support/load-run.ts";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";
import { TwoVersions, type Version, whyNoEarlier } from "../support/two-versions.ts";

const skip = whyNoMesh() ?? whyNoEarlier() ?? false;
const LOAD_SECONDS = 5;

describe("from version to version", { skip, timeout: 900_000 }, () => {
  let versions: TwoVersions;
  let mesh: RunningMesh;

  before(async () => {
    versions = TwoVersions.make("earlier");
    mesh = await RunningMesh.start([], "", versions.program);
    await mesh.ok("label namespace default istio-injection=enabled");
    await mesh.ok("apply -f samples/demoapp/sleep.yaml");
    await mesh.ok("apply -f -", demoapp({ name: "retried", replicas: 2 }));
    await mesh.ok("apply -f -", ECHO);
    for (const name of ["sleep", "retried", "echo"]) await rolledOut(mesh, name);
  });
  after(async () => {
    await mesh?.stop();
    versions?.remove();
  });

  /** The control plane ends, and the supervisor starts what is there by now. */
  const moveControlPlane = async (to: Version): Promise<void> => {
    const pid = mesh.controlPlanePid();
    assert.ok(pid !== undefined, "the control plane runs");
    versions.use(to);
    process.kill(pid, "SIGKILL");
    await mesh.until("another control plane", async () => {
      const next = mesh.controlPlanePid();
      return next !== undefined && next !== pid;
    });
    await mesh.synced();
  };

  const load = async (): Promise<LoadRun & { readonly sleep: string }> => {
    const [sleep = ""] = await mesh.pods("sleep-");
    return { sleep, ...(await startLoad(mesh, sleep, "http://retried:8080/", LOAD_SECONDS)) };
  };
  const noneLost = async (run: Awaited<ReturnType<typeof load>>): Promise<void> =>
    assertNoLoss(mesh, run.sleep, await run.end());

  /** Calls both services once, and waits until each has been counted; the series of both sides. */
  const series = async (): Promise<readonly string[]> => {
    const [sleep = ""] = await mesh.pods("sleep-");
    await mesh.ok(["exec", sleep, "--", "curl", "-sf", "http://retried:8080/"]);
    await mesh.ok(["exec", sleep, "--", "node", "-e", CALL_ECHO]);
    let found: readonly string[] = [];
    await mesh.until("the metrics of both protocols", async () => {
      const [echo = ""] = await mesh.pods("echo-");
      const pages = [await metrics(sleep), await metrics(echo)];
      found = pages.flatMap(page => seriesIn(page));
      const names = ["istio_requests_total", ...TCP].map(name => `${name}{`);
      return names.every(name => found.some(each => each.startsWith(name)));
    });
    return found;
  };
  const metrics = (pod: string): Promise<string> =>
    mesh.ok(["exec", pod, "--", "curl", "-sf", "http://127.0.0.1:15020/stats/prometheus"]);

  let expected: readonly string[] = [];

  test("the control plane of this version serves pods of the earlier one, and their like", async () => {
    expected = await series();
    const run = await load();
    await underLoad("another control plane", [run], () => moveControlPlane("present"));
    await noneLost(run);
    await mesh.ok("apply -f -", demoapp({ name: "later", replicas: 1 }));
    await rolledOut(mesh, "later");
    assert.deepEqual(await series(), expected);
  });

  test("back to the earlier control plane: nothing is lost", async () => {
    const run = await load();
    await underLoad("another control plane", [run], () => moveControlPlane("earlier"));
    await noneLost(run);
    assert.deepEqual(await series(), expected);
  });

  test("all of this version, from what the earlier one has kept", async () => {
    await mesh.end();
    versions.use("present");
    await mesh.startAgain();
    for (const name of ["sleep", "retried", "echo", "later"]) await rolledOut(mesh, name);
    assert.deepEqual(await series(), expected);
  });

  test("pods of this version under the earlier control plane, and new ones", async () => {
    const run = await load();
    await underLoad("another control plane", [run], () => moveControlPlane("earlier"));
    await noneLost(run);
    await mesh.ok("apply -f -", demoapp({ name: "last", replicas: 1 }));
    await rolledOut(mesh, "last");
    assert.deepEqual(await series(), expected);
  });

  test("all of the earlier version, from what this one has kept", async () => {
    await mesh.end();
    await mesh.startAgain();
    for (const name of ["sleep", "retried", "echo", "later", "last"]) await rolledOut(mesh, name);
    assert.deepEqual(await series(), expected);
  });
});

const TCP = ["opened", "closed"].map(what => `istio_tcp_connections_${what}_total`);
const COUNTED = [
  ...["istio_requests_total", ...TCP],
  ...["istio_tcp_sent_bytes_total", "istio_tcp_received_bytes_total"],
];

/** Istio's own counters, without values, without what is of one pod, each once. */
function seriesIn(page: string): readonly string[] {
  const lines = page
    .split("\n")
    .filter(line => COUNTED.some(name => line.startsWith(`${name}{`)))
    .map(line => line.replace(/\} .*$/, "}"));
  return [...new Set(lines)].sort();
}
