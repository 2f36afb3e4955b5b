import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { GrpcStatus, type StreamEnd } from "../discovery/limits.ts";
import type { EncodedResponse } from "../discovery/response.ts";
import { BLOCK_BYTES } from "../discovery/shared-bodies.ts";
import { encodeGrpcMessage, framedBlocks, GrpcFrameReader } from "./grpc-frames.ts";

export interface GrpcStreamEvents {
  /** A part of a larger buffer, to be copied by who keeps it. */
  readonly onMessage: (message: Uint8Array) => void;
  /** After each piece of data: bytes held of a message that has begun and not ended. */
  readonly onBuffered: (bytes: number) => void;
  readonly onDrain: () => void;
  /** The client has no more requests. */
  readonly onHalfClose: () => void;
  /** Over for any reason; called once. */
  readonly onClose: () => void;
}

/** How long a client may take to read what is left when its call ends. */
const FINISH_MS = 5000;
/**
 * Of a message that is being sent so much is copied ahead of what the client has taken: whoever reads
 * nothing must not have us hold megabytes of its own.
 */
const WRITTEN_AHEAD_BYTES = 2 * BLOCK_BYTES;

/** The server's side of one gRPC call over a raw HTTP/2 stream. */
export class GrpcStream {
  readonly #stream: ServerHttp2Stream;
  readonly #reader: GrpcFrameReader;
  /** What is not written yet of the message that is being sent. */
  #unwritten: Iterator<Uint8Array> | undefined;
  #end: StreamEnd | undefined;

  constructor(stream: ServerHttp2Stream, messageBytesMax: (announced: number) => number) {
    this.#stream = stream;
    this.#reader = new GrpcFrameReader(messageBytesMax);
    stream.on("error", () => {});
  }

  get closed(): boolean {
    return this.#stream.destroyed || this.#stream.closed || this.#end !== undefined;
  }

  /** Bytes of its own that are written and not sent. */
  get unsentBytes(): number {
    return this.#stream.writableLength;
  }

  /** Sends the headers and begins to read. */
  open(events: GrpcStreamEvents): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) {
      events.onClose();
      return;
    }
    stream.respond(
      { ":status": 200, "content-type": "application/grpc" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => {
      stream.sendTrailers(trailersOf(this.#end ?? finished));
      // A client that does not end its side would keep the stream, and so the connection, open.
      setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
    });
    stream.on("drain", () => {
      if (this.#unwritten === undefined || this.#writeOn()) events.onDrain();
    });
    stream.once("close", events.onClose);
    stream.on("end", events.onHalfClose);
    stream.on("data", (chunk: Buffer) => this.#read(chunk, events));
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** False when the transport is full: wait for drain before the next one. */
  send(message: EncodedResponse): boolean {
    this.#unwritten = framedBlocks(message.parts, message.bytes);
    return this.#writeOn();
  }

  /** True when the message is written whole and there is room for another one. */
  #writeOn(): boolean {
    const stream = this.#stream;
    let room = true;
    stream.cork();
    while (stream.writableLength < WRITTEN_AHEAD_BYTES) {
      const next = this.#unwritten?.next();
      if (next === undefined || next.done === true) {
        this.#unwritten = undefined;
        break;
      }
      room = stream.write(next.value);
    }
    stream.uncork();
    if (this.#unwritten !== undefined) return false;
    if (this.#end !== undefined) stream.end();
    return room;
  }

  /** Ends the call with a status; what was written before still goes out. */
  finish(end: StreamEnd): void {
    if (this.closed) return;
    this.#end = end;
    this.#reader.drop();
    if (!this.#stream.headersSent) refuse(this.#stream, end);
    // Otherwise the end comes behind the message that is being sent.
    else if (this.#unwritten === undefined) this.#stream.end();
    // The client may go on sending for ever; its data is thrown away until it sees the status.
    this.#stream.resume();
    setTimeout(() => this.cut(), FINISH_MS).unref();
  }

  /** Tells the client that its next call belongs on another connection, which may lead elsewhere. */
  leaveConnection(): void {
    const { session } = this.#stream;
    if (session !== undefined && !session.destroyed && !session.closed) session.goaway(0);
  }

  /** Ends the call without waiting for a client that does not read. */
  cut(): void {
    if (!this.#stream.destroyed) this.#stream.destroy();
  }

  #read(chunk: Buffer, events: GrpcStreamEvents): void {
    if (this.#end !== undefined) return;
    const error = this.#reader.push(chunk, message => {
      if (this.#end === undefined) events.onMessage(message);
    });
    if (this.#end === undefined) events.onBuffered(this.#reader.buffered);
    if (error === undefined || this.#end !== undefined) return;
    if (error.kind === "compressed") {
      const message = "compressed or malformed gRPC message; send messages uncompressed";
      this.finish({ code: GrpcStatus.unimplemented, message });
    } else {
      const message = `a request message has ${error.bytes} bytes, at most ${error.maxBytes}`;
      this.finish({ code: GrpcStatus.resourceExhausted, message });
    }
  }
}

const finished: StreamEnd = { code: GrpcStatus.ok, message: "" };

/** A call that ends before it begins: headers and trailers in one. */
export function refuse(stream: ServerHttp2Stream, end: StreamEnd): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  const head = { ":status": 200, "content-type": "application/grpc", ...trailersOf(end) };
  stream.respond(head, { endStream: true });
  stream.resume();
  setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
}

function trailersOf(end: StreamEnd): Record<string, string> {
  const trailers: Record<string, string> = { "grpc-status": String(end.code) };
  if (end.message !== "") trailers["grpc-message"] = encodeGrpcMessage(end.message);
  return trailers;
}

/** What is wrong with a request that is not a gRPC call, as an HTTP status; or undefined. */
export function notGrpc(headers: IncomingHttpHeaders): number | undefined {
  if (headers[":method"] !== "POST") return 405;
  const type = headers["content-type"];
  return type === "application/grpc" || type === "application/grpc+proto" ? undefined : 415;
}
