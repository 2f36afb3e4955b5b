/** gRPC's length-prefixed messages over HTTP/2 data: one byte of flags, four of length, the rest. */

import { BLOCK_BYTES } from "../discovery/shared-bodies.ts";

const GRPC_PREFIX_BYTES = 5;

export type FrameError =
  | { readonly kind: "compressed" }
  | { readonly kind: "too large"; readonly bytes: number; readonly maxBytes: number };

const nothing = Buffer.alloc(0);

/** Takes data as it comes and gives whole messages. After an error it must not be used any more. */
export class GrpcFrameReader {
  readonly #maxBytes: (announced: number) => number;
  /**
   * The beginning of a message, copied: what comes from a connection is a part of a larger buffer,
   * which one byte of it would keep. Grows with what has come, not with what was announced.
   */
  #partial: Buffer = nothing;
  #filled = 0;

  /** `maxBytes` is asked as soon as it is known how long a message will be. */
  constructor(maxBytes: (announced: number) => number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held of a message that has begun and not ended. */
  get buffered(): number {
    return this.#partial.length;
  }

  /** Nothing more will be read: what has come of a message is let go. */
  drop(): void {
    this.#partial = nothing;
    this.#filled = 0;
  }

  /** Messages that came whole are parts of `chunk`, to be copied by who keeps them. */
  push(chunk: Buffer, onMessage: (message: Uint8Array) => void): FrameError | undefined {
    let rest = chunk;
    while (rest.length > 0) {
      const whole = this.#filled === 0 ? rest : undefined;
      if (whole === undefined) rest = rest.subarray(this.#fill(rest, GRPC_PREFIX_BYTES));
      const head = whole ?? this.#partial.subarray(0, this.#filled);
      if (head.length < GRPC_PREFIX_BYTES) {
        if (whole !== undefined) this.#fill(whole, GRPC_PREFIX_BYTES);
        return undefined;
      }
      if (head[0] !== 0) return { kind: "compressed" };
      const bytes = head.readUInt32BE(1);
      const maxBytes = this.#maxBytes(bytes);
      if (bytes > maxBytes) return { kind: "too large", bytes, maxBytes };
      const frameBytes = GRPC_PREFIX_BYTES + bytes;
      if (whole !== undefined && whole.length >= frameBytes) {
        rest = whole.subarray(frameBytes);
        onMessage(whole.subarray(GRPC_PREFIX_BYTES, frameBytes));
        continue;
      }
      rest = rest.subarray(this.#fill(rest, frameBytes));
      if (this.#filled < frameBytes) return undefined;
      const message = this.#partial.subarray(GRPC_PREFIX_BYTES, frameBytes);
      this.#partial = nothing;
      this.#filled = 0;
      onMessage(message);
    }
    return undefined;
  }

  /** Takes up to `upTo` bytes of a frame; how many of `from` that were. */
  #fill(from: Buffer, upTo: number): number {
    const taken = Math.min(from.length, upTo - this.#filled);
    if (taken <= 0) return 0;
    const needed = this.#filled + taken;
    if (this.#partial.length < needed) {
      const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(upTo, needed), 2 * needed));
      this.#partial.copy(larger, 0, 0, this.#filled);
      this.#partial = larger;
    }
    from.copy(this.#partial, this.#filled, 0, taken);
    this.#filled = needed;
    return taken;
  }
}

/**
 * A message's prefix and its parts, small ones copied together: resources are thousands of them. Each
 * block is made when it is asked for, as the parts are shared by all streams and the copies are not.
 */
export function* framedBlocks(
  parts: readonly Uint8Array[],
  messageBytes: number,
): Generator<Uint8Array, void, undefined> {
  let run: Uint8Array[] = [prefixed(new Uint8Array(), messageBytes)];
  let runBytes = GRPC_PREFIX_BYTES;
  for (const part of parts) {
    if (runBytes + part.length > BLOCK_BYTES) {
      yield joinedRun(run, runBytes);
      run = [];
      runBytes = 0;
    }
    run.push(part);
    runBytes += part.length;
  }
  yield joinedRun(run, runBytes);
}

function joinedRun(run: readonly Uint8Array[], bytes: number): Uint8Array {
  const [only] = run;
  return run.length === 1 && only !== undefined ? only : Buffer.concat(run, bytes);
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
