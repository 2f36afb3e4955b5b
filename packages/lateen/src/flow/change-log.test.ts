import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChangeLog } from "./change-log.ts";

test("any number of changes between two revisions come out as one, for any two revisions", () => {
  const edit = fc.record({ name: fc.constantFrom("a", "b", "c"), present: fc.boolean() });
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 30, size: "max" }), edits => {
      const log = new ChangeLog();
      const states: ReadonlyMap<string, number>[] = [new Map()];
      edits.forEach(({ name, present }, i) => {
        const revision = i + 1;
        const state = new Map(states[i]);
        if (present) {
          state.set(name, revision);
          log.changed(name, revision);
        } else {
          state.delete(name);
          log.removed(name, revision);
        }
        states.push(state);
      });
      for (const [revision, then] of states.entries()) {
        checkFollower(log, then, states.at(-1), revision);
      }
    }),
  );
});

/** Whoever has the state of `revision` and applies the answer must have the state of now. */
function checkFollower(
  log: ChangeLog,
  then: ReadonlyMap<string, number>,
  now: ReadonlyMap<string, number> | undefined,
  revision: number,
): void {
  const { changed, removed, incomplete } = log.since(revision);
  assert.equal(incomplete, undefined);
  const state = new Map(then);
  for (const name of changed) {
    assert.notEqual(state.get(name), now?.get(name), "told although it is the same");
    state.set(name, now?.get(name) ?? 0);
  }
  for (const name of removed) state.delete(name);
  assert.deepEqual([...state].sort(), [...(now ?? [])].sort());
}

test("a name that came and went unseen is not reported", () => {
  const log = new ChangeLog();
  log.changed("a", 5);
  log.removed("a", 6);
  assert.deepEqual(log.since(4), { changed: [], removed: [] });
  assert.deepEqual(log.since(5), { changed: [], removed: ["a"] });
});

test("memory follows the names: old removals are forgotten, and who asks for them is told", () => {
  const log = new ChangeLog();
  log.changed("first", 1);
  for (let i = 0; i < 10_000; i++) {
    log.changed(`name${i}`, 2 + 2 * i);
    log.removed(`name${i}`, 3 + 2 * i);
  }
  const last = 2 + 2 * 10_000;
  assert.equal(log.since(1).incomplete, true);
  assert.equal(log.since(-1).incomplete, undefined);
  assert.deepEqual(log.since(-1), { changed: ["first"], removed: [] });
  assert.deepEqual(log.since(last - 2).removed, ["name9999"]);
});

test("however much goes at once, who knew of it all is told", () => {
  const log = new ChangeLog();
  const names = Array.from({ length: 10_000 }, (_, i) => `name${i}`).sort();
  for (const name of names) log.changed(name, 1);
  for (const name of names) log.removed(name, 2);
  assert.deepEqual(log.since(1), { changed: [], removed: names });
  log.changed("a", 3);
  log.removed("a", 4);
  assert.equal(log.since(1).incomplete, true, "from the next removal on it is forgotten");
  assert.deepEqual(log.since(3).removed, ["a"]);
});
