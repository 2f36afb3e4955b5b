/** Clients that leave, or are slow, while their command runs in a pod. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { PassThrough, Writable } from "node:stream";
import { after, test } from "node:test";
import { WebSocket } from "ws";
import { eventually } from "../../../test/support/envoy-process.ts";
import { allKinds } from "../../api/registry.ts";
import { silentLog } from "../../base/log.ts";
import { systemClock } from "../../net/clock.ts";
import { badRequest, succeeded } from "../status.ts";
import { openStore } from "../store/store.ts";
import type { PodAccess, PodProcess } from "./pod-access.ts";
import { serveKubeApi } from "./server.ts";

const PATH = "/api/v1/namespaces/default/pods/app/exec?command=cat&stdin=true&stdout=true";
const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

/** A pod in which commands start when they are let. */
async function rig(stdin: Writable = new PassThrough()) {
  const opened = openStore({
    path: ":memory:",
    kinds: allKinds,
    clock: systemClock,
    log: silentLog,
    ids: { uid: () => crypto.randomUUID(), suffix: () => "abcde" },
  });
  assert.ok(opened.ok);
  const store = opened.value;
  const kind = allKinds.find(each => each.kind === "Pod");
  assert.ok(kind !== undefined);
  const spec = { containers: [{ name: "main", image: "x" }] };
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "app" }, spec };
  assert.ok(store.create(kind, "default", pod).ok);
  const starting: (() => void)[] = [];
  let [killed, ended] = [0, (_code: number): void => {}];
  const exited = new Promise<number>(done => {
    ended = done;
  });
  const process: PodProcess = {
    stdin,
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    exited,
    resize: () => {},
    kill: () => void killed++,
  };
  const pods: PodAccess = {
    now: () => 0,
    logs: () => badRequest("none"),
    exec: async () => {
      await new Promise<void>(done => starting.push(done));
      return succeeded(process);
    },
    forwardLine: () => "",
  };
  const api = { store, clock: systemClock, version: "0", log: silentLog, pods };
  const server = await serveKubeApi({ ...api, host: "127.0.0.1", port: 0 });
  cleanups.push(async () => {
    await server.close();
    store.close();
  });
  return { port: server.port, starting, killed: () => killed, ended };
}

/** What the server has to see of other connections, it has seen then. */
async function thereAndBack(port: number): Promise<void> {
  const probe = connect(port, "127.0.0.1");
  probe.write("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
  await new Promise(done => probe.resume().once("close", done));
}

test("who is gone before the command has started leaves none behind", async () => {
  const { port, starting, killed } = await rig();
  const socket = connect(port, "127.0.0.1");
  const head = `GET ${PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`;
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
  socket.write(`${head}${key}Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n`);
  await eventually("it is asked for", () => starting.length === 1);
  socket.resetAndDestroy();
  await thereAndBack(port);
  starting[0]?.();
  await eventually("the command is ended", () => killed() > 0);
});

test("a command that reads slowly is not taken for a client that is gone", async context => {
  let taken = (): void => {};
  const slow = new Writable({
    highWaterMark: 1,
    write: (_chunk, _encoding, done) => (taken = done),
  });
  const { port, starting, killed } = await rig(slow);
  context.mock.timers.enable({ apis: ["setInterval"] });
  const client = new WebSocket(`ws://127.0.0.1:${port}${PATH}`, ["v5.channel.k8s.io"]);
  cleanups.push(() => client.terminate());
  await eventually("it is asked for", () => starting.length === 1);
  starting[0]?.();
  await new Promise(done => client.once("open", done));
  client.send(Buffer.from("\u0000some"));
  await eventually("the command has something to read", () => slow.writableNeedDrain);
  for (let i = 0; i < 4; i++) context.mock.timers.tick(30_000);
  await thereAndBack(port);
  assert.equal(killed(), 0);
  assert.equal(client.readyState, WebSocket.OPEN);
  taken();
  await eventually("it may go on", () => !slow.writableNeedDrain);
  // Now silence is the client's own.
  client.pause();
  for (let i = 0; i < 3; i++) context.mock.timers.tick(30_000);
  await eventually("it is ended", () => killed() > 0);
});
