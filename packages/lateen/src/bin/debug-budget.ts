/** How often the mesh may be asked about itself over xDS: an answer can cost as much as many pushes. */
import type { Clock } from "../base/clock.ts";
import { TokenBucket } from "../base/token-bucket.ts";
import { GrpcStatus } from "../discovery/limits.ts";
import type { Refusal } from "../discovery/types.ts";

/** A second, and at once. */
interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

const OPERATORS: Rate = { perSecond: 10, burst: 100 };
/** For all other namespaces together, so that many of them are not many times as costly. */
const OTHERS: Rate = { perSecond: 1, burst: 10 };
const ONE_NAMESPACE: Rate = { perSecond: 0.2, burst: 5 };
const NAMESPACES_MAX = 2000;

export class DebugBudget {
  readonly #clock: Clock;
  readonly #operators: TokenBucket;
  readonly #others: TokenBucket;
  /** Least recently used first; one that is forgotten was idle for longer than those that are not. */
  readonly #namespaces = new Map<string, TokenBucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#operators = this.#bucket(OPERATORS);
    this.#others = this.#bucket(OTHERS);
  }

  /** `namespace`: the asker's, or undefined for who may see everything. */
  spend(namespace: string | undefined): Refusal | undefined {
    const now = this.#clock.monotonic();
    if (namespace === undefined) return this.#operators.take(now) ? undefined : tooMany("");
    if (!this.#of(namespace).take(now)) return tooMany(` from namespace ${namespace}`);
    return this.#others.take(now) ? undefined : tooMany("");
  }

  #of(namespace: string): TokenBucket {
    const bucket = this.#namespaces.get(namespace) ?? this.#bucket(ONE_NAMESPACE);
    this.#namespaces.delete(namespace);
    this.#namespaces.set(namespace, bucket);
    const oldest = this.#namespaces.keys().next().value;
    if (this.#namespaces.size > NAMESPACES_MAX && oldest !== undefined)
      this.#namespaces.delete(oldest);
    return bucket;
  }

  #bucket({ perSecond, burst }: Rate): TokenBucket {
    return new TokenBucket(perSecond, burst, this.#clock.monotonic());
  }
}

function tooMany(from: string): Refusal {
  const refused = `too many debug questions${from}; try again later`;
  return { refused, code: GrpcStatus.resourceExhausted };
}
