import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Json } from "../api/kind.ts";
import { readYaml } from "./yaml-documents.ts";

interface Row {
  readonly yaml: string;
  readonly json?: Json;
  readonly error?: string;
}

/** What Go's sigs.k8s.io/yaml v1.6.0 (YAMLToJSON) makes of each text, which is what kubectl reads. */
const rows: readonly Row[] = JSON.parse(
  readFileSync(join(import.meta.dirname, "testdata", "yaml-as-kubernetes.json"), "utf8"),
);

test("YAML is read as kubectl reads it", () => {
  for (const { yaml, json, error } of rows) {
    const { documents, problems } = readYaml(yaml);
    if (error === undefined) {
      assert.deepEqual(problems, [], yaml);
      assert.deepEqual(documents[0]?.value ?? null, json, yaml);
    } else assert.equal(problems.length, 1, `${yaml}: ${error}`);
  }
});

test("a key that is there twice is taken as kubectl takes it, and told", () => {
  const { documents, warnings } = readYaml("a: 1\nb:\n  c: 1\n  1: 2\n  c: 3\n  '1': 4\n");
  assert.deepEqual(documents[0]?.value, { a: 1, b: { c: 3, "1": 4 } });
  assert.deepEqual(
    warnings.map(({ line, column, message }) => `${line}:${column} ${message}`),
    [
      '5:3 the key "c" is there twice: the last one counts',
      '6:3 the key "1" is there twice: the last one counts',
    ],
  );
});
