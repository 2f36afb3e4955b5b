import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Json, JsonObject } from "../api/kind.ts";
import { jsonPatch } from "../sources/kube-api/json-patch.ts";
import { diffJson } from "./json-patch.ts";

const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean());
const { json } = fc.letrec<{ json: Json }>(tie => ({
  json: fc.oneof(
    { depthSize: "small" },
    leaf,
    fc.array(tie("json"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom("name", "a/b", "c~d", "x", "0"), tie("json")),
  ),
}));
const object = fc.dictionary(fc.constantFrom("spec", "metadata", "a/b"), json);

function applied(before: JsonObject, after: JsonObject): JsonObject {
  const result = jsonPatch(before, JSON.parse(JSON.stringify(diffJson(before, after))));
  assert.ok(result.ok, result.ok ? "" : result.status.message);
  return result.value;
}

test("a difference, applied, gives what it was made for", () => {
  fc.assert(
    fc.property(object, object, (before, after) => {
      // fast-check's dictionaries have no prototype, JSON's objects do.
      const [from, to]: [JsonObject, JsonObject] = JSON.parse(JSON.stringify([before, after]));
      assert.deepEqual(applied(from, to), to);
    }),
  );
});

test("what did not change is not in it", () => {
  const before = { spec: { containers: [{ name: "a", image: "1" }, { name: "b" }], x: [1] } };
  const after = {
    spec: { containers: [{ name: "p" }, { name: "a", image: "2" }, { name: "b" }], x: [1] },
  };
  assert.deepEqual(diffJson(before, after), [
    { op: "add", path: "/spec/containers/0", value: { name: "p" } },
    { op: "replace", path: "/spec/containers/1/image", value: "2" },
  ]);
  assert.deepEqual(diffJson(after, after), []);
});
