/** The transport: what it lets in, what it refuses, and that nobody is held up by others. */
import assert from "node:assert/strict";
import { connect as connectHttp2, constants } from "node:http2";
import { connect as connectTcp } from "node:net";
import { after, describe, test } from "node:test";
import {
  DeltaDiscoveryRequest,
  type Resource,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { type AdsClient, DeltaClient, SotwClient } from "../../test/support/ads-client.ts";
import { anybody, newAdsServer } from "../../test/support/ads-test-server.ts";
import { eventually } from "../../test/support/envoy-process.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { FakeConfigSource } from "../../test/support/fake-config-source.ts";
import { clusterType, endpointType, secretType } from "../discovery/type-order.ts";
import type { Refusal } from "../discovery/types.ts";
import type { AdsServer, AdsServerOptions, Authenticate } from "./ads-server.ts";

const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

async function serve(
  source: FakeConfigSource,
  more: Partial<AdsServerOptions> = {},
): Promise<{ server: AdsServer; url: string; port: number }> {
  const server = newAdsServer(source, more);
  cleanups.push(() => server.close());
  const port = await server.listenPlaintext({ port: 0 });
  return { server, url: `http://127.0.0.1:${port}`, port };
}

function tracked<C extends AdsClient<unknown>>(client: C): C {
  cleanups.push(() => client.close());
  return client;
}

function mesh(clusters = 1): FakeConfigSource {
  const source = new FakeConfigSource();
  source.commit(edit => {
    for (let i = 0; i < clusters; i++) {
      edit.set(clusterType, `c${i}`, "1");
      edit.set(endpointType, `c${i}`, "1");
    }
  });
  return source;
}

const node = { id: "sidecar~10.0.0.1~a.default~default.svc.cluster.local" };
const byName = (resources: readonly Resource[] = []): string[] =>
  resources.map(({ name, version }) => `${name}@${version}`);

describe("calls", () => {
  test("delta: clusters, endpoints, one change", async () => {
    const source = mesh();
    const { url } = await serve(source);
    const client = tracked(new DeltaClient(url));
    client.send({ node, typeUrl: clusterType });
    const clusters = await client.response(1);
    assert.deepEqual(byName(clusters.resources), ["c0@1"]);
    client.send({ typeUrl: endpointType, resourceNamesSubscribe: ["c0"] });
    const endpoints = await client.response(2);
    client.ack(clusters);
    client.ack(endpoints);
    source.commit(edit => edit.set(endpointType, "c0", "2"));
    assert.deepEqual(byName((await client.response(3)).resources), ["c0@2"]);
  });

  test("state of the world: clusters, endpoints", async () => {
    const { url } = await serve(mesh());
    const client = tracked(new SotwClient(url));
    client.send({ node, typeUrl: clusterType });
    assert.equal((await client.response(1)).resources?.length, 1);
    client.send({ typeUrl: endpointType, resourceNames: ["c0"] });
    assert.equal((await client.response(2)).typeUrl, endpointType);
  });

  test("the end of the client's requests ends the call in order", async () => {
    const source = mesh();
    const { url, server } = await serve(source);
    const client = tracked(new DeltaClient(url));
    client.send({ node, typeUrl: clusterType });
    await client.response(1);
    assert.equal(server.streams, 1);
    client.stream.end();
    assert.equal((await client.status).code, 0);
    await eventually("the stream is gone", () => server.streams === 0);
    assert.ok(source.connections[0]?.closed);
    assert.equal(source.liveSets, 0);
  });

  test("nothing is answered before the sources are ready", async () => {
    const source = mesh();
    source.ready = false;
    const { url } = await serve(source);
    const client = tracked(new DeltaClient(url));
    client.send({ node, typeUrl: clusterType });
    await assert.rejects(client.response(1, 100));
    assert.equal(source.connections.length, 0);
    source.becomeReady();
    await client.response(1);
  });

  test("who goes before the sources are ready is not waited for", async () => {
    const source = mesh();
    source.ready = false;
    const { url } = await serve(source);
    const client = tracked(new DeltaClient(url));
    client.send({ node, typeUrl: clusterType });
    await eventually("it waits", () => source.waiting.size === 1);
    client.close();
    await eventually("nothing holds it", () => source.waiting.size === 0);
  });

  test("who ends its call while it is authenticated gets no answer, and nobody is hurt", async () => {
    for (const answer of [undefined, { refused: "no", code: 16 }]) {
      const gate = slowly(answer);
      const source = mesh();
      const { url, server } = await serve(source, { authenticate: gate.authenticate });
      const client = tracked(new DeltaClient(url));
      client.send({ node, typeUrl: clusterType });
      await gate.asked;
      client.stream.close(constants.NGHTTP2_NO_ERROR);
      await serverHasSeenAll(client);
      gate.open();
      const next = tracked(new DeltaClient(url));
      next.send({ node, typeUrl: clusterType });
      if (answer === undefined) await next.response(1);
      else assert.equal((await next.status).code, 16);
      assert.equal(server.streams, answer === undefined ? 1 : 0);
    }
  });
});

describe("refusals", () => {
  const refused = async (
    more: Partial<AdsServerOptions>,
    say: (client: DeltaClient) => void,
    source = mesh(),
  ): Promise<{ code: number; message: string }> => {
    const { url } = await serve(source, more);
    const client = tracked(new DeltaClient(url));
    say(client);
    return client.status;
  };

  test("no request is read from who is not authenticated", async () => {
    const source = mesh();
    const status = await refused(
      { authenticate: () => ({ refused: "no token", code: 16 }) },
      client => client.send({ node, typeUrl: clusterType }),
      source,
    );
    assert.deepEqual(status, { code: 16, message: "no token" });
    assert.equal(source.connections.length, 0);
  });

  test("an authenticator that fails lets nobody in, and keeps its reason to itself", async () => {
    const broken = (): never => {
      throw new Error("internal detail");
    };
    const status = await refused({ authenticate: broken }, () => {});
    assert.equal(status.code, 14);
    assert.doesNotMatch(status.message, /detail/);
  });

  test("a node that claims too much is refused by the source", async () => {
    const source = mesh();
    source.refuse = ({ id }) => ({ refused: `${id} is not yours`, code: 7 });
    const status = await refused({}, client => client.send({ node, typeUrl: clusterType }), source);
    assert.equal(status.code, 7);
    assert.match(status.message, /is not yours/);
  });

  test("who it was is told: by the credential that was good, or what a bad one says", async () => {
    const told: unknown[] = [];
    const onRefused: AdsServerOptions["onRefused"] = ({ provenPod, claimedPod }, why) =>
      told.push([provenPod ?? "", claimedPod ?? "", why]);
    const authenticate = () => ({ refused: "expired", code: 16, claimedPod: "u1" });
    await refused({ onRefused, authenticate }, () => {});
    const source = mesh();
    source.refuse = () => ({ refused: "not yours", code: 7 });
    const good: Authenticate = async credentials => {
      const peer = await anybody(credentials);
      return "refused" in peer ? peer : { ...peer, claims: { podUid: "u2" } };
    };
    const ask = (client: DeltaClient): void => client.send({ node, typeUrl: clusterType });
    await refused({ onRefused, authenticate: good }, ask, source);
    assert.deepEqual(told, [
      ["", "u1", "expired"],
      ["u2", "", "not yours"],
    ]);
  });

  test("an oversize message", async () => {
    const status = await refused({ streamLimits: { firstRequestBytesMax: 1000 } }, client => {
      client.send({ node, typeUrl: clusterType, resourceNamesSubscribe: ["x".repeat(2000)] });
    });
    assert.equal(status.code, 8);
    assert.match(status.message, /^a request message has \d+ bytes, at most 1024$/);
  });

  test("a compressed message", async () => {
    const status = await refused({}, client => {
      client.stream.write(Buffer.from([1, 0, 0, 0, 2, 8, 1]));
    });
    assert.equal(status.code, 12);
  });

  test("what is no protobuf", async () => {
    const status = await refused({}, client => client.write(Buffer.from([0xff, 0xff, 0xff])));
    assert.equal(status.code, 3);
    assert.match(status.message, /not a DeltaDiscoveryRequest/);
  });

  test("no node, no type, another node", async () => {
    const noNode = await refused({}, client => client.send({ typeUrl: clusterType }));
    assert.match(noNode.message, /needs a node/);
    const noType = await refused({}, client => client.send({ node }));
    assert.match(noType.message, /type_url is empty/);
    const other = await refused({}, client => {
      client.send({ node, typeUrl: clusterType });
      client.send({ node: { id: "other" }, typeUrl: endpointType });
    });
    assert.equal(other.code, 3);
    assert.match(other.message, /may not change/);
  });

  test("too many names, too long a name, too many types: each says what and the limit", async () => {
    const streamLimits = { namesPerTypeMax: 10, nameLengthMax: 100, typesMax: 2 };
    const many = await refused({ streamLimits }, client => {
      const names = Array.from({ length: 11 }, (_, i) => `n${i}`);
      client.send({ node, typeUrl: endpointType, resourceNamesSubscribe: names });
    });
    assert.equal(many.code, 8);
    assert.match(many.message, /11 resource names.*at most 10/);
    const creeping = await refused({ streamLimits }, client => {
      client.send({ node, typeUrl: endpointType, resourceNamesSubscribe: ["a"] });
      for (let i = 0; i < 11; i++)
        client.send({ typeUrl: endpointType, resourceNamesSubscribe: [`n${i}`] });
    });
    assert.equal(creeping.code, 8);
    const long = await refused({ streamLimits }, client => {
      const names = ["x".repeat(101)];
      client.send({ node, typeUrl: endpointType, resourceNamesSubscribe: names });
    });
    assert.match(long.message, /101 characters, at most 100/);
    const types = await refused({ streamLimits }, client => {
      client.send({ node, typeUrl: clusterType });
      client.send({ typeUrl: endpointType });
      client.send({ typeUrl: secretType });
    });
    assert.match(types.message, /more than 2 resource types/);
  });

  test("what is no call of ours", async () => {
    const { url } = await serve(mesh());
    const session = connectHttp2(url);
    cleanups.push(() => session.destroy());
    const ask = (headers: Record<string, string>): Promise<Record<string, unknown>> =>
      new Promise(done => session.request(headers).once("response", done).end());
    const grpc = { ":method": "POST", "content-type": "application/grpc" };
    const unknown = await ask({ ...grpc, ":path": "/envoy.service.discovery.v3.X/Y" });
    assert.equal(unknown["grpc-status"], "12");
    assert.equal((await ask({ ":method": "GET", ":path": "/" }))[":status"], 405);
    assert.equal((await ask({ ":method": "POST", ":path": "/" }))[":status"], 415);
  });

  test("headers over the limit end their stream and no other", async () => {
    const { url } = await serve(mesh());
    const good = tracked(new DeltaClient(url));
    const bad = tracked(new DeltaClient(url, { headers: { authorization: "x".repeat(60_000) } }));
    bad.send({ node, typeUrl: clusterType });
    assert.equal((await bad.status).code, 8);
    const worse = tracked(new DeltaClient(url, { headers: { authorization: "x".repeat(80_000) } }));
    assert.notEqual((await worse.status).code, 0);
    good.send({ node, typeUrl: clusterType });
    await good.response(1);
  });

  test("garbage instead of HTTP/2", async () => {
    const { url, port } = await serve(mesh());
    const socket = connectTcp(port, "127.0.0.1");
    socket.on("error", () => {}).resume();
    const closed = new Promise(done => socket.once("close", done));
    socket.write(Buffer.alloc(100_000, 7));
    await closed;
    const client = tracked(new DeltaClient(url));
    client.send({ node, typeUrl: clusterType });
    await client.response(1);
  });
});

describe("crowds", () => {
  test("10,000 names on one stream", async () => {
    const source = mesh(10_000);
    const { url } = await serve(source);
    const client = tracked(new DeltaClient(url));
    const resourceNamesSubscribe = Array.from({ length: 10_000 }, (_, i) => `c${i}`);
    client.send({ node, typeUrl: endpointType, resourceNamesSubscribe });
    const { resources } = await client.response(1, 20_000);
    assert.equal(resources?.length, 10_000);
  });

  test("new streams are let in one after the other, none is turned away", async () => {
    const serverLimits = { newStreamsPerSecond: 100, newStreamBurst: 2 };
    const { url } = await serve(mesh(), { serverLimits });
    const clients = Array.from({ length: 20 }, () => tracked(new DeltaClient(url)));
    for (const client of clients) client.send({ node, typeUrl: clusterType });
    await Promise.all(clients.map(client => client.response(1)));
  });

  test("the line of waiting streams has an end", async () => {
    const clock = new FakeClock();
    const serverLimits = { newStreamsPerSecond: 1, newStreamBurst: 1, newStreamsWaitingMax: 1 };
    const { url } = await serve(mesh(), { serverLimits, clock });
    const clients = [1, 2, 3].map(() => tracked(new DeltaClient(url)));
    const [first] = clients;
    const status = await Promise.race(clients.map(client => client.status));
    assert.equal(status.code, 8);
    first?.send({ node, typeUrl: clusterType });
    await first?.response(1);
  });

  test("a stream that asks too much is read later, not ended", async () => {
    const clock = new FakeClock();
    const source = mesh(50);
    const serverLimits = { requestBurst: 10, requestsPerSecond: 10 };
    const { url } = await serve(source, { serverLimits, clock });
    const client = tracked(new DeltaClient(url));
    client.send({ node, typeUrl: endpointType, resourceNamesSubscribe: ["none"] });
    for (let i = 0; i < 30; i++)
      client.send({ typeUrl: endpointType, resourceNamesSubscribe: [`c${i}`] });
    await client.response(1);
    const seen = (): Set<string> =>
      new Set(client.responses.flatMap(({ resources }) => byName(resources)));
    const answerAll = (): void => {
      for (const response of client.responses) client.ack(response);
    };
    assert.ok(seen().size < 30);
    await eventually("all read in the end", () => {
      clock.advance(1000);
      answerAll();
      return seen().size === 30;
    });
  });

  test("one that does not read holds up nobody, and nothing is queued for it", async () => {
    const source = new FakeConfigSource();
    const big = (version: string): void =>
      source.commit(edit => {
        for (let i = 0; i < 20; i++)
          edit.set(endpointType, `c${i}`, version, Buffer.alloc(100_000, `c${i}@${version}`));
      });
    big("1");
    const { url } = await serve(source);
    const names = Array.from({ length: 20 }, (_, i) => `c${i}`);
    const slow = tracked(new DeltaClient(url));
    slow.stream.pause();
    slow.send({ node, typeUrl: endpointType, resourceNamesSubscribe: names });
    const quick = tracked(new DeltaClient(url));
    quick.send({ node, typeUrl: endpointType, resourceNamesSubscribe: names });
    for (let version = 2; version < 12; version++) {
      quick.ack(await quick.response(version - 1));
      big(String(version));
    }
    await quick.response(11);
    const sent = source.connections[0]?.events.filter(({ kind }) => kind === "sent") ?? [];
    assert.equal(sent.length, 1);
    slow.stream.resume();
    slow.ack(await slow.response(1));
    const next = await slow.response(2);
    assert.equal(next.resources?.[0]?.version, "11", "straight to the newest");
  });
});

describe("time", () => {
  test("a peer that answers no ping is dead", async () => {
    const clock = new FakeClock();
    const source = mesh();
    const { server, port } = await serve(source, { clock });
    const socket = connectTcp(port, "127.0.0.1");
    cleanups.push(() => socket.destroy());
    socket.on("error", () => {}).resume();
    const closed = new Promise(done => socket.once("close", done));
    socket.write(helloHttp2());
    await eventually("the stream is open", () => server.streams === 1);
    // A ping after 30 s, and a minute for its answer.
    for (let i = 0; i < 95; i++) {
      clock.advance(1000);
      await new Promise(next => setImmediate(next));
    }
    await closed;
    await eventually("the stream is gone", () => server.streams === 0);
  });

  test("a living peer stays, an idle connection and an aged stream do not", async () => {
    const clock = new FakeClock();
    const serverLimits = { streamAgeMaxMs: 300_000, idleMs: 60_000 };
    const { url, server } = await serve(mesh(), { clock, serverLimits });
    const client = tracked(new DeltaClient(url));
    client.send({ node, typeUrl: clusterType });
    await client.response(1);
    /** Frames keep their order: with the first answer a ping has come, with the second its answer. */
    const pingsAnswered = async (): Promise<void> => {
      await new Promise(next => setImmediate(next));
      for (let i = 0; i < 2 && !client.session.destroyed; i++)
        await new Promise(done => client.session.ping(done) || done(undefined));
    };
    const pass = async (seconds: number): Promise<void> => {
      for (let i = 0; i < seconds; i++) {
        clock.advance(1000);
        if (i % 10 === 0) await pingsAnswered();
      }
    };
    await pass(250);
    assert.equal(server.streams, 1);
    const moved = new Promise(done => client.session.once("goaway", done));
    await pass(60);
    const status = await client.status;
    assert.equal(status.code, 14);
    assert.match(status.message, /maximum age/);
    // Without it the next stream would be one of the same connection: of the same replica.
    await moved;
    const closed = new Promise(done => client.session.once("close", done));
    await pass(70);
    await closed;
  });

  test("a clock that is set ends no stream, and holds nothing up", async () => {
    const clock = new FakeClock();
    const source = mesh();
    const serverLimits = { requestBurst: 2, requestsPerSecond: 1 };
    const { url, server } = await serve(source, { clock, serverLimits });
    const client = tracked(new DeltaClient(url));
    client.send({ node, typeUrl: clusterType });
    client.ack(await client.response(1));
    clock.set(24 * 3_600_000);
    for (let i = 0; i < 3; i++) clock.advance(1000);
    assert.equal(server.streams, 1);
    clock.set(-48 * 3_600_000);
    for (let i = 0; i < 3; i++) clock.advance(1000);
    // Not acknowledged: the next one waits for so long, and no longer.
    source.commit(edit => edit.set(clusterType, "c0", "2"));
    await client.response(2);
    source.commit(edit => edit.set(clusterType, "c0", "3"));
    clock.set(-48 * 3_600_000);
    for (let i = 0; i < 6; i++) clock.advance(1000);
    assert.deepEqual(byName((await client.response(3)).resources), ["c0@3"]);
  });

  test("a stream without a request is ended", async () => {
    const clock = new FakeClock();
    const { url, server } = await serve(mesh(), { clock });
    const client = tracked(new DeltaClient(url));
    await eventually("the stream is open", () => server.streams === 1);
    clock.advance(30_000);
    assert.match((await client.status).message, /no request within/);
  });

  test("closing tells clients to go elsewhere", async () => {
    const { url, server } = await serve(mesh());
    const client = tracked(new DeltaClient(url));
    client.send({ node, typeUrl: clusterType });
    await client.response(1);
    let goaway = false;
    client.session.on("goaway", () => {
      goaway = true;
    });
    await server.close(1000);
    const status = await client.status;
    assert.equal(status.code, 14);
    assert.match(status.message, /shutting down/);
    assert.ok(goaway);
    await assert.rejects(fetch(url));
  });

  test("draining sends streams elsewhere one after the other, and takes no new ones", async () => {
    const clock = new FakeClock();
    const { url, server } = await serve(mesh(), { clock });
    const clients = Array.from({ length: 20 }, () => tracked(new DeltaClient(url)));
    for (const client of clients) client.send({ node, typeUrl: clusterType });
    for (const client of clients) await client.response(1);
    const goaways = clients.map(
      ({ session }) => new Promise<void>(done => void session.once("goaway", () => done())),
    );
    const drained = server.drain(600);
    const late = await tracked(new DeltaClient(url)).status;
    assert.deepEqual(late, { code: 14, message: "shutting down" });
    for (let after = 0; after < 20; after += 5) {
      assert.equal(server.streams, 20 - after);
      clock.advance(150);
    }
    await drained;
    assert.equal(server.streams, 0);
    await Promise.all(goaways);
    for (const client of clients) assert.match((await client.status).message, /shutting down/);
  });

  test("a stream that is still being authenticated when the server closes becomes no call", async () => {
    const gate = slowly();
    const source = mesh();
    const { url, server } = await serve(source, { authenticate: gate.authenticate });
    const client = tracked(new DeltaClient(url));
    client.send({ node, typeUrl: clusterType });
    await gate.asked;
    const closed = server.close(2000);
    gate.open();
    const status = await client.status;
    assert.deepEqual(status, { code: 14, message: "shutting down" });
    await closed;
    assert.equal(server.streams + source.connections.length, 0);
  });
});

/** An authenticator that takes its time until it is let go. */
function slowly(answer?: Refusal) {
  const asked = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const authenticate: Authenticate = async credentials => {
    asked.resolve();
    await opened.promise;
    return answer ?? anybody(credentials);
  };
  return { authenticate, asked: asked.promise, open: () => opened.resolve() };
}

/** Resolves when the server has seen everything that the client has sent. */
async function serverHasSeenAll(client: DeltaClient): Promise<void> {
  await new Promise<void>((done, fail) =>
    client.session.ping(error => (error === null ? done() : fail(error))),
  );
}

/** A client's preface, empty settings, one delta call with one request; then silence. */
function helloHttp2(): Buffer {
  const frame = (type: number, flags: number, streamId: number, payload: Buffer): Buffer => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(streamId, 5);
    return Buffer.concat([head, payload]);
  };
  const literal = (name: string, value: string): Buffer =>
    Buffer.concat([
      Buffer.from([0, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]);
  const path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
  const headers = Buffer.concat([
    literal(":method", "POST"),
    literal(":scheme", "http"),
    literal(":authority", "test"),
    literal(":path", path),
    literal("content-type", "application/grpc"),
  ]);
  const request = Buffer.from(
    DeltaDiscoveryRequest.encode({ node, typeUrl: clusterType }).finish(),
  );
  const prefix = Buffer.from([0, 0, 0, 0, request.length]);
  return Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    frame(4, 0, 0, Buffer.alloc(0)),
    frame(1, constants.NGHTTP2_FLAG_END_HEADERS, 1, headers),
    frame(0, 0, 1, Buffer.concat([prefix, request])),
  ]);
}

test("anybody: a peer without an identity", async () => {
  const peer = await anybody({
    transport: "plaintext",
    headers: {},
    certificate: undefined,
    address: "127.0.0.1",
  });
  assert.ok("transport" in peer && peer.identity === undefined);
});
