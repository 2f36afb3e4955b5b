import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanPath } from "./clean-path.ts";

test("paths are cleaned as Go's path.Clean does, and keep a slash at the end", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["/", "/"],
    ["//", "/"],
    ["//version", "/version"],
    ["/debug//syncz", "/debug/syncz"],
    ["/debug/syncz", "/debug/syncz"],
    ["/debug/", "/debug/"],
    ["//debug//", "/debug/"],
    ["/debug/./syncz", "/debug/syncz"],
    ["/debug/../version", "/version"],
    ["/../../version", "/version"],
    ["/..", "/"],
    ["/a/b/..", "/a"],
    ["///evil.example/%2e%2e//x", "/evil.example/%2e%2e/x"],
  ];
  for (const [given, cleaned] of cases) assert.equal(cleanPath(given), cleaned, given);
  for (const [, cleaned] of cases) assert.equal(cleanPath(cleaned), cleaned);
});
