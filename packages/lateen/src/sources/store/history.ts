/**
 * What changed lately, by resource: the only buffer that watches have. A watcher is a position in
 * it, so a slow one costs nothing, and one that falls out of the window has to list again.
 */
import type { StoreEvent } from "./stored.ts";

export interface HistoryLimits {
  /** Events kept for each resource. */
  readonly eventsPerResource: number;
}

export const defaultHistoryLimits: HistoryLimits = { eventsPerResource: 4096 };

interface Window {
  /** Ascending by resourceVersion; the first `dropped` entries are gone. */
  events: StoreEvent[];
  /** Everything after this revision is in `events`. */
  start: number;
}

export class History {
  readonly #limits: HistoryLimits;
  readonly #windows = new Map<string, Window>();

  /** `starts`: for each resource the revision of its last change before this process. */
  constructor(limits: HistoryLimits, starts: ReadonlyMap<string, number>) {
    this.#limits = limits;
    for (const [resource, start] of starts) this.#windows.set(resource, { events: [], start });
  }

  append(resource: string, event: StoreEvent): void {
    const window = this.#windows.get(resource) ?? { events: [], start: 0 };
    this.#windows.set(resource, window);
    window.events.push(event);
    // Trimmed by a quarter at a time, so that the cost for one event stays constant.
    const limit = this.#limits.eventsPerResource;
    if (window.events.length <= limit + Math.ceil(limit / 4)) return;
    const cut = window.events.length - limit;
    window.start = window.events[cut - 1]?.resourceVersion ?? window.start;
    window.events = window.events.slice(cut);
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
