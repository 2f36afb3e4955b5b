/** What is made of the Helm charts is what the installer renders now, and nothing else lies there. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CHARTS, chartFiles } from "../../../../scripts/charts/all.ts";

const folder = join(import.meta.dirname, "../../../..", CHARTS);
const HOW = "make it anew: npm run charts";

test("the charts are those of the installer", () => {
  for (const [path, text] of chartFiles())
    assert.ok(readFileSync(join(folder, path), "utf8") === text, `${path}: ${HOW}`);
});

test("no file that was made once is left", () => {
  const made = new Set(chartFiles().keys());
  for (const path of globSync("**/*.{yaml,tpl,txt}", { cwd: folder })) {
    const text = readFileSync(join(folder, path), "utf8");
    if (text.includes("Made by `npm run charts`")) assert.ok(made.has(path), `${path}: delete it`);
  }
});
