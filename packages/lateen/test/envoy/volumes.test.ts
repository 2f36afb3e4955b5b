/** Volumes of pods, mounted: what a container then has at each path. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { JsonObject } from "../../src/api/kind.ts";
import { podKind } from "../../src/api/pod/kind.ts";
import { runCommand } from "../../src/local/command.ts";
import { RunningPod } from "../../src/local/pod.ts";
import { execCommand } from "../../src/local/pod-processes.ts";
import { needsRoot, type PodMesh, startPodMesh } from "../support/pod-mesh.ts";

describe("volumes", { skip: needsRoot() }, () => {
  let mesh: PodMesh;
  let host = "";
  const pods: RunningPod[] = [];
  before(async () => {
    mesh = await startPodMesh();
    host = mkdtempSync(join(tmpdir(), "lateen it's $(a) volume-"));
    mkdirSync(join(host, "deep"));
    writeFileSync(join(host, "deep/file"), "of the machine");
    symlinkSync("deep", join(host, "link"));
  });
  after(async () => {
    await Promise.all(pods.map(pod => pod.terminate(0)));
    await mesh.stop();
    rmSync(host, { recursive: true });
  });

  async function run(
    name: string,
    mounts: readonly (readonly [volume: string, path: string, more?: JsonObject])[],
    context: Partial<PodMesh["context"]> = {},
  ): Promise<RunningPod> {
    const volumeMounts = mounts.map(([volume, mountPath, more = {}]) => ({
      name: volume,
      mountPath,
      ...more,
    }));
    const decoded = podKind.decode({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default", uid: `uid-${name}-${process.pid}` },
      spec: {
        nodeName: "node",
        containers: [{ name: "app", image: "app", command: ["sleep", "infinity"], volumeMounts }],
        volumes: [
          { name: "empty", emptyDir: {} },
          { name: "other", emptyDir: {} },
          { name: "words", configMap: { name: "words" } },
          { name: "host", hostPath: { path: host } },
        ],
      },
    });
    assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
    const pod = new RunningPod(decoded.value, { ...mesh.context, ...context }, () => {});
    pods.push(pod);
    await pod.start();
    assert.match(JSON.stringify(pod.status()), /"phase":"Running"/, JSON.stringify(mesh.events));
    return pod;
  }

  async function shell(name: string, script: string): Promise<string> {
    const pod = { namespace: "default", name };
    const found = await execCommand(mesh.context.stateDir, pod, "app", ["sh", "-c", script]);
    assert.ok(found.ok, JSON.stringify(found.diagnostics));
    const { file, args, env } = found.value;
    const { stdout, stderr, code } = await runCommand(file, args, { env });
    return `${stdout}${stderr}exit ${code}`;
  }

  test("at new folders: of the root, deep, in one another, with any name", async () => {
    const odd = "/it's $(reboot) `id`/-rf\n;#\\ *";
    await run("new", [
      ["words", "/data-of-lateen/config"],
      ["empty", "/data-of-lateen"],
      ["other", odd],
      ["host", "/etc/lateen a,b/c_d"],
      ["words", "/etc/lateen-2/x/y/z", { readOnly: true }],
      ["words", "/etc/lateen-3/greeting", { subPath: "greeting" }],
      ["empty", "/srv/sub", { subPath: "made/for it" }],
    ]);
    assert.equal(await shell("new", "cat /data-of-lateen/config/greeting"), "helloexit 0");
    assert.equal(
      await shell("new", "echo x > /data-of-lateen/x; ls /data-of-lateen"),
      "config\nmade\nx\nexit 0",
    );
    assert.equal(
      await shell("new", `cd '${odd.replaceAll("'", "'\\''")}' && echo x > y && cat y`),
      "x\nexit 0",
    );
    assert.equal(await shell("new", "cat '/etc/lateen a,b/c_d/link/file'"), "of the machineexit 0");
    assert.match(
      await shell("new", "cat /etc/lateen-2/x/y/z/greeting; : > /etc/lateen-2/x/y/z/a"),
      /^hello.*Read-only.*exit [1-9]/s,
    );
    assert.equal(await shell("new", "cat /etc/lateen-3/greeting"), "helloexit 0");
    assert.equal(
      await shell("new", "echo x > '/data-of-lateen/made/for it/y'; cat /srv/sub/y"),
      "x\nexit 0",
    );
    assert.equal(
      await shell("new", "cat /etc/passwd | grep -c ^root:; stat -c %a /etc /tmp /srv"),
      "1\n755\n1777\n755\nexit 0",
    );
    assert.match(await shell("new", "cat /etc/hosts"), /\tnew\n/);
    for (const path of ["/data-of-lateen", "/it's $(reboot) `id`", "/etc/lateen-2", "/srv/sub"])
      assert.equal(existsSync(path), false, `${path} is on the machine`);
  });

  test("over what Lateen itself needs: /tmp, /run, the folder it is in", async () => {
    const checkout = mkdtempSync(join(tmpdir(), "lateen a checkout-"));
    writeFileSync(join(checkout, "program"), "is here");
    try {
      await run(
        "over",
        [
          ["empty", "/tmp"],
          ["other", "/var/run"],
          ["words", "/run/words"],
        ],
        { home: checkout },
      );
      assert.equal(await shell("over", "node -p 1+1"), "2\nexit 0");
      assert.equal(await shell("over", `cat '${checkout}/program'`), "is hereexit 0");
      assert.equal(
        await shell("over", "cat /run/words/greeting; touch /tmp/x /var/run/y; ls /run"),
        "hellolateen\nwords\ny\nexit 0",
      );
    } finally {
      rmSync(checkout, { recursive: true });
    }
  });
});
