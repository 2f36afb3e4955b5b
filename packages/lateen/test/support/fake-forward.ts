/** Port-forward of a faked API server: what pods answer to one GET or POST of a connection. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

export interface PodRequest {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
  /** With the query. */
  readonly path: string;
}

const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const PATH = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)\/portforward\?ports=(\d+)$/;
const PIECE = 32_000;

/** A listener for `upgrade` of an HTTP server. undefined: there is nothing at that path. */
export function forwarding(answer: (request: PodRequest) => string | undefined) {
  return (upgrade: IncomingMessage, socket: Duplex): void => {
    const [, namespace = "", pod = "", port = ""] = PATH.exec(upgrade.url ?? "") ?? [];
    const key = `${upgrade.headers["sec-websocket-key"]}${MAGIC}`;
    const accept = createHash("sha1").update(key).digest("base64");
    socket.on("error", () => socket.destroy());
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n" +
        `sec-websocket-accept: ${accept}\r\n\r\n`,
    );
    const portBytes = Buffer.of(Number(port) & 255, Number(port) >> 8);
    for (const channel of [0, 1]) socket.write(message(channel, portBytes));
    let text = "";
    let left = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      left = Buffer.concat([left, chunk]);
      for (let size = frameSize(left); size <= left.length; size = frameSize(left)) {
        text += unmasked(left.subarray(0, size)).subarray(1).toString();
        left = left.subarray(size);
      }
      if (!text.includes("\r\n\r\n")) return;
      const path = text.split(" ")[1] ?? "";
      const body = answer({ namespace, pod, port: Number(port), path });
      text = "";
      const status = body === undefined ? "404 Not Found" : "200 OK";
      const bytes = Buffer.from(body ?? "not found");
      const head = `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: ${bytes.length}\r\n\r\n`;
      const whole = Buffer.concat([Buffer.from(head), bytes]);
      for (let at = 0; at < whole.length; at += PIECE)
        socket.write(message(0, whole.subarray(at, at + PIECE)));
    });
  };
}

/** Binary and not masked, as servers send. */
function message(channel: number, data: Buffer): Buffer {
  const size = data.length + 1;
  const header = size < 126 ? Buffer.of(0x82, size) : Buffer.of(0x82, 126, size >> 8, size & 255);
  return Buffer.concat([header, Buffer.of(channel), data]);
}

/** Of the first frame, all of it; more than there is where its header is not whole. */
function frameSize(bytes: Buffer): number {
  if (bytes.length < 4) return 4;
  const short = (bytes[1] ?? 0) & 0x7f;
  return short === 126 ? 8 + bytes.readUInt16BE(2) : 6 + short;
}

function unmasked(frame: Buffer): Buffer {
  const start = ((frame[1] ?? 0) & 0x7f) === 126 ? 4 : 2;
  const mask = frame.subarray(start, start + 4);
  return frame.subarray(start + 4).map((byte, i) => byte ^ (mask[i % 4] ?? 0)) as Buffer;
}
