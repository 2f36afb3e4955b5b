import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { decode, encode } from "dns-packet";
import fc from "fast-check";
import { silentLog } from "../base/log.ts";
import type { DnsView } from "./dns-answers.ts";
import { DnsForwarder, framed, unframed } from "./dns-forwarder.ts";
import { DnsServer } from "./dns-server.ts";

const ADDRESS = "127.0.0.1";
const web = {
  namespace: "default",
  name: "web",
  clusterIp: "10.0.0.1",
  externalName: undefined,
  publishNotReady: false,
  ports: [{ name: "http", port: 80, protocol: "TCP" }],
} as const;
const view: DnsView = {
  domain: "cluster.local",
  service: (namespace, name) => (namespace === "default" && name === "web" ? web : undefined),
  endpoints: () => [],
  nameOf: () => undefined,
};

function queryFor(name: string): Buffer {
  const size = { udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false };
  return encode({
    type: "query",
    id: 7,
    flags: 256,
    questions: [{ type: "A", name }],
    additionals: [{ type: "OPT", name: ".", ...size, options: [] }],
  });
}

async function freePort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, ADDRESS);
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>(done => socket.close(done));
  return port;
}

async function start(t: TestContext, forwarder = new DnsForwarder(() => [])) {
  const server = new DnsServer({ view, forwarder, log: silentLog });
  const port = await freePort();
  await server.listen(ADDRESS, port);
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await server.close();
    isOpen = false;
  };
  t.after(close);
  return { port, close };
}

async function overUdp(port: number, query: Buffer): Promise<Buffer> {
  const socket = createSocket("udp4");
  socket.send(query, port, ADDRESS);
  const [answer] = await once(socket, "message");
  socket.close();
  return answer;
}

async function overTcp(port: number, queries: readonly Buffer[]): Promise<Buffer> {
  const socket = connect(port, ADDRESS);
  for (const query of queries) socket.write(framed(query));
  let received = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk]);
    for (let next = unframed(received); next !== undefined; next = unframed(received)) {
      received = received.subarray(2 + next.length);
      if (next.readUInt16BE(0) === 7) return next;
    }
  }
  return assert.fail("the connection ended without an answer");
}

test("answers over UDP and TCP", async t => {
  const { port } = await start(t);
  const query = queryFor("web.default.svc.cluster.local");
  for (const answer of [await overUdp(port, query), await overTcp(port, [query])]) {
    const [record] = decode(answer).answers ?? [];
    assert.equal(record?.type === "A" && record.data, "10.0.0.1");
  }
});

test("whatever a pod sends, the next query is answered", async t => {
  const { port } = await start(t);
  const good = queryFor("web.default.svc.cluster.local");
  const change = fc.tuple(fc.nat(good.length + 20), fc.nat(255));
  const damaged = fc.array(change, { minLength: 1, maxLength: 12 }).map(changes => {
    const query = Buffer.concat([good, Buffer.alloc(21)]);
    for (const [at, value] of changes) query[at] = value;
    query.writeUInt16BE(8, 0);
    return query;
  });
  await fc.assert(
    fc.asyncProperty(fc.array(damaged, { minLength: 50, maxLength: 50 }), async queries => {
      assert.ok(await overTcp(port, [...queries, good]));
    }),
    { numRuns: 40 },
  );
});

test("a resolver that can not be reached is an answer like another", async () => {
  // A connection to the broadcast address is refused by the system itself.
  const forwarder = new DnsForwarder(() => ["255.255.255.255"]);
  assert.equal(await forwarder.ask(queryFor("example.org"), "udp"), undefined);
  assert.equal(await forwarder.ask(queryFor("example.org"), "tcp"), undefined);
});

test("an answer that comes after the end goes nowhere", async t => {
  const slow = new DnsForwarder(() => []);
  const asked = Promise.withResolvers<void>();
  const late = Promise.withResolvers<Buffer>();
  slow.ask = async () => {
    asked.resolve();
    return late.promise;
  };
  const { port, close } = await start(t, slow);
  const socket = createSocket("udp4");
  socket.send(queryFor("example.org"), port, ADDRESS);
  await asked.promise;
  await close();
  late.resolve(queryFor("example.org"));
  await new Promise(done => setImmediate(done));
  socket.close();
});
