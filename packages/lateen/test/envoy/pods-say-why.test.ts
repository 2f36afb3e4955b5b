/** Pods that can not start, or do not serve: their status and their Events say why, in the kubelet's words. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { configMapKind } from "../../src/api/config-map/kind.ts";
import { eventKind } from "../../src/api/event/kind.ts";
import type { JsonObject } from "../../src/api/kind.ts";
import { readyText, statusText } from "../../src/api/pod/columns.ts";
import { podKind } from "../../src/api/pod/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { eventually } from "../support/envoy-process.ts";
import { type LocalMesh, startLocalMesh } from "../support/local-mesh.ts";
import { needsRoot } from "../support/pod-mesh.ts";

const skip = needsRoot();
const SLEEP = ["sleep", "infinity"];

describe("why a pod is not what it should be", { skip }, () => {
  let mesh: LocalMesh;
  before(async () => {
    mesh = await startLocalMesh();
  });
  after(() => mesh?.stop());

  async function apply(name: string, container: JsonObject, spec: JsonObject = {}, inject = false) {
    const created = await mesh.client.create(podKind, "default", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default", labels: { "sidecar.istio.io/inject": `${inject}` } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: "app", image: "app:1", ...container }],
        ...spec,
      },
    });
    assert.ok(created.ok, JSON.stringify(created));
  }

  async function shown(name: string): Promise<string> {
    const found = await mesh.client.get(podKind, "default", name);
    assert.ok(found.ok);
    return `${readyText(found.value)} ${statusText(found.value)}`;
  }

  async function events(name: string): Promise<string[]> {
    const listed = await mesh.client.list(eventKind, { namespace: "default" });
    assert.ok(listed.ok);
    return listed.value.items
      .filter(event => stringAt(objectAt(event, "involvedObject"), "name") === name)
      .map(
        event =>
          `${stringAt(event, "type")} ${stringAt(event, "reason")} ${stringAt(event, "message")}`,
      );
  }

  async function says(name: string, status: RegExp, event: RegExp): Promise<void> {
    let seen = "";
    await eventually(`${name} says why`, async () => {
      seen = `${await shown(name)}\n${(await events(name)).join("\n")}`;
      return status.test(seen) && event.test(seen);
    }).catch((error: Error) => {
      throw new Error(`${error.message}; it says:\n${seen}`);
    });
  }

  test("a program that is not there", async () => {
    await apply("missing", { command: ["no-such-program"] });
    await says(
      "missing",
      /^0\/1 (StartError|CrashLoopBackOff)$/m,
      /^Warning Failed Error: unable to start container process: exec: "no-such-program": executable file not found in \$PATH$/m,
    );
    await says(
      "missing",
      /CrashLoopBackOff/,
      /^Warning BackOff Back-off restarting failed container app in pod missing_default\(/m,
    );
    const found = await mesh.client.get(podKind, "default", "missing");
    assert.ok(found.ok);
    const [status] = arrayAt(objectAt(found.value, "status"), "containerStatuses");
    const last = objectAt(objectAt(isObject(status) ? status : {}, "lastState"), "terminated");
    assert.deepEqual([last["reason"], last["exitCode"]], ["StartError", 128]);
  });

  test("what can not be run, where it can not be run, and a name with an equals sign", async () => {
    await apply("forbidden", { command: ["/etc/passwd"] });
    await says("forbidden", /StartError|CrashLoop/, /exec: "\/etc\/passwd": permission denied$/m);
    await apply("nowhere", { command: SLEEP, workingDir: "/no/such" });
    await says(
      "nowhere",
      /StartError|CrashLoop/,
      /chdir to cwd \("\/no\/such"\): no such file or directory$/m,
    );
    await apply("assigns", { command: ["A=b", "sleep", "infinity"] });
    await says("assigns", /^0\/1 (Error|StartError|CrashLoopBackOff)$/m, /Warning BackOff/m);
    await apply("nul", { command: ["sleep", "1\u00002"] });
    await says("nul", /^0\/1 RunContainerError$/m, /^Warning Failed Error: .*null bytes/m);
  });

  test("a crash, and a liveness probe that fails", async () => {
    await apply("crashes", { command: ["sh", "-c", "exit 3"] });
    await says("crashes", /^0\/1 CrashLoopBackOff$/m, /^Warning BackOff Back-off restarting/m);
    const livenessProbe = { exec: { command: ["false"] }, periodSeconds: 1, failureThreshold: 1 };
    await apply("unwell", { command: SLEEP, livenessProbe });
    await says(
      "unwell",
      /./,
      /^Warning Unhealthy Liveness probe failed: command false ended with exit code 1$/m,
    );
    await says(
      "unwell",
      /./,
      /^Normal Killing Container app failed liveness probe, will be restarted$/m,
    );
  });

  test("a readiness probe that never succeeds", async () => {
    const readinessProbe = { httpGet: { port: 4242, path: "/ready" }, periodSeconds: 1 };
    await apply("unready", { command: SLEEP, readinessProbe });
    await says(
      "unready",
      /^0\/1 Running$/m,
      /^Warning Unhealthy Readiness probe failed: Get "http:\/\/10\.[\d.]+:4242\/ready": dial tcp 10\.[\d.]+:4242: connect: connection refused$/m,
    );
  });

  test("what its configuration names is not there; then it comes", async () => {
    const from = { configMapKeyRef: { name: "later", key: "K" } };
    await apply("waits", { command: SLEEP, env: [{ name: "X", valueFrom: from }] });
    await says(
      "waits",
      /^0\/1 CreateContainerConfigError$/m,
      /^Warning Failed Error: configmap "later" not found$/m,
    );
    const volumes = [{ name: "v", configMap: { name: "later" } }];
    const volumeMounts = [{ name: "v", mountPath: "/data" }];
    await apply("mounts", { command: SLEEP, volumeMounts }, { volumes });
    await says(
      "mounts",
      /^0\/1 FailedMount$/m,
      /^Warning FailedMount MountVolume\.SetUp failed for volume "v" : configmap "later" not found$/m,
    );
    const data = { K: "v" };
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "later" }, data };
    assert.ok((await mesh.client.create(configMapKind, "default", object)).ok);
    for (const name of ["waits", "mounts"])
      await eventually(`${name} runs`, async () => (await shown(name)) === "1/1 Running");
    assert.equal(existsSync("/data"), false, "nothing is made on the machine");
  });

  test("a volume that can not be mounted", async () => {
    const volumes = [{ name: "v", hostPath: { path: "/no/such" } }];
    const volumeMounts = [{ name: "v", mountPath: "/data" }];
    await apply("host", { command: SLEEP, volumeMounts }, { volumes });
    await says(
      "host",
      /^0\/1 FailedMount$/m,
      /^Warning FailedMount volume v: hostPath \/no\/such does not exist on this machine$/m,
    );
  });

  test("a user that it must not be", async () => {
    await apply("root", { command: SLEEP }, { securityContext: { runAsNonRoot: true } });
    await says(
      "root",
      /^0\/1 CreateContainerConfigError$/m,
      /^Warning Failed Error: container has runAsNonRoot and image will run as root \(pod: "root_default\(.*\)", container: app\)$/m,
    );
  });

  test("an application on a port of Envoy's: the proxy is not ready, and says which", async () => {
    const listen = (port: number) => [
      "node",
      "-e",
      `require('net').createServer().listen(${port}); setInterval(() => 0, 1e6)`,
    ];
    for (const port of [15001, 15006, 15090]) {
      const name = `takes-${port}`;
      // A port of the bootstrap is bound before any program of ours could run: this one is there first.
      const container = { command: listen(port) };
      await apply(name, container, {}, true);
    }
    await says("takes-15090", /^[01]\/2 /m, /^Warning (Failed|BackOff|Unhealthy) /m);
    for (const port of [15001, 15006])
      await says(
        `takes-${port}`,
        /^1\/2 /m,
        new RegExp(
          `^Warning Unhealthy (Readiness|Startup) probe failed: port ${port} is Envoy's, and a process of this pod`,
          "m",
        ),
      );
  });
});
