import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import { portForward } from "./port-forward.ts";

const POD = { namespace: "default", pod: "sleep", port: 15000 };
const PORT_BYTES = Buffer.from([0x98, 0x3a]);

/** An API server that upgrades and then does what the test says. */
async function serve(t: TestContext, use: (socket: Duplex) => void): Promise<string> {
  const server: Server = createServer((_request, response) => {
    response.writeHead(404, { "content-type": "application/json" });
    response.end(JSON.stringify({ message: 'pods "sleep" not found' }));
  });
  server.on("upgrade", (request, socket) => {
    assert.equal(request.url, "/base/api/v1/namespaces/default/pods/sleep/portforward?ports=15000");
    assert.equal(request.headers.authorization, "Bearer t");
    assert.equal(request.headers["sec-websocket-protocol"], "v4.channel.k8s.io");
    const key = request.headers["sec-websocket-key"];
    const magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const accept = createHash("sha1").update(`${key}${magic}`).digest("base64");
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n" +
        `sec-websocket-accept: ${accept}\r\n\r\n`,
    );
    use(socket);
  });
  return listening(t, server);
}

async function listening(t: TestContext, server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on("connection", socket => sockets.add(socket));
  await new Promise<void>(done => server.listen(0, "127.0.0.1", done));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}/base`;
}

/** As servers send: not masked. */
function message(channel: number, data: Buffer, first = 0x82): Buffer {
  const payload = first === 0x80 ? data : Buffer.concat([Buffer.of(channel), data]);
  const size = payload.length;
  if (size < 126) return Buffer.concat([Buffer.of(first, size), payload]);
  if (size < 1 << 16) return Buffer.concat([Buffer.of(first, 126, size >> 8, size & 255), payload]);
  const header = Buffer.alloc(10);
  header.set([first, 127]);
  header.writeBigUInt64BE(BigInt(size), 2);
  return Buffer.concat([header, payload]);
}

const token = (): string => "t";

async function all(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("messages of every size, cut anywhere, are one stream; ports and pings are not in it", async t => {
  const big = Buffer.alloc(70_000, "b");
  const server = await serve(t, socket => {
    const bytes = Buffer.concat([
      message(0, PORT_BYTES),
      message(1, PORT_BYTES),
      message(0, Buffer.from("one")),
      Buffer.of(0x89, 0),
      message(0, Buffer.alloc(300, "a")),
      message(0, Buffer.from("begun"), 0x02),
      message(0, Buffer.from(" and ended"), 0x80),
      message(0, big),
      Buffer.of(0x88, 0),
    ]);
    for (let i = 0; i < bytes.length; i += 977) socket.write(bytes.subarray(i, i + 977));
  });
  const stream = await portForward({ server, token }, POD);
  const expected = `one${"a".repeat(300)}begun and ended${big}`;
  assert.equal((await all(stream)).toString(), expected);
});

test("what is written arrives masked, on the channel of data", async t => {
  const seen = new Promise<Buffer>(done => {
    void serve(t, socket => socket.once("data", (chunk: Buffer) => done(chunk))).then(
      async server => {
        const stream = await portForward({ server, token }, POD);
        t.after(() => stream.destroy());
        stream.write("hello");
      },
    );
  });
  const bytes = await seen;
  assert.deepEqual([...bytes.subarray(0, 2)], [0x82, 0x80 | 6]);
  const mask = bytes.subarray(2, 6);
  const plain = bytes.subarray(6).map((byte, i) => byte ^ (mask[i % 4] ?? 0));
  assert.equal(Buffer.from(plain).toString(), "\0hello");
});

test("what the pod or the server refuses is the error, in its words", async t => {
  const server = await serve(t, socket => {
    socket.write(message(0, PORT_BYTES));
    socket.write(Buffer.concat([message(1, PORT_BYTES), message(1, Buffer.from("refused\n"))]));
    socket.end(Buffer.of(0x88, 0));
  });
  const stream = await portForward({ server, token }, POD);
  await assert.rejects(all(stream), /^Error: refused$/);
  const absent = createServer((_request, response) => {
    response.writeHead(404);
    response.end(JSON.stringify({ message: 'pods "sleep" not found' }));
  });
  const other = await listening(t, absent);
  await assert.rejects(portForward({ server: other, token }, POD), /pods "sleep" not found/);
});

test("a frame that is masked or too large ends the stream", async t => {
  for (const frame of [
    Buffer.of(0x82, 0x80, 0, 0, 0, 0),
    Buffer.of(0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0),
  ]) {
    const server = await serve(t, socket => socket.write(frame));
    const stream = await portForward({ server, token }, POD);
    await assert.rejects(all(stream), /frame that is not for us/);
  }
});
