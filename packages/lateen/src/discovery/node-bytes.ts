/** Takes the node out of a request's bytes, so that what is large in it is measured, not decoded; counts what is left. */
import { Node as NodeMessage } from "@lateen/envoy-api/envoy/config/core/v3/base.js";

export interface NodeBytes {
  /** The request without its node. */
  readonly rest: Uint8Array;
  /** undefined: the request has none. */
  readonly node: NodeMessage | undefined;
}

export interface NodeLimits {
  /** Bytes of the node without its extensions. */
  readonly nodeBytesMax: number;
  /** Bytes of `node.extensions` (Envoy names all that it was built with) and other lists nobody reads. */
  readonly extensionBytesMax: number;
}

export class RequestTooLarge extends Error {}

/** Of a request there may be more than one, which nobody sends. */
const NODES_MAX = 16;
const NODE_FIELDS_MAX = 20_000;
/** What is not decoded costs so much of what is; Envoy names about a thousand extensions. */
const UNREAD_FIELD_SHARE = 1 / 8;
/** Field numbers that are counted each, as no request has more; the others are counted together. */
const COUNTED_NUMBERS = 16;

/** Fields of Node that nothing here reads: extensions, client_features, listening_addresses. */
const UNREAD: ReadonlySet<number> = new Set([9, 10, 11]);
const LENGTH_DELIMITED = 2;
const VARINT_BYTES_MAX = 10;

/**
 * `field` is the node's number in the request. Throws where the bytes are no message, and RequestTooLarge.
 * A request with several nodes means the last one; all of them count. `timesMax`: how often any other
 * field may be there, as to decode a byte of an empty one costs a hundred times what its reading does.
 */
export function takeNode(
  message: Uint8Array,
  field: number,
  limits: NodeLimits,
  timesMax: () => number,
): NodeBytes {
  const times = new Uint32Array(COUNTED_NUMBERS);
  let most: number | undefined;
  const rest: Uint8Array[] = [];
  const sizes = { node: 0, unread: 0, fields: 0 };
  let node: Uint8Array[] | undefined;
  let keptFrom = 0;
  const fields = new Fields(message);
  while (fields.next()) {
    const isNode = fields.number === field && fields.wireType === LENGTH_DELIMITED;
    const counted = fields.number < COUNTED_NUMBERS ? fields.number : 0;
    const found = (times[counted] ?? 0) + 1;
    times[counted] = found;
    if (!isNode) {
      if (found <= LEAST_TIMES_MAX) continue;
      most ??= timesMax();
      checkTimes(found, most);
      continue;
    }
    checkTimes(found, NODES_MAX);
    rest.push(message.subarray(keptFrom, fields.from));
    keptFrom = fields.to;
    node = readParts(message.subarray(fields.valueFrom, fields.to), sizes, limits);
  }
  if (node === undefined) return { rest: message, node: undefined };
  rest.push(message.subarray(keptFrom));
  return { rest: joined(rest), node: NodeMessage.decode(joined(node)) };
}

/** So often a field may always be there. */
const LEAST_TIMES_MAX = 1000;

function checkTimes(found: number, most: number): void {
  if (found > most) throw new RequestTooLarge(`one field is there more than ${most} times`);
}

function readParts(
  bytes: Uint8Array,
  sizes: { node: number; unread: number; fields: number },
  limits: NodeLimits,
): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const fields = new Fields(bytes);
  while (fields.next()) {
    const isUnread = UNREAD.has(fields.number);
    sizes.fields += isUnread ? UNREAD_FIELD_SHARE : 1;
    if (sizes.fields > NODE_FIELDS_MAX)
      throw new RequestTooLarge(`node has more than ${NODE_FIELDS_MAX} fields`);
    const size = fields.to - fields.from;
    if (isUnread) sizes.unread += size;
    else {
      sizes.node += size;
      parts.push(bytes.subarray(fields.from, fields.to));
    }
  }
  const { nodeBytesMax, extensionBytesMax } = limits;
  if (sizes.node > nodeBytesMax)
    throw new RequestTooLarge(
      `node has ${sizes.node} bytes without its extensions, at most ${nodeBytesMax}: is something large in its metadata?`,
    );
  if (sizes.unread > extensionBytesMax)
    throw new RequestTooLarge(
      `node.extensions has ${sizes.unread} bytes, at most ${extensionBytesMax}`,
    );
  return parts;
}

/** Walks the fields of one message, in order. Groups (gone since proto3) are no fields of ours. */
class Fields {
  readonly #bytes: Uint8Array;
  /** The field that `next` has found: where its tag begins, its value begins, and it ends. */
  number = 0;
  wireType = 0;
  from = 0;
  valueFrom = 0;
  to = 0;
  #varintEnd = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** False at the end. */
  next(): boolean {
    this.from = this.to;
    if (this.from >= this.#bytes.length) return false;
    const tag = this.#varint(this.from);
    this.number = Math.floor(tag / 8);
    this.wireType = tag % 8;
    this.valueFrom = this.#varintEnd;
    this.to = this.#end();
    if (this.to > this.#bytes.length) throw new Error("a field ends behind the message");
    return true;
  }

  #end(): number {
    if (this.wireType === 1) return this.valueFrom + 8;
    if (this.wireType === 5) return this.valueFrom + 4;
    if (this.wireType !== 0 && this.wireType !== LENGTH_DELIMITED)
      throw new Error(`wire type ${this.wireType} is not supported`);
    const value = this.#varint(this.valueFrom);
    if (this.wireType === 0) return this.#varintEnd;
    this.valueFrom = this.#varintEnd;
    return this.valueFrom + value;
  }

  #varint(at: number): number {
    let value = 0;
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const byte = this.#bytes[at + i];
      if (byte === undefined) throw new Error("a number ends behind the message");
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) {
        this.#varintEnd = at + i + 1;
        return value;
      }
    }
    throw new Error("a number has more than ten bytes");
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
}
