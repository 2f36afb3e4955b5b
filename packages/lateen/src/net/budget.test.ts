import assert from "node:assert/strict";
import { test } from "node:test";
import { Budget } from "./budget.ts";

function rig(limits: { server: number; owner: number }) {
  const budget = new Budget(limits, "bytes");
  const ended: string[] = [];
  const open = (owner: string, name: string) => {
    const account = budget.open(owner, why => {
      ended.push(`${name}: ${why}`);
      account.set(0);
    });
    return account;
  };
  return { budget, ended, open };
}

test("of an owner with too much the stream goes that began first", () => {
  const { budget, ended, open } = rig({ server: 1000, owner: 100 });
  const [first, second, other] = [open("a", "first"), open("a", "second"), open("b", "other")];
  first.set(40);
  other.set(90);
  second.set(50);
  assert.deepEqual(ended, []);
  second.set(61);
  assert.deepEqual(ended, ["first: 101 bytes of this client, at most 100"]);
  assert.deepEqual([budget.total, budget.owners], [151, 2]);
  for (const account of [first, second, other]) account.set(0);
  assert.deepEqual([budget.total, budget.owners], [0, 0]);
});

test("where all together have too much, the owner with the most gives way", () => {
  const { budget, ended, open } = rig({ server: 100, owner: 90 });
  open("small", "s").set(10);
  open("large", "l").set(80);
  open("late", "n").set(15);
  assert.equal(ended.length, 1);
  assert.match(ended[0] ?? "", /^l: 105 bytes of all clients, at most 100/);
  assert.equal(budget.total, 25);
});

test("as many go as it takes, where those that began first hold next to nothing", () => {
  const { budget, ended, open } = rig({ server: 1000, owner: 100 });
  for (let i = 0; i < 50; i++) open("a", `small ${i}`).set(1);
  const large = open("a", "large");
  large.set(90);
  assert.deepEqual([ended.length, budget.total], [40, 100]);
  large.set(101);
  assert.deepEqual([ended.length, budget.total], [51, 0]);
});

test("nobody is asked for ever to let go of what he keeps", () => {
  const budget = new Budget({ server: 10, owner: 10 }, "bytes");
  let asked = 0;
  budget.open("a", () => asked++).set(11);
  assert.equal(asked, 2);
});
