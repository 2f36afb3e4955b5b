import assert from "node:assert/strict";
import { test } from "node:test";
import { threeWayPatch } from "./three-way.ts";

test("what the file says is set, what only the last file said is removed, the rest stays", () => {
  const last = { spec: { a: 1, gone: true, keep: { x: 1 } } };
  const wanted = { spec: { a: 2, keep: { x: 1 } } };
  const live = {
    spec: { a: 1, gone: true, keep: { x: 1, added: "by the server" }, other: 5 },
    status: {},
  };
  assert.deepEqual(threeWayPatch(last, wanted, live), { spec: { a: 2, gone: null } });
});

test("defaults inside list items do not count as a change", () => {
  const wanted = { spec: { ports: [{ port: 80 }] } };
  const live = { spec: { ports: [{ port: 80, protocol: "TCP" }] } };
  assert.equal(threeWayPatch(undefined, wanted, live), undefined);
});
