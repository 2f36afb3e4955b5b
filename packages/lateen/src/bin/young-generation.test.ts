import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

/** In a process of its own: flags of V8 are for good. */
const PROGRAM = `
const { boundYoungGeneration, youngBytes } = await import(process.argv[1]);
boundYoungGeneration();
const bounded = youngBytes();
const kept = [];
for (let i = 0; i < 10_000; i++) kept.push(new Array(1024).fill(i));
console.log(JSON.stringify([bounded, youngBytes()]));
`;

test("the young generation has two halves of 4 MB, and keeps them whatever is allocated", () => {
  const module = join(import.meta.dirname, "young-generation.ts");
  const args = ["--input-type=module", "--eval", PROGRAM, module];
  const text = execFileSync(process.execPath, args, { encoding: "utf8" });
  assert.deepEqual(JSON.parse(text), [8 * 1024 * 1024, 8 * 1024 * 1024]);
});
