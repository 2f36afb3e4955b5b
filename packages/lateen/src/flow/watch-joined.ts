import { assert } from "../base/assert.ts";
import type { Cell } from "./types.ts";
import type { WatchChanges, WatchSet } from "./watch-types.ts";

/**
 * Several sets read as one, for a subscriber whose names come from several views: what all of a
 * namespace share, and what only its own workload has. Names must not be in two of them. Holds
 * nothing itself, so it need not be shared.
 */
export function joinWatchSets<T>(sets: readonly WatchSet<T>[]): WatchSet<T> {
  const [only] = sets;
  assert(only !== undefined, "no watch sets to join");
  return sets.length === 1 ? only : new JoinedWatchSet(sets);
}

class JoinedWatchSet<T> implements WatchSet<T> {
  readonly id: string;
  readonly parts: readonly WatchSet<T>[];

  constructor(sets: readonly WatchSet<T>[]) {
    this.parts = sets;
    this.id = JSON.stringify(sets.map(set => set.id));
  }

  get size(): number {
    return this.parts.reduce((sum, set) => sum + set.size, 0);
  }

  /** The least of them: what came after it in one of them is read again rather than missed. */
  get revision(): number {
    return Math.min(...this.parts.map(set => set.revision));
  }

  names(): readonly string[] {
    return this.parts.flatMap(set => set.names()).sort();
  }

  cell(name: string): Cell<T> | undefined {
    for (const set of this.parts) {
      const cell = set.cell(name);
      if (cell !== undefined) return cell;
    }
    return undefined;
  }

  failed(name: string): boolean {
    return this.parts.some(set => set.failed(name));
  }

  settle(deadline: () => boolean): boolean {
    return this.parts.every(set => set.settle(deadline));
  }

  /** A name that moved from one set to another has changed, not gone. */
  since(revision: number): WatchChanges {
    const parts = this.parts.map(set => set.since(revision));
    const changed = parts.flatMap(part => part.changed).sort();
    const removed = parts
      .flatMap(part => part.removed)
      .filter(name => this.cell(name) === undefined)
      .sort();
    const isIncomplete = parts.some(part => part.incomplete === true);
    return isIncomplete ? { changed, removed, incomplete: true } : { changed, removed };
  }

  onDirty(listener: () => void): () => void {
    const stops = this.parts.map(set => set.onDirty(listener));
    return () => {
      for (const stop of stops) stop();
    };
  }

  retain(): void {
    for (const set of this.parts) set.retain();
  }

  release(): void {
    for (const set of this.parts) set.release();
  }
}
