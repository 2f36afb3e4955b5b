import assert from "node:assert/strict";
import { test } from "node:test";
import { MisuseError } from "./engine.ts";
import { createGraph } from "./graph.ts";

const cause = { source: "test" };

test("a diamond is computed once a revision and never sees half of it", () => {
  const graph = createGraph();
  const input = graph.input<number>("input");
  const left = graph.derive(input, { name: "left" }, (_, n) => n * 10);
  const right = graph.derive(input, { name: "right" }, (_, n) => n * 100);
  const seen: number[][] = [];
  const both = graph.derive(left, { name: "both", reads: [right] }, (key, n, read) => {
    seen.push([n, read.get(right, key) ?? 0]);
    return n + (read.get(right, key) ?? 0);
  });
  graph.commit(cause, w => w.set(input, "a", 1));
  const stats = graph.commit(cause, w => w.set(input, "a", 2));
  assert.deepEqual(seen, [
    [10, 100],
    [20, 200],
  ]);
  assert.equal(both.get("a"), 220);
  assert.deepEqual(stats.derived.get("both"), { computed: 1, changed: 1 });
});

test("cells are dirty when a row they read changes, and read other cells", () => {
  const graph = createGraph();
  const input = graph.input<number>("input");
  const parity = graph.cells(
    { name: "parity", reads: [input] },
    (key, read) => (read.get(input, key) ?? 0) % 2,
  );
  let runs = 0;
  const text = graph.cells({ name: "text", reads: [parity] }, (key, read) => {
    runs++;
    return read.cell(parity, key) === 0 ? "even" : "odd";
  });
  const cell = text.acquire("a");
  assert.equal(cell.value(), "even");
  graph.commit(cause, w => w.set(input, "a", 1));
  assert.equal(cell.dirty, true);
  assert.equal(cell.value(), "odd");
  graph.commit(cause, w => w.set(input, "a", 3));
  assert.equal(cell.value(), "odd");
  assert.equal(runs, 2);
  cell.release();
  assert.deepEqual(graph.census(), { rows: 1, runs: 0, cells: 0, filed: 0, points: 0, edges: 0 });
});

test("an undeclared read leaves commit", () => {
  const graph = createGraph();
  const input = graph.input<number>("input");
  const other = graph.input<number>("other");
  graph.derive(input, { name: "sum" }, (key, n, read) => n + (read.get(other, key) ?? 0));
  assert.throws(() => graph.commit(cause, w => w.set(input, "a", 1)), MisuseError);
});
