/**
 * What happens to pods and to who makes them, as Events in the kubelet's and the controllers' words (https://kubernetes.io/docs/reference/
 * kubernetes-api/cluster-resources/event-v1). The same again is counted in the Event that is there.
 */
import { createHash } from "node:crypto";
import { numberAt } from "../api/columns.ts";
import { eventKind } from "../api/event/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { timeText } from "./pod-status.ts";

export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface PodEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  /** The container it is about, and the list that it is in. */
  readonly container?: { readonly list: "containers" | "initContainers"; readonly name: string };
}

/** What an Event is about, and which of Kubernetes' components would say it. */
export interface EventSource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly component: string;
}

const KUBELET: EventSource = { apiVersion: "v1", kind: "Pod", component: "kubelet" };

export interface PodEventsOptions {
  readonly client: Pick<ApiClient, "create" | "patch" | "delete" | "get" | "list">;
  readonly clock: Clock;
  readonly log: Log;
  /** Of the machine. */
  readonly host: string;
}

/** Different Events of one pod: messages may hold words that are others each time. */
const MAX_OF_POD = 25;
const MAX_CHARS = 1024;
/** Writes that wait; what comes then is lost. */
const MAX_WAITING = 500;
/** The same again is written at most this often. */
const REPEAT_MS = 10_000;
/** As Kubernetes' API server: Events are kept for an hour. */
const KEPT_MS = 3_600_000;
const SWEEP_MS = 300_000;

interface Said {
  count: number;
  writtenAt: number;
}

interface Saying {
  readonly pod: PodIdentity;
  readonly event: PodEvent;
  readonly source: EventSource;
  readonly name: string;
  readonly count: number;
  readonly now: number;
}

export class PodEvents {
  readonly #options: PodEventsOptions;
  readonly #said = new Map<string, Map<string, Said>>();
  #writes: Promise<void> = Promise.resolve();
  #waiting = 0;
  #lastTrouble = "";
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(options: PodEventsOptions) {
    this.#options = options;
    this.#sweepLater();
  }

  record(pod: PodIdentity, event: PodEvent, source = KUBELET): void {
    if (this.#stopped || this.#waiting >= MAX_WAITING) return;
    const now = this.#options.clock.now();
    const name = eventName(pod, event);
    const ofPod = this.#said.get(pod.uid) ?? new Map<string, Said>();
    this.#said.set(pod.uid, ofPod);
    const said = ofPod.get(name) ?? { count: 0, writtenAt: Number.NEGATIVE_INFINITY };
    if (said.count === 0 && ofPod.size >= MAX_OF_POD) return;
    ofPod.set(name, said);
    said.count++;
    const at = this.#options.clock.monotonic();
    if (at - said.writtenAt < REPEAT_MS) return;
    said.writtenAt = at;
    const body = this.#body({ pod, event, source, name, count: said.count, now });
    this.#enqueue(() => this.#write(pod.namespace, name, body));
  }

  /** The pod is gone; its Events stay for their hour. */
  forget(uid: string): void {
    this.#said.delete(uid);
  }

  /** Resolves when what was said is written. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#writes;
  }

  #enqueue(task: () => Promise<void>): void {
    this.#waiting++;
    this.#writes = this.#writes
      .then(task)
      .catch((error: unknown) => this.#trouble(error instanceof Error ? error.message : `${error}`))
      .finally(() => {
        this.#waiting--;
      });
  }

  async #write(namespace: string, name: string, body: JsonObject): Promise<void> {
    const { client } = this.#options;
    const count = numberAt(body, "count");
    const created = count === 1 ? await client.create(eventKind, namespace, body) : undefined;
    if (created?.ok === true) return;
    if (created !== undefined && created.status.code !== 409) {
      this.#trouble(created.status.message ?? "refused");
      return;
    }
    const { lastTimestamp } = body;
    // An earlier run of this mesh may have said the same.
    const found = count === 1 ? await client.get(eventKind, namespace, name) : undefined;
    const before = found?.ok === true ? numberAt(found.value, "count") : 0;
    const patch = { count: before + count, lastTimestamp: lastTimestamp ?? "" };
    const patched = await client.patch(eventKind, namespace, name, "merge", patch);
    if (patched.ok) return;
    if (patched.status.code === 404) await client.create(eventKind, namespace, body);
    else this.#trouble(patched.status.message ?? "refused");
  }

  #body({ pod, event, source, name, count, now }: Saying): JsonObject {
    const { container } = event;
    const { apiVersion, kind, component } = source;
    const time = timeText(now);
    const fieldPath =
      container === undefined ? {} : { fieldPath: `spec.${container.list}{${container.name}}` };
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name, namespace: pod.namespace },
      involvedObject: { apiVersion, kind, ...pod, ...fieldPath },
      reason: event.reason,
      message: event.message.slice(0, MAX_CHARS),
      type: event.type,
      count,
      firstTimestamp: time,
      lastTimestamp: time,
      source: { component, host: this.#options.host },
      reportingComponent: component,
      reportingInstance: this.#options.host,
    };
  }

  #trouble(message: string): void {
    if (message !== this.#lastTrouble)
      this.#options.log.warn("cannot write an Event", { error: message });
    this.#lastTrouble = message;
  }

  #sweepLater(): void {
    this.#cancel = this.#options.clock.after(SWEEP_MS, () => {
      this.#enqueue(() => this.#sweep());
      this.#sweepLater();
    });
  }

  async #sweep(): Promise<void> {
    const { client, clock } = this.#options;
    const listed = await client.list(eventKind);
    if (!listed.ok) return;
    const oldest = timeText(clock.now() - KEPT_MS);
    for (const event of listed.value.items) {
      if (lastSeen(event) >= oldest) continue;
      const metadata = objectAt(event, "metadata");
      await client.delete(eventKind, stringAt(metadata, "namespace"), stringAt(metadata, "name"));
    }
  }
}

/** RFC 3339 in UTC: texts compare as times do. */
function lastSeen(event: JsonObject): string {
  return (
    stringAt(event, "lastTimestamp") ||
    stringAt(event, "eventTime") ||
    stringAt(objectAt(event, "metadata"), "creationTimestamp")
  );
}

/** By what it says: the same has the same name in the next run. */
function eventName(pod: PodIdentity, { reason, message, container }: PodEvent): string {
  const said = JSON.stringify([pod.uid, reason, message, container?.name ?? ""]);
  const digest = createHash("sha256").update(said).digest("hex").slice(0, 16);
  return `${pod.name.slice(0, 236)}.${digest}`;
}
