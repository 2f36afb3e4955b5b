import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLog } from "../base/log.ts";
import { ControlPlaneProcess } from "./control-plane-process.ts";

function options(stateDir: string) {
  return {
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
  };
}

test("one that can not be started at all is tried again, and can be stopped", async t => {
  const stateDir = mkdtempSync(join(tmpdir(), "lateen-control-plane-"));
  const { execPath } = process;
  t.after(() => {
    process.execPath = execPath;
    rmSync(stateDir, { recursive: true });
  });
  // As while an update exchanges the program.
  process.execPath = join(stateDir, "node");
  const controlPlane = new ControlPlaneProcess(options(stateDir));
  controlPlane.start();
  while (controlPlane.ends < 2) await new Promise(done => setTimeout(done, 10));
  await controlPlane.stop();
  assert.equal(controlPlane.pid, undefined);
});

test("its log is cut when it is long, what was before is kept once, and who appends goes on", t => {
  const stateDir = mkdtempSync(join(tmpdir(), "lateen-control-plane-"));
  t.after(() => rmSync(stateDir, { recursive: true }));
  const controlPlane = new ControlPlaneProcess(options(stateDir));
  const { logFile } = options(stateDir);
  controlPlane.rotateLog(10);
  const output = openSync(logFile, "a");
  t.after(() => closeSync(output));
  writeSync(output, "first, and long\n");
  controlPlane.rotateLog(100);
  assert.equal(readFileSync(logFile, "utf8"), "first, and long\n");
  controlPlane.rotateLog(10);
  writeSync(output, "second\n");
  assert.equal(readFileSync(logFile, "utf8"), "second\n");
  assert.equal(readFileSync(`${logFile}.1`, "utf8"), "first, and long\n");
});
