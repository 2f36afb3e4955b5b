import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "../../api/kind.ts";
import { serviceKind } from "../../api/service/kind.ts";
import { virtualServiceKind } from "../../api/virtual-service/kind.ts";
import type { ObjectSource, SourceChange, SourceSink } from "../source.ts";
import { MESH_GROUPS } from "./kube-source.ts";
import { RevisionSource } from "./revision-source.ts";

/** A source and its tags, both told by hand, and what came through. */
function setUp(revision = "canary") {
  let inner: SourceSink | undefined;
  let setTags: (tags: ReadonlySet<string>) => void = () => {};
  const source: ObjectSource = new RevisionSource({
    inner: {
      name: "test",
      start: sink => {
        inner = sink;
      },
      stop: () => {},
    },
    revision,
    tags: {
      start: onTags => {
        setTags = onTags;
      },
      stop: () => {},
    },
    isDivided: kind => MESH_GROUPS.has(kind.group),
  });
  const told: string[] = [];
  const state = new Map<string, JsonObject>();
  let synced = 0;
  source.start({
    onChanges: changes => {
      assert.notEqual(changes.length, 0);
      for (const { name, object } of changes) {
        told.push(`${object === undefined ? "-" : "+"}${name}`);
        if (object === undefined) assert.ok(state.delete(name), `${name} was told before`);
        else state.set(name, object);
      }
    },
    onProblems: () => {},
    onSynced: () => synced++,
  });
  const change = (name: string, label: string | undefined, present = true): SourceChange => {
    const labels = label === undefined ? {} : { "istio.io/rev": label };
    const object = present ? { metadata: { name, labels } } : undefined;
    return { kind: virtualServiceKind, namespace: "web", name, object };
  };
  return {
    tell: (...changes: SourceChange[]) => inner?.onChanges(changes),
    put: (name: string, label?: string) => inner?.onChanges([change(name, label)]),
    remove: (name: string) => inner?.onChanges([change(name, undefined, false)]),
    tags: (...names: string[]) => setTags(new Set(names)),
    innerSynced: () => inner?.onSynced(),
    synced: () => synced,
    take: () => told.splice(0),
    state,
  };
}

test("an object with another revision's label is not there; a label moves it in and out", () => {
  const { put, remove, tags, take } = setUp();
  tags();
  for (const label of [undefined, "canary", "default", ""]) put(`of ${label}`, label);
  assert.deepEqual(take(), ["+of undefined", "+of canary"]);
  put("of undefined", "default");
  put("of default", "canary");
  assert.deepEqual(take(), ["-of undefined", "+of default"]);
  put("of undefined", "default");
  put("of undefined", "other");
  remove("of ");
  assert.deepEqual(take(), [], "nothing of what is not ours is told, however often it changes");
  remove("of default");
  put("of undefined");
  assert.deepEqual(take(), ["-of default", "+of undefined"]);
});

test("a tag moves what carries it, and nothing else", () => {
  const { put, tags, take } = setUp();
  tags();
  for (let i = 0; i < 1000; i++) put(`all ${i}`);
  put("canary", "canary");
  put("prod 0", "prod");
  put("prod 1", "prod");
  put("test", "test");
  take();
  tags("prod");
  assert.deepEqual(take().sort(), ["+prod 0", "+prod 1"]);
  tags("prod", "canary");
  assert.deepEqual(take(), []);
  tags("test");
  assert.deepEqual(take().sort(), ["+test", "-prod 0", "-prod 1"]);
});

test("other kinds are for all, whatever their labels", () => {
  const { tell, tags, take } = setUp();
  tags();
  const object = { metadata: { name: "web", labels: { "istio.io/rev": "default" } } };
  tell({ kind: serviceKind, namespace: "web", name: "web", object });
  assert.deepEqual(take(), ["+web"]);
});

test("nothing is synced before the tags are known", () => {
  const first = setUp();
  first.put("tagged", "prod");
  first.innerSynced();
  assert.equal(first.synced(), 0);
  first.tags("prod");
  assert.deepEqual([first.take(), first.synced()], [["+tagged"], 1]);
  first.tags();
  const second = setUp();
  second.tags();
  assert.equal(second.synced(), 0);
  second.innerSynced();
  second.tags("prod");
  assert.deepEqual([first.synced(), second.synced()], [1, 1]);
});

const names = fc.constantFrom("a", "b", "c");
const label = fc.option(fc.constantFrom("canary", "default", "prod", "test"), { nil: undefined });
const edit = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), name: names, label }),
  fc.record({ kind: fc.constant("remove" as const), name: names }),
  fc.record({ kind: fc.constant("tags" as const), tags: fc.subarray(["prod", "test"]) }),
);

test("after any edits: what is told is what the labels and tags of now say", () => {
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 30 }), edits => {
      const { put, remove, tags, state } = setUp();
      const there = new Map<string, string | undefined>();
      let mine = new Set(["canary"]);
      tags();
      for (const each of edits) {
        if (each.kind === "put") {
          there.set(each.name, each.label);
          put(each.name, each.label);
        } else if (each.kind === "remove") {
          if (!there.delete(each.name)) continue;
          remove(each.name);
        } else {
          mine = new Set(["canary", ...each.tags]);
          tags(...each.tags);
        }
        const expected = [...there].filter(([, own]) => own === undefined || mine.has(own));
        assert.deepEqual([...state.keys()].sort(), expected.map(([name]) => name).sort());
      }
    }),
  );
});
