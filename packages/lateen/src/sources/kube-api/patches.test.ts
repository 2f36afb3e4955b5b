import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { Json, JsonObject } from "../../api/kind.ts";
import { jsonEqual } from "../json.ts";
import { refusal, value } from "../store/test-store.ts";
import { jsonPatch, mergePatch } from "./json-patch.ts";
import { MAX_COPIED_VALUES, MAX_STEPS, PatchBudget } from "./patch-budget.ts";
import { strategicPatch } from "./strategic-patch.ts";

const schema: JsonObject = {
  properties: {
    containers: {
      type: "array",
      "x-kubernetes-patch-merge-key": "name",
      "x-kubernetes-patch-strategy": "merge",
      items: {
        properties: {
          env: {
            "x-kubernetes-patch-merge-key": "name",
            "x-kubernetes-patch-strategy": "merge",
            items: {},
          },
        },
      },
    },
    finalizers: { type: "array", "x-kubernetes-patch-strategy": "merge", items: {} },
    args: { type: "array", items: {} },
  },
};

const containers: readonly JsonObject[] = [
  { name: "a", image: "1", env: [{ name: "X", value: "1" }] },
  { name: "b", image: "2" },
];

const before: JsonObject = {
  containers,
  finalizers: ["one", "two"],
  args: ["x", "y"],
  labels: { kept: "yes", gone: "yes" },
};

const strategic: readonly (readonly [string, JsonObject, JsonObject])[] = [
  [
    "maps are merged, null deletes",
    { labels: { gone: null, more: "1" } },
    { labels: { kept: "yes", more: "1" } },
  ],
  ["lists without a key are replaced", { args: ["z"] }, { args: ["z"] }],
  [
    "items are found by their key, new ones come last",
    { containers: [{ name: "b", image: "3" }, { name: "c" }] },
    { containers: [containers[0] ?? {}, { name: "b", image: "3" }, { name: "c" }] },
  ],
  [
    "merging goes down into items",
    { containers: [{ name: "a", env: [{ name: "Y", value: "2" }] }] },
    {
      containers: [
        {
          name: "a",
          image: "1",
          env: [
            { name: "X", value: "1" },
            { name: "Y", value: "2" },
          ],
        },
        { name: "b", image: "2" },
      ],
    },
  ],
  [
    "$patch: delete removes an item",
    { containers: [{ name: "a", $patch: "delete" }] },
    { containers: [{ name: "b", image: "2" }] },
  ],
  [
    "$patch: replace replaces a list",
    { containers: [{ $patch: "replace" }, { name: "only" }] },
    { containers: [{ name: "only" }] },
  ],
  [
    "$patch: replace replaces a map",
    { labels: { $patch: "replace", a: "b" } },
    { labels: { a: "b" } },
  ],
  [
    "$retainKeys keeps only these",
    { labels: { $retainKeys: ["kept"] } },
    { labels: { kept: "yes" } },
  ],
  [
    "primitives are merged as sets",
    { finalizers: ["two", "three"] },
    { finalizers: ["one", "two", "three"] },
  ],
  [
    "$deleteFromPrimitiveList removes",
    { "$deleteFromPrimitiveList/finalizers": ["one"] },
    { finalizers: ["two"] },
  ],
  [
    "$setElementOrder orders what it names",
    { "$setElementOrder/containers": [{ name: "b" }, { name: "a" }], containers: [] },
    { containers: containers.toReversed() },
  ],
  [
    "what the order does not name keeps its place",
    {
      "$setElementOrder/containers": [{ name: "c" }, { name: "b" }],
      containers: [{ name: "c", image: "4" }],
    },
    {
      containers: [{ name: "c", image: "4" }, ...containers],
    },
  ],
];

for (const [name, patch, changed] of strategic) {
  test(`strategic merge: ${name}`, () => {
    assert.deepEqual(value(strategicPatch(before, patch, schema)), { ...before, ...changed });
  });
}

test("strategic merge: contradictions are refused", () => {
  for (const patch of [
    { containers: ["text"] },
    { containers: [{ image: "no name" }] },
    { labels: { $patch: "wipe" } },
    { "$setElementOrder/containers": "a" },
    { labels: { $retainKeys: "a" } },
  ])
    assert.match(refusal(strategicPatch(before, patch, schema)), /^400 BadRequest: invalid patch/);
});

test("merge patch: RFC 7386's examples", () => {
  const cases: readonly (readonly [Json, Json, Json])[] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, expected] of cases)
    assert.deepEqual(mergePatch(target, patch), expected);
});

test("merge patch: a difference applied gives the other", () => {
  const leaf = fc.oneof(fc.integer(), fc.string());
  const object = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.oneof(leaf, fc.array(leaf)));
  const nested = fc.dictionary(fc.constantFrom("x", "y"), fc.oneof(leaf, object));
  fc.assert(
    fc.property(nested, nested, (from, to) => {
      assert.ok(jsonEqual(mergePatch(from, difference(from, to)), to));
    }),
  );
});

function difference(from: JsonObject, to: JsonObject): JsonObject {
  const patch: Record<string, Json> = {};
  for (const key of Object.keys(from)) if (!(key in to)) patch[key] = null;
  for (const [key, wanted] of Object.entries(to)) {
    const had = from[key];
    if (isPlain(had) && isPlain(wanted)) patch[key] = difference(had, wanted);
    else patch[key] = wanted;
  }
  return patch;
}

function isPlain(item: Json | undefined): item is JsonObject {
  return typeof item === "object" && item !== null && !Array.isArray(item);
}

test("JSON patch: each operation", () => {
  const document: JsonObject = { a: { b: [1, 2] }, "x/y": 1 };
  const cases: readonly (readonly [Json, JsonObject])[] = [
    [[{ op: "add", path: "/a/c", value: 3 }], { a: { b: [1, 2], c: 3 }, "x/y": 1 }],
    [[{ op: "add", path: "/a/b/1", value: 9 }], { a: { b: [1, 9, 2] }, "x/y": 1 }],
    [[{ op: "add", path: "/a/b/-", value: 9 }], { a: { b: [1, 2, 9] }, "x/y": 1 }],
    [[{ op: "replace", path: "/a/b/0", value: 9 }], { a: { b: [9, 2] }, "x/y": 1 }],
    [[{ op: "remove", path: "/x~1y" }], { a: { b: [1, 2] } }],
    [[{ op: "move", from: "/a/b", path: "/b" }], { a: {}, b: [1, 2], "x/y": 1 }],
    [[{ op: "copy", from: "/x~1y", path: "/z" }], { ...document, z: 1 }],
    [[{ op: "test", path: "/a", value: { b: [1, 2] } }], document],
  ];
  for (const [patch, expected] of cases)
    assert.deepEqual(value(jsonPatch(document, patch)), expected);
});

test("JSON patch: what can not be done is named", () => {
  const document: JsonObject = { a: { b: [1] } };
  const cases: readonly (readonly [Json, RegExp])[] = [
    [{ op: "add" }, /must be a list/],
    [[{ op: "remove", path: "/a/c" }], /422 .* operation 0 \(remove \/a\/c\): there is no c/],
    [[{ op: "add", path: "/n/c", value: 1 }], /does not exist/],
    [[{ op: "add", path: "/a/b/5", value: 1 }], /there is no index 5/],
    [[{ op: "test", path: "/a", value: 1 }], /the value differs/],
    [[{ op: "jump", path: "/a" }], /op must be/],
    [[{ op: "add", path: "a", value: 1 }], /JSON pointer/],
    [[{ op: "replace", path: "", value: 1 }], /left no object/],
  ];
  for (const [patch, expected] of cases)
    assert.match(refusal(jsonPatch(document, patch)), expected);
});

test("a JSON patch that doubles is stopped where its copies get too large", () => {
  const copy = (from: string, path: string) => ({ op: "copy", from, path });
  const bombs: Readonly<Record<string, readonly Json[]>> = {
    "objects that double": [
      { op: "add", path: "/a0", value: { x: "x".repeat(100), y: [1, 2, 3] } },
      ...Array.from({ length: 30 }, (_, i) => [
        { op: "add", path: `/a${i + 1}`, value: {} },
        copy(`/a${i}`, `/a${i + 1}/l`),
        copy(`/a${i}`, `/a${i + 1}/r`),
      ]).flat(),
    ],
    "a list into itself": [
      { op: "add", path: "/l", value: ["x"] },
      ...Array.from({ length: 40 }, () => copy("/l", "/l/-")),
    ],
    "the whole into a part": Array.from({ length: 40 }, (_, i) => copy("", `/k${i}`)),
    "long text": [
      { op: "add", path: "/t", value: "x".repeat(1_000_000) },
      ...Array.from({ length: 10 }, (_, i) => copy("/t", `/t${i}`)),
    ],
    "tests of a wide object": [
      { op: "add", path: "/w", value: Object.fromEntries(many(100_000, i => [`k${i}`, i])) },
      ...many(9_000, () => ({ op: "test", path: "/w", value: {} })),
    ],
    "insertions before a long list": [
      { op: "add", path: "/l", value: many(100_000, i => i) },
      ...many(9_000, () => ({ op: "add", path: "/l/0", value: 1 })),
    ],
    moves: [
      { op: "add", path: "/l", value: many(100_000, i => i) },
      ...many(9_000, () => ({ op: "move", from: "/l/0", path: "/l/0" })),
    ],
  };
  for (const [name, patch] of Object.entries(bombs)) {
    const budget = new PatchBudget();
    assert.match(
      refusal(jsonPatch({}, patch, budget)),
      /^(413 RequestEntityTooLarge|422 Invalid): the patch can not be applied: JSON patch operation \d+ \((copy|test|add|move)/,
      name,
    );
    assert.ok(budget.spent <= MAX_STEPS + 2 * MAX_COPIED_VALUES, `${name}: ${budget.spent}`);
  }
});

test("a JSON patch within its budget copies what it says, and nothing is shared", () => {
  const patch: Json = [
    { op: "copy", from: "/a", path: "/b" },
    { op: "add", path: "/b/x", value: 2 },
    { op: "add", path: "/c", value: { d: [] } },
    { op: "copy", from: "/c", path: "/c/d/-" },
    { op: "add", path: "/c/d/0/e", value: 1 },
  ];
  const document = { a: { x: 1 } };
  assert.deepEqual(value(jsonPatch(document, patch)), {
    a: { x: 1 },
    b: { x: 2 },
    c: { d: [{ d: [], e: 1 }] },
  });
  assert.deepEqual(document, { a: { x: 1 } });
  assert.match(
    refusal(jsonPatch(document, [{ op: "move", from: "/a", path: "/a/b" }])),
    /can not be moved into itself/,
  );
});

test("a strategic patch names each item once, and does not compare each with each", () => {
  const items = many(20_000, i => ({ name: `n${i}`, image: "1" }));
  const patch = {
    containers: items.map(item => ({ ...item, image: "2" })),
    "$setElementOrder/containers": many(20_000, i => ({ name: `n${19_999 - i}` })),
    finalizers: many(20_000, i => `f${i}`),
    "$deleteFromPrimitiveList/finalizers": many(19_999, i => `f${i}`),
  };
  const merged = value(strategicPatch({ containers: items }, patch, schema));
  assert.deepEqual(merged["finalizers"], ["f19999"]);
  const made = merged["containers"] as readonly JsonObject[];
  assert.equal(made.length, 20_000);
  assert.deepEqual(made[0], { name: "n19999", image: "2" });
  const twice = { "$setElementOrder/containers": many(1_000, () => ({ name: "n1" })) };
  const ordered = value(strategicPatch({ containers: items.slice(0, 3) }, twice, schema));
  assert.deepEqual(
    (ordered["containers"] as readonly JsonObject[]).map(({ name }) => name),
    ["n0", "n1", "n2"],
  );
});

function many<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
