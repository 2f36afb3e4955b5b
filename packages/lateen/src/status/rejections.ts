/**
 * What proxies rejected (NACK) and have not accepted since, put down to the objects that caused it.
 * Feeds status only: no configuration depends on it.
 */

import { toCanonicalJson } from "@lateen/envoy-api/registry.js";
import type { Json } from "../api/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { own } from "../base/own.ts";
import { TokenBucket } from "../base/token-bucket.ts";
import type { StreamEvent } from "../discovery/types.ts";
import type { Graph, InputCollection } from "../flow/types.ts";
import { MESH_KEY } from "../model/inputs.ts";
import type { Model } from "../model/model.ts";
import type { ProxyClass } from "../model/proxies.ts";
import { type TypeResources, viewKey } from "../xds/resources/family.ts";
import { objectsBehind } from "./attribution.ts";
import { isTrusted, plainText } from "./evidence.ts";
import { joined, type Rejection, splitReportKey } from "./object-report.ts";

export interface RejectionsOptions {
  readonly graph: Graph;
  readonly model: Model;
  readonly resources: Readonly<Partial<Record<string, TypeResources>>>;
  /** By `objectName`. */
  readonly rows: InputCollection<readonly Rejection[]>;
  /** Told of all rows when some have changed. */
  readonly onChanged?: (byObject: ReadonlyMap<string, readonly Rejection[]>) => void;
  readonly clock: Clock;
  readonly log: Log;
  /** Of resources that are read to find the objects behind them, at once; default 16 MB. */
  readonly readBytes?: number;
}

type Nacked = StreamEvent & { readonly kind: "nacked" };
type Acked = StreamEvent & { readonly kind: "acked" };

/** Who says it. */
export interface Witness {
  /** `name.namespace`. */
  readonly proxy: string;
  /** Of the identity that the stream has shown; undefined: it has shown none. */
  readonly namespace: string | undefined;
}

interface Held {
  readonly type: string;
  readonly name: string;
  readonly message: string;
  readonly witness: Witness;
  /** Since when it is rejected, in these or other words. */
  readonly since: number;
  readonly proxyClass: ProxyClass;
  readonly objects: readonly string[];
}

/** Many streams say the same within this time, and parts of responses are tried one by one. */
const GATHER_MS = 500;
/** What one stream may hold against us. */
const MAX_HELD = 100;
/** Of all streams together that have shown no identity: each of these is gone through at every flush. */
const MAX_UNPROVEN = 1_000;
/**
 * Bytes of rejected resources that are read again to find the objects behind them: at once, and a second.
 * What comes beyond is put down to objects by its name alone.
 */
const READ_BYTES = 16 << 20;
const READ_BYTES_PER_SECOND = 2 << 20;
/** Before a word of others' proxies is passed on at all: who says yes and no in turn is not heard. */
const STANDS_MS = 10_000;
/** About so many objects at a time are proxies of other namespaces heard. */
const MAX_FOREIGN_OBJECTS = 50;
const MAX_MESSAGE_CHARS = 500;
const MAX_PROXY_CHARS = 320;
/** A rejected response of more resources, none of which is named, will be sent again in parts. */
const MAX_SUSPECTS = 4;
/** Shorter names turn up in messages by accident. */
const MIN_NAME = 4;
/** Lines of the log at once, and on average. */
const MAX_LINES = 20;
const LINES_PER_SECOND = 1;

const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ["Cluster", "CDS"],
  ["Listener", "LDS"],
  ["ClusterLoadAssignment", "EDS"],
  ["RouteConfiguration", "RDS"],
  ["VirtualHost", "VHDS"],
  ["Secret", "SDS"],
]);

export class Rejections {
  readonly #options: RejectionsOptions;
  /** By stream, then by type and name. */
  readonly #streams = new Map<string, Map<string, Held>>();
  #shown: ReadonlySet<string> = new Set();
  #said: ReadonlySet<string> = new Set();
  #unproven = 0;
  readonly #reading: TokenBucket;
  readonly #lines: TokenBucket;
  #cancel: (() => void) | undefined;
  #cancelLook: (() => void) | undefined;

  constructor(options: RejectionsOptions) {
    this.#options = options;
    const { clock, readBytes = READ_BYTES } = options;
    this.#reading = new TokenBucket(READ_BYTES_PER_SECOND, readBytes, clock.monotonic());
    this.#lines = new TokenBucket(LINES_PER_SECOND, MAX_LINES, clock.monotonic());
  }

  /** `stream` is unique for the stream; the class is the proxy's present one. */
  report(stream: string, witness: Witness, proxyClass: ProxyClass, event: StreamEvent): void {
    if (event.kind === "nacked") this.#nacked(stream, witness, proxyClass, event);
    else if (event.kind === "acked") this.#acked(stream, event);
  }

  closed(stream: string): void {
    const held = this.#streams.get(stream);
    if (held === undefined) return;
    for (const each of held.values()) this.#uncount(each);
    this.#streams.delete(stream);
    this.#schedule();
  }

  /** What is held now, for tests. */
  get held(): { readonly streams: number; readonly unproven: number } {
    return { streams: this.#streams.size, unproven: this.#unproven };
  }

  stop(): void {
    this.#cancel?.();
    this.#cancelLook?.();
  }

  #nacked(stream: string, witness: Witness, proxyClass: ProxyClass, event: Nacked): void {
    const { type } = event;
    const message = plainText(event.message, MAX_MESSAGE_CHARS);
    const held = this.#streams.get(stream) ?? new Map<string, Held>();
    for (const name of culprits(event)) {
      if (held.size >= MAX_HELD || this.#isFull(witness)) break;
      const json = this.#content(type, name, proxyClass);
      const rejected = { type, name, json, proxyClass, message };
      const objects = objectsBehind(this.#options.model, rejected);
      const id = `${type}\n${name}`;
      const before = held.get(id);
      const since = before?.since ?? this.#options.clock.monotonic();
      if (before === undefined && witness.namespace === undefined) this.#unproven++;
      held.set(id, { type, name, message, witness, since, proxyClass, objects });
    }
    if (held.size === 0) return;
    this.#streams.set(stream, held);
    this.#schedule();
  }

  /** Accepted by name, or gone: then there is nothing left to reject. */
  #acked(stream: string, { type, resources }: Acked): void {
    const held = this.#streams.get(stream);
    if (held === undefined) return;
    const accepted = new Set(resources?.map(resource => resource.name));
    let changed = false;
    for (const [id, each] of held) {
      if (each.type !== type) continue;
      const over = accepted.has(each.name) || this.#isGone(each);
      if (!over || !held.delete(id)) continue;
      this.#uncount(each);
      changed = true;
    }
    if (held.size === 0) this.#streams.delete(stream);
    if (changed) this.#schedule();
  }

  #cell(type: string, name: string, proxyClass: ProxyClass) {
    const family = own(this.#options.resources, type);
    return family?.cells.peek(viewKey(family.namedView(proxyClass)(name), name));
  }

  #content(type: string, name: string, proxyClass: ProxyClass): Json | undefined {
    const resource = this.#cell(type, name, proxyClass)?.value();
    const now = this.#options.clock.monotonic();
    if (resource === undefined || !this.#reading.takeWhole(now, resource.body.length))
      return undefined;
    return toCanonicalJson(resource.type, resource.body);
  }

  #isFull(witness: Witness): boolean {
    return witness.namespace === undefined && this.#unproven >= MAX_UNPROVEN;
  }

  #uncount({ witness }: Held): void {
    if (witness.namespace === undefined) this.#unproven--;
  }

  #isGone({ type, name, proxyClass }: Held): boolean {
    return this.#cell(type, name, proxyClass)?.value() === undefined;
  }

  #schedule(): void {
    this.#cancel ??= this.#options.clock.after(GATHER_MS, () => {
      this.#cancel = undefined;
      this.#flush();
    });
  }

  #lookAgainIn(ms: number): void {
    this.#cancelLook ??= this.#options.clock.after(ms, () => {
      this.#cancelLook = undefined;
      this.#schedule();
    });
  }

  #flush(): void {
    const { graph, rows, clock } = this.#options;
    const byObject = this.#gather();
    const gone = [...this.#shown].filter(key => !byObject.has(key));
    this.#shown = new Set(byObject.keys());
    graph.commit({ source: "rejections by proxies", at: clock.now() }, writer => {
      for (const key of gone) writer.delete(rows, key);
      for (const [key, rejections] of byObject) writer.set(rows, key, rejections);
    });
    this.#options.onChanged?.(byObject);
  }

  #gather(): ReadonlyMap<string, readonly Rejection[]> {
    const said = new Map<string, Said>();
    const byObject = new Map<string, Map<string, Rejection>>();
    const foreign = new Set<string>();
    for (const held of this.#streams.values())
      for (const each of held.values()) {
        const rejection = rejectionOf(each);
        const id = JSON.stringify([rejection.type, rejection.resource, rejection.message]);
        const known = said.get(`${id} ${each.objects.join()}`)?.rejection;
        const all = known === undefined ? rejection : joined(known, rejection);
        said.set(`${id} ${each.objects.join()}`, { rejection: all, objects: each.objects });
        for (const key of each.objects) {
          if (!this.#isHeard(each, key, foreign)) continue;
          const list = byObject.get(key) ?? new Map<string, Rejection>();
          const before = list.get(id);
          byObject.set(
            key,
            list.set(id, before === undefined ? rejection : joined(before, rejection)),
          );
        }
      }
    this.#say(said);
    return new Map([...byObject].map(([key, list]) => [key, sorted(list)]));
  }

  /** Proxies of other namespaces only when they have said it for a while, and about few objects. */
  #isHeard({ witness, since }: Held, key: string, foreign: Set<string>): boolean {
    const { clock, model } = this.#options;
    const { rootNamespace = "" } = model.names.get(MESH_KEY) ?? {};
    const { namespace } = splitReportKey(key);
    if (isTrusted(witness.namespace, namespace, rootNamespace)) return true;
    const leftMs = since + STANDS_MS - clock.monotonic();
    if (leftMs > 0) {
      this.#lookAgainIn(leftMs);
      return false;
    }
    if (!foreign.has(key) && foreign.size >= MAX_FOREIGN_OBJECTS) return false;
    foreign.add(key);
    return true;
  }

  /** Each new one once: a rejection is a bug of ours, whosever object it is about. */
  #say(said: ReadonlyMap<string, Said>): void {
    const fresh = [...said].filter(([id]) => !this.#said.has(id));
    this.#said = new Set(said.keys());
    for (const [, { rejection, objects }] of fresh) {
      if (!this.#lines.take(this.#options.clock.monotonic())) return;
      const { type, resource, message, proxies, proxy } = rejection;
      this.#options.log.error("Envoy rejected configuration", {
        type,
        resource,
        proxies,
        proxy,
        objects: objects.length === 0 ? "unknown" : objects.join(", "),
        error: message,
      });
    }
  }
}

interface Said {
  readonly rejection: Rejection;
  readonly objects: readonly string[];
}

function rejectionOf({ type, name, message, witness }: Held): Rejection {
  const { proxy, namespace } = witness;
  return {
    type: shortName(type),
    resource: name,
    message,
    proxies: 1,
    proxy: plainText(proxy, MAX_PROXY_CHARS),
    namespaces: namespace === undefined ? [] : [namespace],
  };
}

function sorted(list: ReadonlyMap<string, Rejection>): readonly Rejection[] {
  return [...list].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/** The only resource of the response, else those that the message names, else all if they are few. */
function culprits({ message, names = [] }: Nacked): readonly string[] {
  if (names.length <= 1) return names;
  const named = names.filter(name => name.length >= MIN_NAME && message.includes(name));
  if (named.length > 0) return named;
  return names.length <= MAX_SUSPECTS ? names : [];
}

function shortName(type: string): string {
  const name = type.slice(type.lastIndexOf(".") + 1);
  return SHORT_NAMES.get(name) ?? name;
}
