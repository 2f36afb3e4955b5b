import assert from "node:assert/strict";
import { once } from "node:events";
import { get as httpGet } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { silentLog } from "../base/log.ts";
import { type HttpListener, serveHttp } from "./http-server.ts";

let listener: HttpListener;
let stopped = 0;
before(async () => {
  listener = await serveHttp(
    {
      log: silentLog,
      bodyLimitBytes: 16,
      errorBody: (code, message) => ({ kind: "Status", code, message }),
      routes: [
        {
          method: "GET",
          pattern: "/ns/:namespace/pods/:name",
          handle: r => ({ status: 200, json: { ...r.params, watch: r.query.get("watch") } }),
        },
        { method: "*", pattern: "/any/*rest", handle: r => ({ status: 200, json: r.params }) },
        {
          method: "POST",
          pattern: "/echo",
          handle: r => ({ status: 201, body: r.body, contentType: "text/plain" }),
        },
        {
          method: "GET",
          pattern: "/throws",
          handle: () => {
            throw new Error("on purpose");
          },
        },
        {
          method: "GET",
          pattern: "/stream",
          handle: () => ({
            status: 200,
            contentType: "text/plain",
            stream: sink => {
              sink.write("one\n");
              sink.write("two\n");
              return () => stopped++;
            },
          }),
        },
      ],
    },
    { host: "127.0.0.1", port: 0 },
  );
});
after(() => listener.close());

const get = (path: string, init?: RequestInit): Promise<Response> =>
  fetch(`http://127.0.0.1:${listener.port}${path}`, init);

test("routes match method and pattern, and decode their parts", async () => {
  const found = await get("/ns/default/pods/a%20b?watch=1");
  assert.deepEqual(await found.json(), { namespace: "default", name: "a b", watch: "1" });
  assert.deepEqual(await (await get("/any/x/y", { method: "PUT" })).json(), { rest: "x/y" });
});

test("misses are errors in the API's own form", async () => {
  const missing = await get("/nowhere");
  assert.equal(missing.status, 404);
  assert.match(JSON.stringify(await missing.json()), /"kind":"Status".*nothing at \/nowhere/);
  assert.equal((await get("/echo")).status, 405);
  assert.equal((await get("/any/%zz")).status, 400);
});

test("a body over the limit is refused, one under it arrives", async () => {
  const small = await get("/echo", { method: "POST", body: "hello" });
  assert.equal(small.status, 201);
  assert.equal(await small.text(), "hello");
  const large = await get("/echo", { method: "POST", body: "x".repeat(17) });
  assert.equal(large.status, 413);
});

test("a handler that throws is a 500 without its message", async () => {
  const broken = await get("/throws");
  assert.equal(broken.status, 500);
  assert.doesNotMatch(await broken.text(), /on purpose/);
});

test("a stream ends its handler when the reader goes", async () => {
  const abort = new AbortController();
  const answer = await get("/stream", { signal: abort.signal });
  const reader = answer.body?.getReader();
  const first = await reader?.read();
  assert.match(Buffer.from(first?.value ?? []).toString(), /^one\n/);
  abort.abort();
  for (let i = 0; i < 1000 && stopped === 0; i++) await new Promise(next => setTimeout(next, 10));
  assert.equal(stopped, 1);
});

test("HEAD is answered by the GET route without a body", async () => {
  const head = await get("/ns/a/pods/b", { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), "");
});

test("on loopback, only addresses and localhost are answered: a stranger's name may lead here", async () => {
  const ask = (host: string) =>
    new Promise<number>((done, fail) => {
      const { port } = listener;
      const options = { host: "127.0.0.1", port, path: "/ns/a/pods/b", headers: { host } };
      httpGet(options, answer => {
        answer.resume();
        done(answer.statusCode ?? 0);
      }).on("error", fail);
    });
  for (const host of ["127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:1", "a.localhost"])
    assert.equal(await ask(host), 200, host);
  for (const host of ["rebound.example.com", "127.0.0.1.example.com:80", "localhost.example", "[x"])
    assert.equal(await ask(host), 403, host);
});

/** Node closes an idle connection this much later than it was told to. */
const IDLE_BUFFER_MS = 1000;

test("an idle connection is closed, but not one whose request came while the process stood still", async () => {
  const idleMs = 50;
  const server = await serveHttp(
    {
      log: silentLog,
      idleMs,
      routes: [
        {
          method: "GET",
          pattern: "/:name",
          handle: r => ({ status: 200, body: `<${r.params["name"]}>`, contentType: "text/plain" }),
        },
      ],
    },
    { host: "127.0.0.1", port: 0 },
  );
  try {
    const client = connect(server.port, "127.0.0.1");
    const closed = once(client, "close");
    const answered = async (name: string): Promise<void> => {
      let text = "";
      client.write(`GET /${name} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
      if (name === "second") {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * (idleMs + IDLE_BUFFER_MS));
      }
      while (!text.includes(`<${name}>`)) text += String((await once(client, "data"))[0]);
    };
    await once(client, "connect");
    await answered("first");
    await answered("second");
    await closed;
  } finally {
    await server.close();
  }
});

test("a path that is not clean leads to the clean one, with its query, method and body", async () => {
  const told = await get("//ns///default/pods/x?watch=1", { redirect: "manual" });
  assert.equal(told.status, 307);
  assert.equal(told.headers.get("location"), "/ns/default/pods/x?watch=1");
  const followed = await get("//ns///default/pods/x?watch=1");
  assert.deepEqual(await followed.json(), { namespace: "default", name: "x", watch: "1" });
  const posted = await get("//echo", { method: "POST", body: "hello" });
  assert.deepEqual([posted.status, await posted.text()], [201, "hello"]);
  // However it is written, nobody is sent to another host.
  for (const path of ["///evil.example/x", "//%5Cevil.example/", "/\\\\evil.example/"]) {
    const { status, location } = await rawGet(path);
    if (status === 307) assert.match(location, /^\/[^/\\]/, path);
  }
});

function rawGet(path: string): Promise<{ status: number; location: string }> {
  return new Promise((done, fail) => {
    httpGet({ host: "127.0.0.1", port: listener.port, path }, response => {
      response.resume();
      done({ status: response.statusCode ?? 0, location: response.headers.location ?? "" });
    }).on("error", fail);
  });
}
