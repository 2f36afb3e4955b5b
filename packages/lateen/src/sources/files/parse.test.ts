import assert from "node:assert/strict";
import { test } from "node:test";
import { parseText } from "./parse.ts";

const first = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "first" } };
const second = { apiVersion: "v1", kind: "Secret", metadata: { name: "second" } };
const [one, two] = [JSON.stringify(first), JSON.stringify(second)];
const [onePretty, twoPretty] = [JSON.stringify(first, null, 2), JSON.stringify(second, null, 2)];

const FORMS: Readonly<Record<string, readonly [text: string, lines: readonly number[]]>> = {
  "in a row": [`${one}${two}`, [1, 1]],
  "in a row, with spaces": [` ${one} \t${two}\n\n`, [1, 1]],
  "one a line": [`${one}\n${two}\n`, [1, 2]],
  "over many lines": [`${onePretty}\n${twoPretty}\n`, [1, 8]],
  "with --- between": [`${onePretty}\n---\n${twoPretty}\n`, [1, 9]],
  "with --- before, between and behind": [`---\n${one}\n--- # next\n${two}\n---\n`, [2, 4]],
  "CRLF and a byte order mark": [`\uFEFF${one}\r\n---\r\n${two}\r\n`, [1, 3]],
  "JSON, then YAML": [
    `${one}\n---\n# c\nkind: Secret\napiVersion: v1\nmetadata: {name: second}\n`,
    [1, 4],
  ],
  "YAML, then JSON in a row": [
    `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: first\n---\n${two}\n`,
    [1, 6],
  ],
  "YAML between braces": [
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: first}}\n---\n{apiVersion: v1, kind: Secret, metadata: {name: 'second'}}",
    [1, 3],
  ],
  "a List": [`{"apiVersion":"v1","kind":"List","items":[${one},${two}]}`, [1, 1]],
  "Lists in a List": [
    `{"kind":"List","items":[{"kind":"List","items":[${one}]},{"kind":"SecretList","items":[${two}]}]}`,
    [1, 1],
  ],
};

test("JSON objects follow one another in every form that kubectl reads", () => {
  for (const [name, [text, lines]] of Object.entries(FORMS)) {
    const { objects, problems, warnings } = parseText(text);
    assert.deepEqual(problems, [], name);
    assert.deepEqual(warnings, [], name);
    assert.deepEqual(
      objects.map(({ object }) => object),
      [first, second],
      name,
    );
    assert.deepEqual(
      objects.map(({ line }) => line),
      lines,
      name,
    );
  }
});

test("items of a typed list that say no kind are of the list's", () => {
  const { objects } = parseText(
    '{"apiVersion":"apps/v1","kind":"DeploymentList","items":[{"metadata":{"name":"a"}}]}',
  );
  assert.deepEqual(objects[0]?.object, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "a" },
  });
  assert.deepEqual(parseText('{"apiVersion":"v1","kind":"List","items":null}').objects, []);
});

test("braces and quotes in strings end no object, and what is broken is told by line", () => {
  const tricky = { ...first, data: { a: '}{"', b: "\\", c: '\\"}' } };
  assert.deepEqual(
    parseText(`${JSON.stringify(tricky)}${two}`).objects.map(({ object }) => object),
    [tricky, second],
  );
  const { objects, problems } = parseText(`${one}\n---\n{"a": \n  [1,\n---\n${two}`);
  assert.deepEqual(
    objects.map(({ object }) => object),
    [first, second],
  );
  assert.equal(problems.length, 1);
  assert.ok((problems[0]?.line ?? 0) >= 3, JSON.stringify(problems));
  const row = parseText(`${one}\n{"a" 1}\n${two}`);
  assert.equal(row.problems[0]?.line, 2, JSON.stringify(row));
});
