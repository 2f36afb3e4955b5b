import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { podKind } from "../api/pod/kind.ts";
import { kubernetesBackOff, RunningContainer } from "./container.ts";
import { LogFile } from "./log-file.ts";
import { ProcessRecord } from "./process-record.ts";

const ARGV = ["node", "/opt/lateen/samples/stand-ins/httpbin.mjs"];

/** A container that can not be launched, as its sandbox is gone, and is tried again and again. */
async function told(t: TestContext, standIn: boolean): Promise<readonly string[]> {
  const directory = mkdtempSync(join(tmpdir(), "lateen-container-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const decoded = podKind.decode({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default", uid: "u1" },
    spec: { containers: [{ name: "app", image: "mccutchen/go-httpbin:v2" }] },
  });
  assert.ok(decoded.ok);
  const [spec] = decoded.value.spec.containers;
  assert.ok(spec !== undefined);
  const clock = new FakeClock();
  const said: string[] = [];
  const container = new RunningContainer({
    spec,
    podKey: "default/web",
    podUid: "u1",
    restartPolicy: "Always",
    record: new ProcessRecord(join(directory, "processes.jsonl"), "test"),
    clock,
    log: new LogFile(join(directory, "logs")),
    backOff: kubernetesBackOff,
    sandboxPid: () => {
      throw new Error("the sandbox is gone");
    },
    command: () => {
      const user = { uid: 0, gid: 0, capabilities: [], noNewPrivileges: false };
      const command = { argv: ARGV, env: {}, workingDir: "/", user };
      return { ok: true, standIn, command } as never;
    },
    onChange: () => {},
    explain: () => undefined,
    tell: (type, reason, message) => void said.push(`${type} ${reason} ${message}`),
  });
  await container.start();
  await container.start();
  return said;
}

test("an image that something stands in for says so, once", async t => {
  const [first, ...more] = await told(t, true);
  assert.equal(
    first,
    "Normal StandIn Images are not run in a local mesh: /opt/lateen/samples/stand-ins/httpbin.mjs " +
      "answers in place of mccutchen/go-httpbin:v2",
  );
  assert.equal(more.filter(each => each.includes("StandIn")).length, 0);
  const own = await told(t, false);
  assert.ok(own.every(each => !each.includes("StandIn")) && own.length === 2, own.join("\n"));
});
