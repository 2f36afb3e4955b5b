/**
 * What a replica of the control plane knows of its own proxies and the others have to know, too: in a
 * ConfigMap of its own while there is something to say. It goes with the replica's Pod.
 */
import { configMapKind } from "../api/config-map/kind.ts";
import type { Json, JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { Informer, type ObjectChange } from "../sources/client/informer.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import type { ApiResult } from "../sources/status.ts";
import { decodeReport, EMPTY_REPORT, encodeReport, type ReplicaReport } from "./replica-report.ts";

export interface ReplicaReportsOptions {
  readonly client: ApiClient;
  /** The control plane's own. */
  readonly namespace: string;
  /** This replica: the name of its Pod, where it runs in one. */
  readonly instance: string;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
  /** All there are of the others, when one of them has changed. */
  readonly onOthers: (reports: readonly ReplicaReport[]) => void;
}

const LABELS = { "app.kubernetes.io/component": "lateen-replica-report" };
const SELECTOR = Object.entries(LABELS).map(([key, value]) => `${key}=${value}`)[0];
const KEY = "report";
const GATHER_MS = 1_000;
/** What this replica said in an earlier life stands until its proxies have come again. */
const LEFTOVER_MS = 30_000;
const MIN_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 60_000;
/** More replicas are not listened to. */
const MAX_REPLICAS = 100;
/** What is seen next says what to do. */
const WAIT_FOR_NEWS: ReadonlySet<number> = new Set([404, 409]);

export class ReplicaReports {
  readonly #options: ReplicaReportsOptions;
  readonly #name: string;
  readonly #informer: Informer;
  readonly #others = new Map<string, ReplicaReport>();
  #report: ReplicaReport = EMPTY_REPORT;
  /** As it should be written; "" for none. */
  #wanted = "";
  /** As it is written; "" where there is none. */
  #written = "";
  /** What is written is of this life. */
  #said = false;
  #startedAt = 0;
  #busy = false;
  #stopped = false;
  #failures = 0;
  #lastTrouble = "";
  #cancel: (() => void) | undefined;

  constructor(options: ReplicaReportsOptions) {
    const { client, namespace, instance, clock, random, log } = options;
    this.#options = options;
    this.#name = `lateen-replica-${instance.toLowerCase().replace(/[^a-z0-9.-]/g, "-")}`;
    this.#informer = new Informer({
      ...{ client, clock, random, log, namespace },
      resource: configMapKind,
      labelSelector: SELECTOR ?? "",
      optional: true,
      onChanges: changes => this.#onChanges(changes),
    });
  }

  start(): void {
    this.#startedAt = this.#options.clock.monotonic();
    this.#informer.start();
    this.#pumpIn(LEFTOVER_MS);
  }

  /** A part of what this replica has to say, in place of what it was before. */
  tell(part: Partial<ReplicaReport>): void {
    this.#report = { ...this.#report, ...part };
    const text = encodeReport(this.#report);
    if (text === this.#wanted) return;
    this.#wanted = text;
    this.#pumpIn(GATHER_MS);
  }

  /** Takes what was said back: its proxies go to other replicas. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#informer.stop();
    const { client, namespace } = this.#options;
    if (this.#written !== "") await client.delete(configMapKind, namespace, this.#name);
  }

  #onChanges(changes: readonly ObjectChange[]): void {
    let others = false;
    for (const { name, object } of changes) {
      const text = object && stringAt(objectAt(object, "data"), KEY);
      if (name === this.#name) this.#written = text ?? "";
      else if (this.#take(name, text)) others = true;
    }
    if (others) this.#options.onOthers([...this.#others.values()]);
    this.#pump();
  }

  #take(name: string, text: string | undefined): boolean {
    if (text === undefined) return this.#others.delete(name);
    if (!this.#others.has(name) && this.#others.size >= MAX_REPLICAS) return false;
    this.#others.set(name, decodeReport(text));
    return true;
  }

  #pumpIn(ms: number): void {
    this.#cancel?.();
    this.#cancel = this.#options.clock.after(ms, () => {
      this.#cancel = undefined;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#busy || this.#stopped || this.#cancel !== undefined || !this.#informer.synced) return;
    if (this.#wanted === this.#written) return;
    const standsMs = this.#startedAt + LEFTOVER_MS - this.#options.clock.monotonic();
    if (this.#wanted === "" && !this.#said && standsMs > 0) {
      this.#pumpIn(standsMs);
      return;
    }
    this.#busy = true;
    void this.#write(this.#wanted);
  }

  async #write(text: string): Promise<void> {
    const seen = this.#written;
    const answer = await this.#send(text);
    this.#busy = false;
    if (this.#stopped) return;
    if (answer.ok) {
      this.#said = true;
      this.#written = text;
      this.#failures = 0;
      this.#lastTrouble = "";
      this.#pump();
    } else if (!WAIT_FOR_NEWS.has(answer.status.code)) this.#failed(answer.status.message ?? "");
    // The news came before the answer.
    else if (this.#written !== seen) this.#pump();
  }

  async #send(text: string): Promise<ApiResult<JsonObject>> {
    const { client, namespace } = this.#options;
    const name = this.#name;
    if (text === "") return client.delete(configMapKind, namespace, name);
    const data = { [KEY]: text };
    if (this.#written !== "")
      return client.patch(configMapKind, namespace, name, "merge", { data });
    const owner = await this.#owner();
    if (!owner.ok) return owner;
    const metadata = { name, namespace, labels: LABELS, ownerReferences: owner.value };
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data };
    return client.create(configMapKind, namespace, object);
  }

  /** The Pod that this runs in; none where it does not run in one. */
  async #owner(): Promise<ApiResult<never> | { readonly ok: true; readonly value: Json[] }> {
    const { client, namespace, instance: name } = this.#options;
    const pod = await client.get(podKind, namespace, name);
    if (!pod.ok) return pod.status.code === 404 ? { ok: true, value: [] } : pod;
    const uid = stringAt(objectAt(pod.value, "metadata"), "uid");
    return { ok: true, value: [{ apiVersion: "v1", kind: "Pod", name, uid }] };
  }

  #failed(message: string): void {
    const { random, log } = this.#options;
    if (message !== this.#lastTrouble)
      log.warn("cannot tell other replicas what proxies reject", { error: message });
    this.#lastTrouble = message;
    const ceiling = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    this.#pumpIn(ceiling * (0.5 + random() / 2));
  }
}
