import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { budget } from "../../test/support/budget.ts";
import { createGraph } from "./graph.ts";
import type { Cell, CellFamily, Graph, InputCollection } from "./types.ts";
import { createWatchSets } from "./watch.ts";
import { joinWatchSets } from "./watch-joined.ts";
import type { WatchSet, WatchSets } from "./watch-types.ts";

const cause = { source: "test" };
const never = (): boolean => false;
const settled = { removed: [] };

interface Fixture {
  readonly graph: Graph;
  readonly rows: InputCollection<string>;
  readonly cells: CellFamily<string | undefined>;
  readonly sets: WatchSets<string | undefined>;
  set(key: string, value: string): void;
  remove(key: string): void;
}

/** Rows by name; a cell gives a row in capitals; the names cell lists the rows. */
function fixture(): Fixture {
  const graph = createGraph();
  const rows = graph.input<string>("rows");
  const cells = graph.cells<string | undefined>({ name: "cells", reads: [rows] }, (key, read) => {
    const value = read.get(rows, key);
    if (value === "broken") throw new Error("broken row");
    return value?.toUpperCase();
  });
  const names = graph.cells({ name: "names", reads: [rows] }, (_, read) => read.keys(rows));
  const sets = createWatchSets({ cells, names, cellKey: (_, name) => name });
  return {
    graph,
    rows,
    cells,
    sets,
    set: (key, value) => void graph.commit(cause, w => w.set(rows, key, value)),
    remove: key => void graph.commit(cause, w => w.delete(rows, key)),
  };
}

function take(set: WatchSet<unknown>, since: number): ReturnType<WatchSet<unknown>["since"]> {
  assert.equal(set.settle(never), true);
  return set.since(since);
}

test("an explicit set is shared, whatever the order of its names", () => {
  const { sets } = fixture();
  const first = sets.explicit("view", ["b", "a"]);
  first.retain();
  assert.equal(sets.explicit("view", ["a", "b", "a"]), first);
  assert.notEqual(sets.explicit("other view", ["a", "b"]), first);
  first.release();
  assert.equal(sets.liveCount, 0);
});

test("since gives what changed after a revision, for any revision", () => {
  const { graph, sets, set } = fixture();
  set("a", "1");
  const watched = sets.explicit("view", ["a", "b"]);
  watched.retain();
  assert.deepEqual(take(watched, -1), { ...settled, changed: ["a", "b"] });
  assert.equal(watched.cell("a")?.value(), "1");
  const first = graph.revision;
  set("b", "2");
  assert.deepEqual(take(watched, first), { ...settled, changed: ["b"] });
  const second = graph.revision;
  set("a", "3");
  set("c", "not ours");
  assert.deepEqual(take(watched, second), { ...settled, changed: ["a"] });
  assert.deepEqual(watched.since(first), { ...settled, changed: ["a", "b"] });
  assert.deepEqual(watched.since(graph.revision), { ...settled, changed: [] });
});

test("a following set has the names of its cell at any time", () => {
  const { graph, sets, set, remove } = fixture();
  set("b", "1");
  const watched = sets.following("view", "all");
  watched.retain();
  take(watched, -1);
  const first = graph.revision;
  set("a", "1");
  assert.deepEqual(take(watched, first), { ...settled, changed: ["a"] });
  assert.deepEqual(watched.names(), ["a", "b"]);
  const second = graph.revision;
  remove("b");
  assert.deepEqual(take(watched, second), { changed: [], removed: ["b"] });
  set("b", "2");
  assert.deepEqual(take(watched, second), { ...settled, changed: ["b"] });
  set("short-lived", "1");
  take(watched, second);
  remove("short-lived");
  assert.deepEqual(take(watched, second), { ...settled, changed: ["b"] });
});

test("settle works in slices and always gets on", () => {
  const { sets, set } = fixture();
  set("a", "1");
  const watched = sets.explicit("view", ["a", "b", "c"]);
  watched.retain();
  assert.equal(
    watched.settle(() => true),
    false,
  );
  assert.equal(
    watched.settle(() => true),
    false,
  );
  assert.equal(watched.revision, -1);
  assert.equal(
    watched.settle(() => true),
    true,
  );
  assert.equal(watched.revision, 1);
});

test("a set says once that it is dirty, until it is settled again", () => {
  const { sets, set } = fixture();
  set("a", "1");
  const watched = sets.following("view", "all");
  watched.retain();
  take(watched, -1);
  let calls = 0;
  const stop = watched.onDirty(() => calls++);
  set("a", "2");
  set("a", "3");
  set("b", "1");
  assert.equal(calls, 1);
  take(watched, -1);
  set("c", "1");
  assert.equal(calls, 2);
  take(watched, -1);
  stop();
  set("c", "2");
  assert.equal(calls, 2);
});

test("a name whose cell never had a value is left out until it has one", () => {
  const { graph, sets, set } = fixture();
  set("a", "broken");
  set("b", "1");
  const watched = sets.following("view", "all");
  watched.retain();
  assert.deepEqual(take(watched, -1), { ...settled, changed: ["b"] });
  assert.deepEqual(watched.names(), ["b"]);
  assert.equal(watched.cell("a"), undefined);
  const before = graph.revision;
  set("a", "mended");
  assert.deepEqual(take(watched, before), { ...settled, changed: ["a"] });
  set("a", "broken");
  assert.deepEqual(take(watched, graph.revision - 1), { ...settled, changed: [] });
  assert.equal(watched.cell("a")?.value(), "MENDED");
  assert.equal(graph.failures().length, 1);
});

test("the last release leaves nothing behind", () => {
  const { graph, sets, set } = fixture();
  set("a", "1");
  const before = graph.census();
  const watched = sets.following("view", "all");
  watched.retain();
  watched.retain();
  take(watched, -1);
  watched.release();
  assert.equal(sets.liveCount, 1);
  watched.release();
  assert.deepEqual(graph.census(), before);
});

test("joined sets read as one: names in order, changes of all, a name that moves is not removed", () => {
  const { sets, set, remove } = fixture();
  set("a", "1");
  set("c", "3");
  const joined = joinWatchSets([sets.explicit("one", ["b", "c"]), sets.following("two", "rows")]);
  joined.retain();
  assert.deepEqual(take(joined, -1).changed, ["a", "b", "c", "c"]);
  assert.equal(joined.cell("a")?.value(), "1");
  const before = joined.revision;
  set("a", "2");
  assert.deepEqual(take(joined, before), { ...settled, changed: ["a"] });
  remove("c");
  const { changed, removed } = take(joined, before);
  assert.deepEqual([changed, removed], [["a", "c"], []], "the explicit set still has the name");
  joined.release();
  assert.equal(sets.liveCount, 0);
});

test("a listener may settle at once, even when that lets a dirtied cell go", () => {
  const { sets, graph, rows } = fixture();
  graph.commit(cause, writer => {
    writer.set(rows, "a", "1");
    writer.set(rows, "b", "1");
  });
  const watched = sets.following("view", "all");
  watched.retain();
  take(watched, -1);
  watched.onDirty(() => watched.settle(never));
  graph.commit(cause, writer => {
    writer.delete(rows, "a");
    writer.delete(rows, "b");
  });
  assert.deepEqual(take(watched, 1), { changed: [], removed: ["a", "b"] });
});

type Step =
  | { readonly kind: "edit"; readonly key: string; readonly value: string | undefined }
  | { readonly kind: "slice" }
  | { readonly kind: "elsewhere" }
  | { readonly kind: "follow"; readonly follower: number };

const name = fc.constantFrom("a", "b", "c", "d");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: editStep() },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("slice") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("elsewhere") }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("follow"), follower: fc.nat(2) }) },
);

function editStep(): fc.Arbitrary<Step> {
  const value = fc.option(fc.constantFrom("x", "y", "broken"), { nil: undefined });
  return fc.record({ kind: fc.constant("edit"), key: name, value });
}

/** What a stream has: a revision, and what its client was told. */
interface Follower {
  revision: number;
  readonly state: Map<string, unknown>;
}

function follow(set: WatchSet<unknown>, follower: Follower): void {
  const { changed, removed } = take(set, follower.revision);
  for (const name of changed) follower.state.set(name, set.cell(name)?.value());
  for (const name of removed) follower.state.delete(name);
  follower.revision = set.revision;
  const now = set.names().map(name => [name, set.cell(name)?.value()] as const);
  assert.deepEqual(new Map([...follower.state].sort()), new Map(now));
}

for (const kind of ["explicit", "following"] as const) {
  test(`followers of any pace have the state of now: ${kind} sets`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: "max" }), steps => {
        const { cells, sets, set, remove } = fixture();
        const watched =
          kind === "following" ? sets.following("view", "all") : sets.explicit("", ["a", "b", "c"]);
        watched.retain();
        const elsewhere = cells.acquire("d");
        const followers = [0, 1, 2].map((): Follower => ({ revision: -1, state: new Map() }));
        for (const given of steps) {
          if (given.kind === "slice") watched.settle(() => true);
          else if (given.kind === "follow") {
            const follower = followers[given.follower];
            if (follower !== undefined) follow(watched, follower);
          } else if (given.kind === "elsewhere") touch(elsewhere);
          else if (given.value === undefined) remove(given.key);
          else set(given.key, given.value);
        }
        for (const follower of followers) follow(watched, follower);
      }),
      budget(300),
    );
  });
}

/** Another holder computes the cell, so that a set finds it clean with an older revision. */
function touch(cell: Cell<unknown>): void {
  try {
    cell.value();
  } catch {
    // A row that is broken from the start.
  }
}

test("a revision taken from one set may be asked of another over the same cells", () => {
  const { sets, set } = fixture();
  set("b", "1");
  set("a", "1");
  const narrow = sets.explicit("", ["b"]);
  narrow.retain();
  take(narrow, -1);
  const then = narrow.revision;
  const other = sets.explicit("", ["a"]);
  set("a", "2");
  other.retain();
  take(other, -1);
  const wide = sets.explicit("", ["a", "b"]);
  wide.retain();
  assert.deepEqual(take(wide, then).changed, ["a"]);
});
