import type { StreamLimits } from "./limits.ts";
import { type Decoded, decodeRequest, type Request, violation } from "./request.ts";

/** Shorter ones are decoded faster than they are found. */
const LEAST_BYTES = 4 * 1024;
/** Longer ones would cost memory for as long as nothing takes their place. */
const MOST_BYTES = 1024 * 1024;
const KEPT = 4;

interface Kept {
  readonly form: "delta" | "sotw";
  readonly message: Uint8Array;
  readonly request: Request;
}

/**
 * Decodes the requests of all streams of a server. Proxies that were sent the same clusters ask for the
 * same thousands of endpoints in the same words: such a request is decoded once, and its names are one
 * list for all of them.
 */
export class SharedRequests {
  /** The one that came last is the first. */
  readonly #kept: Kept[] = [];

  /** As `decodeRequest`. Of a delta request that is kept, each name is there once, in order. */
  decode(
    form: "delta" | "sotw",
    message: Uint8Array,
    limits: StreamLimits,
    namesMax: () => number,
  ): Decoded {
    const isLarge = message.length >= LEAST_BYTES && message.length <= MOST_BYTES;
    if (!isLarge) return decodeRequest(form, message, limits, namesMax);
    const kept = this.#find(form, message);
    if (kept !== undefined) {
      const end = violation(kept, limits, namesMax);
      return end === undefined ? { ok: true, request: kept } : { ok: false, end };
    }
    const decoded = decodeRequest(form, message, limits, namesMax);
    // Of those with a node there are no two alike.
    if (!decoded.ok || decoded.request.node !== undefined) return decoded;
    return { ok: true, request: this.#keep(form, message, decoded.request) };
  }

  #find(form: "delta" | "sotw", message: Uint8Array): Request | undefined {
    const place = this.#kept.findIndex(
      kept => kept.form === form && Buffer.compare(kept.message, message) === 0,
    );
    if (place < 0) return undefined;
    const [found] = this.#kept.splice(place, 1);
    if (found !== undefined) this.#kept.unshift(found);
    return found?.request;
  }

  #keep(form: "delta" | "sotw", message: Uint8Array, request: Request): Request {
    const kept = form === "sotw" ? request : { ...request, subscribe: inOrder(request.subscribe) };
    // The message is a part of a buffer that will hold others.
    this.#kept.unshift({ form, message: Uint8Array.from(message), request: kept });
    this.#kept.splice(KEPT);
    return kept;
  }
}

function inOrder(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}
