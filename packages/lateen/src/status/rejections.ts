/**
 * What proxies rejected (NACK) and have not accepted since, put down to the objects that caused it.
 * Feeds status only: no configuration depends on it.
 */
import { toCanonicalJson } from "@lateen/envoy-api/registry.js";
import type { Json } from "../api/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { StreamEvent } from "../discovery/types.ts";
import type { Graph, InputCollection } from "../flow/types.ts";
import type { Model } from "../model/model.ts";
import type { ProxyClass } from "../model/proxies.ts";
import { type TypeResources, viewKey } from "../xds/resources/family.ts";
import { objectsBehind } from "./attribution.ts";
import type { Rejection } from "./object-report.ts";

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
}

type Nacked = StreamEvent & { readonly kind: "nacked" };
type Acked = StreamEvent & { readonly kind: "acked" };

interface Held {
  readonly type: string;
  readonly name: string;
  readonly message: string;
  readonly proxyClass: ProxyClass;
  readonly objects: readonly string[];
}

/** Many streams say the same within this time, and parts of responses are tried one by one. */
const GATHER_MS = 500;
/** What one stream may hold against us. */
const MAX_HELD = 100;
const MAX_MESSAGE_CHARS = 500;
/** A rejected response of more resources, none of which is named, will be sent again in parts. */
const MAX_SUSPECTS = 4;
/** Shorter names turn up in messages by accident. */
const MIN_NAME = 4;
const MAX_LINES = 20;

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
  #cancel: (() => void) | undefined;

  constructor(options: RejectionsOptions) {
    this.#options = options;
  }

  /** `stream` is unique for the stream; the class is the proxy's present one. */
  report(stream: string, proxyClass: ProxyClass, event: StreamEvent): void {
    if (event.kind === "nacked") this.#nacked(stream, proxyClass, event);
    else if (event.kind === "acked") this.#acked(stream, event);
  }

  closed(stream: string): void {
    if (this.#streams.delete(stream)) this.#schedule();
  }

  stop(): void {
    this.#cancel?.();
  }

  #nacked(stream: string, proxyClass: ProxyClass, event: Nacked): void {
    const { type } = event;
    const message = oneLine(event.message);
    const held = this.#streams.get(stream) ?? new Map<string, Held>();
    for (const name of culprits(event)) {
      if (held.size >= MAX_HELD) break;
      const json = this.#content(type, name, proxyClass);
      const rejected = { type, name, json, proxyClass, message };
      const objects = objectsBehind(this.#options.model, rejected);
      held.set(`${type}\n${name}`, { type, name, message, proxyClass, objects });
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
      if (over && held.delete(id)) changed = true;
    }
    if (held.size === 0) this.#streams.delete(stream);
    if (changed) this.#schedule();
  }

  #cell(type: string, name: string, proxyClass: ProxyClass) {
    const family = this.#options.resources[type];
    return family?.cells.peek(viewKey(family.namedView(proxyClass, name), name));
  }

  #content(type: string, name: string, proxyClass: ProxyClass): Json | undefined {
    const resource = this.#cell(type, name, proxyClass)?.value();
    return resource && toCanonicalJson(resource.type, resource.body);
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
    const counted = new Map<string, Rejection & { readonly objects: readonly string[] }>();
    for (const held of this.#streams.values())
      for (const { type, name, message, objects } of held.values()) {
        const id = JSON.stringify([type, name, message, objects]);
        const proxies = (counted.get(id)?.proxies ?? 0) + 1;
        counted.set(id, { type: shortName(type), resource: name, message, proxies, objects });
      }
    this.#say(counted);
    const byObject = new Map<string, Rejection[]>();
    for (const [, { objects, ...rejection }] of [...counted].sort(([a], [b]) => (a < b ? -1 : 1)))
      for (const key of objects) byObject.set(key, [...(byObject.get(key) ?? []), rejection]);
    return byObject;
  }

  /** Each new one once: a rejection is a bug of ours, whosever object it is about. */
  #say(counted: ReadonlyMap<string, Rejection & { readonly objects: readonly string[] }>): void {
    const fresh = [...counted].filter(([id]) => !this.#said.has(id));
    this.#said = new Set(counted.keys());
    for (const [, { type, resource, message, proxies, objects }] of fresh.slice(0, MAX_LINES))
      this.#options.log.error("Envoy rejected configuration", {
        type,
        resource,
        proxies,
        objects: objects.length === 0 ? "unknown" : objects.join(", "),
        error: message,
      });
  }
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

/** It comes from outside and goes into objects and logs. */
function oneLine(message: string): string {
  const plain = message.replace(/\p{Cc}+/gu, " ").trim();
  return plain.length <= MAX_MESSAGE_CHARS ? plain : `${plain.slice(0, MAX_MESSAGE_CHARS)}...`;
}
