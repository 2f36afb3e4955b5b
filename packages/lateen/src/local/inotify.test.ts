import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ensureInotifyInstances } from "./inotify.ts";

test("a limit that is too low for many Envoys is raised, a higher one is left", t => {
  const folder = mkdtempSync(join(tmpdir(), "lateen-inotify-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "max_user_instances");
  writeFileSync(file, "128\n");
  assert.deepEqual(ensureInotifyInstances(file), { kind: "raised", from: 128, to: 8192 });
  assert.equal(readFileSync(file, "utf8"), "8192\n");
  assert.deepEqual(ensureInotifyInstances(file), { kind: "enough" });
  writeFileSync(file, "100000\n");
  assert.deepEqual(ensureInotifyInstances(file), { kind: "enough" });
  assert.equal(readFileSync(file, "utf8"), "100000\n");
});

test("a kernel without the limit has enough", () => {
  assert.deepEqual(ensureInotifyInstances("/nowhere/max_user_instances"), { kind: "enough" });
});
