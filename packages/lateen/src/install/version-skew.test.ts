import assert from "node:assert/strict";
import { test } from "node:test";
import { skewOf, skewWarning } from "./version-skew.ts";

test("how far it is from one version to another", () => {
  const kinds = (...pairs: readonly (readonly [string, string])[]): string[] =>
    pairs.map(([from, to]) => skewOf(from, to));
  assert.deepEqual(
    kinds(
      ["0.1.0", "0.1.0"],
      ["0.1.0", "0.1.1"],
      ["v0.1.9", "0.2.0"],
      ["0.1", "0.3.0"],
      ["0.9.0", "1.0.0"],
      ["0.2.0", "0.1.9"],
      ["0.1.0-rc.1", "0.1.0"],
      ["latest", "0.1.0"],
      ["0.1.0", ""],
    ),
    ["same", "upgrade", "upgrade", "leap", "leap", "downgrade", "upgrade", "unknown", "unknown"],
  );
});

test("only what needs thought is warned of", () => {
  assert.equal(skewWarning("0.1.0", "0.2.0"), undefined);
  assert.match(skewWarning("0.1.0", "0.3.0") ?? "", /more than one minor version/);
  assert.match(skewWarning("0.3.0", "0.1.0") ?? "", /newer than this program/);
});
