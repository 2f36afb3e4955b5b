/** gRPC's length-prefixed messages over HTTP/2 data: one byte of flags, four of length, the rest. */

const GRPC_PREFIX_BYTES = 5;

export type FrameError =
  | { readonly kind: "compressed" }
  | { readonly kind: "too large"; readonly bytes: number };

/** Takes data as it comes and gives whole messages. After an error it must not be used any more. */
export class GrpcFrameReader {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #buffered = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of a message that has begun and not ended. */
  get buffered(): number {
    return this.#buffered;
  }

  push(chunk: Buffer, onMessage: (message: Uint8Array) => void): FrameError | undefined {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    while (this.#buffered >= GRPC_PREFIX_BYTES) {
      const head = this.#peek(GRPC_PREFIX_BYTES);
      if (head[0] !== 0) return { kind: "compressed" };
      const bytes = head.readUInt32BE(1);
      if (bytes > this.#maxBytes) return { kind: "too large", bytes };
      if (this.#buffered < GRPC_PREFIX_BYTES + bytes) return undefined;
      onMessage(this.#take(GRPC_PREFIX_BYTES + bytes).subarray(GRPC_PREFIX_BYTES));
    }
    return undefined;
  }

  #peek(bytes: number): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= bytes) return first;
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }

  #take(bytes: number): Buffer {
    const all = this.#peek(bytes);
    const rest = all.subarray(bytes);
    this.#buffered -= bytes;
    if (rest.length > 0) this.#chunks[0] = rest;
    else this.#chunks.shift();
    return all.subarray(0, bytes);
  }
}

/** What is written at once: a copy of so many bytes costs less than writes of the parts in it. */
const BLOCK_BYTES = 64 * 1024;

/** A message's prefix and its parts, small ones copied together: resources are thousands of them. */
export function framedBlocks(parts: readonly Uint8Array[], messageBytes: number): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  let run: Uint8Array[] = [prefixed(new Uint8Array(), messageBytes)];
  let runBytes = GRPC_PREFIX_BYTES;
  const end = (): void => {
    const [only] = run;
    if (only !== undefined) blocks.push(run.length === 1 ? only : Buffer.concat(run, runBytes));
    run = [];
    runBytes = 0;
  };
  for (const part of parts) {
    if (runBytes + part.length > BLOCK_BYTES) end();
    run.push(part);
    runBytes += part.length;
  }
  end();
  return blocks;
}

/** A message's prefix and its first part in one buffer; what follows is written as it is. */
export function prefixed(first: Uint8Array, messageBytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(GRPC_PREFIX_BYTES + first.length);
  buffer[0] = 0;
  buffer.writeUInt32BE(messageBytes, 1);
  buffer.set(first, GRPC_PREFIX_BYTES);
  return buffer;
}

/** `grpc-message` is percent-encoded: printable ASCII but `%` stands for itself. */
export function encodeGrpcMessage(message: string): string {
  let encoded = "";
  for (const byte of Buffer.from(message.slice(0, 1024), "utf8")) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
