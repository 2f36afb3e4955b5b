import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenBucket } from "../base/token-bucket.ts";
import { FairLine } from "./fair-line.ts";

function rig(waitingMax: number) {
  const line = new FairLine(new TokenBucket(1, 1, 0), waitingMax);
  const said: string[] = [];
  const enter = (owner: string, name: string, open = true) =>
    line.enter(owner, 0, open, {
      admit: () => said.push(`+${name}`),
      turnAway: () => said.push(`-${name}`),
    });
  return { line, said, enter };
}

test("a stranger's many wait for one another, and others for one of them at most", () => {
  const { line, said, enter } = rig(100);
  for (let i = 0; i < 50; i++) enter("stranger", `s${i}`);
  enter("good", "g0");
  enter("good", "g1");
  for (let second = 1; second <= 4; second++) line.tick(second * 1000);
  assert.deepEqual(said, ["+s0", "+s1", "+g0", "+s2", "+g1"]);
});

test("a full line has room for who has less in it than others", () => {
  const { line, said, enter } = rig(3);
  for (const name of ["s0", "s1", "s2", "s3"]) enter("stranger", name);
  enter("stranger", "s4");
  const leave = enter("good", "g0");
  assert.deepEqual(said, ["+s0", "-s4", "-s3"]);
  enter("good", "g1");
  assert.deepEqual(said.slice(3), ["-g1"], "each would have as many");
  leave();
  leave();
  assert.equal(line.waiting, 2);
});

test("nobody is admitted to what is not open, and nobody is forgotten", () => {
  const { line, said, enter } = rig(3);
  enter("a", "a0", false);
  assert.deepEqual(said, []);
  line.tick(0);
  assert.deepEqual(said, ["+a0"]);
});
