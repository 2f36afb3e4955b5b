import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { budget } from "../../../test/support/budget.ts";
import type { JsonObject } from "../../api/kind.ts";
import { namespaceKind } from "../../api/namespace/kind.ts";
import { arrayAt, objectAt, stringAt, valueAt } from "../json.ts";
import { succeeded } from "../status.ts";
import { FOREGROUND_FINALIZER, isTerminating, type PropagationPolicy } from "./lifecycle.ts";
import { ownerUids } from "./object-tables.ts";
import type { Store } from "./store.ts";
import { accountKind, testStore, value, widget, widgetKind } from "./test-store.ts";

type Operation =
  | { readonly op: "create" | "update" | "delete"; readonly name: string; readonly size: number }
  | { readonly op: "status"; readonly name: string; readonly size: number };

const operation: fc.Arbitrary<Operation> = fc.record({
  op: fc.constantFrom("create", "update", "delete", "status"),
  name: fc.constantFrom("a", "b", "c", "d"),
  size: fc.integer({ min: 0, max: 2 }),
});

interface ModelRow {
  readonly size: number;
  readonly seen: number | undefined;
  readonly generation: number;
}

/** The same operation on a plain map: what should come out. */
function applyToModel(model: Map<string, ModelRow>, { op, name, size }: Operation): boolean {
  const row = model.get(name);
  if (op === "create") {
    if (row !== undefined) return false;
    model.set(name, { size, seen: undefined, generation: 1 });
    return true;
  }
  if (row === undefined) return false;
  if (op === "delete") model.delete(name);
  else if (op === "status") model.set(name, { ...row, seen: size });
  else model.set(name, { ...row, size, generation: row.generation + (row.size === size ? 0 : 1) });
  return true;
}

function applyToStore(store: Store, { op, name, size }: Operation): boolean {
  switch (op) {
    case "create":
      return store.create(widgetKind, "default", widget(name, { size })).ok;
    case "delete":
      return store.delete(widgetKind, "default", name).ok;
    case "update":
      return store.modify(widgetKind, "default", name, current =>
        succeeded({ ...current, spec: { size } }),
      ).ok;
    case "status":
      return store.modify(
        widgetKind,
        "default",
        name,
        current => succeeded({ ...current, status: { seen: size } }),
        { subresource: "status" },
      ).ok;
  }
}

function stateOf(store: Store): Map<string, ModelRow> {
  const rows = store.all(widgetKind).map(({ name, json }): [string, ModelRow] => {
    const seen = valueAt(json, "status.seen");
    const generation = Number(valueAt(json, "metadata.generation"));
    const size = Number(valueAt(json, "spec.size"));
    return [name, { size, seen: typeof seen === "number" ? seen : undefined, generation }];
  });
  return new Map(rows);
}

test("random operations: same as a map, revisions rise, a watch from anywhere gives the state", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), fc.nat(), (operations, startSeed) => {
      const { store } = testStore();
      const model = new Map<string, ModelRow>();
      const start = operations.length === 0 ? 0 : startSeed % operations.length;
      const seen = new Map<string, string>();
      let since = store.revision;
      for (const [i, one] of operations.entries()) {
        if (i === start) {
          since = store.revision;
          for (const { name, json } of store.all(widgetKind)) seen.set(name, JSON.stringify(json));
        }
        const before = store.revision;
        assert.equal(applyToStore(store, one), applyToModel(model, one), JSON.stringify(one));
        assert.ok(store.revision >= before && store.revision <= before + 1);
      }
      assert.deepEqual(stateOf(store), new Map([...model].sort()));
      const selection = { labels: [], fields: [] };
      const watch = value(
        store.watch(widgetKind, { namespace: undefined, selection, since, onReady: () => {} }),
      );
      let last = since;
      for (const { type, object } of value(watch.take(1000))) {
        const metadata = objectAt(object, "metadata");
        const revision = Number(stringAt(metadata, "resourceVersion"));
        assert.ok(revision > last);
        last = revision;
        if (type === "DELETED") seen.delete(stringAt(metadata, "name"));
        else seen.set(stringAt(metadata, "name"), JSON.stringify(object));
      }
      const state = store.all(widgetKind).map(({ name, json }) => [name, JSON.stringify(json)]);
      assert.deepEqual([...seen].sort(), state);
    }),
    budget(100),
  );
});

type Step =
  | { readonly op: "namespace" | "delete namespace"; readonly where: string }
  | {
      readonly op: "create" | "delete" | "release";
      readonly where: string;
      readonly name: string;
      readonly owners: readonly number[];
      readonly held: boolean;
      readonly policy: PropagationPolicy;
    };

const where = fc.constantFrom("one", "two");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constantFrom("namespace", "delete namespace"), where }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constantFrom("create", "create", "delete", "release"),
      where,
      name: fc.constantFrom("a", "b", "c", "d"),
      owners: fc.array(fc.nat({ max: 5 }), { maxLength: 2 }),
      held: fc.boolean(),
      policy: fc.constantFrom("Background", "Foreground", "Orphan"),
    }),
  },
);

function ownersOf(store: Store, picks: readonly number[]): JsonObject[] {
  const all = store.all(widgetKind);
  return picks.flatMap(pick => {
    const found = all[pick % Math.max(1, all.length)];
    if (found === undefined) return [];
    const { name, uid } = found;
    return [{ apiVersion: "test.lateen.dev/v1", kind: "Widget", name, uid }];
  });
}

function runStep(store: Store, one: Step): void {
  if (!("name" in one)) {
    if (one.op === "namespace") store.ensureNamespace(one.where);
    else store.delete(namespaceKind, "", one.where);
  } else if (one.op === "create") {
    const finalizers = one.held ? ["example.com/held"] : [];
    const ownerReferences = ownersOf(store, one.owners);
    store.create(widgetKind, one.where, widget(one.name, {}, { finalizers, ownerReferences }));
  } else if (one.op === "delete")
    store.delete(widgetKind, one.where, one.name, { propagationPolicy: one.policy });
  else
    store.modify(widgetKind, one.where, one.name, current => {
      const metadata = objectAt(current, "metadata");
      const finalizers = arrayAt(metadata, "finalizers").filter(
        finalizer => finalizer !== "example.com/held",
      );
      return succeeded({ ...current, metadata: { ...metadata, finalizers } });
    });
}

/** What holds after every request, whatever was asked for. */
function checkInvariants(store: Store): void {
  const namespaces = new Map(store.all(namespaceKind).map(object => [object.name, object]));
  const uids = new Set(store.all(widgetKind).map(object => object.uid));
  for (const { namespace, name, json } of store.all(widgetKind)) {
    const metadata = objectAt(json, "metadata");
    const here = `${namespace}/${name}`;
    const place = namespaces.get(namespace);
    assert.ok(place !== undefined, `${here} is in no namespace`);
    const deleting = stringAt(metadata, "deletionTimestamp") !== "";
    const finalizers = arrayAt(metadata, "finalizers");
    assert.ok(!deleting || finalizers.length > 0, `${here} is deleted and held by nothing`);
    assert.ok(!isTerminating(place) || deleting, `${here} outlives its namespace`);
    const owners = ownerUids(json);
    const live = owners.filter(uid => uids.has(uid));
    assert.ok(owners.length === 0 || live.length > 0 || deleting, `${here} outlives its owners`);
    if (finalizers.length === 1 && finalizers[0] === FOREGROUND_FINALIZER) {
      const own = stringAt(metadata, "uid");
      const waitsFor = store.all(widgetKind).some(other => ownerUids(other.json).includes(own));
      assert.ok(waitsFor, `${here} waits for nobody`);
    }
  }
  for (const [name, namespace] of namespaces) {
    const inside = [...store.all(widgetKind), ...store.all(accountKind)];
    const content = inside.filter(object => object.namespace === name);
    assert.ok(!isTerminating(namespace) || content.length > 0, `${name} is empty and stays`);
    const hasAccount = content.some(object => object.name === "default");
    assert.ok(isTerminating(namespace) || hasAccount, `${name} has no service account`);
  }
}

test("random owners, finalizers and namespaces: nothing is left that should be gone", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const { store } = testStore();
      for (const namespace of ["one", "two"]) store.ensureNamespace(namespace);
      for (const one of steps) {
        runStep(store, one);
        checkInvariants(store);
      }
    }),
    budget(300),
  );
});
