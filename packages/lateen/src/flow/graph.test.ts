import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BugError } from "../base/assert.ts";
import { MisuseError } from "./engine.ts";
import { createGraph } from "./graph.ts";
import type { Graph, InputCollection, Reader } from "./types.ts";

const cause = { source: "test" };

function set<V>(graph: Graph, input: InputCollection<V>, key: string, value: V): void {
  graph.commit(cause, writer => writer.set(input, key, value));
}

describe("propagation", () => {
  test("a diamond is computed once a revision and never sees half of it", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const left = graph.derive(input, { name: "left" }, (_, n) => n * 10);
    const right = graph.derive(input, { name: "right" }, (_, n) => n * 100);
    const seen: number[][] = [];
    const both = graph.derive(left, { name: "both", reads: [right] }, (key, n, read) => {
      const other = read.get(right, key) ?? 0;
      seen.push([n, other]);
      return n + other;
    });
    set(graph, input, "a", 1);
    const stats = graph.commit(cause, writer => writer.set(input, "a", 2));
    assert.deepEqual(seen, [
      [10, 100],
      [20, 200],
    ]);
    assert.equal(both.get("a"), 220);
    assert.deepEqual(stats.derived.get("both"), { computed: 1, changed: 1 });
  });

  test("a row that comes out equal stops the change", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const parity = graph.derive(input, { name: "parity" }, (_, n) => ({ odd: n % 2 === 1 }));
    graph.derive(parity, { name: "after" }, (_, row) => row);
    set(graph, input, "a", 1);
    const { inputRows, derived } = graph.commit(cause, writer => writer.set(input, "a", 3));
    assert.equal(inputRows, 1);
    assert.deepEqual([...derived], [["parity", { computed: 1, changed: 0 }]]);
  });

  test("equality can be given: for inputs, rows and cells", () => {
    const graph = createGraph();
    const equals = (a: number, b: number): boolean => Math.floor(a) === Math.floor(b);
    const input = graph.input<number>("input", { equals });
    const row = graph.derive(input, { name: "row", equals }, (_, n) => n / 2);
    const cell = graph
      .cells({ name: "cell", reads: [row], equals }, (key, read) => (read.get(row, key) ?? 0) / 2)
      .acquire("a");
    set(graph, input, "a", 4);
    assert.deepEqual([row.get("a"), cell.value()], [2, 1]);
    set(graph, input, "a", 4.5);
    assert.equal(input.get("a"), 4);
    set(graph, input, "a", 5);
    assert.equal(row.get("a"), 2);
    set(graph, input, "a", 6);
    assert.deepEqual([row.get("a"), cell.value(), cell.changedAt], [3, 1, 1]);
  });

  test("deriveMany: a contested key belongs to the smallest source key", () => {
    const graph = createGraph();
    const input = graph.input<readonly string[]>("input");
    const hosts = graph.deriveMany(input, { name: "hosts" }, (key, list) =>
      list.map(host => [host, key] as const),
    );
    graph.commit(cause, writer => {
      writer.set(input, "b", ["x", "x", "y"]);
      writer.set(input, "a", ["y"]);
    });
    const owners = (): unknown => [...hosts.entries()];
    assert.deepEqual(owners(), [
      ["x", "b"],
      ["y", "a"],
    ]);
    set(graph, input, "a", ["x"]);
    assert.deepEqual(owners(), [
      ["x", "a"],
      ["y", "b"],
    ]);
    graph.commit(cause, writer => writer.delete(input, "a"));
    assert.deepEqual(owners(), [
      ["x", "b"],
      ["y", "b"],
    ]);
  });

  test("deriveMany: a row that moves from one source to another changes at most once", () => {
    const graph = createGraph();
    const input = graph.input<string>("input");
    const out = graph.deriveMany(input, { name: "out" }, (_, value) => [[value, value]]);
    set(graph, input, "a", "x");
    const stats = graph.commit(cause, writer => {
      writer.delete(input, "a");
      writer.set(input, "b", "x");
    });
    assert.deepEqual(stats.derived.get("out"), { computed: 1, changed: 0 });
    assert.equal(out.changedAt("x"), 1);
  });

  test("union: the first collection that has a key wins", () => {
    const graph = createGraph();
    const first = graph.input<string>("first");
    const second = graph.input<string>("second");
    const all = graph.union("all", [first, second]);
    graph.commit(cause, writer => {
      writer.set(first, "a", "1");
      writer.set(second, "a", "2");
      writer.set(second, "b", "2");
    });
    assert.deepEqual(
      [...all.entries()],
      [
        ["a", "1"],
        ["b", "2"],
      ],
    );
    graph.commit(cause, writer => writer.delete(first, "a"));
    assert.equal(all.get("a"), "2");
  });

  test("what was not found is a dependency, too", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const other = graph.input<number>("other");
    const byValue = graph.index(other, "by value", (_, n) => [String(n)]);
    const reads = [other, byValue];
    const found = graph.derive(input, { name: "found", reads }, (key, _, read) => [
      read.get(other, key),
      read.keysOf(byValue, "7"),
    ]);
    set(graph, input, "a", 1);
    assert.deepEqual(found.get("a"), [undefined, []]);
    set(graph, other, "a", 2);
    set(graph, other, "z", 7);
    assert.deepEqual(found.get("a"), [2, ["z"]]);
  });

  test("dependencies are those of the last run only", () => {
    const graph = createGraph();
    const input = graph.input<string>("input");
    const rows = graph.input<number>("rows");
    graph.derive(input, { name: "out", reads: [rows] }, (_, name, read) => read.get(rows, name));
    set(graph, input, "a", "x");
    set(graph, input, "a", "y");
    assert.equal(graph.census().edges, 1);
    const stats = graph.commit(cause, writer => writer.set(rows, "x", 1));
    assert.equal(stats.derived.size, 0);
  });

  test("a row that names a bucket twice is in it once", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const index = graph.index(input, "index", () => ["x", "x"]);
    set(graph, input, "a", 1);
    assert.deepEqual(index.keysOf("x"), ["a"]);
    graph.commit(cause, writer => writer.delete(input, "a"));
    assert.deepEqual(index.buckets(), []);
  });

  test("a bucket's membership and its content are told apart", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const all = graph.index(input, "all", () => ["all"]);
    const family = (name: string, fn: (read: Reader) => unknown) =>
      graph.cells({ name, reads: [all] }, (_, read) => fn(read)).acquire("");
    const keys = family("keys", read => read.keysOf(all, "all"));
    const rows = family("rows", read => read.rows(all, "all"));
    set(graph, input, "a", 1);
    assert.deepEqual([keys.value(), rows.value()], [["a"], [1]]);
    set(graph, input, "a", 2);
    assert.deepEqual([keys.dirty, rows.dirty], [false, true]);
  });
});

describe("batches", () => {
  test("a writer that throws has no effect", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    set(graph, input, "a", 1);
    const broken = (): unknown =>
      graph.commit(cause, writer => {
        writer.set(input, "a", 2);
        writer.delete(input, "a");
        writer.set(input, "b", 2);
        throw new Error("half way");
      });
    assert.throws(broken, /half way/);
    assert.deepEqual([graph.revision, [...input.entries()]], [1, [["a", 1]]]);
    set(graph, input, "c", 3);
    assert.deepEqual(input.keys(), ["a", "c"]);
  });

  test("listeners hear of each revision when the graph is consistent; one that throws is alone", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const twice = graph.derive(input, { name: "twice" }, (_, n) => 2 * n);
    const heard: unknown[] = [];
    graph.onCommit(() => {
      throw new Error("listener");
    });
    const stop = graph.onCommit(({ revision }) => heard.push([revision, twice.get("a")]));
    assert.throws(() => set(graph, input, "a", 1), /listener/);
    stop();
    assert.throws(() => set(graph, input, "a", 2), /listener/);
    assert.deepEqual(heard, [[1, 2]]);
    assert.equal(twice.get("a"), 4);
  });
});

describe("commits of listeners and writers", () => {
  test("a listener may commit: all hear of the revisions in their order", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const twice = graph.derive(input, { name: "twice" }, (_, n) => 2 * n);
    const cell = graph
      .cells({ name: "cell", reads: [twice] }, (key, read) => read.get(twice, key))
      .acquire("a");
    cell.value();
    const heard: unknown[] = [];
    cell.onDirty(() => heard.push(["dirty", cell.value()]));
    graph.onCommit(({ revision }) => {
      if (revision === 1) set(graph, input, "a", 5);
      heard.push(["first", revision]);
    });
    graph.onCommit(({ revision }) => heard.push(["second", revision, twice.get("a")]));
    set(graph, input, "a", 1);
    assert.deepEqual(heard, [
      ["dirty", 2],
      ["first", 1],
      ["second", 1, 10],
      ["dirty", 10],
      ["first", 2],
      ["second", 2, 10],
    ]);
  });

  test("the function of a commit may not commit", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const nested = (): unknown => graph.commit(cause, () => set(graph, input, "a", 1));
    assert.throws(nested, MisuseError);
    set(graph, input, "a", 1);
    assert.equal(input.get("a"), 1);
  });
});

describe("functions that throw", () => {
  test("their row keeps its last good output until an input changes", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const limit = graph.input<number>("limit");
    const out = graph.derive(input, { name: "out", reads: [limit] }, (key, n, read) => {
      if (n > (read.get(limit, "max") ?? 10)) throw new Error(`${key} is over the limit`);
      return n;
    });
    set(graph, input, "a", 1);
    graph.commit(cause, writer => {
      writer.set(input, "a", 20);
      writer.set(input, "b", 2);
    });
    assert.deepEqual(
      [...out.entries()],
      [
        ["a", 1],
        ["b", 2],
      ],
    );
    const [failure] = graph.failures();
    assert.deepEqual([failure?.collection, failure?.key], ["out", "a"]);
    assert.match(String(failure?.error), /a is over the limit/);
    set(graph, limit, "max", 30);
    assert.equal(out.get("a"), 20);
    assert.deepEqual(graph.failures(), []);
  });

  test("a failure goes with its source row", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const out = graph.deriveMany(input, { name: "out" }, function* (key, n) {
      yield [key, n] as const;
      if (n < 0) throw new Error("negative");
    });
    set(graph, input, "a", 1);
    set(graph, input, "a", -1);
    assert.equal(out.get("a"), 1);
    graph.commit(cause, writer => writer.delete(input, "a"));
    assert.deepEqual([out.size, graph.failures()], [0, []]);
  });

  test("asserts of the model stay with their row, too", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    graph.derive(input, { name: "out" }, () => {
      throw new BugError("an invariant");
    });
    set(graph, input, "a", 1);
    assert.equal(graph.failures().length, 1);
  });

  test("in an index: the row is in no bucket", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const fails = (n: number): number => {
      if (n === 0) throw new Error("zero");
      return n;
    };
    const index = graph.index(input, "index", (_, n) => [String(fails(n))]);
    graph.selectorIndex(input, "selectors", (_, n) => {
      fails(n);
      return undefined;
    });
    set(graph, input, "a", 0);
    assert.deepEqual([index.buckets(), graph.failures().length], [[], 2]);
    set(graph, input, "a", 1);
    assert.deepEqual([index.buckets(), graph.failures()], [["1"], []]);
    set(graph, input, "a", 0);
    graph.commit(cause, writer => writer.delete(input, "a"));
    assert.deepEqual([index.buckets(), graph.failures()], [[], []]);
  });

  test("in an equality: the row counts as different", () => {
    const graph = createGraph();
    const equals = (): boolean => {
      throw new Error("no equality");
    };
    const input = graph.input<number>("input", { equals });
    set(graph, input, "a", 1);
    set(graph, input, "a", 2);
    assert.deepEqual([input.get("a"), graph.failures().length], [2, 1]);
  });
});

describe("misuse", () => {
  const misuses: Readonly<Record<string, (graph: Graph, input: InputCollection<number>) => void>> =
    {
      "reading what was not declared"(graph, input) {
        const other = graph.input<number>("other");
        graph.derive(input, { name: "out" }, (key, _, read) => read.get(other, key));
      },
      "reading an index of which only the collection is declared"(graph, input) {
        const index = graph.index(input, "index", key => [key]);
        graph.derive(input, { name: "out", reads: [input] }, (key, _, read) =>
          read.rows(index, key),
        );
      },
      "reading a collection without the reader"(graph, input) {
        const other = graph.input<number>("other");
        graph.derive(input, { name: "out" }, key => other.get(key));
      },
      "reading an index without the reader"(graph, input) {
        const index = graph.index(input, "index", key => [key]);
        graph.derive(input, { name: "out" }, key => index.keysOf(key));
      },
      "reading from an index function"(graph, input) {
        const other = graph.input<number>("other");
        graph.index(input, "index", () => other.keys());
      },
      "holding a cell in a derivation"(graph, input) {
        const cells = graph.cells({ name: "cells" }, key => key);
        graph.derive(input, { name: "out" }, key => cells.acquire(key).key);
      },
      "committing in a derivation"(graph, input) {
        graph.derive(input, { name: "out" }, () => graph.commit(cause, () => {}).revision);
      },
    };
  for (const [name, prepare] of Object.entries(misuses)) {
    test(`${name} leaves commit`, () => {
      const graph = createGraph();
      const input = graph.input<number>("input");
      prepare(graph, input);
      assert.throws(() => set(graph, input, "a", 1), MisuseError);
      assert.equal(input.get("a"), 1);
    });
  }

  test("the message names reader and collection", () => {
    const graph = createGraph();
    const input = graph.input<number>("pods");
    const other = graph.input<number>("nodes");
    graph.derive(input, { name: "workloads" }, (key, _, read) => read.get(other, key));
    assert.throws(
      () => set(graph, input, "a", 1),
      /workloads reads nodes, which its `reads` do not/,
    );
  });

  test("a reader is dead after its function returned", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const kept: Reader[] = [];
    graph.derive(input, { name: "out", reads: [input] }, (_, n, read) => {
      kept.push(read);
      return n;
    });
    set(graph, input, "a", 1);
    assert.throws(() => kept[0]?.get(input, "a"), MisuseError);
  });

  test("the shape is fixed at the first commit, and names are unique", () => {
    const graph = createGraph();
    graph.input("input");
    assert.throws(() => graph.input("input"), /two things .* named input/);
    graph.commit(cause, () => {});
    assert.throws(() => graph.input("late"), MisuseError);
    assert.throws(() => graph.cells({ name: "late cells" }, () => 1), MisuseError);
  });

  test("a collection can not read cells", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const cells = graph.cells({ name: "cells" }, () => 1);
    assert.throws(() => graph.derive(input, { name: "out", reads: [cells] }, () => 1), MisuseError);
  });
});

describe("describe and explain", () => {
  test("the order of reading is that of the last run", () => {
    const graph = createGraph();
    const input = graph.input<readonly string[]>("input");
    const rows = graph.input<number>("rows");
    graph.derive(input, { name: "out", reads: [rows] }, (_, names, read) =>
      names.map(name => read.get(rows, name) ?? 0),
    );
    for (const names of [
      ["a", "b", "c"],
      ["x", "a", "b"],
      ["a", "c"],
      ["a", "b", "c"],
    ]) {
      set(graph, input, "list", names);
      const [, ...read] = graph.explain("out", "list")?.inputs ?? [];
      assert.deepEqual(
        read.map(({ key }) => key),
        names,
      );
    }
  });

  test("describe names everything with rank, size and inputs", () => {
    const graph = createGraph();
    const input = graph.input<number>("input");
    const index = graph.index(input, "index", key => [key]);
    const out = graph.derive(input, { name: "out", reads: [index] }, (_, n) => n);
    graph.cells({ name: "cells", reads: [out] }, key => key).acquire("x");
    set(graph, input, "a", 1);
    assert.deepEqual(graph.describe(), [
      { name: "input", kind: "input", rank: 0, size: 1, inputs: [] },
      { name: "out", kind: "derived", rank: 1, size: 1, inputs: ["input", "index"] },
      { name: "index", kind: "index", rank: 0, size: 1, inputs: ["input"] },
      { name: "cells", kind: "cells", rank: 2, size: 1, inputs: ["out"] },
    ]);
  });

  test("a row names what was read, in the order of reading, each once", () => {
    const graph = createGraph();
    const services = graph.input<string>("services");
    const pods = graph.input<{ app: string }>("pods");
    const mesh = graph.input<string>("mesh");
    const byApp = graph.selectableIndex(pods, "pods by label", (_, { app }) => ({
      namespace: "default",
      labels: { app },
    }));
    const reads = [byApp, mesh];
    graph.derive(services, { name: "endpoints", reads }, (_, app, read) => {
      read.get(mesh, "domain");
      const found = read.select(byApp, { namespace: "default", matchLabels: { app } });
      return [read.get(mesh, "domain"), found.length];
    });
    const edits = [{ source: "files" }, { source: "store", subject: "Pod p" }];
    graph.commit(cause, writer => writer.set(services, "s", "web"));
    graph.commit(edits[0] ?? cause, writer => writer.set(mesh, "other", ""));
    graph.commit(edits[1] ?? cause, writer => writer.set(pods, "p", { app: "web" }));
    assert.deepEqual(graph.explain("endpoints", "s"), {
      collection: "endpoints",
      key: "s",
      revision: 3,
      cause: edits[1],
      inputs: [
        { collection: "services", key: "s", changedAt: 1, cause },
        { collection: "mesh", key: "domain", changedAt: undefined, cause: undefined },
        {
          collection: "pods by label",
          key: '["default",[["app","web"]]]',
          changedAt: undefined,
          cause: undefined,
        },
        { collection: "pods", key: "p", changedAt: 3, cause: edits[1] },
      ],
    });
    assert.equal(graph.explain("nothing of this name", "s"), undefined);
  });
});
