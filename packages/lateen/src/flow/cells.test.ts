import assert from "node:assert/strict";
import { test } from "node:test";
import { MisuseError } from "./engine.ts";
import { createGraph } from "./graph.ts";
import type { CellFamily, Graph, InputCollection } from "./types.ts";

const cause = { source: "test" };

interface Fixture {
  readonly graph: Graph;
  readonly input: InputCollection<number>;
  /** Whether the row of this key is odd. */
  readonly parity: CellFamily<boolean>;
  /** The same as text, through `parity`. */
  readonly text: CellFamily<string>;
  /** Names of the families whose functions ran since the last call. */
  runs(): string[];
  set(key: string, n: number): void;
}

function fixture(): Fixture {
  const graph = createGraph();
  const input = graph.input<number>("input");
  const ran: string[] = [];
  const parity = graph.cells({ name: "parity", reads: [input] }, (key, read) => {
    ran.push("parity");
    const n = read.get(input, key) ?? 0;
    if (n < 0) throw new Error("negative");
    return n % 2 === 1;
  });
  const text = graph.cells({ name: "text", reads: [parity, input] }, (key, read) => {
    ran.push("text");
    read.get(input, key);
    const odd = read.cell(parity, key); // which reads the same row
    read.get(input, key);
    return read.get(input, "names") === undefined ? `odd: ${odd}` : odd ? "odd" : "even";
  });
  return {
    graph,
    input,
    parity,
    text,
    runs: () => ran.splice(0),
    set: (key, n) => void graph.commit(cause, writer => writer.set(input, key, n)),
  };
}

test("nothing is computed before it is asked for, nor twice", () => {
  const { parity, runs, set } = fixture();
  const cell = parity.acquire("a");
  set("a", 1);
  assert.deepEqual([cell.dirty, runs()], [true, []]);
  assert.deepEqual([cell.value(), cell.value(), runs()], [true, true, ["parity"]]);
  assert.equal(cell.dirty, false);
});

test("a cell whose cells came out equal is not computed again", () => {
  const graph = createGraph();
  const input = graph.input<number>("input");
  const parity = graph.cells(
    { name: "parity", reads: [input] },
    (key, read) => (read.get(input, key) ?? 0) % 2,
  );
  let runs = 0;
  const text = graph.cells({ name: "text", reads: [parity] }, (key, read) => {
    runs++;
    return `${read.cell(parity, key)}`;
  });
  const cell = text.acquire("a");
  const set = (n: number): unknown => graph.commit(cause, writer => writer.set(input, "a", n));
  set(1);
  assert.equal(cell.value(), "1");
  set(3);
  assert.equal(cell.dirty, true);
  assert.deepEqual([cell.value(), cell.changedAt, runs], ["1", 1, 1]);
  set(5);
  set(6);
  assert.deepEqual([cell.value(), cell.changedAt, runs], ["0", 4, 2]);
});

test("changedAt is the revision at which a difference was computed", () => {
  const { parity, set } = fixture();
  const cell = parity.acquire("a");
  set("a", 1);
  set("b", 1);
  cell.value();
  assert.equal(cell.changedAt, 2);
  set("a", 3);
  cell.value();
  assert.equal(cell.changedAt, 2);
  set("a", 4);
  cell.value();
  assert.equal(cell.changedAt, 4);
});

test("holders share one cell; the last release forgets it and what it depends on", () => {
  const { graph, text, parity, set } = fixture();
  set("a", 1);
  const before = graph.census();
  const first = text.acquire("a");
  assert.equal(text.acquire("a"), first);
  first.value();
  assert.deepEqual([text.liveCount, parity.liveCount], [1, 1]);
  first.release();
  assert.equal(text.peek("a"), first);
  first.release();
  assert.deepEqual([text.liveCount, parity.liveCount], [0, 0]);
  assert.deepEqual(graph.census(), before);
  assert.throws(() => first.release(), /released more often/);
  assert.throws(() => first.value(), /after its last release/);
});

test("a cell that another cell depends on outlives its holders", () => {
  const { text, parity, runs, set } = fixture();
  set("a", 1);
  const upper = text.acquire("a");
  upper.value();
  const lower = parity.acquire("a");
  lower.release();
  assert.equal(parity.peek("a"), lower);
  runs();
  set("a", 2);
  upper.value();
  assert.deepEqual(runs(), ["text", "parity"]);
  upper.release();
  assert.equal(parity.liveCount, 0);
});

test("listeners hear once that a cell is dirty, until it is computed again", () => {
  const { graph, input, text, set } = fixture();
  const cell = text.acquire("a");
  let calls = 0;
  const stop = cell.onDirty(() => calls++);
  set("a", 1);
  assert.equal(calls, 0, "it never had a value");
  cell.value();
  set("a", 2);
  set("a", 3);
  assert.equal(calls, 1);
  cell.value();
  const stats = graph.commit(cause, writer => writer.set(input, "a", 4));
  assert.deepEqual(
    [...stats.dirtied],
    [
      ["text", 1],
      ["parity", 1],
    ],
  );
  assert.equal(calls, 2);
  cell.value();
  stop();
  stop();
  set("a", 5);
  assert.equal(calls, 2);
});

test("a listener may take the new value at once", () => {
  const { parity, set } = fixture();
  const cell = parity.acquire("a");
  const values: boolean[] = [];
  cell.onDirty(() => values.push(cell.value()));
  cell.value();
  set("a", 1);
  set("a", 2);
  assert.deepEqual(values, [true, false]);
});

test("a function that throws keeps the value before; without one the error is thrown", () => {
  const { graph, parity, text, set } = fixture();
  set("a", -1);
  const cell = text.acquire("a");
  assert.throws(() => cell.value(), /negative/);
  assert.equal(cell.dirty, false);
  assert.deepEqual(
    graph.failures().map(({ collection }) => collection),
    ["parity", "text"],
  );
  set("a", 1);
  assert.equal(cell.value(), "odd: true");
  assert.deepEqual(graph.failures(), []);
  set("a", -2);
  assert.deepEqual([cell.value(), cell.changedAt], ["odd: true", 2]);
  assert.equal(parity.peek("a")?.value(), true);
  assert.equal(graph.failures().length, 1);
  cell.release();
  assert.deepEqual(graph.failures(), []);
});

test("an undeclared read leaves value(), each time", () => {
  const graph = createGraph();
  const input = graph.input<number>("input");
  const bad = graph.cells({ name: "bad" }, (key, read) => read.get(input, key));
  const worse = graph.cells({ name: "worse", reads: [bad] }, (key, read) => read.cell(bad, key));
  const cell = worse.acquire("a");
  assert.throws(() => cell.value(), MisuseError);
  assert.throws(() => cell.value(), MisuseError);
});

test("each read is one dependency, also when a cell in between reads the same", () => {
  const { graph, text, set } = fixture();
  set("a", 1);
  text.acquire("a").value();
  const inputs = graph.explain("text", "a")?.inputs.map(({ collection, key }) => [collection, key]);
  assert.deepEqual(inputs, [
    ["input", "a"],
    ["parity", "a"],
    ["input", "names"],
  ]);
  assert.equal(graph.census().edges, 4);
});

test("explain names the edit that made the value different, not the revision of computing", () => {
  const { graph, input, parity, set } = fixture();
  const edit = { source: "store", subject: "row a", at: 5 };
  const cell = parity.acquire("a");
  graph.commit(edit, writer => writer.set(input, "a", 1));
  set("b", 1);
  cell.value();
  const explained = (): unknown[] => {
    const { revision, cause: because } = graph.explain("parity", "a") ?? {};
    return [revision, because];
  };
  assert.deepEqual(explained(), [1, edit]);
  graph.commit(edit, writer => writer.set(input, "a", 2));
  set("b", 2);
  cell.value();
  assert.deepEqual([...explained(), cell.changedAt], [3, edit, 4]);
  graph.commit(edit, writer => writer.delete(input, "a"));
  cell.value();
  assert.deepEqual(explained(), [3, edit], "the value did not change");
  set("a", 1);
  cell.value();
  graph.commit(edit, writer => writer.delete(input, "a"));
  cell.value();
  assert.deepEqual(explained(), [7, edit], "a deleted row has no revision of its own");
  assert.equal(graph.explain("parity", "not live"), undefined);
});
