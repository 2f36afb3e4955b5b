/** Tells of reports that changed, a little later than they did: what comes and goes at once is noise. */
import type { Clock } from "../base/clock.ts";
import { createWatchSets } from "../flow/watch.ts";
import type { WatchSet } from "../flow/watch-types.ts";
import { ALL, type ObjectReport, type Reports } from "./object-report.ts";

/** By object; undefined: there is nothing (more) to say. */
export type ReportChanges = ReadonlyMap<string, ObjectReport | undefined>;

export interface FollowOptions {
  readonly reports: Reports;
  readonly clock: Clock;
  /** How long after a change. Changes in between come together. */
  readonly delayMs: number;
  readonly onChanges: (changes: ReportChanges) => void;
}

/** The first call of `onChanges` comes before this returns; it may be empty. */
export function followReports(options: FollowOptions): () => void {
  const follower = new ReportFollower(options);
  return () => follower.stop();
}

class ReportFollower {
  readonly #options: FollowOptions;
  readonly #set: WatchSet<ObjectReport | undefined>;
  readonly #unwatch: () => void;
  readonly #known = new Set<string>();
  #revision = -1;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: FollowOptions) {
    this.#options = options;
    const { cells, names } = options.reports;
    const cellKey = (_view: string, name: string): string => name;
    this.#set = createWatchSets({ cells, names, cellKey }).following("", ALL);
    this.#set.retain();
    this.#unwatch = this.#set.onDirty(() => this.#schedule());
    this.#take();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cancel?.();
    this.#unwatch();
    this.#set.release();
  }

  #schedule(): void {
    const { clock, delayMs } = this.#options;
    this.#cancel ??= clock.after(delayMs, () => {
      this.#cancel = undefined;
      this.#take();
    });
  }

  #take(): void {
    const set = this.#set;
    set.settle(() => false);
    const { changed, removed, incomplete } = set.since(this.#revision);
    this.#revision = set.revision;
    const gone = incomplete === true ? this.#missing() : removed;
    const changes = new Map<string, ObjectReport | undefined>();
    for (const key of gone) if (this.#known.delete(key)) changes.set(key, undefined);
    for (const key of changed) {
      const report = set.cell(key)?.value();
      if (report !== undefined) this.#known.add(key);
      else this.#known.delete(key);
      changes.set(key, report);
    }
    this.#options.onChanges(changes);
  }

  #missing(): readonly string[] {
    const present = new Set(this.#set.names());
    return [...this.#known].filter(key => !present.has(key));
  }
}
