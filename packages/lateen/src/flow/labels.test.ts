import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LabelPostings, SelectorPostings, selectableId, selectorId, selects } from "./labels.ts";
import type { Selectable, Selector } from "./types.ts";

const namespace = fc.constantFrom("a", "b");
const labels = fc.dictionary(fc.constantFrom("app", "v", "tier"), fc.constantFrom("1", "2"), {
  noNullPrototype: true,
});
const selectable: fc.Arbitrary<Selectable> = fc.record({ namespace, labels });
const selector: fc.Arbitrary<Selector> = fc.record({
  namespace: fc.option(namespace, { nil: undefined }),
  matchLabels: labels,
});

interface Postings<Filed, Query> {
  add(id: string, filed: Filed): void;
  delete(id: string, filed: Filed): void;
  matching(query: Query): readonly string[];
}

/** Files some, takes some away again, and compares every answer with a scan. */
function agreesWithScan<Filed, Query>(
  make: () => Postings<Filed, Query>,
  filed: fc.Arbitrary<Filed>,
  query: fc.Arbitrary<Query>,
  matches: (filed: Filed, query: Query) => boolean,
): void {
  const rows = fc.array(fc.record({ row: filed, stays: fc.boolean() }), {
    maxLength: 40,
    size: "max",
  });
  fc.assert(
    fc.property(rows, fc.array(query, { maxLength: 10 }), (given, queries) => {
      const postings = make();
      for (const [i, { row }] of given.entries()) postings.add(`row${i}`, row);
      for (const [i, { row, stays }] of given.entries()) {
        if (!stays) postings.delete(`row${i}`, row);
      }
      for (const asked of queries) {
        const expected = given.flatMap(({ row, stays }, i) =>
          stays && matches(row, asked) ? [`row${i}`] : [],
        );
        assert.deepEqual(postings.matching(asked), expected.sort());
      }
    }),
  );
}

test("finds what a selector selects like a scan does", () => {
  agreesWithScan(
    () => new LabelPostings(),
    selectable,
    selector,
    (target, asked) => selects(asked, target),
  );
});

test("finds the selectors that select like a scan does", () => {
  agreesWithScan(() => new SelectorPostings(), selector, selectable, selects);
});

test("ids do not depend on the order of labels", () => {
  const one = { namespace: "a", labels: { x: "1", y: "2" } };
  const other = { namespace: "a", labels: { y: "2", x: "1" } };
  assert.equal(selectableId(one), selectableId(other));
  assert.notEqual(
    selectorId({ namespace: undefined, matchLabels: {} }),
    selectorId({ namespace: "", matchLabels: {} }),
  );
});

test("labels are not taken from a prototype", () => {
  const target = { namespace: "a", labels: {} };
  assert.equal(selects({ namespace: "a", matchLabels: { constructor: "x" } }, target), false);
});

test("a selector is filed under its rarest label, so that common ones cost nothing", () => {
  const postings = new SelectorPostings();
  for (let i = 0; i < 1000; i++) {
    postings.add(`s${i}`, { namespace: "a", matchLabels: { tier: "web", app: `app${i}` } });
  }
  let compared = 0;
  const labelsOfTarget = new Proxy(
    { tier: "web", app: "app7" },
    {
      get: (target, key) => {
        compared++;
        return Reflect.get(target, key);
      },
    },
  );
  assert.deepEqual(postings.matching({ namespace: "a", labels: labelsOfTarget }), ["s7"]);
  assert.ok(compared < 10, `looked at ${compared} labels`);
});
