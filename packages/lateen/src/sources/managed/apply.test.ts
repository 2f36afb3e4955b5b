import assert from "node:assert/strict";
import { test } from "node:test";
import { defineKind } from "../../api/define.ts";
import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import { any, integer, list, map, object, string } from "../../api/schema.ts";
import { objectAt } from "../json.ts";
import { refusal, value } from "../store/test-store.ts";
import { type Applied, appliedFirst, appliedTo } from "./apply.ts";
import { managedAfterWrite } from "./managers.ts";

const port = object({ port: integer(), protocol: string(), name: string() });
const kind: Kind = defineKind({
  group: "test.lateen.dev",
  versions: ["v1"],
  kind: "Thing",
  plural: "things",
  subresources: ["status"],
  description: "Something with lists of each form.",
  fields: {
    spec: object({
      size: integer(),
      hosts: list(string()),
      ports: list(port, { mapKeys: ["port", "protocol"] }),
      extra: map(string()),
    }),
    status: any(),
  },
  columns: [],
});

const typed = { apiVersion: "test.lateen.dev/v1", kind: "Thing" };
const config = (spec: JsonObject, metadata: JsonObject = {}): JsonObject => ({
  ...typed,
  metadata: { name: "a", ...metadata },
  spec,
});
const applied = (manager: string, spec: JsonObject, more: Partial<Applied> = {}): Applied => ({
  kind,
  manager,
  force: false,
  time: "2026-01-01T00:00:00Z",
  subresource: "",
  config: config(spec),
  ...more,
});
const specOf = (object: JsonObject) => objectAt(object, "spec");
const managers = (object: JsonObject): Record<string, Json> => {
  const entries = objectAt(object, "metadata")["managedFields"] as
    | readonly JsonObject[]
    | undefined;
  const named = (entries ?? []).map(
    ({ manager, operation, fieldsV1 }) =>
      [`${String(manager)} ${String(operation)}`, fieldsV1] as const,
  );
  return Object.fromEntries(named) as Record<string, Json>;
};

test("what a manager no longer says goes, unless somebody else says it", () => {
  const first = appliedFirst(applied("one", { size: 1, extra: { a: "1", b: "2" } }));
  const both = value(appliedTo(first, applied("two", { extra: { b: "2", c: "3" } })));
  assert.deepEqual(specOf(both), { size: 1, extra: { a: "1", b: "2", c: "3" } });
  const less = value(appliedTo(both, applied("one", { size: 1 })));
  assert.deepEqual(specOf(less), { size: 1, extra: { b: "2", c: "3" } });
  const none = value(appliedTo(less, applied("two", {})));
  assert.deepEqual(specOf(none), { size: 1 });
  assert.deepEqual(managers(none), {
    "one Apply": { "f:spec": { "f:size": {} } },
    "two Apply": { "f:spec": {} },
  });
});

test("another value is a conflict that names manager and field, and is taken by force", () => {
  const first = appliedFirst(applied("one", { size: 1, hosts: ["a"] }));
  assert.equal(
    refusal(appliedTo(first, applied("two", { size: 2 }))),
    '409 Conflict: Apply failed with 1 conflict: conflict with "one": .spec.size',
  );
  assert.equal(
    refusal(appliedTo(first, applied("two", { size: 2, hosts: ["b"] }))),
    '409 Conflict: Apply failed with 2 conflicts: conflicts with "one":\n- .spec.size\n- .spec.hosts',
  );
  value(appliedTo(first, applied("two", { size: 1, hosts: ["a"] })));
  const forced = value(appliedTo(first, applied("two", { size: 2 }, { force: true })));
  assert.deepEqual(managers(forced), {
    "one Apply": { "f:spec": { "f:hosts": {} } },
    "two Apply": { "f:spec": { "f:size": {} } },
  });
});

test("lists with keys are merged item by item, others are one value", () => {
  const first = appliedFirst(
    applied("one", { ports: [{ port: 80, protocol: "TCP", name: "http" }] }),
  );
  const both = value(appliedTo(first, applied("two", { ports: [{ port: 81, protocol: "TCP" }] })));
  assert.deepEqual(specOf(both)["ports"], [
    { port: 80, protocol: "TCP", name: "http" },
    { port: 81, protocol: "TCP" },
  ]);
  assert.equal(
    refusal(appliedTo(both, applied("two", { ports: [{ port: 80, name: "web" }] }))),
    '409 Conflict: Apply failed with 1 conflict: conflict with "one": ' +
      '.spec.ports[port=80,protocol="TCP"].name',
  );
  const gone = value(appliedTo(both, applied("two", { ports: [] })));
  assert.deepEqual(specOf(gone)["ports"], [{ port: 80, protocol: "TCP", name: "http" }]);
});

test("objects from before: what kubectl applied is kubectl's, applying twice changes nothing", () => {
  const last = JSON.stringify(config({ size: 1 }));
  const live = {
    ...config({ size: 1, hosts: ["a"] }),
    metadata: {
      name: "a",
      uid: "u",
      resourceVersion: "5",
      annotations: { "kubectl.kubernetes.io/last-applied-configuration": last },
    },
    status: { seen: 1 },
  };
  assert.match(
    refusal(appliedTo(live, applied("one", { size: 2 }))),
    /conflict with "kubectl-client-side-apply" using test\.lateen\.dev\/v1 at 2026-01-01T00:00:00Z: \.spec\.size$/,
  );
  assert.match(
    refusal(appliedTo(live, applied("one", { hosts: ["b"] }))),
    /conflict with "before-first-apply" .*: \.spec\.hosts$/,
  );
  const once = value(appliedTo(live, applied("one", { size: 1 })));
  const later = { time: "2026-01-02T00:00:00Z" };
  assert.deepEqual(value(appliedTo(once, applied("one", { size: 1 }, later))), once);
  assert.deepEqual(once["status"], { seen: 1 });
  assert.equal(objectAt(once, "metadata")["resourceVersion"], "5");
});

test("a write that is no apply takes over what it changes", () => {
  const first = appliedFirst(applied("one", { size: 1, hosts: ["a"], extra: { a: "1" } }));
  const by = { manager: "editor", subresource: "", time: "2026-01-02T00:00:00Z" };
  const next = { ...first, spec: { size: 3, hosts: ["a"] } };
  const kept = objectAt(first, "metadata")["managedFields"];
  const changed = managedAfterWrite(kind, first, kept, next, by);
  assert.deepEqual(managers(changed), {
    "one Apply": { "f:spec": { "f:hosts": {} } },
    "editor Update": { "f:spec": { "f:size": {} } },
  });
  assert.equal(
    refusal(appliedTo(changed, applied("one", { size: 1 }))),
    '409 Conflict: Apply failed with 1 conflict: conflict with "editor" using test.lateen.dev/v1 ' +
      "at 2026-01-02T00:00:00Z: .spec.size",
  );
  assert.deepEqual(managers(managedAfterWrite(kind, first, [], next, by)), {}, "asked to forget");
});

test("there is a limit to managers, and updates of many are put together", () => {
  let object = appliedFirst(applied("m0", { size: 1 }));
  for (let i = 1; i < 50; i++) object = value(appliedTo(object, applied(`m${i}`, { size: 1 })));
  assert.match(refusal(appliedTo(object, applied("more", { size: 1 }))), /50 field managers/);
  let updated = appliedFirst(applied("one", { extra: {} }));
  for (let i = 0; i < 30; i++) {
    const extra = { ...objectAt(specOf(updated), "extra"), [`k${i}`]: "v" };
    const kept = objectAt(updated, "metadata")["managedFields"];
    const time = `2026-01-01T00:00:${String(i + 10)}Z`;
    const by = { manager: `u${i}`, subresource: "", time };
    updated = managedAfterWrite(kind, updated, kept, { ...updated, spec: { extra } }, by);
  }
  const names = Object.keys(managers(updated));
  assert.ok(names.length <= 12, names.join());
  assert.ok(names.includes("ancient-changes Update"));
});
