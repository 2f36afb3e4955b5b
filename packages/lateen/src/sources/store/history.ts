/**
 * What changed lately, by resource: the only buffer that watches have. A watcher is a position in
 * it, so a slow one costs nothing, and one that falls out of the window has to list again.
 */
import type { StoreEvent } from "./stored.ts";

export interface HistoryLimits {
  /** Events kept for each resource. */
  readonly eventsPerResource: number;
  /** JSON text of the events kept for each resource, in characters; the last event always stays. */
  readonly sizePerResource: number;
}

export const defaultHistoryLimits: HistoryLimits = {
  eventsPerResource: 4096,
  sizePerResource: 16 * 1024 * 1024,
};

interface Window {
  /** Ascending by resourceVersion. */
  events: StoreEvent[];
  /** Of each event, beside it. */
  sizes: number[];
  size: number;
  /** Everything after this revision is in `events`. */
  start: number;
}

export class History {
  readonly #limits: HistoryLimits;
  readonly #windows = new Map<string, Window>();

  /** `starts`: for each resource the revision of its last change before this process. */
  constructor(limits: HistoryLimits, starts: ReadonlyMap<string, number>) {
    this.#limits = limits;
    for (const [resource, start] of starts) this.#windows.set(resource, emptyWindow(start));
  }

  /** `size`: characters of the event's object as JSON. */
  append(resource: string, event: StoreEvent, size: number): void {
    const window = this.#windows.get(resource) ?? emptyWindow(0);
    this.#windows.set(resource, window);
    window.events.push(event);
    window.sizes.push(size);
    window.size += size;
    // Trimmed by a quarter at a time, so that the cost for one event stays constant.
    const { eventsPerResource, sizePerResource } = this.#limits;
    const slack = 5 / 4;
    if (window.events.length > eventsPerResource * slack || window.size > sizePerResource * slack)
      this.#trim(window);
  }

  #trim(window: Window): void {
    const { eventsPerResource, sizePerResource } = this.#limits;
    let cut = Math.max(0, window.events.length - eventsPerResource);
    let size = window.sizes.slice(cut).reduce((sum, one) => sum + one, 0);
    while (size > sizePerResource && cut < window.events.length - 1)
      size -= window.sizes[cut++] ?? 0;
    window.start = window.events[cut - 1]?.resourceVersion ?? window.start;
    window.events = window.events.slice(cut);
    window.sizes = window.sizes.slice(cut);
    window.size = size;
  }

  /** False when events after `revision` are gone. */
  covers(resource: string, revision: number): boolean {
    return revision >= (this.#windows.get(resource)?.start ?? 0);
  }

  /** Events after `revision`, oldest first. Ask `covers` before. */
  since(resource: string, revision: number): readonly StoreEvent[] {
    const events = this.#windows.get(resource)?.events ?? [];
    let low = 0;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((events[middle]?.resourceVersion ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return events.slice(low);
  }
}

function emptyWindow(start: number): Window {
  return { events: [], sizes: [], size: 0, start };
}
