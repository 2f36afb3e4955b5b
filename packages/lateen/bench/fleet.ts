/** A fleet under measurement: how long until it is configured, and what one change brings it. */
import type { Recording } from "./floor-process.ts";
import { type LoadSize, sidecarNodes } from "./load.ts";
import { SimFleet, type SimProxyOptions } from "./sim-proxy.ts";

export interface Configured {
  readonly ms: number;
  readonly bytes: number;
  readonly responses: number;
  /** Bytes by the last part of the type URL. */
  readonly bytesByType: Readonly<Record<string, number>>;
}

/** One change; times from before it was made. */
export interface Changed {
  readonly firstMs: number;
  readonly medianMs: number;
  readonly lastMs: number;
  readonly bytes: number;
  readonly pushes: number;
  readonly proxies: number;
}

const CONFIGURED_WITHIN_MS = 300_000;
const CHANGED_WITHIN_MS = 60_000;
const QUIET_MS = 300;

/** Keeps what the first proxy of each namespace receives. */
export class Recorder {
  readonly #initial = new Map<string, Map<string, Uint8Array[]>>();
  readonly #changes = new Map<string, Map<string, Uint8Array[]>>();
  #change: string | undefined;
  #stopped = false;

  /** From now on messages belong to this change; undefined: to nothing. */
  during(change: string | undefined): void {
    this.#change = change;
    this.#stopped = change === undefined || this.#changes.has(change);
    if (change !== undefined && !this.#stopped) this.#changes.set(change, new Map());
  }

  take(group: string, type: string, message: Uint8Array): void {
    if (this.#stopped) return;
    const groups = this.#change === undefined ? this.#initial : this.#changes.get(this.#change);
    const messages =
      groups === this.#initial
        ? listIn(this.#types(group), type)
        : listIn(groups as Map<string, Uint8Array[]>, group);
    messages.push(framed(message));
  }

  get recording(): Recording {
    return { initial: this.#initial, changes: this.#changes };
  }

  #types(group: string): Map<string, Uint8Array[]> {
    const types = this.#initial.get(group) ?? new Map<string, Uint8Array[]>();
    this.#initial.set(group, types);
    return types;
  }
}

function listIn(lists: Map<string, Uint8Array[]>, key: string): Uint8Array[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}

function framed(message: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(message.length + 5);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

export class MeasuredFleet {
  readonly #fleet: SimFleet;

  constructor(port: number, size: LoadSize, recorder?: Recorder) {
    const recorded = new Set<string>();
    const options = sidecarNodes(size).map((node): SimProxyOptions => {
      const common = { url: `http://127.0.0.1:${port}`, node };
      const group = String(node.metadata?.["NAMESPACE"]);
      if (recorder === undefined || recorded.has(group)) return common;
      recorded.add(group);
      return {
        ...common,
        onMessage: (type, message) => recorder.take(group, type, message),
      };
    });
    this.#fleet = new SimFleet(options);
  }

  async configure(): Promise<Configured> {
    const started = performance.now();
    this.#fleet.connect();
    await this.#fleet.configured(CONFIGURED_WITHIN_MS);
    await this.#fleet.quiet(QUIET_MS);
    const endedAt = await this.#fleet.configured(0);
    const { bytes, responses } = this.#fleet.total();
    const bytesByType: Record<string, number> = {};
    for (const proxy of this.#fleet.proxies) {
      for (const [type, counts] of proxy.byType) {
        const name = type.slice(type.lastIndexOf(".") + 1);
        bytesByType[name] = (bytesByType[name] ?? 0) + counts.bytes;
      }
    }
    return { ms: endedAt - started, bytes, responses, bytesByType };
  }

  /** Makes a change and waits until `proxies` have had a push and nothing comes any more. */
  async change(make: () => Promise<unknown>, proxies: number): Promise<Changed> {
    const before = this.#fleet.total();
    const started = performance.now();
    const concerned = () => this.#fleet.proxies.filter(each => each.lastPushAt > started);
    // A change that is refused must not look like one that does not arrive.
    const arrived = () => concerned().length >= proxies;
    await Promise.all([make(), this.#fleet.until("change", arrived, CHANGED_WITHIN_MS)]);
    await this.#fleet.quiet(QUIET_MS);
    const times = concerned().map(each => each.lastPushAt - started);
    const after = this.#fleet.total();
    return {
      firstMs: Math.min(...times),
      medianMs: median(times),
      lastMs: Math.max(...times),
      bytes: after.bytes - before.bytes,
      pushes: after.pushes - before.pushes,
      proxies: times.length,
    };
  }

  close(): void {
    this.#fleet.close();
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
}
