import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { isAlive, startTimeIn, startTimeOf } from "./proc.ts";

test("a process is alive until it has ended", async () => {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  await once(child, "spawn");
  const id = { pid: child.pid ?? 0, startTime: startTimeOf(child.pid ?? 0) ?? "" };
  assert.equal(isAlive(id), true);
  assert.equal(isAlive({ ...id, startTime: "1" }), false, "another one with its number");
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal(isAlive(id), false);
});

test("a zombie is no live process, but one of whose threads some still run is", () => {
  const stat = (state: string, threads: number): string =>
    `779 (a ) Z (b) ${state} 738 735 14865 0 -1 4227148 355 0 1 0 0 0 0 0 20 0 ${threads} 0 3489771 0 0`;
  assert.equal(startTimeIn(stat("S", 1)), "3489771");
  assert.equal(startTimeIn(stat("S", 12)), "3489771");
  assert.equal(startTimeIn(stat("Z", 1)), undefined);
  assert.equal(startTimeIn(stat("Z", 2)), "3489771");
  assert.equal(startTimeIn(stat("X", 0)), undefined);
});
