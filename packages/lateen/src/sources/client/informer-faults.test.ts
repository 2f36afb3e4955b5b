/** An API server that does what real ones do on bad days, as a script. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import type { Json, JsonObject } from "../../api/kind.ts";
import { type Log, silentLog } from "../../base/log.ts";
import { widgetKind } from "../store/test-store.ts";
import { ApiClient } from "./api-client.ts";
import { Informer, type InformerOptions } from "./informer.ts";
import type { StreamReader, Transport, TransportRequest, TransportResponse } from "./transport.ts";

const LIST = { apiVersion: "test.lateen.dev/v1", kind: "WidgetList" };

function item(name: string, version: number, namespace = "default"): JsonObject {
  return { metadata: { name, namespace, uid: `u-${name}`, resourceVersion: String(version) } };
}

function page(items: readonly JsonObject[], version: number, next = ""): TransportResponse {
  const metadata = { resourceVersion: String(version), ...(next === "" ? {} : { continue: next }) };
  return { status: 200, warning: "", body: JSON.stringify({ ...LIST, metadata, items }) };
}

function refused(code: number, retryAfterSeconds?: number): TransportResponse {
  const status = { kind: "Status", status: "Failure", code, message: `code ${code}`, reason: "x" };
  return {
    status: code,
    warning: "",
    body: JSON.stringify(status),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
}

class ScriptedServer implements Transport {
  readonly lists: URLSearchParams[] = [];
  readonly watches: { readonly query: URLSearchParams; readonly reader: StreamReader }[] = [];
  readonly accepts: string[] = [];
  readonly ended = new Set<StreamReader>();
  readonly #answers: TransportResponse[];

  constructor(...answers: TransportResponse[]) {
    this.#answers = answers;
  }

  /** From now on only this. */
  grant(answer: TransportResponse): void {
    this.#answers.splice(0, this.#answers.length, answer);
  }

  next(...answers: TransportResponse[]): void {
    this.#answers.push(...answers);
  }

  async request(request: TransportRequest): Promise<TransportResponse> {
    this.lists.push(new URL(request.target, "http://x").searchParams);
    this.accepts.push(request.headers["accept"] ?? "");
    await Promise.resolve();
    return this.#answers.shift() ?? refused(500);
  }

  stream(request: TransportRequest, reader: StreamReader): () => void {
    this.watches.push({ query: new URL(request.target, "http://x").searchParams, reader });
    return () => {};
  }

  event(type: string, object: Json): void {
    this.watches.at(-1)?.reader.onLines([JSON.stringify({ type, object })]);
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await new Promise(setImmediate);
}

function follow(server: ScriptedServer, more: Partial<InformerOptions> = {}) {
  const clock = new FakeClock();
  const batches: string[][] = [];
  const informer = new Informer({
    client: new ApiClient(server),
    resource: widgetKind,
    clock,
    random: () => 1,
    log: silentLog,
    onChanges: changes =>
      batches.push(
        changes.map(
          each => `${each.object === undefined ? "-" : "+"}${each.namespace}/${each.name}`,
        ),
      ),
    ...more,
  });
  informer.start();
  return { informer, clock, batches };
}

test("pages are told as they come; removals when the list is complete", async () => {
  const server = new ScriptedServer(page([item("a", 1)], 9, "p2"), page([item("b", 2)], 9));
  const { batches, clock, informer } = follow(server, { pagewise: true });
  await settle();
  assert.deepEqual(batches, [["+default/a"], ["+default/b"], []]);
  assert.ok(informer.synced);
  assert.equal(server.lists[1]?.get("continue"), "p2");
  server.next(page([item("b", 2)], 20, "p2"), page([item("c", 3)], 20));
  server.event("ERROR", { code: 410, message: "too old" });
  clock.advance(200);
  await settle();
  assert.deepEqual(batches.slice(3), [["+default/c"], ["-default/a"]]);
});

test("a list that expires between its pages begins again, and nobody is told twice", async () => {
  const server = new ScriptedServer(page([item("a", 1)], 9, "p2"), refused(410));
  const { batches, clock, informer } = follow(server, { pagewise: true });
  await settle();
  assert.equal(informer.synced, false);
  server.next(page([item("a", 1), item("b", 2)], 12));
  clock.advance(200);
  await settle();
  assert.deepEqual(batches, [["+default/a"], ["+default/b"], []]);
  assert.equal(server.lists.at(-1)?.has("continue"), false);
  assert.equal(server.watches[0]?.query.get("resourceVersion"), "12");
});

test("what a broken list had shown is told by the next one, as one batch", async () => {
  const server = new ScriptedServer(page([item("a", 1)], 9, "p2"), refused(500));
  const { batches, clock } = follow(server);
  await settle();
  assert.deepEqual(batches, []);
  server.next(page([item("a", 1), item("b", 2)], 12));
  clock.advance(200);
  await settle();
  assert.deepEqual(batches, [["+default/a", "+default/b"]]);
});

test("it waits as long as the server asks, and takes no more than a minute of that", async () => {
  const server = new ScriptedServer(refused(429, 7), refused(429, 86_400), page([], 1));
  const { clock, informer } = follow(server);
  await settle();
  clock.advance(6_900);
  await settle();
  assert.equal(server.lists.length, 1);
  clock.advance(7_200);
  await settle();
  assert.equal(server.lists.length, 2);
  clock.advance(60_000);
  await settle();
  assert.ok(informer.synced);
});

test("bookmarks move the place where a watch goes on", async () => {
  const server = new ScriptedServer(page([item("a", 1)], 5));
  const { clock } = follow(server);
  await settle();
  server.event("BOOKMARK", { metadata: { resourceVersion: "77" } });
  server.watches.at(-1)?.reader.onEnd(undefined);
  clock.advance(10_000);
  await settle();
  assert.deepEqual(
    server.watches.map(watch => watch.query.get("resourceVersion")),
    ["5", "77"],
  );
  assert.equal(server.lists.length, 1);
});

test("a line that is no event, and an error of any code, lead to a new list", async () => {
  const server = new ScriptedServer(page([item("a", 1)], 5), page([item("b", 7)], 9));
  const { batches, clock } = follow(server);
  await settle();
  server.watches.at(-1)?.reader.onLines(["{half of an"]);
  clock.advance(1_000);
  await settle();
  assert.deepEqual(batches, [["+default/a"], ["+default/b", "-default/a"]]);
});

test("a kind that is not there is looked for when its CRD comes, and rarely without", async () => {
  const server = new ScriptedServer(refused(404));
  const { informer, batches, clock } = follow(server, { absentRetryMs: 60_000 });
  await settle();
  assert.deepEqual([batches, informer.absent, informer.synced], [[[]], true, true]);
  for (let i = 0; i < 30; i++) server.next(refused(404));
  for (let i = 0; i < 300; i++) {
    clock.advance(1000);
    await settle();
  }
  assert.ok(server.lists.length < 20, String(server.lists.length));
  const late = new ScriptedServer(refused(404), page([item("a", 1)], 5));
  const second = follow(late, { absentRetryMs: 60_000 });
  await settle();
  second.informer.wake();
  await settle();
  assert.deepEqual(second.batches, [[], ["+default/a"]]);
});

test("what may not be listed is waited for, unless it is optional", async () => {
  const needed = follow(new ScriptedServer(refused(403)));
  const optional = follow(new ScriptedServer(refused(403)), { optional: true });
  await settle();
  assert.equal(needed.informer.synced, false);
  assert.deepEqual([optional.informer.synced, optional.batches], [true, [[]]]);
});

/** What is logged, as `message missing`. */
function listening() {
  const lines: string[] = [];
  const warn: Log["warn"] = (message, fields) => lines.push(`${message}: ${fields?.["missing"]}`);
  return { lines, log: { ...silentLog, warn } };
}

/** Time goes on in steps, and everything is done that is due. */
async function pass(clock: FakeClock, minutes: number): Promise<void> {
  for (let step = 0; step < minutes * 6; step++) {
    clock.advance(10_000);
    await settle();
  }
}

for (const optional of [false, true])
  test(`a right to list that is missing is named once and asked for less and less (optional: ${optional})`, async () => {
    const server = new ScriptedServer(...Array.from({ length: 100 }, () => refused(403)));
    const { lines, log } = listening();
    const { informer, clock, batches } = follow(server, { optional, log, absentRetryMs: 60_000 });
    await pass(clock, 60);
    assert.ok(server.lists.length < 30, `${server.lists.length} requests in an hour`);
    const asked = server.lists.length;
    await pass(clock, 10);
    assert.ok(server.lists.length - asked <= 2, "still every few minutes only");
    const what = optional ? "may not list: taken for none" : "cannot list";
    assert.deepEqual(lines, [`${what}: list widgets.test.lateen.dev in all namespaces`]);
    server.grant(page([item("a", 1)], 9));
    await pass(clock, 6);
    assert.equal(informer.synced, true);
    assert.deepEqual(batches.at(-1), ["+default/a"]);
  });

test("a right to watch that is missing is the same, and the list stays", async () => {
  const server = new ScriptedServer(page([item("a", 1)], 9));
  const { lines, log } = listening();
  const { clock, batches } = follow(server, { log, namespace: "default" });
  await settle();
  for (let step = 0; step < 360; step++) {
    const last = server.watches.at(-1);
    if (last !== undefined && !server.ended.has(last.reader)) {
      server.ended.add(last.reader);
      last.reader.onEnd(refused(403));
    }
    clock.advance(10_000);
    await settle();
  }
  assert.ok(server.watches.length < 30, `${server.watches.length} watches in an hour`);
  assert.deepEqual(lines, ["cannot watch: watch widgets.test.lateen.dev in namespace default"]);
  assert.deepEqual(batches, [["+default/a"]]);
});

test("a namespace that comes into view and may not be listed is asked for less and less", async () => {
  const accepted = new Set(["default"]);
  const server = new ScriptedServer(page([], 5));
  const { informer, clock, batches } = follow(server, { accepts: name => accepted.has(name) });
  await settle();
  accepted.add("other");
  server.next(...Array.from({ length: 100 }, () => refused(403)));
  informer.namespaceChanged("other");
  await pass(clock, 60);
  assert.ok(server.lists.length < 40, `${server.lists.length} requests in an hour`);
  server.grant(page([item("x", 2, "other")], 9));
  await pass(clock, 12);
  assert.deepEqual(batches.at(-1), ["+other/x"]);
});

test("items get the list's version and kind; only metadata comes when asked for that", async () => {
  const server = new ScriptedServer(page([item("a", 1)], 5));
  const seen: (JsonObject | undefined)[] = [];
  follow(server, {
    form: "metadata",
    onChanges: changes => seen.push(...changes.map(each => each.object)),
  });
  await settle();
  assert.match(server.accepts[0] ?? "", /as=PartialObjectMetadataList;g=meta.k8s.io;v=v1/);
  assert.equal(seen[0]?.["apiVersion"], "test.lateen.dev/v1");
  assert.equal(seen[0]?.["kind"], "Widget");
});

test("namespaces come into view with what is in them, and leave with it", async () => {
  const accepted = new Set(["default"]);
  const server = new ScriptedServer(page([item("a", 1), item("x", 2, "other")], 5));
  const { informer, batches } = follow(server, { accepts: name => accepted.has(name) });
  await settle();
  server.event("ADDED", item("y", 6, "other"));
  assert.deepEqual(batches, [["+default/a"]]);
  accepted.add("other");
  // While the list is on its way, the watch tells of what is newer.
  server.next(page([item("x", 2, "other"), item("y", 6, "other"), item("z", 7, "other")], 9));
  informer.namespaceChanged("other");
  server.event("MODIFIED", item("y", 10, "other"));
  server.event("DELETED", item("z", 11, "other"));
  await settle();
  assert.deepEqual(batches.slice(1), [["+other/y"], ["+other/x"]]);
  accepted.delete("default");
  informer.namespaceChanged("default");
  assert.deepEqual(batches.slice(3), [["-default/a"]]);
  server.event("MODIFIED", item("a", 12));
  assert.equal(batches.length, 4);
});

test("a watch that says nothing for three minutes is made anew from where it was", async () => {
  const server = new ScriptedServer(page([item("a", 1)], 9));
  const { batches, clock, informer } = follow(server);
  await settle();
  clock.advance(170_000);
  server.event("BOOKMARK", item("", 30));
  clock.advance(170_000);
  assert.equal(server.watches.length, 1, "a bookmark is a sign of life");
  clock.advance(11_000);
  assert.equal(server.watches.length, 2);
  assert.equal(server.watches[1]?.query.get("resourceVersion"), "30");
  server.event("ADDED", item("b", 32));
  assert.deepEqual(batches.at(-1), ["+default/b"]);
  assert.equal(server.lists.length, 1, "nothing is listed again");
  clock.set(-3_600_000);
  clock.advance(181_000);
  assert.equal(server.watches.length, 3, "nor is that put off when the clock is set back");
  informer.stop();
  clock.advance(600_000);
  assert.equal(server.watches.length, 3);
});
