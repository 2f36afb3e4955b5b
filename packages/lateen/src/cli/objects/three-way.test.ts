import assert from "node:assert/strict";
import { test } from "node:test";
import { threeWayPatch as patchOf } from "./three-way.ts";

const threeWayPatch = (last: unknown, wanted: unknown, live: unknown) =>
  patchOf(last, wanted, live, { defaulted: true });

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

test("what the file no longer says inside a list item goes, too", () => {
  const last = { spec: { http: [{ match: [{ port: 80 }], route: ["x"] }] } };
  const wanted = { spec: { http: [{ route: ["x"] }] } };
  assert.deepEqual(threeWayPatch(last, wanted, last), wanted);
  const defaulted = { spec: { http: [{ route: ["x"], added: true }] } };
  assert.equal(threeWayPatch(wanted, wanted, defaulted), undefined);
});

test("what somebody added inside a list of an Istio object is taken away again", () => {
  const wanted = { spec: { http: [{ route: ["x"] }] } };
  const live = { spec: { http: [{ route: ["x"], timeout: "5s" }] } };
  assert.deepEqual(patchOf(wanted, wanted, live, { defaulted: false }), wanted);
  assert.equal(patchOf(wanted, wanted, wanted, { defaulted: false }), undefined);
});

test("a value of another type is a change: the server has to say what it thinks of it", () => {
  const live = { spec: { hosts: ["x"], port: 80 } };
  for (const spec of [{ hosts: "x" }, { port: "80" }]) {
    assert.deepEqual(threeWayPatch(live, { spec: { ...live.spec, ...spec } }, live), { spec });
  }
});

test("a null in the file asks for nothing where there is nothing", () => {
  assert.equal(threeWayPatch({}, { status: null }, {}), undefined);
  assert.deepEqual(threeWayPatch({}, { spec: { a: null } }, { spec: { a: 1 } }), {
    spec: { a: null },
  });
});

test("items of Kubernetes' own lists are merged by their names: what was injected stays", () => {
  const main = { name: "main", image: "1", ports: [{ containerPort: 80 }] };
  const wanted = { spec: { containers: [main] } };
  const filled = { ...main, ports: [{ containerPort: 80, protocol: "TCP" }], stdin: false };
  const proxy = { name: "istio-proxy", image: "x" };
  const live = { spec: { containers: [filled, proxy] } };
  assert.equal(threeWayPatch(wanted, wanted, live), undefined);
  assert.equal(threeWayPatch(undefined, wanted, live), undefined);
  const newer = { spec: { containers: [{ ...main, image: "2" }] } };
  assert.deepEqual(threeWayPatch(wanted, newer, live), {
    spec: { containers: [{ ...filled, image: "2" }, proxy] },
  });
  const two = { spec: { containers: [main, { name: "more", image: "3" }] } };
  assert.deepEqual(threeWayPatch(wanted, two, live), {
    spec: { containers: [filled, proxy, { name: "more", image: "3" }] },
  });
  const both = { spec: { containers: [filled, { name: "more", image: "3" }, proxy] } };
  assert.deepEqual(threeWayPatch(two, wanted, both), { spec: { containers: [filled, proxy] } });
});

test("several ports of one number, and lists whose items say no name, are replaced as a whole", () => {
  const ports = [
    { port: 53, protocol: "UDP" },
    { port: 53, protocol: "TCP" },
  ];
  const given = ports.map(port => ({ ...port, targetPort: 53 }));
  assert.equal(
    threeWayPatch(undefined, { spec: { ports } }, { spec: { ports: given } }),
    undefined,
  );
  const env = { spec: { env: [{ value: "x" }] } };
  assert.deepEqual(threeWayPatch(undefined, env, { spec: { env: [{ value: "y" }] } }), env);
});
