/** What the test bed's programs are kept in: damage is noticed, whatever it is. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { isWhole, seal } from "../../../../scripts/kube/whole-folder.ts";

const FILES = ["one", "two"];

test("a sealed folder is whole until something in it is not as it was", async t => {
  const folder = mkdtempSync(join(tmpdir(), "lateen-whole-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const fill = (): void => {
    for (const file of FILES) writeFileSync(join(folder, file), `content of ${file}`);
  };
  const damages: readonly (readonly [string, () => void])[] = [
    ["shorter", () => truncateSync(join(folder, "two"), 3)],
    ["changed", () => writeFileSync(join(folder, "one"), "content of 0ne")],
    ["empty", () => writeFileSync(join(folder, "one"), "")],
    ["gone", () => rmSync(join(folder, "two"))],
    ["no manifest", () => rmSync(join(folder, "manifest.json"))],
    ["half a manifest", () => truncateSync(join(folder, "manifest.json"), 10)],
    ["no object as manifest", () => writeFileSync(join(folder, "manifest.json"), "null")],
  ];
  assert.equal(await isWhole(folder, FILES), false);
  for (const [what, damage] of damages) {
    fill();
    await seal(folder, FILES);
    assert.equal(await isWhole(folder, FILES), true);
    damage();
    assert.equal(await isWhole(folder, FILES), false, what);
  }
  assert.equal(await isWhole(join(folder, "none"), FILES), false);
});
