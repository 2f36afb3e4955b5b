import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../../../..");
const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");

test("every invariant names tests, and they are there", () => {
  const invariants = text.split(/^## Invariants$/m)[1]?.split(/^## /m)[0] ?? "";
  const items = invariants.split(/^\d+\. /m).slice(1);
  assert.equal(items.length, 9);
  for (const item of items) {
    const named = [...item.matchAll(/`((?:src|test)\/[^`]+\.test\.ts|scripts\/[^`]+\.ts)`/g)];
    assert.ok(named.length > 0, item);
    for (const [, path = ""] of named)
      assert.ok(existsSync(join(root, path.startsWith("scripts/") ? "" : "packages/lateen", path)));
  }
});

test("the code map has every folder, and no other", () => {
  const source = join(root, "packages/lateen/src");
  const folders = readdirSync(source, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name);
  const mapped = [...text.matchAll(/^\| `(\w+)\/` \|/gm)].map(match => match[1] ?? "");
  assert.deepEqual(mapped.sort(), folders.sort());
});
