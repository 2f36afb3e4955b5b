/** What an interrupted `npm run setup` leaves is nothing that the next one trips over. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../../../..");

test("an installation that was interrupted is begun anew, whatever the lock file says then", t => {
  const home = mkdtempSync(join(tmpdir(), "lateen-setup-"));
  t.after(() => rmSync(home, { recursive: true }));
  for (const folder of ["scripts", "bin", "node_modules", "packages/envoy-api"])
    mkdirSync(join(home, folder), { recursive: true });
  copyFileSync(join(root, "scripts/start.mjs"), join(home, "scripts/start.mjs"));
  writeFileSync(join(home, "packages/envoy-api/generate.mjs"), "");
  const npm = join(home, "bin/npm");
  // As npm ci does, it counts, and removes a part of what is there before it is killed.
  writeFileSync(npm, '#!/bin/sh\necho run >> "$COUNT"\n[ ! -e "$FAIL" ] || kill -9 $$\n');
  chmodSync(npm, 0o755);
  const lock = join(home, "package-lock.json");
  const count = join(home, "count");
  const fail = join(home, "fail");
  const setup = (): number | null => {
    const PATH = `${dirname(npm)}:${process.env["PATH"]}`;
    const env = { ...process.env, PATH, COUNT: count, FAIL: fail };
    const command = [join(home, "scripts/start.mjs"), "setup"];
    return spawnSync(process.execPath, command, { env, stdio: "ignore" }).status;
  };
  const runs = (): number => readFileSync(count, "utf8").split("\n").length - 1;
  writeFileSync(lock, "one");
  assert.equal(setup(), 0);
  assert.equal(setup(), 0);
  assert.equal(runs(), 1, "nothing to be done the second time");
  writeFileSync(lock, "two");
  writeFileSync(fail, "");
  assert.notEqual(setup(), 0);
  rmSync(fail);
  writeFileSync(lock, "one");
  assert.equal(setup(), 0);
  assert.equal(runs(), 3, "what was there for the first one is not any more");
});

test("what a killed generation has left beside gen/ goes; that of one that runs stays", t => {
  const api = join(root, "packages/envoy-api");
  const left = [join(api, "gen.new-99999999"), join(api, "gen.new-99999998.old")];
  const running = join(api, `gen.new-${process.pid}`);
  t.after(() => rmSync(running, { recursive: true, force: true }));
  for (const folder of [...left, running]) mkdirSync(join(folder, "src"), { recursive: true });
  const ran = spawnSync(process.execPath, [join(api, "generate.mjs")], { encoding: "utf8" });
  assert.equal(ran.status, 0, ran.stderr);
  assert.deepEqual(
    [...left, running].map(folder => existsSync(folder)),
    [false, false, true],
  );
});
