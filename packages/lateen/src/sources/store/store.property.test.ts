import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { objectAt, stringAt, valueAt } from "../json.ts";
import { succeeded } from "../status.ts";
import type { Store } from "./store.ts";
import { testStore, value, widget, widgetKind } from "./test-store.ts";

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
    { numRuns: 100 },
  );
});
