import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { LogFile } from "./log-file.ts";

const BYTES = 11 << 20;

function longLog(t: TestContext): { directory: string; log: LogFile } {
  const directory = mkdtempSync(join(tmpdir(), "lateen-log-"));
  const log = new LogFile(directory);
  t.after(() => {
    log.close();
    rmSync(directory, { recursive: true });
  });
  writeSync(log.open(0, 0), Buffer.alloc(BYTES));
  return { directory, log };
}

test("a long log is cut, and what was before is kept once", t => {
  const { directory, log } = longLog(t);
  log.rotate();
  assert.equal(statSync(join(directory, "0.log")).size, 0);
  assert.equal(statSync(join(directory, "0.log.1")).size, BYTES);
});

test("where what was before can not be kept, the log is cut all the same", t => {
  const { directory, log } = longLog(t);
  mkdirSync(join(directory, "0.log.1"));
  log.rotate();
  assert.equal(statSync(join(directory, "0.log")).size, 0);
});
