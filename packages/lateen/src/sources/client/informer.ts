/**
 * Knows the objects of one kind and tells of every change: list, then watch from there, list again
 * when the history is gone, and never stop on errors (client-go's Reflector and Informer).
 */
import type { JsonObject } from "../../api/kind.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { objectAt, stringAt } from "../json.ts";
import type { Failed } from "../status.ts";
import {
  type ApiClient,
  type ObjectList,
  type Resource,
  type Selectors,
  statusFailure,
  type WatchLine,
} from "./api-client.ts";

/** One object that came, changed or went. */
export interface ObjectChange {
  readonly namespace: string;
  readonly name: string;
  /** undefined: it is gone. */
  readonly object: JsonObject | undefined;
}

export interface InformerOptions extends Selectors {
  readonly client: ApiClient;
  readonly resource: Resource;
  /** undefined: all namespaces. */
  readonly namespace?: string;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
  /**
   * A batch of changes that arrived together; never empty except for the first one, which holds
   * everything there is. After a list only what differs is told.
   */
  readonly onChanges: (changes: readonly ObjectChange[]) => void;
}

const PAGE = 500;
const MIN_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;
const WATCH_SECONDS = 300;
/** A watch that ends sooner than this was not worth much: the next attempt waits longer. */
const STEADY_MS = 5_000;

interface Known {
  readonly namespace: string;
  readonly name: string;
  /** uid and resourceVersion: equal means the same object, unchanged. */
  readonly identity: string;
}

export class Informer {
  readonly #options: InformerOptions;
  readonly #known = new Map<string, Known>();
  #synced = false;
  #stopped = false;
  #failures = 0;
  #lastFailure = "";
  #cancel: () => void = () => {};

  constructor(options: InformerOptions) {
    this.#options = options;
  }

  /** True after the first complete list. */
  get synced(): boolean {
    return this.#synced;
  }

  start(): void {
    void this.#list();
  }

  /** Nothing is told afterwards. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  async #list(): Promise<void> {
    const listed = await this.#listPages();
    if (this.#stopped) return;
    if (!listed.ok) {
      this.#listFailed(listed.failed);
      return;
    }
    this.#lastFailure = "";
    this.#tell(this.#differences(listed.items), true);
    this.#watch(listed.resourceVersion);
  }

  async #listPages(): Promise<
    | { readonly ok: true; readonly items: readonly JsonObject[]; readonly resourceVersion: string }
    | { readonly ok: false; readonly failed: Failed }
  > {
    const { client, resource } = this.#options;
    const items: JsonObject[] = [];
    let token = "";
    for (;;) {
      const page = await client.list(resource, {
        ...this.#where(),
        limit: PAGE,
        continue: token,
      });
      if (!page.ok) return { ok: false, failed: page };
      const list: ObjectList = page.value;
      items.push(...list.items);
      token = list.continue;
      if (token === "") return { ok: true, items, resourceVersion: list.resourceVersion };
    }
  }

  #where(): Selectors & { readonly namespace?: string } {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    return {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
  }

  #listFailed(failed: Failed): void {
    const unknown = failed.status.code === 404;
    // The kind is not there (yet): on Kubernetes its CRD may come later. Nothing waits for that.
    if (unknown) this.#tell(this.#differences([]), true);
    this.#report("cannot list", failed);
    this.#retry(() => void this.#list());
  }

  /** What a complete list says against what is known. */
  #differences(items: readonly JsonObject[]): ObjectChange[] {
    const changes: ObjectChange[] = [];
    const present = new Set<string>();
    for (const object of items) {
      const { key, known } = identify(object);
      present.add(key);
      if (this.#known.get(key)?.identity === known.identity) continue;
      this.#known.set(key, known);
      changes.push({ namespace: known.namespace, name: known.name, object });
    }
    for (const [key, { namespace, name }] of this.#known) {
      if (present.has(key)) continue;
      this.#known.delete(key);
      changes.push({ namespace, name, object: undefined });
    }
    return changes;
  }

  #tell(changes: readonly ObjectChange[], complete: boolean): void {
    const first = complete && !this.#synced;
    if (first) this.#synced = true;
    if (changes.length > 0 || first) this.#options.onChanges(changes);
  }

  #watch(from: string): void {
    const { client, resource, clock, random } = this.#options;
    let position = from;
    const startedAt = clock.now();
    const timeoutSeconds = Math.round(WATCH_SECONDS * (1 + random()));
    const request = { ...this.#where(), resourceVersion: from, timeoutSeconds };
    this.#cancel = client.watch(resource, request, {
      onEvents: events => {
        if (this.#stopped) return;
        const changes: ObjectChange[] = [];
        for (const event of events) {
          if (event.type === "ERROR") {
            this.#cancel();
            this.#tell(changes, false);
            this.#watchError(event);
            return;
          }
          position = stringAt(objectAt(event.object, "metadata"), "resourceVersion") || position;
          const change = this.#changeOf(event);
          if (change !== undefined) changes.push(change);
        }
        this.#tell(changes, false);
      },
      onEnd: refused => {
        if (this.#stopped) return;
        if (refused !== undefined) this.#report("cannot watch", refused);
        const gone = refused !== undefined && [404, 410].includes(refused.status.code);
        const steady = clock.now() - startedAt >= STEADY_MS && refused === undefined;
        if (steady) this.#failures = 0;
        const again = gone ? () => void this.#list() : () => this.#watch(position);
        if (steady) again();
        else this.#retry(again);
      },
    });
  }

  #changeOf(event: WatchLine): ObjectChange | undefined {
    if (event.type === "BOOKMARK") return undefined;
    const { key, known } = identify(event.object);
    const { namespace, name } = known;
    if (event.type === "DELETED") {
      this.#known.delete(key);
      return { namespace, name, object: undefined };
    }
    if (this.#known.get(key)?.identity === known.identity) return undefined;
    this.#known.set(key, known);
    return { namespace, name, object: event.object };
  }

  #watchError(event: WatchLine): void {
    const code = event.object["code"];
    const failed = statusFailure(event.object, typeof code === "number" ? code : 500);
    if (failed.status.code !== 410) this.#report("watch failed", failed);
    this.#retry(() => void this.#list());
  }

  /** Each new trouble once: a server that is away for an hour is one line. */
  #report(what: string, failed: Failed): void {
    const { message = "", code } = failed.status;
    if (message === this.#lastFailure) return;
    this.#lastFailure = message;
    const { plural } = this.#options.resource;
    this.#options.log.warn(what, { resource: plural, code, error: message });
  }

  /** Waits longer each time, and never as long as the others do. */
  #retry(again: () => void): void {
    const ceiling = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    const delay = ceiling * (0.5 + this.#options.random() / 2);
    this.#cancel = this.#options.clock.after(delay, () => {
      if (!this.#stopped) again();
    });
  }
}

function identify(object: JsonObject): { readonly key: string; readonly known: Known } {
  const metadata = objectAt(object, "metadata");
  const namespace = stringAt(metadata, "namespace");
  const name = stringAt(metadata, "name");
  const identity = `${stringAt(metadata, "uid")} ${stringAt(metadata, "resourceVersion")}`;
  return { key: `${namespace}/${name}`, known: { namespace, name, identity } };
}
