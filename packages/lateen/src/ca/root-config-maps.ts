/**
 * ConfigMap `istio-ca-root-cert` in every namespace: the roots by which proxies know the control
 * plane (Istio's namespace controller). One replica, the leader, keeps them as they should be; beside
 * Istio, which does the same, only those come to be that stay away.
 */
import { configMapKind } from "../api/config-map/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import { namespaceKind } from "../api/namespace/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { Informer, type ObjectChange } from "../sources/client/informer.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import type { ApiResult } from "../sources/status.ts";

export const ROOT_CONFIG_MAP = "istio-ca-root-cert";
export const ROOT_KEY = "root-cert.pem";
/** Istio marks what it owns. */
const LABELS = { "istio.io/config": "true" };
/** Namespaces of Kubernetes' own, where no workload of a mesh runs (Istio's IgnoredNamespaces). */
const IGNORED: ReadonlySet<string> = new Set(["kube-system", "kube-public", "kube-node-lease"]);
const MAX_IN_FLIGHT = 4;
/** Istio's control plane needs a moment for a new namespace. */
const ABSENT_MS = 10_000;
const MIN_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 60_000;
/** Another one was faster, or the namespace is going: what is seen next says what to do. */
const WAIT_FOR_NEWS: ReadonlySet<number> = new Set([404, 409]);

export interface RootConfigMapsOptions {
  readonly client: ApiClient;
  /** PEM of all roots that are trusted. */
  readonly roots: () => readonly string[];
  /** Whether the control plane sees this namespace. */
  readonly accepts: (namespace: string) => boolean;
  /** Whether another control plane keeps the same ConfigMaps: `refresh` is to be called when it changes. */
  readonly keptByAnother?: () => boolean;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
}

export class RootConfigMaps {
  readonly #options: RootConfigMapsOptions;
  readonly #namespaces = new Set<string>();
  /** What is there, by namespace: its text. */
  readonly #written = new Map<string, string>();
  readonly #queue = new Set<string>();
  readonly #busy = new Set<string>();
  /** Of the busy ones: those of which the watch has told something since their write began. */
  readonly #told = new Set<string>();
  /** Where there is none that another control plane should have made: since when. */
  readonly #absent = new Map<string, number>();
  #informers: Informer[] = [];
  #failures = 0;
  #paused = false;
  #cancel: () => void = () => {};
  #cancelAbsent: (() => void) | undefined;
  #saidOther = false;
  #lastTrouble = "";

  constructor(options: RootConfigMapsOptions) {
    this.#options = options;
  }

  /** Begins with nothing known: also after `stop`. */
  start(): void {
    this.stop();
    const { client, clock, random, log } = this.#options;
    const common = { client, clock, random, log, pagewise: true } as const;
    this.#informers = [
      new Informer({
        ...common,
        resource: namespaceKind,
        form: "metadata",
        onChanges: changes => this.#onNamespaces(changes),
      }),
      new Informer({
        ...common,
        resource: configMapKind,
        fieldSelector: `metadata.name=${ROOT_CONFIG_MAP}`,
        onChanges: changes => this.#onConfigMaps(changes),
      }),
    ];
    for (const informer of this.#informers) informer.start();
  }

  stop(): void {
    for (const informer of this.#informers) informer.stop();
    this.#informers = [];
    this.#namespaces.clear();
    this.#written.clear();
    this.#queue.clear();
    this.#absent.clear();
    this.#cancel();
    this.#cancelAbsent?.();
    this.#cancelAbsent = undefined;
    this.#paused = false;
  }

  /** The roots, or what `accepts` says, are other ones now. */
  refresh(): void {
    for (const namespace of this.#namespaces) this.#queue.add(namespace);
    this.#pump();
  }

  #onNamespaces(changes: readonly ObjectChange[]): void {
    for (const { name, object } of changes) {
      const going = objectAt(object ?? {}, "metadata")["deletionTimestamp"] !== undefined;
      if (object === undefined || going || IGNORED.has(name)) {
        this.#namespaces.delete(name);
        this.#absent.delete(name);
      } else this.#namespaces.add(name);
      this.#queue.add(name);
    }
    this.#pump();
  }

  #onConfigMaps(changes: readonly ObjectChange[]): void {
    for (const { namespace, object } of changes) {
      if (object === undefined) this.#written.delete(namespace);
      else this.#written.set(namespace, stringAt(objectAt(object, "data"), ROOT_KEY));
      if (this.#busy.has(namespace)) this.#told.add(namespace);
      this.#queue.add(namespace);
    }
    this.#pump();
  }

  #pump(): void {
    // Before both are known, everything would look as if it were missing.
    if (this.#paused || this.#informers.some(informer => !informer.synced)) return;
    for (const namespace of this.#queue) {
      if (this.#busy.size >= MAX_IN_FLIGHT) return;
      if (this.#busy.has(namespace)) continue;
      this.#queue.delete(namespace);
      if (!this.#isDue(namespace)) continue;
      this.#busy.add(namespace);
      void this.#write(namespace);
    }
  }

  #isDue(namespace: string): boolean {
    if (!this.#namespaces.has(namespace) || !this.#options.accepts(namespace)) return false;
    const written = this.#written.get(namespace);
    if (this.#options.keptByAnother?.() === true) return this.#isMissed(namespace, written);
    return written !== this.#text();
  }

  /** Beside another control plane: nothing of what it wrote is changed. */
  #isMissed(namespace: string, written: string | undefined): boolean {
    const { clock, log } = this.#options;
    if (written !== undefined) {
      this.#absent.delete(namespace);
      if (!this.#saidOther && written.trim() !== this.#text().trim()) {
        this.#saidOther = true;
        log.warn("another control plane gives out other roots", { namespace });
      }
      return false;
    }
    const now = clock.now();
    const since = this.#absent.get(namespace) ?? now;
    this.#absent.set(namespace, since);
    if (now - since >= ABSENT_MS) return this.#absent.delete(namespace);
    this.#cancelAbsent ??= clock.after(since + ABSENT_MS - now, () => {
      this.#cancelAbsent = undefined;
      for (const each of this.#absent.keys()) this.#queue.add(each);
      this.#pump();
    });
    return false;
  }

  #text(): string {
    return this.#options.roots().join("");
  }

  async #write(namespace: string): Promise<void> {
    const { client } = this.#options;
    const text = this.#text();
    const metadata = { name: ROOT_CONFIG_MAP, namespace, labels: LABELS };
    const data: JsonObject = { [ROOT_KEY]: text };
    const answer = this.#written.has(namespace)
      ? await client.patch(configMapKind, namespace, ROOT_CONFIG_MAP, "merge", {
          metadata: { labels: LABELS },
          data,
        })
      : await client.create(configMapKind, namespace, {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata,
          data,
        });
    this.#busy.delete(namespace);
    const told = this.#told.delete(namespace);
    if (this.#informers.length === 0) return;
    if (answer.ok) {
      this.#failures = 0;
      this.#lastTrouble = "";
      // The watch may have been faster with what somebody wrote after us.
      if (!told) this.#written.set(namespace, text);
    } else this.#failed(namespace, answer);
    this.#pump();
  }

  #failed(namespace: string, { status }: Extract<ApiResult<JsonObject>, { ok: false }>): void {
    const { clock, random, log } = this.#options;
    const terminating = status.details?.causes?.some(
      cause => cause.reason === "NamespaceTerminating",
    );
    if (WAIT_FOR_NEWS.has(status.code) || terminating === true) return;
    if (status.message !== this.#lastTrouble)
      log.warn("cannot write the roots", { namespace, error: status.message });
    this.#lastTrouble = status.message ?? "";
    this.#queue.add(namespace);
    const ceiling = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    this.#paused = true;
    this.#cancel = clock.after(ceiling * (0.5 + random() / 2), () => {
      this.#paused = false;
      this.#pump();
    });
  }
}
