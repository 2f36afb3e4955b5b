import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

/** In a process of its own: flags of V8 are for good. */
const PROGRAM = `
const { boundYoungGeneration, halfBytes } = await import(process.argv[1]);
const { releaseMemory } = await import(process.argv[2]);
const kept = [];
const load = () => {
  for (let i = 0; i < 10_000; i++) kept.push(new Array(1024).fill(i));
  return halfBytes();
};
boundYoungGeneration();
const found = [halfBytes(), load()];
releaseMemory();
found.push(halfBytes(), load());
console.log(JSON.stringify(found));
`;

test("the young generation has two halves of 4 MB, and keeps them whatever is allocated and given back", () => {
  const modules = ["young-generation.ts", "release-memory.ts"];
  const paths = modules.map(name => join(import.meta.dirname, name));
  const args = ["--input-type=module", "--eval", PROGRAM, ...paths];
  const text = execFileSync(process.execPath, args, { encoding: "utf8" });
  const halves: unknown = JSON.parse(text);
  assert.ok(Array.isArray(halves) && halves.length === 4);
  for (const half of halves) {
    // Less what its pages say of themselves.
    assert.ok(half <= 4 * 1024 * 1024 && half > 4 * 1024 * 1024 - 1024, text);
  }
});
