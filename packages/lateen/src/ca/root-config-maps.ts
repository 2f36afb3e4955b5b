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
import { objectAt } from "../sources/json.ts";
import type { ApiResult } from "../sources/status.ts";
import {
  claimRoots,
  KEEPER_ANNOTATION,
  type RootOwnership,
  type WrittenRoots,
  writtenRoots,
} from "./root-ownership.ts";

export const ROOT_CONFIG_MAP = "istio-ca-root-cert";
export const ROOT_KEY = "root-cert.pem";
/** Istio marks what it owns. */
const LABELS = { "istio.io/config": "true" };
/** Namespaces of Kubernetes' own, where no workload of a mesh runs (Istio's IgnoredNamespaces). */
const IGNORED: ReadonlySet<string> = new Set(["kube-system", "kube-public", "kube-node-lease"]);
const MAX_IN_FLIGHT = 4;
/** Who else keeps them needs a moment, as for a new namespace. */
const LATE_MS = 10_000;
const MIN_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 60_000;
/** Somebody who is not known to us writes it again and again: then no oftener than so. */
const REPEATS_MAX = 5;
const REPEATS_MS = 60_000;
/** What another mesh keeps is its own for as long as it may be made anew. */
const TAKEOVER_MS = 300_000;
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
  /** Whether another replica of this mesh keeps those that it sees; `refresh` is to be called when it changes. */
  readonly isSecond?: () => boolean;
  /** Where several meshes may be; `refresh` is to be called when it says something else. */
  readonly ownership?: RootOwnership;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
}

export class RootConfigMaps {
  readonly #options: RootConfigMapsOptions;
  /** Labels by name. */
  readonly #namespaces = new Map<string, JsonObject>();
  /** What is there, by namespace. */
  readonly #written = new Map<string, WrittenRoots>();
  /** Namespaces with other roots, left to the control plane of that namespace though we see them, too. */
  readonly #contested = new Map<string, string>();
  /** What we wrote lately, and when, by namespace. */
  readonly #lately = new Map<string, { readonly text: string; readonly at: readonly number[] }>();
  readonly #queue = new Set<string>();
  readonly #busy = new Set<string>();
  /** Of the busy ones: those of which the watch has told something since their write began. */
  readonly #told = new Set<string>();
  /** Those that another one should have made or put right, or keeps and is not there: since when. */
  readonly #late = new Map<string, number>();
  #informers: Informer[] = [];
  #failures = 0;
  #paused = false;
  #cancel: () => void = () => {};
  #cancelLate: (() => void) | undefined;
  #cancelRepeat: (() => void) | undefined;
  #lastText = "";
  #saidOther = false;
  #saidContested = "";
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
    this.#late.clear();
    this.#contested.clear();
    this.#lately.clear();
    this.#cancel();
    this.#cancelLate?.();
    this.#cancelLate = undefined;
    this.#cancelRepeat?.();
    this.#cancelRepeat = undefined;
    this.#paused = false;
  }

  /** The roots, or what `accepts` says, are other ones now. */
  refresh(): void {
    for (const namespace of this.#namespaces.keys()) this.#queue.add(namespace);
    this.#pump();
  }

  /** By namespace: the namespace of the control plane whose other roots are there. Empty where we write not. */
  get contested(): ReadonlyMap<string, string> {
    return this.#contested;
  }

  #onNamespaces(changes: readonly ObjectChange[]): void {
    for (const { name, object } of changes) {
      const going = objectAt(object ?? {}, "metadata")["deletionTimestamp"] !== undefined;
      if (object === undefined || going || IGNORED.has(name)) {
        this.#namespaces.delete(name);
        this.#late.delete(name);
        this.#contested.delete(name);
        this.#lately.delete(name);
      } else this.#namespaces.set(name, objectAt(objectAt(object, "metadata"), "labels"));
      this.#queue.add(name);
    }
    this.#pump();
  }

  #onConfigMaps(changes: readonly ObjectChange[]): void {
    for (const { namespace, object } of changes) {
      if (object === undefined) this.#written.delete(namespace);
      else this.#written.set(namespace, this.#seen(object));
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
    const labels = this.#namespaces.get(namespace);
    this.#contested.delete(namespace);
    if (labels === undefined || !this.#options.accepts(namespace)) return false;
    const written = this.#written.get(namespace);
    if (this.#options.keptByAnother?.() === true) return this.#isMissed(namespace, written);
    const { ownership } = this.#options;
    const claim = ownership && claimRoots(ownership, namespace, labels, written);
    if (claim?.is === "left") {
      this.#late.delete(namespace);
      if (claim.isContested && written?.text !== this.#text()) this.#contest(namespace, claim.to);
      return false;
    }
    const isKept = ownership === undefined || written?.keeper === ownership.self;
    if (written?.text === this.#text() && isKept) {
      this.#late.delete(namespace);
      return false;
    }
    // Whose namespace is gone as well does not come again.
    const isTaken = this.#namespaces.has(claim?.takenFrom ?? "");
    const waits = isTaken || this.#options.isSecond?.() === true;
    if (waits && !this.#isLate(namespace, isTaken ? TAKEOVER_MS : LATE_MS)) return false;
    return !this.#isRepeated(namespace);
  }

  #contest(namespace: string, controlPlane: string): void {
    this.#contested.set(namespace, controlPlane);
    if (this.#saidContested === controlPlane) return;
    this.#saidContested = controlPlane;
    this.#options.log.warn(
      "a control plane with another root keeps istio-ca-root-cert where this one would, too: " +
        "give the two discoverySelectors that do not overlap, or label the namespaces for injection",
      { namespace, controlPlane },
    );
  }

  /** Whoever changes it back each time is neither followed at once nor let have it. */
  #isRepeated(namespace: string): boolean {
    const { clock, log } = this.#options;
    const now = clock.monotonic();
    const text = this.#text();
    const before = this.#lately.get(namespace);
    const all = before?.text === text ? before.at : [];
    const lately = all.filter(at => at > now - REPEATS_MS);
    const [first = now] = lately;
    this.#lately.set(namespace, { text, at: lately });
    if (lately.length < REPEATS_MAX) return false;
    if (this.#cancelRepeat === undefined)
      log.warn("somebody writes other roots into istio-ca-root-cert again and again", {
        namespace,
      });
    this.#cancelRepeat ??= clock.after(first + REPEATS_MS - now, () => {
      this.#cancelRepeat = undefined;
      this.refresh();
    });
    return true;
  }

  /** Beside another control plane: nothing of what it wrote is changed. */
  #isMissed(namespace: string, written: WrittenRoots | undefined): boolean {
    if (written !== undefined) {
      this.#late.delete(namespace);
      if (!this.#saidOther && written.text.trim() !== this.#text().trim()) {
        this.#saidOther = true;
        this.#options.log.warn("another control plane gives out other roots", { namespace });
      }
      return false;
    }
    return this.#isLate(namespace, LATE_MS);
  }

  #isLate(namespace: string, afterMs: number): boolean {
    const { clock } = this.#options;
    const now = clock.monotonic();
    const since = this.#late.get(namespace) ?? now;
    this.#late.set(namespace, since);
    if (now - since >= afterMs) return this.#late.delete(namespace);
    // One timer for all: never later than the shortest that may be added meanwhile.
    this.#cancelLate ??= clock.after(Math.min(since + afterMs - now, LATE_MS), () => {
      this.#cancelLate = undefined;
      for (const each of this.#late.keys()) this.#queue.add(each);
      this.#pump();
    });
    return false;
  }

  #seen(configMap: JsonObject): WrittenRoots {
    const seen = writtenRoots(configMap, ROOT_KEY);
    return seen.text === this.#text() ? { ...seen, text: this.#lastText } : seen;
  }

  /** One string for all that hold it. */
  #text(): string {
    const text = this.#options.roots().join("");
    if (text !== this.#lastText) this.#lastText = text;
    return this.#lastText;
  }

  async #write(namespace: string): Promise<void> {
    const { client, ownership } = this.#options;
    const text = this.#text();
    const keeper = ownership?.self ?? "";
    const marks: JsonObject = {
      labels: LABELS,
      ...(keeper === "" ? {} : { annotations: { [KEEPER_ANNOTATION]: keeper } }),
    };
    const metadata = { name: ROOT_CONFIG_MAP, namespace, ...marks };
    const data: JsonObject = { [ROOT_KEY]: text };
    const answer = this.#written.has(namespace)
      ? await client.patch(configMapKind, namespace, ROOT_CONFIG_MAP, "merge", {
          metadata: marks,
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
      this.#countWrite(namespace, text);
      // The watch may have been faster with what somebody wrote after us.
      if (!told) this.#written.set(namespace, { text, keeper });
    } else this.#failed(namespace, answer);
    this.#pump();
  }

  /** Only what was taken can be undone by somebody. */
  #countWrite(namespace: string, text: string): void {
    const before = this.#lately.get(namespace);
    const at = before?.text === text ? before.at : [];
    this.#lately.set(namespace, { text, at: [...at, this.#options.clock.monotonic()] });
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
