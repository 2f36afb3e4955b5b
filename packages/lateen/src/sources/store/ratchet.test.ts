/** A store with what an earlier version has let in: what may be done with it, and what is refused. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { defineKind } from "../../api/define.ts";
import { deploymentKind } from "../../api/deployment/kind.ts";
import type { JsonObject, Kind } from "../../api/kind.ts";
import { podKind } from "../../api/pod/kind.ts";
import { fieldOf } from "../../api/policy/common.ts";
import { enumOf, integer, list, map, newOnly, object, string } from "../../api/schema.ts";
import { objectAt, withKey } from "../json.ts";
import { type ApiResult, succeeded } from "../status.ts";
import type { Store } from "./store.ts";
import type { StoredObject } from "./stored.ts";
import { refusal, testKinds, testStore, value, widget } from "./test-store.ts";

/** `later`: with rules that there were none of before. */
function partKind(later: boolean): Kind {
  const part = object(
    { name: string(later ? { checkNew: short } : {}), size: integer() },
    {
      rules: later
        ? [
            {
              rule: "self.size < 10",
              message: "too large",
              holds: part => Number(fieldOf(part, "size") ?? 0) < 10,
              found: part => `found size ${fieldOf(part, "size")}, want less than 10`,
              newOnly: true,
            },
          ]
        : [],
    },
  );
  const colour = later ? enumOf(["red", "blue"]) : string();
  return defineKind({
    group: "test.lateen.dev",
    versions: ["v1"],
    kind: "Widget",
    plural: "widgets",
    subresources: ["status"],
    description: "Something with parts.",
    fields: {
      spec: object({
        parts: list(part),
        byName: map(part),
        colour,
        strict: later ? newOnly(integer()) : string(),
        note: string(),
      }),
      status: object({ seen: integer() }),
    },
    columns: [],
  });
}

function short(text: string): string | undefined {
  return text.length <= 3 ? undefined : "at most 3 characters";
}

const OLD = partKind(false);
const NEW = partKind(true);

function kinds(widgets: Kind): readonly Kind[] {
  return [...testKinds.filter(({ kind }) => kind !== "Widget"), deploymentKind, widgets];
}

/** What the earlier version was told to keep, in the store of this one. */
function upgraded(t: TestContext, ...objects: readonly JsonObject[]): Store {
  const directory = mkdtempSync(join(tmpdir(), "lateen-ratchet-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "store.db");
  const { store: earlier } = testStore({ path, kinds: kinds(OLD), namespaces: ["default"] });
  for (const each of objects) value(earlier.create(OLD, "default", each));
  earlier.close();
  const { store } = testStore({ path, kinds: kinds(NEW), namespaces: ["default"] });
  t.after(() => store.close());
  return store;
}

/** A put of what is stored, changed. */
function put(
  store: Store,
  name: string,
  change: (json: JsonObject) => JsonObject,
  subresource?: "status",
): ApiResult<StoredObject> {
  const make = (current: JsonObject) => succeeded(change(current));
  return store.modify(NEW, "default", name, make, { subresource });
}

function withSpec(change: JsonObject): (json: JsonObject) => JsonObject {
  return json => withKey(json, "spec", { ...objectAt(json, "spec"), ...change });
}

function withMeta(change: JsonObject): (json: JsonObject) => JsonObject {
  return json => withKey(json, "metadata", { ...objectAt(json, "metadata"), ...change });
}

const LARGE = { name: "a", size: 11 };
const PARTS = widget("w", { parts: [{ name: "b", size: 1 }, LARGE], strict: "x" });

test("what is new is refused, with object, field, what was found and what would be right", t => {
  const store = upgraded(t);
  assert.equal(
    refusal(store.create(NEW, "default", PARTS)),
    '422 Invalid: Widget.test.lateen.dev "w" is invalid: [spec.parts[1]: found size 11, want less than 10, ' +
      'spec.strict: found a string ("x"), want an integer]',
  );
});

test("metadata, finalizers, status and the end of what is stored are never held back", t => {
  const store = upgraded(t, PARTS);
  const labelled = put(store, "w", withMeta({ labels: { a: "b" }, finalizers: ["x.io/y"] }));
  assert.ok(labelled.ok);
  assert.match(
    labelled.warnings.join("\n"),
    /^spec\.parts\[1\]: found size 11, want less than 10 \(what is stored stays in force/,
  );
  const status = put(store, "w", json => withKey(json, "status", { seen: 1 }), "status");
  assert.deepEqual(value(status).json["status"], { seen: 1 });
  value(store.delete(NEW, "default", "w"));
  assert.ok(store.get(NEW, "default", "w").ok, "its finalizer holds it");
  value(put(store, "w", withMeta({ finalizers: [] })));
  assert.match(refusal(store.get(NEW, "default", "w")), /^404/);
});

test("other parts of the spec may change, and the part may move or go", t => {
  const store = upgraded(t, PARTS);
  value(put(store, "w", withSpec({ note: "n" })));
  value(put(store, "w", withSpec({ parts: [LARGE, { name: "c", size: 2 }, { name: "d" }] })));
  value(put(store, "w", withSpec({ parts: [{ name: "a", size: 9 }] })));
  assert.match(refusal(put(store, "w", withSpec({ parts: [LARGE] }))), /found size 11/, "for good");
});

test("the part itself may not change, nor come twice", t => {
  const store = upgraded(t, PARTS);
  assert.match(
    refusal(put(store, "w", withSpec({ parts: [{ name: "a", size: 12 }] }))),
    /parts\[0\]: found size 12/,
  );
  assert.match(
    refusal(put(store, "w", withSpec({ parts: [{ name: "z", size: 11 }] }))),
    /parts\[0\]: found size 11/,
  );
  assert.match(
    refusal(put(store, "w", withSpec({ parts: [LARGE, LARGE] }))),
    /^422 Invalid: [^[]*parts\[1\]: found size 11[^,]*, want less than 10$/,
  );
  assert.match(
    refusal(put(store, "w", withSpec({ strict: "y" }))),
    /strict: found a string \("y"\)/,
  );
  assert.match(refusal(put(store, "w", withSpec({ byName: { a: LARGE } }))), /byName\.a: found/);
});

test("keys of maps name their values, however long", t => {
  const key = "k".repeat(100);
  const store = upgraded(t, widget("w", { byName: { [key]: LARGE, "a.b": LARGE } }));
  value(put(store, "w", withSpec({ note: "n" })));
  const moved = withSpec({ byName: { [key]: LARGE, "a.c": LARGE } });
  assert.match(refusal(put(store, "w", moved)), /byName\["a\.c"\]/);
});

test("what an earlier version let in and is not read at all can be labelled and be mended", t => {
  const store = upgraded(t, widget("w", { colour: "green", note: "a" }));
  const labelled = put(store, "w", withMeta({ labels: { a: "b" } }));
  assert.ok(labelled.ok);
  assert.match(
    labelled.warnings.join("\n"),
    /^spec\.colour: found "green", want one of red, blue \(as before: this object is not in force/,
  );
  value(put(store, "w", json => withKey(json, "status", { seen: 1 }), "status"));
  const wrong = refusal(put(store, "w", json => withKey(json, "status", { seen: "x" }), "status"));
  assert.match(
    wrong,
    /^422 Invalid: .*is invalid: status\.seen: found a string \("x"\), want an integer$/,
  );
  assert.match(refusal(put(store, "w", withSpec({ note: "b" }))), /colour: found "green"/);
  value(put(store, "w", withSpec({ note: "b", colour: "red" })));
});

test("more than are counted can be labelled, and get a status", t => {
  const parts = Array.from({ length: 150 }, (_, i) => ({ name: "a", size: 100 + i }));
  const store = upgraded(t, widget("w", { parts }));
  value(put(store, "w", withMeta({ labels: { a: "b" } })));
  value(put(store, "w", json => withKey(json, "status", { seen: 1 }), "status"));
  assert.match(refusal(put(store, "w", withSpec({ note: "n" }))), /and 50 more/);
});

test("a controller makes pods of the template that is stored", t => {
  const store = upgraded(t);
  const pod = (metadata: JsonObject): JsonObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", ...metadata },
    spec: { containers: [{ name: "a" }], securityContext: { runAsNonRoot: "yes" } },
  });
  assert.match(refusal(store.create(podKind, "default", pod({}))), /runAsNonRoot: found a string/);
  const owner = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    name: "d",
    uid: "u",
    controller: true,
  };
  const made = store.create(podKind, "default", pod({ ownerReferences: [owner] }));
  assert.ok(made.ok);
  assert.match(made.warnings.join("\n"), /runAsNonRoot: found a string/);
});
