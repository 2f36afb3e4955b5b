import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import test, { type TestContext } from "node:test";
import type { FakeClock } from "../../../test/support/fake-clock.ts";
import type { Json, JsonObject } from "../../api/kind.ts";
import { silentLog } from "../../base/log.ts";
import { systemClock } from "../../net/clock.ts";
import type { HttpAnswer, HttpSink } from "../../net/http-server.ts";
import { isObject, objectAt } from "../json.ts";
import { succeeded } from "../status.ts";
import type { Store } from "../store/store.ts";
import { testStore, value, widget, widgetKind } from "../store/test-store.ts";
import { type Handler, kubeApiHandler } from "./handler.ts";
import { jsonPath } from "./json-path.ts";
import { serveKubeApi } from "./server.ts";

const WIDGETS = "/apis/test.lateen.dev/v1/namespaces/default/widgets";

interface Call {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function call(handle: Handler, target: string, more: Call = {}): HttpAnswer {
  const url = new URL(target, "http://localhost");
  return handle({
    method: more.method ?? "GET",
    path: decodeURIComponent(url.pathname),
    params: {},
    query: url.searchParams,
    headers: more.headers ?? {},
    body: Buffer.from(more.body ?? ""),
    peerAddress: "",
  });
}

function jsonOf(answer: HttpAnswer): JsonObject {
  if ("body" in answer) {
    const parsed: Json = JSON.parse(Buffer.from(answer.body).toString());
    assert.ok(isObject(parsed));
    return parsed;
  }
  assert.ok("json" in answer);
  const parsed: Json = JSON.parse(JSON.stringify(answer.json));
  assert.ok(isObject(parsed));
  return parsed;
}

function setUp(): { readonly handle: Handler; readonly store: Store; readonly clock: FakeClock } {
  const { store, clock } = testStore();
  return { handle: kubeApiHandler({ store, clock, version: "0" }), store, clock };
}

/** Collects what a watch writes; `open` says whether it takes more. */
class Collector implements HttpSink {
  readonly lines: string[] = [];
  open = true;
  ended = false;
  #drained: (() => void)[] = [];

  write(chunk: string | Uint8Array): boolean {
    this.lines.push(...String(chunk).trimEnd().split("\n"));
    return this.open;
  }

  onDrain(listener: () => void): void {
    this.#drained.push(listener);
  }

  end(): void {
    this.ended = true;
  }

  drain(): void {
    this.open = true;
    for (const listener of this.#drained) listener();
  }

  events(): string[] {
    return this.lines.map(line => {
      const { type, object } = JSON.parse(line);
      return `${type} ${object.metadata?.name ?? object.code ?? ""}`.trim();
    });
  }
}

function watch(handle: Handler, target: string, headers = {}): Collector {
  const answer = call(handle, target, { headers });
  assert.ok("stream" in answer, JSON.stringify(answer));
  const sink = new Collector();
  answer.stream(sink);
  return sink;
}

test("bodies: malformed, deep, of the wrong type or place", () => {
  const { handle } = setUp();
  const post = (body: string, type = "application/json"): string => {
    const headers = { "content-type": type };
    const { code, message } = jsonOf(call(handle, WIDGETS, { method: "POST", body, headers }));
    return `${String(code)} ${String(message)}`;
  };
  assert.match(post('{"a": }'), /^400 the body is not valid JSON: line 1, column 7/);
  assert.match(
    post("a: [b", "application/yaml"),
    /^400 the body is not valid YAML: line 1, column/,
  );
  assert.match(post(""), /^400 .*empty/);
  assert.match(post("[]"), /^400 the body must be one object/);
  assert.match(post(`{"a":${"[".repeat(500)}${"]".repeat(500)}}`), /nested deeper than 100/);
  assert.match(post('{"__proto__": {}}'), /__proto__/);
  assert.match(post("x", "application/xml"), /^415 .*application\/json, application\/yaml/);
  const wrong = JSON.stringify({ ...widget("a"), kind: "Gadget" });
  assert.match(post(wrong), /^400 the kind in the data \(Gadget\) does not match/);
  const elsewhere = JSON.stringify(widget("a", {}, { namespace: "other" }));
  assert.match(post(elsewhere), /^400 the namespace of the provided object does not match/);
});

test("YAML is read and written", () => {
  const { handle } = setUp();
  const body =
    "apiVersion: test.lateen.dev/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: 3}\n";
  const headers = { "content-type": "application/yaml", accept: "application/yaml" };
  const answer = call(handle, WIDGETS, { method: "POST", body, headers });
  assert.equal(answer.status, 201);
  assert.match("body" in answer ? String(answer.body) : "", /^apiVersion: test.lateen.dev\/v1\n/);
});

test("tables carry cells and, unless told otherwise, metadata", () => {
  const { handle, store, clock } = setUp();
  value(store.create(widgetKind, "default", widget("a", { size: 3, parts: ["x", "y"] })));
  clock.advance(150_000);
  const headers = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" };
  const table = jsonOf(call(handle, WIDGETS, { headers }));
  assert.equal(table["kind"], "Table");
  const [row] = [table["rows"]].flat();
  assert.ok(isObject(row));
  assert.deepEqual(row["cells"], ["a", 3, '["x","y"]', "2m30s"]);
  assert.equal(objectAt(row, "object")["kind"], "PartialObjectMetadata");
  const bare = jsonOf(call(handle, `${WIDGETS}?includeObject=None`, { headers }));
  assert.deepEqual(
    [bare["rows"]].flat().map(one => isObject(one) && "object" in one),
    [false],
  );
});

test("a watch sends what is there, then changes, in the version asked for", () => {
  const { handle, store } = setUp();
  value(store.create(widgetKind, "default", widget("a")));
  const sink = watch(handle, `${WIDGETS.replace("/v1/", "/v1beta1/")}?watch=1`);
  value(store.create(widgetKind, "default", widget("b")));
  value(store.delete(widgetKind, "default", "a"));
  assert.deepEqual(sink.events(), ["ADDED a", "ADDED b", "DELETED a"]);
  assert.match(sink.lines[0] ?? "", /"apiVersion":"test.lateen.dev\/v1beta1"/);
});

test("bookmarks come while nothing happens, and mark the end of the initial events", () => {
  const { handle, store, clock } = setUp();
  value(store.create(widgetKind, "default", widget("a")));
  const sink = watch(
    handle,
    `${WIDGETS}?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan`,
  );
  assert.deepEqual(sink.events(), ["ADDED a", "BOOKMARK"]);
  assert.match(sink.lines[1] ?? "", /"k8s.io\/initial-events-end":"true"/);
  store.ensureNamespace("elsewhere");
  clock.advance(30_000);
  const bookmark = JSON.parse(sink.lines[2] ?? "{}");
  assert.equal(bookmark.object.metadata.resourceVersion, String(store.revision));
  clock.advance(3_600_000);
  assert.ok(sink.ended);
});

test("a slow watcher costs nothing and ends with 410 when it is too late", () => {
  const { store, clock } = testStore({ history: { eventsPerResource: 10 } });
  const handle = kubeApiHandler({ store, clock, version: "0" });
  value(store.create(widgetKind, "default", widget("a")));
  const sink = watch(handle, `${WIDGETS}?watch=1`);
  sink.open = false;
  const touch = (size: number): void => {
    value(store.modify(widgetKind, "default", "a", () => succeeded(widget("a", { size }))));
  };
  touch(1);
  assert.equal(sink.lines.length, 2);
  for (let size = 2; size < 100; size++) touch(size);
  assert.equal(sink.lines.length, 2);
  sink.drain();
  assert.deepEqual(sink.events().slice(2), ["ERROR 410"]);
  assert.ok(sink.ended);
});

test("a slow reader over a real socket neither holds memory nor the server", async t => {
  const { store } = testStore({ history: { eventsPerResource: 20 } });
  const options = { store, clock: systemClock, version: "0", log: silentLog };
  const server = await serveKubeApi({ ...options, host: "127.0.0.1", port: 0 });
  const socket = connect(server.port, "127.0.0.1");
  socket.pause();
  t.after(async () => {
    socket.destroy();
    await server.close();
    store.close();
  });
  socket.write(`GET ${WIDGETS}?watch=1 HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  value(store.create(widgetKind, "default", widget("a")));
  const junk = "x".repeat(200_000);
  for (let size = 0; size < 100; size++) {
    const spec = { size, extra: { junk } };
    value(store.modify(widgetKind, "default", "a", () => succeeded(widget("a", spec))));
    await new Promise(done => setImmediate(done));
  }
  let text = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    text += chunk;
  });
  socket.resume();
  while (!text.includes('"code":410')) await new Promise(done => setTimeout(done, 10));
  assert.ok(text.length < 90 * junk.length, String(text.length));
});

test("paths that are not there, methods that do not fit, other hosts", () => {
  const { handle } = setUp();
  const code = (target: string, more: Call = {}): number => call(handle, target, more).status;
  assert.equal(code("/nothing"), 404);
  assert.equal(code("/apis/test.lateen.dev/v9/widgets"), 404);
  assert.equal(code("/apis/test.lateen.dev/v1/widgets/a"), 404);
  assert.equal(code(`${WIDGETS}/a/b/c`), 404);
  assert.equal(code("/api/v1", { method: "POST" }), 405);
  assert.equal(code(WIDGETS, { method: "PUT" }), 405);
  assert.equal(code(`${WIDGETS}/a`, { method: "POST" }), 405);
  assert.equal(code(`${WIDGETS}?labelSelector=%28`), 400);
  assert.equal(code(`${WIDGETS}?limit=x`), 400);
  assert.equal(code(`${WIDGETS}?watch=1&resourceVersion=x`), 400);
  assert.equal(code(WIDGETS, { headers: { accept: "application/xml" } }), 406);
  assert.equal(code(WIDGETS, { headers: { host: "evil.example.com" } }), 403);
  assert.equal(code(WIDGETS, { headers: { host: "127.0.0.1:80" } }), 200);
  assert.equal(code("/api/v1/namespaces/default/pods/x/log"), 501);
});

test("the body limit of the server is answered in the API's form", async (t: TestContext) => {
  const { store } = testStore();
  const options = { store, clock: systemClock, version: "0", log: silentLog };
  const server = await serveKubeApi({ ...options, host: "127.0.0.1", port: 0 });
  t.after(async () => {
    await server.close();
    store.close();
  });
  const text = await new Promise<string>(done => {
    const outgoing = httpRequest(
      { host: "127.0.0.1", port: server.port, path: WIDGETS, method: "POST" },
      response => {
        let all = "";
        response.on("data", chunk => {
          all += String(chunk);
        });
        response.on("end", () => done(all));
        response.on("error", () => done(all));
      },
    );
    outgoing.on("error", () => {});
    outgoing.end("x".repeat(4 * 1024 * 1024));
  });
  assert.match(text, /"reason":"RequestEntityTooLarge"/);
});

test("JSONPath of columns", () => {
  const object: JsonObject = {
    spec: { hosts: ["a", "b"], "x.y": 1 },
    conditions: [
      { type: "Ready", status: "True" },
      { type: "Other", status: "False" },
    ],
  };
  const cases: readonly (readonly [string, Json[]])[] = [
    [".spec.hosts", [["a", "b"]]],
    [".spec.hosts[1]", ["b"]],
    [".spec.hosts[*]", ["a", "b"]],
    [".spec['x.y']", [1]],
    [".spec.x\\.y", [1]],
    ['.conditions[?(@.type=="Ready")].status', ["True"]],
    [".nothing.here", []],
    ["not a path", []],
  ];
  for (const [path, expected] of cases) assert.deepEqual(jsonPath(object, path), expected, path);
});
