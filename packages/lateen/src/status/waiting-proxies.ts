/**
 * Says why a pod's proxy is not ready: as an Event on the Pod. Every replica looks; Events are named
 * by what they say, so that of several replicas with the same to say one is heard.
 */
import { createHash } from "node:crypto";
import { eventKind } from "../api/event/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Collection, Graph } from "../flow/types.ts";
import { PROXY_CONTAINER, type WaitingProxy } from "../model/waiting.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { plainText } from "./evidence.ts";

export interface WaitingProxiesOptions {
  readonly graph: Graph;
  readonly waiting: Collection<WaitingProxy>;
  /** Of this control plane; proxies of another one are that one's matter. */
  readonly revision: string;
  readonly instance: string;
  readonly client: Pick<ApiClient, "create">;
  readonly clock: Clock;
  readonly log: Log;
  /** What this replica knows now: a proxy is connected here, or was refused. */
  readonly knowledge: () => (key: string, proxy: WaitingProxy) => string | undefined;
  readonly knownElsewhere: (key: string) => string | undefined;
  /** All that is known here of those that wait, by `namespace/name`. */
  readonly onKnown: (known: ReadonlyMap<string, string>) => void;
}

/** Before a replica says that a proxy is not connected, the others have had time to say that it is. */
const KNOWN_AFTER_MS = 5_000;
const SAY_AFTER_MS = 10_000;
const LOOK_EVERY_MS = 2_500;
/** Events at one look; the rest have their turn later, if they still wait then. */
const MAX_EVENTS = 20;
/** Events of one Pod: reasons hold words of its proxy, which could be others each time. */
const MAX_EVENTS_OF_POD = 10;
/** Of a reason; an Event's message should have no more than a kilobyte. */
const MAX_CHARS = 800;
export const NOT_CONNECTED = "it is not connected to the control plane";

export class WaitingProxies {
  readonly #options: WaitingProxiesOptions;
  /** Names of Events that were sent, by the key of what waits. */
  readonly #said = new Map<string, Set<string>>();
  #unfollow: () => void = () => {};
  #cancel: (() => void) | undefined;
  #lastTrouble = "";

  constructor(options: WaitingProxiesOptions) {
    this.#options = options;
  }

  /** When everything that was there at the start is in the graph. */
  start(): void {
    const { graph, waiting } = this.#options;
    this.#unfollow = graph.onCommit(({ derived }) => {
      if ((derived.get(waiting.name)?.changed ?? 0) > 0) this.#lookLater();
    });
    this.#look();
  }

  stop(): void {
    this.#unfollow();
    this.#cancel?.();
  }

  #lookLater(): void {
    this.#cancel ??= this.#options.clock.after(LOOK_EVERY_MS, () => {
      this.#cancel = undefined;
      this.#look();
    });
  }

  #look(): void {
    const { waiting, revision, clock, knowledge, knownElsewhere, onKnown } = this.#options;
    const now = clock.now();
    const knownHere = knowledge();
    const known = new Map<string, string>();
    let events = 0;
    for (const [key, proxy] of waiting.entries()) {
      const ageMs = now - proxy.since;
      if ((proxy.revision ?? revision) !== revision || ageMs < KNOWN_AFTER_MS) continue;
      const here = knownHere(key, proxy);
      if (here !== undefined) known.set(key, here);
      if (ageMs < SAY_AFTER_MS || events >= MAX_EVENTS) continue;
      if (this.#say(key, proxy, here ?? knownElsewhere(key) ?? NOT_CONNECTED)) events++;
    }
    for (const key of this.#said.keys()) if (waiting.get(key) === undefined) this.#said.delete(key);
    onKnown(known);
    if (waiting.size > 0) this.#lookLater();
  }

  /** False: it was said before. */
  #say(key: string, proxy: WaitingProxy, why: string): boolean {
    const event = eventOf(proxy, why, this.#options.instance, this.#options.clock.now());
    const said = this.#said.get(key) ?? new Set();
    this.#said.set(key, said);
    if (said.has(event.name) || said.size >= MAX_EVENTS_OF_POD) return false;
    said.add(event.name);
    void this.#send(proxy.namespace, event.body);
    return true;
  }

  async #send(namespace: string, body: JsonObject): Promise<void> {
    const { client, log } = this.#options;
    const answer = await client.create(eventKind, namespace, body);
    // 409: another replica was faster.
    if (answer.ok || answer.status.code === 409) return;
    const { message = "" } = answer.status;
    if (message !== this.#lastTrouble) log.warn("cannot write an Event", { error: message });
    this.#lastTrouble = message;
  }
}

function eventOf(
  { namespace, name, uid, list, since }: WaitingProxy,
  why: string,
  instance: string,
  now: number,
): { readonly name: string; readonly body: JsonObject } {
  const beginning = `${PROXY_CONTAINER} runs since ${timeText(since)} and is not ready: `;
  const message = beginning + plainText(why, MAX_CHARS);
  const digest = createHash("sha256").update(`${uid} ${message}`).digest("hex").slice(0, 16);
  const eventName = `${name}.${digest}`;
  const time = timeText(now);
  const fieldPath = `spec.${list}{${PROXY_CONTAINER}}`;
  return {
    name: eventName,
    body: {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: eventName, namespace },
      involvedObject: { apiVersion: "v1", kind: "Pod", namespace, name, uid, fieldPath },
      reason: "WaitingForConfiguration",
      message,
      type: "Warning",
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: { component: "istiod" },
      reportingComponent: "istiod",
      reportingInstance: instance,
    },
  };
}

/** Whole seconds, as Kubernetes writes times. */
function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
