/**
 * A connection to a port of a pod's loopback by way of the API server: Kubernetes' port-forward over
 * WebSocket (RFC 6455), subprotocol v4.channel.k8s.io: each message begins with a channel, 0 for
 * data and 1 for errors, and the first of each channel is only the port.
 */
import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { HttpTransportOptions } from "./http-transport.ts";

export interface PodPort {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

const PROTOCOL = "v4.channel.k8s.io";
const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const DIAL_MS = 20_000;
const MAX_ANSWER = 4096;

/** Rejects with a reason for a person. Whoever takes the stream ends it. */
export function portForward(options: HttpTransportOptions, to: PodPort): Promise<Duplex> {
  const { namespace, pod, port } = to;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}`;
  const url = new URL(options.server);
  const key = randomBytes(16).toString("base64");
  const token = options.token?.() ?? "";
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((done, fail) => {
    const outgoing = send({
      protocol: url.protocol,
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port,
      path: `${url.pathname.replace(/\/$/, "")}${path}/portforward?ports=${port}`,
      headers: {
        ...options.headers,
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-key": key,
        "sec-websocket-version": "13",
        "sec-websocket-protocol": PROTOCOL,
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
      },
      timeout: DIAL_MS,
      agent: false,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(options.clientCertificate === undefined ? {} : { cert: options.clientCertificate }),
      ...(options.clientKey === undefined ? {} : { key: options.clientKey }),
      ...(options.serverName === undefined ? {} : { servername: options.serverName }),
      ...(options.insecureSkipTlsVerify === true ? { rejectUnauthorized: false } : {}),
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${DIAL_MS} ms`)));
    outgoing.on("error", fail);
    outgoing.on("response", response => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text = (text + chunk).slice(0, MAX_ANSWER);
      });
      const status = response.statusCode ?? 0;
      response.on("close", () =>
        fail(new Error(messageOf(text) ?? `the server answered ${status}`)),
      );
    });
    outgoing.on("upgrade", (response, socket, head) => {
      const expected = createHash("sha1").update(`${key}${MAGIC}`).digest("base64");
      if (response.headers["sec-websocket-accept"] === expected)
        done(new ForwardedStream(socket as Socket, head));
      else {
        socket.destroy();
        fail(new Error("the server's answer to the WebSocket handshake is wrong"));
      }
    });
    outgoing.end();
  });
}

function messageOf(text: string): string | undefined {
  try {
    const status: unknown = JSON.parse(text);
    if (typeof status !== "object" || status === null || !("message" in status)) return undefined;
    return String(status.message);
  } catch {
    return undefined;
  }
}

const Channel = { data: 0, error: 1 } as const;
const Opcode = { continuation: 0, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const FINAL = 0x80;
const MASKED = 0x80;
/** Servers cut what they forward into pieces of 32 KiB. */
const MAX_FRAME = 1 << 20;
const PORT_BYTES = 2;

class ForwardedStream extends Duplex {
  readonly #socket: Socket;
  #left: Buffer;
  /** Of a message in several frames. */
  #channel: number | undefined;
  /** Bytes of the port that are still to come, by channel. */
  readonly #portLeft: number[] = [PORT_BYTES, PORT_BYTES];
  #error = "";

  constructor(socket: Socket, head: Buffer) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.#left = head;
    socket.setTimeout(0);
    socket.on("data", chunk => this.#take(chunk));
    socket.on("error", error => this.destroy(error));
    socket.on("end", () => this.#end());
    socket.on("close", () => this.#end());
    // Whoever reads gets the error; nobody may be listening yet.
    this.on("error", () => {});
    process.nextTick(() => this.#take(Buffer.alloc(0)));
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(frame(Opcode.binary, Buffer.concat([Buffer.of(Channel.data), chunk])), done);
  }

  /** What the other side still has to say is let through. */
  override _final(done: () => void): void {
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #end(): void {
    if (this.destroyed || this.readableEnded) return;
    if (this.#error !== "") this.destroy(new Error(this.#error.trim()));
    else this.push(null);
  }

  #take(chunk: Buffer): void {
    this.#left = this.#left.length === 0 ? chunk : Buffer.concat([this.#left, chunk]);
    for (;;) {
      const found = readFrame(this.#left);
      if (found === "more") return;
      if (found === "bad") {
        this.destroy(new Error("the server sent a WebSocket frame that is not for us"));
        return;
      }
      this.#left = this.#left.subarray(found.length);
      this.#handle(found);
    }
  }

  #handle({ opcode, payload, final }: Frame): void {
    if (opcode === Opcode.ping) this.#socket.write(frame(Opcode.pong, payload));
    else if (opcode === Opcode.close) this.#end();
    else if (opcode === Opcode.binary || opcode === Opcode.continuation) {
      const begins = opcode === Opcode.binary;
      const channel = begins ? payload[0] : this.#channel;
      this.#channel = final ? undefined : channel;
      if (channel !== undefined) this.#message(channel, begins ? payload.subarray(1) : payload);
    }
  }

  #message(channel: number, bytes: Buffer): void {
    const skipped = Math.min(this.#portLeft[channel] ?? 0, bytes.length);
    this.#portLeft[channel] = (this.#portLeft[channel] ?? 0) - skipped;
    const rest = bytes.subarray(skipped);
    if (rest.length === 0) return;
    if (channel === Channel.error) this.#error = (this.#error + rest).slice(0, MAX_ANSWER);
    else if (!this.push(rest)) this.#socket.pause();
  }
}

interface Frame {
  readonly opcode: number;
  readonly final: boolean;
  readonly payload: Buffer;
  /** Of header and payload. */
  readonly length: number;
}

function readFrame(bytes: Buffer): Frame | "more" | "bad" {
  if (bytes.length < 2) return "more";
  const [first = 0, second = 0] = bytes;
  // Servers must not mask, and nothing was agreed that would use the reserved bits.
  if ((second & MASKED) !== 0 || (first & 0x70) !== 0) return "bad";
  const short = second & 0x7f;
  const start = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < start) return "more";
  const size =
    short === 126
      ? bytes.readUInt16BE(2)
      : short === 127
        ? Number(bytes.readBigUInt64BE(2))
        : short;
  if (size > MAX_FRAME) return "bad";
  const length = start + size;
  if (bytes.length < length) return "more";
  const payload = bytes.subarray(start, length);
  return { opcode: first & 0x0f, final: (first & FINAL) !== 0, payload, length };
}

/** Clients mask what they send. */
function frame(opcode: number, payload: Buffer): Buffer {
  const size = payload.length;
  const extended = size < 126 ? 0 : size < 1 << 16 ? 2 : 8;
  const header = Buffer.alloc(2 + extended);
  header[0] = FINAL | opcode;
  header[1] = MASKED | (extended === 0 ? size : extended === 2 ? 126 : 127);
  if (extended === 2) header.writeUInt16BE(size, 2);
  if (extended === 8) header.writeBigUInt64BE(BigInt(size), 2);
  const mask = randomBytes(4);
  const masked = Buffer.from(payload);
  for (let i = 0; i < masked.length; i++) masked[i] = (masked[i] ?? 0) ^ (mask[i % 4] ?? 0);
  return Buffer.concat([header, mask, masked]);
}
