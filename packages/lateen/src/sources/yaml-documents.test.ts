import assert from "node:assert/strict";
import { test } from "node:test";
import { readYaml } from "./yaml-documents.ts";
import { lexYaml, MAX_FILE_VALUES } from "./yaml-limits.ts";

const MILLION = 1_000_000;
const stairs = (levels: number, step: string) =>
  Array.from({ length: levels }, (_, i) => `${" ".repeat(i * step.length)}${step}`).join("\n");

const BOMBS: Readonly<Record<string, string>> = {
  braces: "{".repeat(MILLION),
  brackets: "[".repeat(MILLION),
  "mixed brackets": "[{a: ".repeat(MILLION / 5),
  "brackets behind an object": `apiVersion: v1\nkind: X\nspec: ${"[".repeat(1_000)}`,
  "closing ones in comments do not count": "[ # ]\n".repeat(200),
  dashes: "- ".repeat(MILLION / 2),
  "question marks": "? ".repeat(MILLION / 2),
  stairs: stairs(1_000, "a:").replaceAll("a:", " a:"),
  "stairs of lists": stairs(300, "- "),
  quotes: '"'.repeat(MILLION),
  commas: `[${",".repeat(MILLION)}`,
  tags: "!a ".repeat(MILLION / 3),
  anchors: "&a ".repeat(MILLION / 3),
  aliases: "*a ".repeat(MILLION / 3),
  keys: "a: ".repeat(MILLION / 3),
};

test("what would cost a parser seconds does not get to it, and is told by line", () => {
  for (const [name, text] of Object.entries(BOMBS)) {
    let parsed = 0;
    const { documents, problems } = readYaml(text, {
      onParse: () => {
        parsed++;
      },
    });
    assert.equal(parsed, 0, name);
    assert.deepEqual(documents, [], name);
    assert.equal(problems.length, 1, name);
    assert.match(problems[0]?.message ?? "", /nested deeper than 100 levels|this is no YAML/, name);
  }
  assert.deepEqual(lexYaml("a: 1\nb: [\n".concat("[".repeat(101)), MAX_FILE_VALUES), {
    line: 3,
    message: "the document is nested deeper than 100 levels",
  });
});

test("text that only looks like it is parsed: brackets in scalars, many siblings, wide objects", () => {
  const script = "        if (x) { [[ {{ $a }} ]]\n".repeat(3_000);
  const fine: Readonly<Record<string, string>> = {
    "a script": `data:\n    nginx.conf: |\n${script}`,
    "a quoted one": `data: "${"{".repeat(5_000)}"`,
    "a comment": `# ${"[".repeat(5_000)}\na: 1`,
    "many flow maps": "- {name: a, args: [b, {c: d}]}\n".repeat(3_000),
    "many documents": stairs(20, "a:").concat("\n---\n").repeat(200),
    "deep enough": stairs(40, "- "),
    "an aligned text": `a: 1\n${" ".repeat(200)}\nb: >\n  x\n${" ".repeat(150)}y\n`,
    "many keys": Array.from({ length: 20_000 }, (_, i) => `k${i}: "v"`).join("\n"),
  };
  for (const [name, text] of Object.entries(fine)) {
    assert.deepEqual(readYaml(text).problems, [], name);
  }
});

test("a request has a budget of values and tokens, which is told before anything is built", () => {
  const keys = Array.from({ length: 150_000 }, (_, i) => `k${i}: v`).join("\n");
  const texts = {
    keys,
    "keys in braces": `{${keys.replaceAll("\n", ", ")}}`,
    items: "- a\n".repeat(100_000),
    "empty items": "-\n".repeat(100_000),
    documents: "---\na: 1\n".repeat(50_000),
    comments: "#\n".repeat(1_000_000),
    brackets: `[${"[],".repeat(100_000)}]`,
  };
  for (const [name, text] of Object.entries(texts)) {
    let parsed = 0;
    const onParse = () => void parsed++;
    const { problems } = readYaml(text, { values: 50_000, onParse });
    assert.equal(parsed, 0, name);
    assert.match(
      problems[0]?.message ?? "",
      /^the text has more than \d+ (keys and values|tokens)$/,
      name,
    );
  }
});

test("aliases that multiply are refused; those that only save writing are taken", () => {
  const bomb = ["a0: &a0 [x, x, x]"];
  for (let i = 1; i < 12; i++) bomb.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(9)}]`);
  assert.match(
    readYaml(bomb.join("\n")).problems[0]?.message ?? "",
    /aliases stand for too many values/,
  );
  assert.deepEqual(readYaml("a: &x {b: 1}\nc: *x\n").documents[0]?.value, {
    a: { b: 1 },
    c: { b: 1 },
  });
});
