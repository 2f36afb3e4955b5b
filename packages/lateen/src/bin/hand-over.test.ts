import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { handOver } from "./hand-over.ts";

test("the lead goes at once, streams later, also where the API server does not answer", async () => {
  const clock = new FakeClock();
  const done: string[] = [];
  const over = handOver(10_000, {
    clock,
    giveLeadBack: () => {
      done.push("lead");
      return new Promise(() => {});
    },
    drainStreams: overMs => {
      done.push(`streams within ${overMs} ms`);
      return Promise.resolve();
    },
  });
  assert.deepEqual(done, ["lead"]);
  clock.advance(2_999);
  await Promise.resolve();
  assert.deepEqual(done, ["lead"]);
  clock.advance(1);
  await over;
  assert.deepEqual(done, ["lead", "streams within 7000 ms"]);
});
