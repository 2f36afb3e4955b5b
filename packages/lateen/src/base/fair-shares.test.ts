import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FairShares, type Held } from "./fair-shares.ts";

test("owners take turns, each with its oldest first", () => {
  const shares = new FairShares<string>();
  for (const item of ["a1", "a2", "a3", "b1", "c1", "b2"]) shares.add(item.slice(0, 1), item);
  const taken: (string | undefined)[] = [];
  for (let i = 0; i < 7; i++) taken.push(shares.takeNext());
  assert.deepEqual(taken, ["a1", "b1", "c1", "a2", "b2", "a3", undefined]);
  assert.deepEqual([shares.size, shares.owners], [0, 0]);
});

test("who has most gives way to who has less, with its newest", () => {
  const shares = new FairShares<string>();
  for (const item of ["a1", "a2", "a3", "b1"]) shares.add(item.slice(0, 1), item);
  assert.equal(shares.givesWayTo("b")?.item, "a3");
  assert.equal(shares.givesWayTo("c")?.item, "a3");
  assert.equal(shares.givesWayTo("a"), undefined);
  shares.add("b", "b2");
  assert.equal(shares.givesWayTo("b"), undefined, "it would have as many then");
});

test("whatever comes and goes: counts, order and who has most are those of a plain list", () => {
  const step = fc.record({
    owner: fc.constantFrom("a", "b", "c"),
    what: fc.constantFrom("add", "remove", "next"),
    at: fc.nat(20),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const shares = new FairShares<number>();
      let plain: { owner: string; item: number; held: Held<number> }[] = [];
      for (const [item, { owner, what, at }] of steps.entries()) {
        if (what === "add") plain.push({ owner, item, held: shares.add(owner, item) });
        const chosen = plain[at];
        if (what === "remove" && chosen !== undefined) {
          chosen.held.remove();
          chosen.held.remove();
          plain = plain.filter(each => each !== chosen);
        }
        if (what === "next") {
          const taken = shares.takeNext();
          const of = plain.find(each => each.item === taken);
          assert.equal(plain.find(each => each.owner === of?.owner)?.item, taken);
          plain = plain.filter(each => each !== of);
        }
        const byOwner = Map.groupBy(plain, each => each.owner);
        const most = Math.max(0, ...[...byOwner.values()].map(list => list.length));
        const way = shares.givesWayTo("nobody");
        assert.equal(way === undefined, most <= 1);
        if (way !== undefined) {
          assert.equal(byOwner.get(way.owner)?.length, most);
          assert.equal(byOwner.get(way.owner)?.at(-1)?.item, way.item);
        }
        assert.deepEqual([shares.size, shares.owners], [plain.length, byOwner.size]);
        assert.deepEqual(new Set(shares.items()), new Set(plain.map(each => each.item)));
      }
    }),
  );
});
