/** Clients that mean ill, against one that does not: what each may hold, and who has to give way. */
import assert from "node:assert/strict";
import { connect as connectTcp, type Socket } from "node:net";
import { after, test } from "node:test";
import { DeltaClient } from "../../test/support/ads-client.ts";
import { newAdsServer } from "../../test/support/ads-test-server.ts";
import { eventually } from "../../test/support/envoy-process.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { FakeConfigSource } from "../../test/support/fake-config-source.ts";
import { type Log, silentLog } from "../base/log.ts";
import { clusterType, endpointType } from "../discovery/type-order.ts";
import type { AdsServerOptions } from "./ads-server.ts";

const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

const node = { id: "sidecar~10.0.0.1~a.default~default.svc.cluster.local" };
const STRANGER = "127.0.0.66";

async function rig(more: Partial<AdsServerOptions> = {}) {
  const source = new FakeConfigSource();
  source.commit(edit => edit.set(clusterType, "c0", "1"));
  const server = newAdsServer(source, more);
  cleanups.push(() => server.close());
  const port = await server.listenPlaintext({ port: 0, host: "0.0.0.0" });
  const client = (localAddress: string): DeltaClient => {
    const made = new DeltaClient(`http://127.0.0.1:${port}`, { localAddress } as object);
    cleanups.push(() => made.close());
    return made;
  };
  const good = async (localAddress = "127.0.0.1"): Promise<DeltaClient> => {
    const proxy = client(localAddress);
    proxy.send({ node, typeUrl: clusterType });
    proxy.ack(await proxy.response(1, 30_000));
    return proxy;
  };
  let version = 1;
  /** A change must reach every one of them. */
  const push = async (proxies: readonly DeltaClient[]): Promise<void> => {
    version++;
    source.commit(edit => edit.set(clusterType, "c0", String(version)));
    for (const proxy of proxies) {
      await eventually("the change has come", () => {
        const last = proxy.responses.at(-1);
        return last?.resources?.some(each => each.version === String(version)) === true;
      });
      const last = proxy.responses.at(-1);
      if (last !== undefined) proxy.ack(last);
    }
  };
  return { server, source, client, good, push, port };
}

/** The beginning of a request of 4 MB. */
function begin(client: DeltaClient, bytes: number): void {
  client.stream.write(Buffer.from([0, 0, 0x40, 0, 0]));
  client.stream.write(Buffer.alloc(bytes, 0x0a));
}

test("requests that begin and stop hold a bounded number of bytes for a bounded time", async () => {
  const clock = new FakeClock();
  const serverLimits = { bufferedBytesMax: 1 << 20, bufferedBytesPerOwnerMax: 256 << 10 };
  const { server, good, push, client } = await rig({ clock, serverLimits });
  const proxy = await good();
  const stalling = Array.from({ length: 24 }, (_, i) => client(`127.0.1.${1 + (i % 8)}`));
  const codes: number[] = [];
  for (const each of stalling) void each.status.then(({ code }) => codes.push(code));
  for (const each of stalling) {
    each.send({ node, typeUrl: endpointType, resourceNamesSubscribe: ["c0"] });
    begin(each, 100 << 10);
  }
  let most = 0;
  await eventually("some had to go", () => {
    most = Math.max(most, server.held.bufferedBytes);
    return codes.filter(code => code === 8).length >= 12;
  });
  assert.ok(most <= 1 << 20, `${most} bytes`);
  await push([proxy]);
  for (let i = 0; i < 32; i++) clock.advance(1000);
  await eventually("all are over", () => codes.length === 24);
  assert.ok(
    codes.every(code => code === 8 || code === 4),
    codes.join(),
  );
  assert.ok(codes.includes(4), "a request that has begun must end");
  assert.equal(server.held.bufferedBytes, 0);
  assert.equal(server.streams, 1);
  await push([proxy]);
});

test("who reads nothing has no copies of the configuration held for it", async () => {
  const { server, source, good, push, client } = await rig();
  source.commit(edit => {
    for (let i = 1; i < 2000; i++) edit.set(clusterType, `c${i}`, "1", Buffer.alloc(1000, i));
  });
  const deaf = Array.from({ length: 20 }, () => client(STRANGER));
  for (const each of deaf) {
    each.session.settings({ initialWindowSize: 0 });
    each.send({ node, typeUrl: clusterType });
  }
  await eventually("each was written to", () => server.held.unsentBytes > deaf.length * 64 * 1024);
  const proxy = await good();
  await push([proxy]);
  assert.ok(server.held.unsentBytes <= deaf.length * 192 * 1024, `${server.held.unsentBytes}`);
  const [first] = deaf;
  first?.session.settings({ initialWindowSize: 1 << 20 });
  const response = await first?.response(1, 30_000);
  assert.equal(response?.resources?.length, 2000, "what is sent in pieces is whole");
});

test("empty requests that wait are charged, too", async () => {
  const clock = new FakeClock();
  const serverLimits = { requestBurst: 1, bufferedBytesPerOwnerMax: 512 << 10 };
  const { client, server } = await rig({ clock, serverLimits });
  const many = client(STRANGER);
  many.send({ node, typeUrl: endpointType, resourceNamesSubscribe: ["c0"] });
  await many.response(1);
  many.stream.write(Buffer.alloc(5 * 3000));
  assert.equal((await many.status).code, 8);
  assert.equal(server.held.bufferedBytes, 0);
});

test("a request that waits for us may take its time", async () => {
  const clock = new FakeClock();
  const serverLimits = { requestBurst: 1, requestsPerSecond: 1, messageMs: 2000 };
  const { client, server } = await rig({ clock, serverLimits });
  const slow = client("127.0.0.1");
  slow.send({ node, typeUrl: endpointType, resourceNamesSubscribe: ["c0"] });
  await slow.response(1);
  for (let i = 0; i < 5; i++)
    slow.send({ typeUrl: endpointType, resourceNamesSubscribe: [`n${i}`.padEnd(500, "x")] });
  await eventually("they wait", () => server.held.bufferedBytes > 500);
  for (let i = 0; i < 4; i++) clock.advance(1000);
  assert.equal(server.streams, 1);
});

test("a request that we are late to read is not cut for that", async () => {
  const clock = new FakeClock();
  const { client, server } = await rig({ clock });
  const honest = client("127.0.0.1");
  honest.send({ node, typeUrl: endpointType, resourceNamesSubscribe: ["c0"] });
  await honest.response(1);
  begin(honest, 10 << 10);
  await eventually("it has begun", () => server.held.bufferedBytes > 5_000);
  // The process had no processor for an hour, and a moment later none for another.
  for (let i = 0; i < 2; i++) {
    clock.stall(3_600_000);
    clock.advance(1000);
  }
  assert.equal(server.streams, 1);
  assert.ok(server.held.bufferedBytes > 5_000);
});

test("names that nothing answers to are charged to who asks for them", async () => {
  const serverLimits = { unknownNamesPerOwnerMax: 1000, unknownNamesMax: 100_000 };
  const { server, good, push, client } = await rig({ serverLimits });
  const proxy = await good();
  const churning = client(STRANGER);
  const names = (from: number) => Array.from({ length: 400 }, (_, i) => `none${from + i}`);
  churning.send({ node, typeUrl: endpointType, resourceNamesSubscribe: names(0) });
  await eventually("they are counted", () => server.held.unknownNames === 400);
  for (let round = 1; round < 10; round++)
    churning.send({
      typeUrl: endpointType,
      resourceNamesSubscribe: names(round * 400),
      resourceNamesUnsubscribe: names((round - 1) * 400),
    });
  churning.ack(await churning.response(1));
  await eventually("the last ones are there", () => server.held.unknownNames <= 800);
  churning.send({ typeUrl: "else", resourceNamesSubscribe: names(0) });
  churning.send({ typeUrl: "other", resourceNamesSubscribe: names(0) });
  const status = await churning.status;
  assert.equal(status.code, 8);
  assert.match(status.message, /names that nothing answers to of this client, at most 1000/);
  assert.equal(server.held.unknownNames, 0);
  await push([proxy]);
});

test("a change of one name among many is charged for all that are gone through", async () => {
  const clock = new FakeClock();
  const { server, client } = await rig({ clock });
  const churning = client(STRANGER);
  const many = Array.from({ length: 10_000 }, (_, i) => `none${i}`);
  churning.send({ node, typeUrl: endpointType, resourceNamesSubscribe: many });
  churning.ack(await churning.response(1, 30_000));
  for (let i = 0; i < 40; i++) {
    churning.send({ typeUrl: endpointType, resourceNamesSubscribe: [`more${i}`] });
    await eventually("it is answered, or waits", () => {
      return churning.responses.length === i + 2 || server.held.bufferedBytes > 0;
    });
    const last = churning.responses.at(-1);
    if (server.held.bufferedBytes > 0 || last === undefined) break;
    churning.ack(last);
  }
  assert.ok(churning.responses.length < 15, `${churning.responses.length} lists were made`);
  assert.ok(server.held.bufferedBytes > 0, "the rest waits");
  assert.equal(server.streams, 1);
});

test("a long name counts for several", async () => {
  const serverLimits = { unknownNamesPerOwnerMax: 100 };
  const { client } = await rig({ serverLimits });
  const long = client(STRANGER);
  const resourceNamesSubscribe = Array.from({ length: 60 }, (_, i) => `${i}`.padEnd(1024, "x"));
  long.send({ node, typeUrl: endpointType, resourceNamesSubscribe });
  assert.equal((await long.status).code, 8);
});

test("strangers that fill the line turn each other away", async () => {
  const clock = new FakeClock();
  const serverLimits = { newStreamsPerSecond: 1, newStreamBurst: 1, newStreamsWaitingMax: 40 };
  const { server, client, good, push } = await rig({ clock, serverLimits });
  const proxy = await good();
  let refused = 0;
  for (let i = 0; i < 60; i++) void client(STRANGER).status.then(() => refused++);
  await eventually("the line is full", () => server.held.waiting === 40 && refused === 20);
  const late = [client("127.0.0.2"), client("127.0.0.3")];
  for (const each of late) each.send({ node, typeUrl: clusterType });
  await eventually("strangers gave way", () => refused === 22);
  // In line before them: one stranger, as each address has its turn.
  for (let i = 0; i < 3; i++) clock.advance(1000);
  for (const each of late) each.ack(await each.response(1));
  await push([proxy, ...late]);
});

test("strangers that hold all connections give way", async () => {
  const { good, push, port } = await rig({ serverLimits: { connectionsMax: 20 } });
  const proxy = await good();
  const sockets: Socket[] = [];
  let closed = 0;
  for (let i = 0; i < 30; i++) {
    const socket = connectTcp({ port, host: "127.0.0.1", localAddress: STRANGER });
    socket.on("error", () => {});
    socket.on("close", () => closed++);
    socket.resume();
    sockets.push(socket);
    cleanups.push(() => socket.destroy());
  }
  await eventually("all places are taken", () => closed === 11);
  const late = await good("127.0.0.2");
  await eventually("one gave way", () => closed === 12);
  await push([proxy, late]);
});

test("too many streams: who has most of them gives way", async () => {
  const { server, client, good, push } = await rig({ serverLimits: { streamsMax: 5 } });
  const proxy = await good();
  const many = Array.from({ length: 6 }, () => client(STRANGER));
  const codes: number[] = [];
  for (const each of many) {
    void each.status.then(({ code }) => codes.push(code));
    each.send({ node, typeUrl: clusterType });
  }
  await eventually("two were turned away", () => codes.length === 2 && server.streams === 5);
  const late = await good("127.0.0.2");
  await eventually("one gave way", () => codes.length === 3);
  assert.deepEqual(new Set(codes), new Set([8]));
  await push([proxy, late]);
});

test("a client that is refused again and again writes a few lines, and a sum", async () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const say = (message: string): void => void lines.push(message);
  const log: Log = { ...silentLog, warn: say, error: say, scope: () => log };
  const { client } = await rig({
    clock,
    log,
    authenticate: () => ({ refused: "no credential", code: 16 }),
  });
  for (let round = 0; round < 50; round++) assert.equal((await client(STRANGER).status).code, 16);
  assert.equal(lines.length, 3);
  clock.advance(60_000);
  assert.deepEqual(lines.slice(3), [
    "xDS stream refused: 47 more in the last minute, the newest for this",
  ]);
});
