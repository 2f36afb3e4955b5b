/**
 * Under load the control plane is killed, a Deployment is rolled and scaled down: no request fails,
 * with Istio's default retries and without any. What did not change is not sent again.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { demoapp, rolledOut } from "../support/demoapp.ts";
import { assertNoLoss, startLoad, underLoad } from "../support/load-run.ts";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";

const skip = whyNoMesh() ?? false;
const SECONDS = 30;

const NO_RETRIES = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: once}
spec:
  hosts: [once]
  http:
  - route: [{destination: {host: once}}]
    retries: {attempts: 0}
`;

interface StreamJson {
  readonly proxy: string;
  readonly bytesSent: number;
}

describe("leaving and coming back without loss", { skip }, () => {
  let mesh: RunningMesh;
  let sleep = "";

  before(async () => {
    mesh = await RunningMesh.start();
    await mesh.ok("label namespace default istio-injection=enabled");
    await mesh.ok("apply -f samples/demoapp/sleep.yaml");
    await mesh.ok("apply -f -", demoapp({ name: "retried", replicas: 3 }));
    await mesh.ok("apply -f -", demoapp({ name: "once", replicas: 3 }));
    await mesh.ok("apply -f -", NO_RETRIES);
    for (const name of ["sleep", "retried", "once"]) await rolledOut(mesh, name);
    [sleep = ""] = await mesh.pods("sleep-");
    await mesh.synced();
  });
  after(() => mesh?.stop());

  const admin = (pod: string, path: string) =>
    mesh.ok(["exec", pod, "-c", "istio-proxy", "--", "curl", "-s", `127.0.0.1:15000/${path}`]);

  const serial = async (pod: string) => {
    const table = await mesh.ok(`pc secret ${pod}`);
    const match = /^default +Cert Chain +ACTIVE +true +([0-9a-f]+) /m.exec(table);
    assert.ok(match, table);
    return match[1];
  };

  /** How often Envoy was given clusters, listeners, routes, endpoints and secrets. */
  const updates = async (pod: string) => {
    const stats = await admin(pod, "stats?filter=(cds|lds|rds.*|eds|sds.*)\\.update_success$");
    return stats
      .trimEnd()
      .split("\n")
      .filter(line => !line.includes("xds-grpc"))
      .sort();
  };

  const killControlPlane = async () => {
    const pid = mesh.controlPlanePid();
    assert.ok(pid !== undefined, "the control plane runs");
    process.kill(pid, "SIGKILL");
    await mesh.until("another control plane", async () => {
      const next = mesh.controlPlanePid();
      return next !== undefined && next !== pid;
    });
  };

  test("a crash of the control plane, a rollout and a scale-down lose no request", async () => {
    const loads = await Promise.all(
      ["retried", "once"].map(name => startLoad(mesh, sleep, `http://${name}:8080/`, SECONDS)),
    );
    const before = { updates: await updates(sleep), serial: await serial(sleep) };
    await underLoad("a crash", loads, async () => {
      await killControlPlane();
      await mesh.synced();
    });
    await nothingWasSent();
    assert.deepEqual(await updates(sleep), before.updates, "Envoy was given nothing");
    assert.equal(await serial(sleep), before.serial, "the certificate is the same");
    const annotations = { "test.lateen/restarted": "1" };
    const becomes = async (replicas: number): Promise<void> => {
      for (const name of ["retried", "once"])
        await mesh.ok("apply -f -", demoapp({ name, replicas, annotations }));
      for (const name of ["retried", "once"]) await rolledOut(mesh, name);
    };
    await underLoad("a rollout", loads, () => becomes(3));
    await underLoad("a scale-down", loads, () => becomes(1));
    for (const load of loads) {
      const report = await load.end();
      await assertNoLoss(mesh, sleep, report);
      assert.ok(report.sent >= SECONDS * 50);
      assert.ok(Object.keys(report.servers).length >= 4, "pods before and after the rollout");
    }
  });

  const nothingWasSent = async () => {
    const url = /control plane: (\S+)/.exec(mesh.output)?.[1];
    const answer = await fetch(`${url}/debug/connections`);
    const streams = (await answer.json()) as StreamJson[];
    assert.equal(streams.length, 9, "six servers, a client and two gateways");
    // A gateway without a listener can not say that it has none: it is told so again.
    for (const { proxy, bytesSent } of streams)
      assert.ok(bytesSent <= (/gateway/.test(proxy) ? 200 : 0), `${proxy}: ${bytesSent} bytes`);
  };

  test("a sidecar that starts without a control plane is not ready until there is one", async () => {
    const release = await holdControlPlaneDown();
    await mesh.ok("apply -f -", demoapp({ name: "late" }));
    await mesh.until("the pod runs", async () =>
      /late-\S+ +\d\/2 +Running /.test(await mesh.ok("get pods")),
    );
    const ps = await mesh.lateen("ps");
    assert.notEqual(ps.code, 0);
    assert.match(ps.stderr, /the control plane at \S+ does not answer/);
    assert.match(ps.stderr, /starts it again by itself; .* those that start are not ready/);
    const answer = await mesh.ok(["exec", sleep, "--", "curl", "-s", "http://once:8080/"]);
    assert.match(answer, /^iKubernetes demoapp v1\.0/, "those that have configuration go on");
    assert.match(await mesh.ok("get pods"), /late-\S+ +[01]\/2 +Running /);
    release();
    await rolledOut(mesh, "late");
    await mesh.synced();
    const [late = ""] = await mesh.pods("late-");
    assert.match(await mesh.ok("ps"), new RegExp(`^${late}\\.default .* \\(CDS,LDS,EDS`, "m"));
  });

  /** Kills it, and stops the next one before it serves; the returned function lets that one go on. */
  const holdControlPlaneDown = async (): Promise<() => void> => {
    for (let attempt = 0; attempt < 5; attempt++) {
      await killControlPlane();
      const pid = mesh.controlPlanePid() ?? 0;
      process.kill(pid, "SIGSTOP");
      const url = /control plane: (\S+)/.exec(mesh.output)?.[1];
      const answered = await fetch(`${url}/version`, { signal: AbortSignal.timeout(1000) }).then(
        () => true,
        (error: Error) => error.name === "TimeoutError",
      );
      if (!answered) return () => process.kill(pid, "SIGCONT");
    }
    throw new Error("the control plane listens before it can be stopped");
  };
});
