import assert from "node:assert/strict";
import test from "node:test";
import type { JsonObject } from "../../api/kind.ts";
import { namespaceKind } from "../../api/namespace/kind.ts";
import { podKind } from "../../api/pod/kind.ts";
import { serviceKind } from "../../api/service/kind.ts";
import { objectAt, valueAt } from "../json.ts";
import { type ApiResult, succeeded } from "../status.ts";
import { parseLabelSelector, selects } from "./selectors.ts";
import type { Store } from "./store.ts";
import type { StoredObject } from "./stored.ts";
import { accountKind, refusal, testStore, value, widget, widgetKind } from "./test-store.ts";

function namespace(name: string, more: JsonObject = {}): JsonObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, ...more } };
}

function pod(name: string, spec: JsonObject = {}): JsonObject {
  const containers = [{ name: "main", image: "app", command: ["/bin/app"] }];
  return { apiVersion: "v1", kind: "Pod", metadata: { name }, spec: { containers, ...spec } };
}

function owner(object: StoredObject): JsonObject {
  const { apiVersion = "", kind = "" } = object.json;
  return { ownerReferences: [{ apiVersion, kind, name: object.name, uid: object.uid }] };
}

function names(store: Store, kind = widgetKind): string[] {
  return store.all(kind).map(object => object.name);
}

test("create sets what the server sets and stores defaults", () => {
  const { store } = testStore();
  const created = value(store.create(widgetKind, "default", widget("a", { size: 3 })));
  const metadata = objectAt(created.json, "metadata");
  assert.equal(metadata["namespace"], "default");
  assert.equal(metadata["generation"], 1);
  assert.equal(metadata["creationTimestamp"], "2026-01-01T00:00:00Z");
  assert.match(String(metadata["uid"]), /^[0-9a-f-]{36}$/);
  assert.equal(metadata["resourceVersion"], String(store.revision));
  assert.match(
    refusal(store.create(widgetKind, "default", widget("a"))),
    /^409 AlreadyExists: widgets.test.lateen.dev "a" already exists$/,
  );
});

test("a namespace gets its label, its default service account, and must exist", () => {
  const { store } = testStore();
  assert.equal(
    refusal(store.create(widgetKind, "shop", widget("a"))),
    '404 NotFound: namespaces "shop" not found',
  );
  const created = value(store.create(namespaceKind, "", namespace("shop")));
  assert.deepEqual(valueAt(created.json, "metadata.labels"), {
    "kubernetes.io/metadata.name": "shop",
  });
  assert.equal(valueAt(created.json, "status.phase"), "Active");
  assert.equal(value(store.get(accountKind, "shop", "default")).name, "default");
  value(store.delete(accountKind, "shop", "default"));
  assert.equal(value(store.get(accountKind, "shop", "default")).name, "default");
});

test("deleting a namespace deletes what is in it, and waits for finalizers", () => {
  const { store } = testStore();
  store.ensureNamespace("shop");
  value(store.create(widgetKind, "shop", widget("a")));
  value(store.create(widgetKind, "shop", widget("b", {}, { finalizers: ["example.com/wait"] })));
  value(store.create(widgetKind, "default", widget("c")));
  assert.ok(value(store.delete(namespaceKind, "", "shop")).remaining !== undefined);
  assert.deepEqual(names(store), ["c", "b"]);
  const terminating = value(store.get(namespaceKind, "", "shop"));
  assert.equal(valueAt(terminating.json, "status.phase"), "Terminating");
  assert.match(refusal(store.create(widgetKind, "shop", widget("d"))), /being terminated/);
  value(
    store.modify(widgetKind, "shop", "b", current =>
      succeeded({ ...current, metadata: { ...objectAt(current, "metadata"), finalizers: [] } }),
    ),
  );
  assert.match(refusal(store.get(namespaceKind, "", "shop")), /^404/);
  assert.deepEqual(names(store), ["c"]);
});

test("updates: conflict, no-op, generation only for the spec, status apart", () => {
  const { store } = testStore();
  const first = value(store.create(widgetKind, "default", widget("a", { size: 1 })));
  const same = value(store.modify(widgetKind, "default", "a", current => succeeded(current)));
  assert.equal(same.resourceVersion, first.resourceVersion);
  const labelled = value(
    store.modify(widgetKind, "default", "a", () =>
      succeeded(widget("a", { size: 1 }, { labels: { app: "x" } })),
    ),
  );
  assert.equal(valueAt(labelled.json, "metadata.generation"), 1);
  const grown = value(
    store.modify(widgetKind, "default", "a", () => succeeded(widget("a", { size: 2 }))),
  );
  assert.equal(valueAt(grown.json, "metadata.generation"), 2);
  assert.equal(
    refusal(store.modify(widgetKind, "default", "a", () => succeeded(first.json))),
    '409 Conflict: Operation cannot be fulfilled on widgets.test.lateen.dev "a": the object has ' +
      "been modified; please apply your changes to the latest version and try again",
  );
  const status = value(
    store.modify(
      widgetKind,
      "default",
      "a",
      current => succeeded({ ...current, spec: { size: 50 }, status: { seen: 2 } }),
      { subresource: "status" },
    ),
  );
  assert.equal(valueAt(status.json, "spec.size"), 2);
  assert.equal(valueAt(status.json, "status.seen"), 2);
  assert.equal(valueAt(status.json, "metadata.generation"), 2);
  const main = value(
    store.modify(widgetKind, "default", "a", current => succeeded({ ...current, status: {} })),
  );
  assert.equal(valueAt(main.json, "status.seen"), 2);
});

test("validation: causes name fields, strictness is the client's choice", () => {
  const { store } = testStore();
  const bad = store.create(widgetKind, "default", widget("a", { size: 500, colour: 3 }));
  assert.match(
    refusal(bad),
    /^422 Invalid: Widget.test.lateen.dev "a" is invalid: \[spec.size: .*, spec.colour: .*\]$/,
  );
  const unknown = widget("a", { sise: 3 });
  const strict = { fieldValidation: "Strict" } as const;
  assert.match(
    refusal(store.create(widgetKind, "default", unknown, strict)),
    /^400 BadRequest: Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.sise"/,
  );
  const warned = store.create(widgetKind, "default", unknown);
  assert.match(warned.warnings.join(), /unknown field "spec.sise"/);
  assert.deepEqual(value(warned).json["spec"], {});
  assert.match(refusal(store.create(widgetKind, "default", widget("No_Good"))), /metadata.name/);
  const large = widget("big", { extra: { a: "x".repeat(1.6e6) } });
  assert.match(refusal(store.create(widgetKind, "default", large)), /^413 RequestEntityTooLarge/);
});

test("dry run leaves nothing behind", () => {
  const { store } = testStore();
  const before = store.revision;
  value(store.create(widgetKind, "default", widget("a"), { dryRun: true }));
  value(store.create(namespaceKind, "", namespace("shop"), { dryRun: true }));
  assert.equal(store.revision, before);
  assert.deepEqual(names(store), []);
  value(store.create(widgetKind, "default", widget("a")));
  value(store.delete(widgetKind, "default", "a", { dryRun: true }));
  assert.deepEqual(names(store), ["a"]);
});

test("names are generated", () => {
  const { store } = testStore();
  const body = { ...widget("x"), metadata: { generateName: "job-" } };
  assert.match(value(store.create(widgetKind, "default", body)).name, /^job-.{5}$/);
});

test("immutable fields stay", () => {
  const { store } = testStore();
  const service = (clusterIP: string): JsonObject => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web" },
    spec: { clusterIP, ports: [{ port: 80 }] },
  });
  value(store.create(serviceKind, "default", service("10.96.0.10")));
  assert.match(
    refusal(store.modify(serviceKind, "default", "web", () => succeeded(service("10.96.0.11")))),
    /422 Invalid: Service "web" is invalid: spec.clusterIPs\[0\]: .*may not change once set/,
  );
  value(store.create(podKind, "default", pod("p")));
  assert.match(
    refusal(
      store.modify(podKind, "default", "p", () => succeeded(pod("p", { hostname: "other" }))),
    ),
    /pod updates may not change fields other than/,
  );
});

test("pods end with grace when they run somewhere", () => {
  const { store } = testStore();
  const running = { nodeName: "local", terminationGracePeriodSeconds: 20 };
  value(store.create(podKind, "default", pod("idle")));
  assert.equal(value(store.delete(podKind, "default", "idle")).remaining, undefined);
  value(store.create(podKind, "default", pod("busy", running)));
  const marked = value(store.delete(podKind, "default", "busy")).remaining;
  assert.equal(valueAt(marked?.json ?? {}, "metadata.deletionTimestamp"), "2026-01-01T00:00:20Z");
  assert.equal(valueAt(marked?.json ?? {}, "metadata.deletionGracePeriodSeconds"), 20);
  const again = value(store.delete(podKind, "default", "busy")).remaining;
  assert.equal(again?.resourceVersion, marked?.resourceVersion);
  const now = { gracePeriodSeconds: 0 };
  assert.equal(value(store.delete(podKind, "default", "busy", now)).remaining, undefined);
  const stranger = pod("x", { serviceAccountName: "nobody" });
  assert.match(refusal(store.create(podKind, "default", stranger)), /serviceaccount "nobody" not/);
});

function withoutFinalizers(current: JsonObject): ApiResult<JsonObject> {
  const { finalizers: _gone, ...metadata } = objectAt(current, "metadata");
  return succeeded({ ...current, metadata });
}

test("owners: cascades, orphans, foreground, and owners that never were", () => {
  const { store } = testStore();
  const make = (name: string, metadata: JsonObject = {}): StoredObject =>
    value(store.create(widgetKind, "default", widget(name, {}, metadata)));
  const root = make("root");
  const child = make("child", owner(root));
  make("grandchild", owner(child));
  value(store.delete(widgetKind, "default", "root"));
  assert.deepEqual(names(store), []);

  const kept = make("root");
  make("child", owner(kept));
  value(store.delete(widgetKind, "default", "root", { propagationPolicy: "Orphan" }));
  assert.deepEqual(names(store), ["child"]);
  assert.equal(
    valueAt(value(store.get(widgetKind, "default", "child")).json, "metadata.ownerReferences"),
    undefined,
  );

  const first = make("first");
  make("held", { ...owner(first), finalizers: ["example.com/wait"] });
  value(store.delete(widgetKind, "default", "first", { propagationPolicy: "Foreground" }));
  assert.deepEqual(names(store), ["child", "first", "held"]);
  value(store.modify(widgetKind, "default", "held", withoutFinalizers));
  assert.deepEqual(names(store), ["child"]);

  const waiting = make("waiting");
  make("stays", { ...owner(waiting), finalizers: ["example.com/wait"] });
  value(store.delete(widgetKind, "default", "waiting", { propagationPolicy: "Foreground" }));
  value(store.delete(widgetKind, "default", "waiting", { propagationPolicy: "Orphan" }));
  assert.deepEqual(names(store), ["child", "stays"], "an orphaned child is waited for no more");
  value(store.modify(widgetKind, "default", "stays", withoutFinalizers));
  assert.deepEqual(names(store), ["child"]);

  value(store.create(widgetKind, "default", widget("late", {}, owner(kept))));
  assert.deepEqual(names(store), ["child"]);
});

test("preconditions of a deletion", () => {
  const { store } = testStore();
  value(store.create(widgetKind, "default", widget("a")));
  const other = { preconditions: { uid: "other" } };
  assert.match(refusal(store.delete(widgetKind, "default", "a", other)), /^409 Conflict/);
});

test("pages of one list are of one moment", () => {
  const { store } = testStore();
  for (const name of ["a", "b", "c", "d"]) value(store.create(widgetKind, "default", widget(name)));
  const selection = { labels: [], fields: [] };
  const options = { namespace: undefined, selection, limit: 2 };
  const first = value(store.list(widgetKind, options));
  assert.equal(first.remaining, 2);
  value(store.delete(widgetKind, "default", "c"));
  value(store.create(widgetKind, "default", widget("e")));
  const token = first.continue ?? "";
  const second = value(store.list(widgetKind, { ...options, continue: token }));
  assert.deepEqual(
    second.items.map(item => item.name),
    ["c", "d"],
  );
  assert.equal(second.revision, first.revision);
  assert.equal(second.continue, undefined);
  assert.match(refusal(store.list(widgetKind, { ...options, continue: "?" })), /^400/);
});

test("a watch goes on from any revision that is kept, and says when it is not", () => {
  const { store } = testStore({ history: { eventsPerResource: 4 } });
  const selection = { labels: [], fields: [] };
  const options = { namespace: undefined, selection, since: store.revision, onReady: () => {} };
  const watch = value(store.watch(widgetKind, options));
  value(store.create(widgetKind, "default", widget("a")));
  value(store.delete(widgetKind, "default", "a"));
  assert.deepEqual(
    value(watch.take(10)).map(event => event.type),
    ["ADDED", "DELETED"],
  );
  assert.equal(watch.position, store.revision);
  for (let size = 0; size < 10; size++)
    value(store.create(widgetKind, "default", widget(`w${size}`)));
  assert.match(refusal(watch.take(10)), /^410 Expired: too old resource version/);
  assert.match(refusal(store.watch(widgetKind, options)), /^410 Expired/);
  assert.match(refusal(store.watch(widgetKind, { ...options, since: 1e9 })), /^410 Expired/);
});

test("the history is bounded in size, too", () => {
  const { store } = testStore({ history: { sizePerResource: 10_000 } });
  const since = store.revision;
  const selection = { labels: [], fields: [] };
  const options = { namespace: undefined, selection, onReady: () => {} };
  const extra = { junk: "x".repeat(2_000) };
  for (let i = 0; i < 20; i++)
    value(store.create(widgetKind, "default", widget(`w${i}`, { extra })));
  assert.match(refusal(store.watch(widgetKind, { ...options, since })), /^410/);
  const recent = store.revision - 3;
  const watch = value(store.watch(widgetKind, { ...options, since: recent }));
  assert.equal(value(watch.take(10)).length, 3);
});

test("for a watch with a selector objects come and go with their labels", () => {
  const { store } = testStore();
  const labels = value(parseLabelSelector("app=x"));
  const options = { namespace: "default", selection: { labels, fields: [] } };
  const watch = value(store.watch(widgetKind, { ...options, since: undefined, onReady: () => {} }));
  const write = (app: string): void => {
    const body = widget("a", {}, { labels: { app } });
    value(store.modify(widgetKind, "default", "a", () => succeeded(body)));
  };
  value(store.create(widgetKind, "default", widget("a")));
  write("x");
  write("x");
  write("y");
  assert.deepEqual(
    [...value(watch.take(0 + 10)), ...value(watch.take(10))].map(event => event.type),
    ["ADDED", "DELETED"],
  );
});

test("label selectors", () => {
  const object = { metadata: { labels: { app: "web", tier: "3" } } };
  const matches = (text: string): boolean =>
    selects({ labels: value(parseLabelSelector(text)), fields: [] }, object);
  for (const text of ["", "app=web", "app==web", "app in (web, db)", "app", "!other", "other!=x"])
    assert.ok(matches(text), text);
  for (const text of ["app!=web", "app notin (web)", "other", "!app", "other=x", "tier>3"])
    assert.ok(!matches(text), text);
  assert.ok(matches("tier>2,tier<4"));
  for (const text of ["app=(", "a b", "app in web", ",", "=x"])
    assert.match(refusal(parseLabelSelector(text)), /unable to parse requirement/, text);
});

test("a collection is deleted in one write, however many it holds", () => {
  const { store } = testStore();
  for (let i = 0; i < 200; i++) value(store.create(widgetKind, "default", widget(`w${i}`)));
  const write = store.database.write.bind(store.database);
  let writes = 0;
  store.database.write = changes => {
    writes++;
    write(changes);
  };
  const gone = value(store.deleteCollection(widgetKind, "default"));
  assert.equal(gone.length, 200);
  assert.equal(writes, 1);
  assert.deepEqual(store.all(widgetKind), []);
});
