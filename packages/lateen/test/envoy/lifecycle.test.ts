/** Hooks, host aliases and read-only volumes of a pod, carried out by the local runtime. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { JsonObject } from "../../src/api/kind.ts";
import { podKind } from "../../src/api/pod/kind.ts";
import { RunningPod } from "../../src/local/pod.ts";
import { eventually } from "../support/envoy-process.ts";
import { needsRoot, type PodMesh, startPodMesh } from "../support/pod-mesh.ts";

const skip = needsRoot();

describe("a pod's life", { skip }, () => {
  let mesh: PodMesh;
  let said: string;
  before(async () => {
    mesh = await startPodMesh();
    said = mkdtempSync(join(tmpdir(), "lateen-hooks-"));
  });
  after(async () => {
    await mesh.stop();
    rmSync(said, { recursive: true, force: true });
  });

  async function run(name: string, container: JsonObject, spec: JsonObject = {}) {
    const decoded = podKind.decode({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default", uid: `uid-${name}-${process.pid}` },
      spec: { nodeName: "node", containers: [{ name: "app", image: "a", ...container }], ...spec },
    });
    assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
    const pod = new RunningPod(decoded.value, mesh.context, () => {});
    await pod.start();
    return pod;
  }

  const shell = (script: string) => ({ command: ["sh", "-c", script] });
  const lines = (name: string) => {
    const file = join(said, name);
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  };
  const isReady = (pod: RunningPod) =>
    JSON.stringify(pod.status()).includes('"type":"Ready","status":"True"');

  test("postStart comes before ready, preStop before SIGTERM, both with the container's view", async () => {
    const file = join(said, "hooks");
    const say = (word: string) => ({ exec: shell(`echo ${word} >> $OUT`) });
    const pod = await run("hooked", {
      ...shell("trap 'echo TERM >> $OUT; exit 0' TERM; while :; do sleep 0.05; done"),
      env: [{ name: "OUT", value: file }],
      lifecycle: {
        postStart: { exec: shell("sleep 0.5; echo started >> $OUT") },
        preStop: say("stopping"),
      },
    });
    assert.equal(isReady(pod), false);
    await eventually("it is ready", () => isReady(pod));
    assert.deepEqual(lines("hooks"), ["started"]);
    await pod.terminate(5000, false);
    assert.deepEqual(lines("hooks"), ["started", "stopping", "TERM"]);
  });

  test("a preStop that sleeps has the grace period, and no more", async () => {
    const lifecycle = { preStop: { sleep: { seconds: 60 } } };
    const pod = await run("slow", { command: ["sleep", "1000"], lifecycle });
    const begun = performance.now();
    await pod.terminate(600, false);
    assert.ok(performance.now() - begun >= 550);
    assert.match(JSON.stringify(pod.status()), /"exitCode":1(37|43)/);
  });

  test("a container whose postStart fails is started again", async () => {
    const lifecycle = { postStart: { exec: shell("exit 1") } };
    const pod = await run("failing", { command: ["sleep", "1000"], lifecycle });
    await eventually("a restart", () => /"restartCount":[1-9]/.test(JSON.stringify(pod.status())));
    assert.equal(isReady(pod), false);
    await pod.terminate(0);
  });

  test("host aliases are in /etc/hosts, and a volume mounted read-only can not be written", async () => {
    const file = join(said, "view");
    const script = `{ getent hosts one.test; touch /etc/lateen-ro/x 2>&1; } > ${file}; sleep 1000`;
    const pod = await run(
      "view",
      {
        ...shell(script),
        volumeMounts: [{ name: "v", mountPath: "/etc/lateen-ro", readOnly: true }],
      },
      {
        hostAliases: [{ ip: "192.0.2.7", hostnames: ["one.test"] }],
        volumes: [{ name: "v", configMap: { name: "words" } }],
      },
    );
    await eventually("it has looked", () => lines("view").length === 2);
    assert.match(lines("view")[0] ?? "", /^192\.0\.2\.7\s+one\.test$/);
    assert.match(lines("view")[1] ?? "", /Read-only file system/);
    await pod.terminate(0);
  });
});
