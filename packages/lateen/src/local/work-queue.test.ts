import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { silentLog } from "../base/log.ts";
import { WorkQueue } from "./work-queue.ts";

const soon = (): Promise<void> => new Promise(next => setImmediate(next));

test("a key named often is worked on once, one key at a time", async () => {
  const worked: string[] = [];
  let busy = 0;
  const queue = new WorkQueue({
    name: "test",
    clock: new FakeClock(),
    log: silentLog,
    work: async key => {
      assert.equal(busy++, 0);
      await soon();
      worked.push(key);
      busy--;
    },
  });
  for (const key of ["a", "b", "a", "a"]) queue.add(key);
  for (let i = 0; i < 5; i++) await soon();
  assert.deepEqual(worked, ["a", "b"]);
  queue.add("a");
  await queue.stop();
  queue.add("c");
  await soon();
  assert.ok(!worked.includes("c"));
});

test("a key that fails comes back later and later", async () => {
  const clock = new FakeClock();
  let calls = 0;
  const queue = new WorkQueue({
    name: "test",
    clock,
    log: silentLog,
    work: async () => {
      calls++;
      if (calls < 4) throw new Error("not yet");
    },
  });
  queue.add("a");
  const passed: number[] = [];
  for (const ms of [100, 200, 400]) {
    await soon();
    passed.push(calls);
    clock.advance(ms);
  }
  await soon();
  assert.deepEqual([...passed, calls], [1, 2, 3, 4]);
  clock.advance(100_000);
  await soon();
  assert.equal(calls, 4);
});

test("of several dates the earliest counts", async () => {
  const clock = new FakeClock();
  let calls = 0;
  const work = async (): Promise<void> => void calls++;
  const queue = new WorkQueue({ name: "test", clock, log: silentLog, work });
  for (const ms of [500, 100, 1000]) queue.addLater("a", ms);
  clock.advance(100);
  await soon();
  assert.equal(calls, 1);
  clock.advance(2000);
  await soon();
  assert.equal(calls, 1);
});

test("the earliest counts also where the clock is set in between", async () => {
  const clock = new FakeClock();
  let calls = 0;
  const work = async (): Promise<void> => void calls++;
  const queue = new WorkQueue({ name: "test", clock, log: silentLog, work });
  queue.addLater("a", 1000);
  clock.set(-3_600_000);
  queue.addLater("a", 5000);
  clock.advance(1000);
  await soon();
  assert.equal(calls, 1);
  queue.addLater("a", 1000);
  clock.set(3_600_000);
  queue.addLater("a", 100);
  clock.advance(100);
  await soon();
  assert.equal(calls, 2);
});
