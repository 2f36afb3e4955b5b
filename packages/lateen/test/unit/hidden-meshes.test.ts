/** Meshes of this machine are root's; who is not root can still ask a cluster, and this program. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const program = join(import.meta.dirname, "../../bin/lateen.mjs");
const NOBODY = 65_534;
const skip = process.getuid?.() === 0 ? false : "only root can become somebody else";

test("a folder of meshes that is not for this user", { skip }, () => {
  const home = mkdtempSync(join(tmpdir(), "lateen-hidden-"));
  chmodSync(home, 0o700);
  const run = (word: string): { code: number | null; out: string; err: string } => {
    const env = { PATH: process.env["PATH"], HOME: "/nonexistent", LATEEN_HOME: home };
    const ran = spawnSync(process.execPath, [program, ...word.split(" ")], {
      env,
      uid: NOBODY,
      gid: NOBODY,
      encoding: "utf8",
    });
    return { code: ran.status, out: ran.stdout, err: ran.stderr };
  };
  try {
    const version = run("version");
    assert.equal(version.code, 0, version.err);
    assert.match(version.out, /not for this user to read\n\d+\.\d+\.\d+\n$/);
    assert.match(run("--version").out, /^\d+\.\d+\.\d+\n$/);
    const get = run("get pods");
    assert.equal(get.code, 1);
    assert.match(get.err, /local meshes are root's: run it with sudo/);
    assert.doesNotMatch(get.err, / {4}at /);
  } finally {
    rmSync(home, { recursive: true });
  }
});
