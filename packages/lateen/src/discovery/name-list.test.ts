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
