import assert from "node:assert/strict";
import { test } from "node:test";
import { type Pusher, PushScheduler } from "./push-scheduler.ts";

class Counted implements Pusher {
  pushes = 0;
  readonly #result: ReturnType<Pusher["push"]>;

  constructor(result: ReturnType<Pusher["push"]>) {
    this.#result = result;
  }

  push(): ReturnType<Pusher["push"]> {
    this.pushes++;
    return this.#result;
  }
}

async function slices(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(done => setImmediate(done));
}

/** Two streams that take nothing fill what may be under way. */
async function stuck(): Promise<{ scheduler: PushScheduler; slow: readonly Counted[] }> {
  const scheduler = new PushScheduler({ sliceMs: 1000, inFlightMax: 2, slowAfterMs: 20 });
  const slow = [new Counted("blocked"), new Counted("blocked")];
  for (const pusher of slow) scheduler.schedule(pusher);
  await slices(2);
  return { scheduler, slow };
}

test("streams that take nothing hold others up once, not at every change", async () => {
  const { scheduler, slow } = await stuck();
  const quick = new Counted("idle");
  scheduler.schedule(quick);
  await slices(2);
  assert.equal(quick.pushes, 0, "what was just written may still be taken at once");
  while (quick.pushes === 0) await new Promise(done => setTimeout(done, 5));
  for (const pusher of [...slow, quick]) scheduler.schedule(pusher);
  await slices(2);
  assert.equal(quick.pushes, 2, "a change that is for all of them");
  assert.deepEqual(
    slow.map(({ pushes }) => pushes),
    [1, 1],
    "a full transport is not written to",
  );
  scheduler.close();
});

test("a stream that drains is asked at once and makes room; one that ends, too", async () => {
  const { scheduler, slow } = await stuck();
  const [first, second] = slow;
  assert.ok(first && second);
  const quick = new Counted("idle");
  scheduler.schedule(quick);
  scheduler.drained(first);
  await slices(2);
  assert.deepEqual([first.pushes, quick.pushes], [2, 1]);
  scheduler.schedule(quick);
  await slices(2);
  assert.equal(quick.pushes, 1);
  scheduler.forget(second);
  await slices(2);
  assert.equal(quick.pushes, 2);
  scheduler.close();
});
