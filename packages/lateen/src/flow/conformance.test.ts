/** What holds for every kind of collection, tested on each of them through one rig. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createGraph } from "./graph.ts";
import type { Collection, CommitStats, Graph, InputCollection, Writer } from "./types.ts";

interface Row {
  readonly n: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A collection under test, and how to make it hold a row. */
interface Rig {
  readonly graph: Graph;
  readonly collection: Collection<Row>;
  put(writer: Writer, key: string, row: Row): void;
  drop(writer: Writer, key: string): void;
}

const rigs: Readonly<Record<string, () => Rig>> = {
  input() {
    const graph = createGraph();
    return over(graph, graph.input<Row>("source"), source => source);
  },
  derive() {
    const graph = createGraph();
    return over(graph, graph.input<Row>("source"), source =>
      graph.derive(source, { name: "subject" }, (_, row) => ({ ...row })),
    );
  },
  deriveMany() {
    const graph = createGraph();
    return over(graph, graph.input<Row>("source"), source =>
      graph.deriveMany(source, { name: "subject" }, (key, row) => [[key, { ...row }]]),
    );
  },
  group() {
    const graph = createGraph();
    return over(graph, graph.input<Row>("source"), source => {
      const byKey = graph.index(source, "by key", key => [key]);
      return graph.group(byKey, { name: "subject" }, (_, [row]) => row && { ...row });
    });
  },
  union() {
    const graph = createGraph();
    const other = graph.input<Row>("other");
    return over(graph, graph.input<Row>("source"), source =>
      graph.union("subject", [other, source]),
    );
  },
};

function over(
  graph: Graph,
  source: InputCollection<Row>,
  subject: (source: InputCollection<Row>) => Collection<Row>,
): Rig {
  return {
    graph,
    collection: subject(source),
    put: (writer, key, row) => writer.set(source, key, row),
    drop: (writer, key) => writer.delete(source, key),
  };
}

const cause = { source: "test", subject: "row" };

function put(rig: Rig, rows: Readonly<Record<string, Row>>): CommitStats {
  return rig.graph.commit(cause, writer => {
    for (const [key, row] of Object.entries(rows)) rig.put(writer, key, row);
  });
}

function drop(rig: Rig, ...keys: string[]): CommitStats {
  return rig.graph.commit(cause, writer => {
    for (const key of keys) rig.drop(writer, key);
  });
}

for (const [kind, make] of Object.entries(rigs)) {
  describe(kind, () => {
    test("holds what was put, in ascending order", () => {
      const rig = make();
      assert.deepEqual([...rig.collection.entries()], []);
      put(rig, { b: { n: 2 }, a: { n: 1 }, Z: { n: 3 } });
      assert.deepEqual(rig.collection.keys(), ["Z", "a", "b"]);
      assert.deepEqual(
        [...rig.collection.entries()],
        [
          ["Z", { n: 3 }],
          ["a", { n: 1 }],
          ["b", { n: 2 }],
        ],
      );
      drop(rig, "a");
      assert.equal(rig.collection.get("a"), undefined);
      assert.deepEqual(rig.collection.keys(), ["Z", "b"]);
      assert.equal(rig.collection.size, 2);
    });

    test("a batch takes effect at once; the last edit of a key wins", () => {
      const rig = make();
      const stats = rig.graph.commit(cause, writer => {
        rig.put(writer, "a", { n: 1 });
        rig.put(writer, "a", { n: 2 });
        rig.put(writer, "gone", { n: 3 });
        rig.drop(writer, "gone");
        assert.equal(rig.collection.get("a"), undefined);
      });
      assert.equal(stats.revision, 1);
      assert.deepEqual([...rig.collection.entries()], [["a", { n: 2 }]]);
    });

    test("a row that comes out equal is the same row with the same revision", () => {
      const rig = make();
      put(rig, { a: { n: 1 }, b: { n: 1 } });
      const before = rig.collection.get("a");
      put(rig, { a: { n: 1 }, b: { n: 2 } });
      assert.equal(rig.collection.get("a"), before);
      assert.equal(rig.collection.changedAt("a"), 1);
      assert.equal(rig.collection.changedAt("b"), 2);
      assert.equal(rig.collection.changedAt("c"), undefined);
    });

    test("a batch without a difference is no revision", () => {
      const rig = make();
      put(rig, { a: { n: 1 } });
      let calls = 0;
      rig.graph.onCommit(() => calls++);
      const stats = put(rig, { a: { n: 1 } });
      assert.deepEqual([stats.revision, stats.inputRows, calls], [1, 0, 0]);
      assert.equal(rig.graph.revision, 1);
    });

    test("keys and entries that were given out do not change", () => {
      const rig = make();
      put(rig, { a: { n: 1 } });
      const keys = rig.collection.keys();
      const entries = rig.collection.entries();
      put(rig, { b: { n: 2 } });
      drop(rig, "a");
      assert.deepEqual(keys, ["a"]);
      assert.deepEqual([...entries], [["a", { n: 1 }]]);
    });

    test("tells readers exactly about what they read", () => {
      const rig = make();
      const { graph, collection } = rig;
      const runs: string[] = [];
      const reads = {
        get: (key: string) =>
          graph.cells({ name: `get ${key}`, reads: [collection] }, (_, read) => {
            runs.push(`get ${key}`);
            return read.get(collection, key)?.n;
          }),
        has: graph.cells({ name: "has", reads: [collection] }, (_, read) => {
          runs.push("has");
          return read.has(collection, "a");
        }),
        keys: graph.cells({ name: "keys", reads: [collection] }, (_, read) => {
          runs.push("keys");
          return read.keys(collection);
        }),
        all: graph.cells({ name: "all", reads: [collection] }, (_, read) => {
          runs.push("all");
          return read.all(collection).map(([, row]) => row.n);
        }),
      };
      const families = [reads.get("a"), reads.get("b"), reads.has, reads.keys, reads.all];
      const cells = families.map(family => family.acquire(""));
      const rerun = (): string[] => {
        for (const cell of cells) cell.value();
        return runs.splice(0);
      };
      put(rig, { other: { n: 0 } });
      rerun();
      put(rig, { a: { n: 1 } });
      assert.deepEqual(rerun(), ["get a", "has", "keys", "all"]);
      put(rig, { a: { n: 2 } });
      assert.deepEqual(rerun(), ["get a", "all"]);
      put(rig, { a: { n: 2 } });
      assert.deepEqual(rerun(), []);
      drop(rig, "a");
      assert.deepEqual(rerun(), ["get a", "has", "keys", "all"]);
      assert.deepEqual(
        cells.map(cell => cell.value()),
        [undefined, undefined, false, ["other"], [0]],
      );
    });

    test("can be indexed, joined and derived from", () => {
      const rig = make();
      const { graph, collection } = rig;
      const byParity = graph.index(collection, "by parity", (_, row) => [String(row.n % 2)]);
      const total = graph.derive(collection, { name: "total", reads: [byParity] }, (_, row, read) =>
        read.rows(byParity, String(row.n % 2)).reduce((sum, other) => sum + other.n, 0),
      );
      put(rig, { a: { n: 1 }, b: { n: 2 }, c: { n: 3 } });
      assert.deepEqual(
        [...total.entries()],
        [
          ["a", 4],
          ["b", 2],
          ["c", 4],
        ],
      );
      put(rig, { b: { n: 5 } });
      assert.deepEqual(
        [...total.entries()],
        [
          ["a", 9],
          ["b", 9],
          ["c", 9],
        ],
      );
      assert.deepEqual(byParity.buckets(), ["1"]);
      assert.deepEqual(byParity.keysOf("1"), ["a", "b", "c"]);
      assert.deepEqual(byParity.keysOf("0"), []);
    });

    test("can be selected from and by", () => {
      const rig = make();
      const { graph, collection } = rig;
      const things = graph.selectableIndex(collection, "things", (_, { labels = {} }) => ({
        namespace: "ns",
        labels,
      }));
      const selectors = graph.selectorIndex(
        collection,
        "selectors",
        (_, { labels }) => labels && { namespace: undefined, matchLabels: labels },
      );
      const selected = graph.cells({ name: "selected", reads: [things] }, (app, read) =>
        read.select(things, { namespace: "ns", matchLabels: { app } }).map(row => row.n),
      );
      const selecting = graph.cells({ name: "selecting", reads: [selectors] }, (app, read) =>
        read.selectedBy(selectors, { namespace: "any", labels: { app } }).map(row => row.n),
      );
      const x = selected.acquire("x");
      const y = selecting.acquire("y");
      put(rig, { a: { n: 1, labels: { app: "x" } }, b: { n: 2, labels: { app: "y" } } });
      assert.deepEqual([x.value(), y.value()], [[1], [2]]);
      put(rig, { b: { n: 2, labels: { app: "x" } }, c: { n: 3, labels: {} } });
      assert.deepEqual([x.value(), y.value()], [[1, 2], [3]]);
    });

    test("explains its rows", () => {
      const rig = make();
      put(rig, { a: { n: 1 } });
      put(rig, { b: { n: 1 } });
      const explanation = rig.graph.explain(rig.collection.name, "b");
      assert.equal(explanation?.revision, 2);
      assert.deepEqual(explanation?.cause, cause);
      const input = explanation?.inputs.find(row => row.collection === "source");
      if (kind === "input") assert.deepEqual(explanation?.inputs, []);
      else assert.deepEqual(input, { collection: "source", key: "b", changedAt: 2, cause });
      assert.equal(rig.graph.explain(rig.collection.name, "c"), undefined);
    });

    test("loads many rows in any order", () => {
      const rig = make();
      const keys = Array.from({ length: 10_000 }, (_, i) => String((i * 7919) % 10_000));
      rig.graph.commit(cause, writer => {
        for (const key of keys) rig.put(writer, key, { n: Number(key) });
      });
      assert.deepEqual(rig.collection.keys(), [...keys].sort());
    });

    test("leaves nothing behind when its rows go", () => {
      const rig = make();
      put(rig, { a: { n: 1 } });
      drop(rig, "a");
      assert.deepEqual(rig.graph.census(), {
        rows: 0,
        runs: 0,
        cells: 0,
        filed: 0,
        points: 0,
        edges: 0,
      });
    });
  });
}
