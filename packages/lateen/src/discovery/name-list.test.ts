import assert from "node:assert/strict";
import { test } from "node:test";
import { NameList } from "./name-list.ts";

test("how many there are is known without going through them, whatever comes and goes", () => {
  const list = new NameList();
  const wanted = new Set<string>();
  let state = 7;
  const next = (below: number): number => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  for (let round = 0; round < 2000; round++) {
    const name = `n${next(60)}`;
    const comes = next(2) === 0;
    list.queue(name, comes);
    if (comes) wanted.add(name);
    else wanted.delete(name);
    assert.equal(list.size, wanted.size);
    if (next(5) === 0) assert.deepEqual(list.take(), [...wanted].sort());
  }
});

test("a first list is as if its names had come one by one, and is kept where it is in order", () => {
  for (const names of [["a", "b", "c"], ["c", "a", "c"], []]) {
    const [list, other] = [new NameList(), new NameList()];
    list.begin(names);
    for (const name of names) other.queue(name, true);
    for (const each of [list, other]) {
      each.queue("d", true);
      each.queue("a", false);
    }
    assert.equal(list.size, other.size);
    for (const name of ["a", "b", "c", "d", "e"])
      assert.equal(list.isComing(name), other.isComing(name), name);
    assert.deepEqual(list.take(), other.take());
  }
  const shared = ["a", "b"];
  const list = new NameList();
  list.begin(shared);
  assert.equal(list.queuedSize, 2);
  assert.equal(list.take(), shared);
  assert.equal(list.take(), undefined);
});
