import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLog } from "../base/log.ts";
import { ControlPlaneProcess } from "./control-plane-process.ts";

test("one that can not be started at all is tried again, and can be stopped", async t => {
  const stateDir = mkdtempSync(join(tmpdir(), "lateen-control-plane-"));
  const { execPath } = process;
  t.after(() => {
    process.execPath = execPath;
    rmSync(stateDir, { recursive: true });
  });
  // As while an update exchanges the program.
  process.execPath = join(stateDir, "node");
  const controlPlane = new ControlPlaneProcess({
    apiUrl: "https://127.0.0.1:1",
    tokenFile: "",
    caFile: "",
    plaintext: "127.0.0.1:0",
    tls: [],
    http: [],
    stateDir,
    logFile: join(stateDir, "log"),
    instance: "test",
    certificateLifetimeSeconds: undefined,
    env: {},
    log: silentLog,
  });
  controlPlane.start();
  while (controlPlane.ends < 2) await new Promise(done => setTimeout(done, 10));
  await controlPlane.stop();
  assert.equal(controlPlane.pid, undefined);
});
