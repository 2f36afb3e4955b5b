import assert from "node:assert/strict";
import test from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FakeClock } from "../../../test/support/fake-clock.ts";
import { silentLog } from "../../base/log.ts";
import { systemClock } from "../../net/clock.ts";
import { objectAt, stringAt } from "../json.ts";
import { kubeApiHandler } from "../kube-api/handler.ts";
import { serveKubeApi } from "../kube-api/server.ts";
import { succeeded } from "../status.ts";
import { testStore, value, widget, widgetKind } from "../store/test-store.ts";
import { ApiClient } from "./api-client.ts";
import { httpTransport } from "./http-transport.ts";
import { Informer, type ObjectChange } from "./informer.ts";
import { type LocalHandler, localTransport } from "./local-transport.ts";

async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await nextTurn();
}

function follow(handler: LocalHandler, clock: FakeClock) {
  const batches: string[][] = [];
  const informer = new Informer({
    client: new ApiClient(localTransport(handler)),
    resource: widgetKind,
    clock,
    random: () => 0,
    log: silentLog,
    onChanges: changes => batches.push(changes.map(show)),
  });
  informer.start();
  return { informer, batches };
}

function show({ namespace, name, object }: ObjectChange): string {
  return `${object === undefined ? "-" : "+"}${namespace}/${name}`;
}

test("lists, then follows; one batch for what comes together", async t => {
  const { store, clock } = testStore();
  value(store.create(widgetKind, "default", widget("a")));
  const { informer, batches } = follow(kubeApiHandler({ store, clock, version: "0" }), clock);
  t.after(() => informer.stop());
  await settle();
  assert.ok(informer.synced);
  value(store.create(widgetKind, "default", widget("b")));
  value(store.create(widgetKind, "default", widget("c")));
  await settle();
  value(store.delete(widgetKind, "default", "a"));
  await settle();
  assert.deepEqual(batches, [["+default/a"], ["+default/b", "+default/c"], ["-default/a"]]);
});

test("an empty list is told too: it means synced", async t => {
  const { store, clock } = testStore();
  const { informer, batches } = follow(kubeApiHandler({ store, clock, version: "0" }), clock);
  t.after(() => informer.stop());
  await settle();
  assert.deepEqual([informer.synced, batches], [true, [[]]]);
});

test("when the history is gone it lists again and tells only what differs", async t => {
  const { store, clock } = testStore({ history: { eventsPerResource: 4 } });
  value(store.create(widgetKind, "default", widget("kept")));
  value(store.create(widgetKind, "default", widget("gone")));
  const inner = kubeApiHandler({ store, clock, version: "0" });
  let cut = false;
  const handler: LocalHandler = request => {
    if (cut && request.query.has("watch")) return { status: 503, json: {} };
    return inner(request);
  };
  const { informer, batches } = follow(handler, clock);
  t.after(() => informer.stop());
  await settle();
  // The watch ends by its time and can not be begun again for a while.
  cut = true;
  clock.advance(700_000);
  await settle();
  value(store.delete(widgetKind, "default", "gone"));
  for (let i = 0; i < 8; i++) value(store.create(widgetKind, "default", widget(`w${i}`)));
  cut = false;
  clock.advance(20_000);
  await settle();
  clock.advance(20_000);
  await settle();
  const created = Array.from({ length: 8 }, (_, i) => `+default/w${i}`);
  assert.deepEqual(batches.slice(1), [[...created, "-default/gone"]]);
});

test("never gives up: a server that comes later is found", async t => {
  const { store, clock } = testStore();
  const inner = kubeApiHandler({ store, clock, version: "0" });
  let up = false;
  let attempts = 0;
  const { informer, batches } = follow(request => {
    attempts++;
    return up ? inner(request) : { status: 500, body: "no", contentType: "text/plain" };
  }, clock);
  t.after(() => informer.stop());
  for (let i = 0; i < 100; i++) {
    await settle();
    clock.advance(1000);
  }
  assert.equal(informer.synced, false);
  assert.ok(attempts > 10 && attempts < 40, String(attempts));
  up = true;
  clock.advance(10_000);
  await settle();
  assert.deepEqual(batches, [[]]);
});

test("a kind that the server does not know is empty until it is there", async t => {
  const { store, clock } = testStore();
  const other = { group: "none.example.com", versions: ["v1"], plural: "nones", namespaced: true };
  const informer = new Informer({
    client: new ApiClient(localTransport(kubeApiHandler({ store, clock, version: "0" }))),
    resource: other,
    clock,
    random: () => 0,
    log: silentLog,
    onChanges: () => {},
  });
  t.after(() => informer.stop());
  informer.start();
  await settle();
  assert.ok(informer.synced);
});

test("the client's verbs over HTTP, with warnings, conflicts and a token", async t => {
  const { store } = testStore();
  const options = { store, clock: systemClock, version: "0", log: silentLog, token: "s3cret" };
  const server = await serveKubeApi({ ...options, host: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${server.port}`;
  const transport = httpTransport({ server: url, token: () => "s3cret" });
  t.after(async () => {
    transport.close();
    await server.close();
  });
  const client = new ApiClient(transport);
  const created = await client.create(widgetKind, "default", widget("a", { size: 1, foo: 'b"\\' }));
  assert.match(created.warnings.join(), /unknown field "spec.foo"/);
  const object = value(created);
  const patched = value(
    await client.patch(widgetKind, "default", "a", "merge", { spec: { size: 2 } }),
  );
  assert.equal(objectAt(patched, "spec")["size"], 2);
  const stale = await client.update(widgetKind, object);
  assert.equal(stale.ok, false);
  assert.ok(!stale.ok && stale.status.reason === "Conflict");
  const status = { ...patched, status: { seen: 7 } };
  value(await client.update(widgetKind, status, { subresource: "status" }));
  const listed = value(await client.list(widgetKind, { namespace: "default" }));
  assert.deepEqual(
    listed.items.map(item => objectAt(item, "status")["seen"]),
    [7],
  );
  value(await client.delete(widgetKind, "default", "a", { uid: uidOf(object) }));
  const gone = await client.get(widgetKind, "default", "a");
  assert.ok(!gone.ok && gone.status.code === 404);
  const stranger = new ApiClient(httpTransport({ server: url }));
  const refused = await stranger.get(widgetKind, "default", "a");
  assert.ok(!refused.ok && refused.status.code === 401);
});

function uidOf(object: Parameters<typeof objectAt>[0]): string {
  return stringAt(objectAt(object, "metadata"), "uid");
}

test("over HTTP an informer sees changes, and a server's end is no end", async t => {
  const { store } = testStore();
  const options = { store, clock: systemClock, version: "0", log: silentLog, host: "127.0.0.1" };
  const first = await serveKubeApi({ ...options, port: 0 });
  const transport = httpTransport({ server: `http://127.0.0.1:${first.port}` });
  const seen: string[] = [];
  let wake = (): void => {};
  const informer = new Informer({
    client: new ApiClient(transport),
    resource: widgetKind,
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    onChanges: changes => {
      seen.push(...changes.map(show));
      wake();
    },
  });
  const until = async (name: string): Promise<void> => {
    while (!seen.includes(name))
      await new Promise<void>(done => {
        wake = done;
      });
  };
  informer.start();
  value(store.create(widgetKind, "default", widget("a")));
  // Timers of the product do not keep a process alive; a test has to.
  const alive = setInterval(() => {}, 1000);
  await until("+default/a");
  await first.close();
  value(store.modify(widgetKind, "default", "a", current => succeeded({ ...current, spec: {} })));
  const second = await serveKubeApi({ ...options, port: first.port });
  t.after(async () => {
    clearInterval(alive);
    informer.stop();
    transport.close();
    await second.close();
  });
  value(store.create(widgetKind, "default", widget("b")));
  await until("+default/b");
});
