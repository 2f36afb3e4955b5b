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
  type ObjectForm,
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
   * A batch of changes that arrived together; never empty except for the last one of the first list,
   * with which `synced` becomes true. After a list only what differs is told.
   */
  readonly onChanges: (changes: readonly ObjectChange[]) => void;
  /** Lists are told page by page, so that nobody holds all of one; otherwise as one batch. */
  readonly pagewise?: boolean;
  readonly form?: ObjectForm;
  /** What is in other namespaces counts as absent; see `namespaceChanged`. */
  readonly accepts?: (namespace: string) => boolean;
  /** Where we may not list them, there are none; what else would be read waits for nothing. */
  readonly optional?: boolean;
  /** How often to ask for a kind that the server does not know; `wake` asks at once. */
  readonly absentRetryMs?: number;
}

const PAGE = 500;
const MIN_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;
/** A missing right comes when somebody gives it: until then nobody is asked every few seconds. */
const FORBIDDEN_BACKOFF_MS = 5 * 60_000;
/** However long a server asks us to wait. */
const MAX_RETRY_AFTER_MS = 60_000;
const WATCH_SECONDS = 300;
/** A watch that ends sooner than this was not worth much: the next attempt waits longer. */
const STEADY_MS = 5_000;
/**
 * A watch that says nothing for this long is dead, whatever its connection looks like: servers send a
 * bookmark about once a minute.
 */
const SILENT_MS = 3 * 60_000;
const GONE = 410;
const FORBIDDEN = 403;
const NOT_FOUND = 404;

type Listed =
  | { readonly ok: true; readonly resourceVersion: string }
  | { readonly ok: false; readonly failed: Failed };

export class Informer {
  readonly #options: InformerOptions;
  /** uid and resourceVersion by `namespace/name`: equal means the same object, unchanged. */
  readonly #known = new Map<string, string>();
  /** Keys that changed while a list of their namespace is under way: what it says is older. */
  readonly #touched = new Map<string, Set<string>>();
  /** What the list that is under way has shown; undefined while there is none. */
  #present: Set<string> | undefined;
  #synced = false;
  #stopped = false;
  #absent = false;
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

  /** Objects that are there. */
  get size(): number {
    return this.#known.size;
  }

  /** The server does not know this kind, when last asked. */
  get absent(): boolean {
    return this.#absent;
  }

  start(): void {
    void this.#list();
  }

  /** Nothing is told afterwards. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /** A kind that the server did not know may be there now. */
  wake(): void {
    if (!this.#absent || this.#stopped) return;
    this.#cancel();
    this.#failures = 0;
    void this.#list();
  }

  /** `accepts` says something else of this namespace than before. */
  namespaceChanged(namespace: string): void {
    if (this.#stopped) return;
    if (this.#accepts(namespace)) {
      void this.#listNamespace(namespace);
      return;
    }
    this.#touched.delete(namespace);
    const gone = [...this.#known.keys()].filter(key => splitKey(key).namespace === namespace);
    this.#tell(gone.map(key => this.#remove(key)));
  }

  async #list(): Promise<void> {
    const present = new Set<string>();
    this.#present = present;
    const waiting: ObjectChange[] = [];
    const { pagewise = false } = this.#options;
    const listed = await this.#listPages(items => {
      const changes = this.#newer(items);
      if (pagewise) this.#tell(changes);
      else waiting.push(...changes);
    });
    if (this.#stopped) return;
    this.#present = undefined;
    if (!listed.ok) {
      this.#forgetUntold(waiting);
      this.#listFailed(listed.failed);
      return;
    }
    this.#lastFailure = "";
    this.#absent = false;
    this.#complete([...waiting, ...this.#missing(present)]);
    this.#watch(listed.resourceVersion);
  }

  async #listPages(onPage: (items: readonly JsonObject[]) => void): Promise<Listed> {
    const { client, resource } = this.#options;
    let token = "";
    for (;;) {
      const request = { ...this.#where(), limit: PAGE, continue: token };
      const page = await client.list(resource, request);
      if (this.#stopped) return { ok: true, resourceVersion: "" };
      if (!page.ok) return { ok: false, failed: page };
      const list: ObjectList = page.value;
      onPage(list.items);
      token = list.continue;
      if (token === "") return { ok: true, resourceVersion: list.resourceVersion };
    }
  }

  #where(): Selectors & { readonly namespace?: string; readonly form?: ObjectForm } {
    const { namespace, labelSelector, fieldSelector, form } = this.#options;
    return {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
      ...(form === undefined ? {} : { form }),
    };
  }

  #accepts(namespace: string): boolean {
    return this.#options.accepts?.(namespace) ?? true;
  }

  #listFailed(failed: Failed): void {
    const { code } = failed.status;
    const hidden = this.#options.optional === true && code === FORBIDDEN;
    if (hidden) this.#report("may not list: taken for none", failed, "list");
    // The kind is not there (yet): on Kubernetes its CRD may come later. Nothing waits for that.
    this.#absent = code === NOT_FOUND || hidden;
    if (this.#absent) {
      this.#complete(this.#missing(new Set()));
      this.#retry(() => void this.#list(), failed, this.#options.absentRetryMs);
      return;
    }
    this.#report("cannot list", failed, "list");
    this.#retry(() => void this.#list(), failed);
  }

  /** What of a page is new. */
  #newer(items: readonly JsonObject[]): ObjectChange[] {
    const changes: ObjectChange[] = [];
    for (const object of items) {
      const { key, namespace, name, identity } = identify(object);
      this.#present?.add(key);
      if (!this.#accepts(namespace)) continue;
      if (this.#known.get(key) === identity) continue;
      this.#known.set(key, identity);
      changes.push({ namespace, name, object });
    }
    return changes;
  }

  /** What is known and not in a complete list. */
  #missing(present: ReadonlySet<string>): ObjectChange[] {
    const gone = [...this.#known.keys()].filter(key => !present.has(key));
    return gone.map(key => this.#remove(key));
  }

  #remove(key: string): ObjectChange {
    this.#known.delete(key);
    return { ...splitKey(key), object: undefined };
  }

  /** Pages that were taken and not told, as the list broke off: the next one tells them. */
  #forgetUntold(changes: readonly ObjectChange[]): void {
    for (const { namespace, name } of changes) this.#known.set(`${namespace}/${name}`, "");
  }

  /**
   * What the watch brings for this namespace while the list is under way is newer than the list, or
   * will be told by the watch again; so of these the list counts for nothing.
   */
  async #listNamespace(namespace: string, failures = 0): Promise<void> {
    const touched = new Set<string>();
    this.#touched.set(namespace, touched);
    const { client, resource } = this.#options;
    let token = "";
    do {
      const request = { ...this.#where(), namespace, limit: PAGE, continue: token };
      const page = await client.list(resource, request);
      if (this.#stopped || this.#touched.get(namespace) !== touched) return;
      if (!page.ok) {
        this.#namespaceFailed(namespace, page, failures);
        return;
      }
      const items = page.value.items.filter(object => !touched.has(identify(object).key));
      this.#tell(this.#newer(items));
      token = page.value.continue;
    } while (token !== "");
    this.#touched.delete(namespace);
  }

  #namespaceFailed(namespace: string, failed: Failed, failures: number): void {
    if (failed.status.code === NOT_FOUND) return;
    this.#report(`cannot list in namespace ${namespace}`, failed, "list");
    const { clock, random } = this.#options;
    const delay = Math.min(ceilingAfter(failed), MIN_BACKOFF_MS * 10 * 2 ** Math.min(failures, 16));
    clock.after(delay * (1 + random()), () => {
      if (!this.#stopped && this.#accepts(namespace))
        void this.#listNamespace(namespace, failures + 1);
    });
  }

  #tell(changes: readonly ObjectChange[]): void {
    if (changes.length > 0) this.#options.onChanges(changes);
  }

  /** The end of a list. */
  #complete(changes: readonly ObjectChange[]): void {
    const first = !this.#synced;
    this.#synced = true;
    if (changes.length > 0 || first) this.#options.onChanges(changes);
  }

  #watch(from: string): void {
    const { client, resource, clock, random } = this.#options;
    let position = from;
    const startedAt = clock.monotonic();
    const silence = new Silence(clock, SILENT_MS, () => {
      stop();
      const { plural } = this.#options.resource;
      this.#options.log.warn("watch is silent: it is made anew", { resource: plural });
      this.#retry(() => this.#watch(position));
    });
    const timeoutSeconds = Math.round(WATCH_SECONDS * (1 + random()));
    const request = { ...this.#where(), resourceVersion: from, timeoutSeconds };
    const stop = client.watch(resource, request, {
      onEvents: events => {
        if (this.#stopped) return;
        silence.broken();
        const changes: ObjectChange[] = [];
        for (const event of events) {
          if (event.type === "ERROR") {
            this.#cancel();
            this.#tell(changes);
            this.#watchError(event);
            return;
          }
          position = stringAt(objectAt(event.object, "metadata"), "resourceVersion") || position;
          const change = this.#changeOf(event);
          if (change !== undefined) changes.push(change);
        }
        this.#tell(changes);
      },
      onEnd: refused => {
        silence.forget();
        if (this.#stopped) return;
        if (refused !== undefined) this.#report("cannot watch", refused, "watch");
        const gone = refused !== undefined && [NOT_FOUND, GONE].includes(refused.status.code);
        const steady = clock.monotonic() - startedAt >= STEADY_MS && refused === undefined;
        if (steady) this.#failures = 0;
        const again = gone ? () => void this.#list() : () => this.#watch(position);
        if (steady) again();
        else this.#retry(again, refused);
      },
    });
    this.#cancel = () => {
      silence.forget();
      stop();
    };
  }

  #changeOf(event: WatchLine): ObjectChange | undefined {
    if (event.type === "BOOKMARK") return undefined;
    const { key, namespace, name, identity } = identify(event.object);
    this.#touched.get(namespace)?.add(key);
    if (event.type === "DELETED") return this.#known.has(key) ? this.#remove(key) : undefined;
    if (!this.#accepts(namespace) || this.#known.get(key) === identity) return undefined;
    this.#known.set(key, identity);
    return { namespace, name, object: event.object };
  }

  #watchError(event: WatchLine): void {
    const code = event.object["code"];
    const failed = statusFailure(event.object, typeof code === "number" ? code : 500);
    if (failed.status.code !== GONE) this.#report("watch failed", failed, "watch");
    this.#retry(() => void this.#list(), failed);
  }

  /** Each new trouble once: a server that is away for an hour is one line. */
  #report(what: string, failed: Failed, verb: "list" | "watch"): void {
    const { message = "", code } = failed.status;
    if (message === this.#lastFailure) return;
    this.#lastFailure = message;
    const { plural } = this.#options.resource;
    const missing = code === FORBIDDEN ? { missing: this.#right(verb) } : {};
    this.#options.log.warn(what, { resource: plural, code, ...missing, error: message });
  }

  /** What a Role or ClusterRole has to give. */
  #right(verb: "list" | "watch"): string {
    const { resource, namespace } = this.#options;
    const of = resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;
    return `${verb} ${of} ${namespace === undefined ? "in all namespaces" : `in namespace ${namespace}`}`;
  }

  /** Waits longer each time, never as long as the others do, and as long as the server asks. */
  #retry(again: () => void, failed?: Failed, maxMs: number = MAX_BACKOFF_MS): void {
    const doubled = Math.min(
      Math.max(maxMs, ceilingAfter(failed)),
      MIN_BACKOFF_MS * 2 ** this.#failures,
    );
    this.#failures = Math.min(this.#failures + 1, 16);
    const askedMs = (failed?.status.details?.retryAfterSeconds ?? 0) * 1000;
    const ceiling = Math.max(doubled, Math.min(askedMs * 2, MAX_RETRY_AFTER_MS));
    const delay = ceiling * (0.5 + this.#options.random() / 2);
    this.#cancel = this.#options.clock.after(delay, () => {
      if (!this.#stopped) again();
    });
  }
}

/** The longest wait before what failed so is tried again. */
function ceilingAfter(failed: Failed | undefined): number {
  return failed?.status.code === FORBIDDEN ? FORBIDDEN_BACKOFF_MS : MAX_BACKOFF_MS;
}

/** Tells once when nothing has been heard for so long. */
class Silence {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #onLong: () => void;
  #heardAt: number;
  #cancel: () => void;

  constructor(clock: Clock, limitMs: number, onLong: () => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#onLong = onLong;
    this.#heardAt = clock.monotonic();
    this.#cancel = clock.after(limitMs, () => this.#look());
  }

  broken(): void {
    this.#heardAt = this.#clock.monotonic();
  }

  forget(): void {
    this.#cancel();
  }

  /** One timer for as long as the watch lasts, and none for each event. */
  #look(): void {
    const left = this.#heardAt + this.#limitMs - this.#clock.monotonic();
    if (left <= 0) this.#onLong();
    else this.#cancel = this.#clock.after(left, () => this.#look());
  }
}

interface Identified {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
}

function identify(object: JsonObject): Identified {
  const metadata = objectAt(object, "metadata");
  const namespace = stringAt(metadata, "namespace");
  const name = stringAt(metadata, "name");
  const identity = `${stringAt(metadata, "uid")} ${stringAt(metadata, "resourceVersion")}`;
  return { key: `${namespace}/${name}`, namespace, name, identity };
}

function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
