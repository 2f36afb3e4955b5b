/**
 * A watch: a position in the history of one resource, and a filter. Nothing is queued for it: a
 * reader that comes too late finds that the history it needs is gone (410) and lists again.
 */
import type { JsonObject, Kind } from "../../api/kind.ts";
import { type ApiResult, expired, type Failed, succeeded } from "../status.ts";
import type { History } from "./history.ts";
import { type Selection, selects } from "./selectors.ts";
import { resourceId, type StoredObject, type StoreEvent } from "./stored.ts";

export interface WatchOptions {
  /** undefined: all namespaces. */
  readonly namespace: string | undefined;
  readonly selection: Selection;
  /** Where to go on; undefined: first everything that is there, as ADDED. */
  readonly since: number | undefined;
  /** Called when there may be something to take. It must not call the store's writing verbs. */
  readonly onReady: () => void;
}

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  /** The stored version; its resourceVersion is that of the event. */
  readonly object: JsonObject;
}

export interface WatchSource {
  readonly history: History;
  readonly revision: () => number;
  readonly present: () => readonly StoredObject[];
  readonly onClose: (watch: Watch) => void;
}

export class Watch {
  readonly resource: string;
  readonly #source: WatchSource;
  readonly #options: WatchOptions;
  /** References only: the objects are the store's. */
  #initial: readonly StoredObject[];
  #initialTaken = 0;
  #position: number;
  #closed = false;

  constructor(kind: Kind, source: WatchSource, options: WatchOptions) {
    this.resource = resourceId(kind);
    this.#source = source;
    this.#options = options;
    this.#initial = options.since === undefined ? source.present() : [];
    this.#position = options.since ?? source.revision();
  }

  /** True once everything that was there at the start has been taken. */
  get pastInitial(): boolean {
    return this.#initialTaken >= this.#initial.length;
  }

  /** After `take` gave nothing: the watcher has seen everything up to here (for bookmarks). */
  get position(): number {
    return this.#position;
  }

  wake(): void {
    if (!this.#closed) this.#options.onReady();
  }

  /** At most about `max` events, oldest first; none: wait for `onReady`. Fails with 410. */
  take(max: number): ApiResult<readonly WatchEvent[]> {
    if (this.#closed) return succeeded([]);
    if (!this.pastInitial) return succeeded(this.#takeInitial(max));
    const { history } = this.#source;
    if (!history.covers(this.resource, this.#position)) {
      this.close();
      return tooOld(this.#position);
    }
    const taken: WatchEvent[] = [];
    for (const event of history.since(this.resource, this.#position)) {
      if (taken.length >= max) return succeeded(taken);
      this.#position = event.resourceVersion;
      const seen = this.#asSeen(event);
      if (seen !== undefined) taken.push(seen);
    }
    this.#position = this.#source.revision();
    return succeeded(taken);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#initial = [];
    this.#source.onClose(this);
  }

  #takeInitial(max: number): WatchEvent[] {
    const end = Math.min(this.#initial.length, this.#initialTaken + max);
    const taken = this.#initial.slice(this.#initialTaken, end);
    this.#initialTaken = end;
    const events = taken
      .filter(object => this.#matches(object))
      .map(object => ({ type: "ADDED", object: object.json }) as const);
    if (this.pastInitial) {
      this.#initial = [];
      this.#initialTaken = 0;
    }
    return events.length > 0 || this.pastInitial ? events : this.#takeInitial(max);
  }

  /** An object that leaves or enters the selection is deleted or added for this watcher. */
  #asSeen(event: StoreEvent): WatchEvent | undefined {
    const was = event.previous !== undefined && this.#matches(event.previous);
    const is = event.type !== "DELETED" && this.#matches(event.object);
    if (!was && !is) return undefined;
    const type = is ? (was ? "MODIFIED" : "ADDED") : "DELETED";
    return { type, object: event.object.json };
  }

  #matches(object: StoredObject): boolean {
    const { namespace, selection } = this.#options;
    if (namespace !== undefined && object.namespace !== namespace) return false;
    return selects(selection, object.json);
  }
}

export function tooOld(revision: number): Failed {
  return expired(
    `too old resource version: ${revision}: changes after it are no longer kept; list again`,
  );
}
