import type { Cell, CellFamily } from "./types.ts";

/**
 * A subscription set: an ordered list of names with a cell each, shared by every stream that wants
 * just these, and a change log by revision so that a stream needs to keep only one number.
 */
export interface WatchSet<T> {
  /** Interned identity: two streams that ask for the same set get the same object. */
  readonly id: string;
  readonly size: number;
  /** Ascending. A name whose cell has failed and never had a value is left out until it has one. */
  names(): readonly string[];
  cell(name: string): Cell<T> | undefined;
  /** True for a name that is left out because its cell failed: not the same as not being there. */
  failed(name: string): boolean;
  /**
   * Builds dirty cells until `deadline` says stop (asked after each cell, so every call gets on);
   * false when some are still dirty. After true, `since` is complete up to `revision`.
   */
  settle(deadline: () => boolean): boolean;
  /** The revision that the last complete `settle` reached; -1 before the first. */
  readonly revision: number;
  /** What happened after `revision`; -1 gives every name. Right after a complete `settle` only. */
  since(revision: number): WatchChanges;
  /** Called once, at the end of the commit in which a settled set turns dirty. */
  onDirty(listener: () => void): () => void;
  /**
   * A set that was just asked for is inert: the first holder makes it acquire its cells, the last one
   * to go lets them go, and then it is over. Retain it before asking for the same one again.
   */
  retain(): void;
  release(): void;
  /** The shared sets that this one reads as one; none where it is a shared one itself. */
  readonly parts?: readonly WatchSet<T>[];
}

/** Each name appears once, in ascending order, under what it is now. */
export interface WatchChanges {
  readonly changed: readonly string[];
  /**
   * The names that were there and are not now. One that goes for the second time may be named
   * although it was not there at the revision asked about: removing it again does no harm.
   */
  readonly removed: readonly string[];
  /**
   * Set when so many names went since that some are forgotten: `removed` may lack names, and
   * whoever asked must start over.
   */
  readonly incomplete?: true;
}

/** Makes watch sets over one family of cells. Whoever asks for the same gets the same object. */
export interface WatchSets<T> {
  /** Exactly these names, as `view` sees them. */
  explicit(view: string, names: readonly string[]): WatchSet<T>;
  /** The names that the cell `key` of the names family lists at any time, as `view` sees them. */
  following(view: string, key: string): WatchSet<T>;
  /** Sets that somebody holds. */
  readonly liveCount: number;
}

export interface WatchSetsOptions<T> {
  readonly cells: CellFamily<T>;
  /** Values are names in ascending order. Needed for sets that follow. */
  readonly names?: CellFamily<readonly string[]>;
  /**
   * Key of the cell that answers for `name` as `view` sees it. A pure function: where the choice
   * depends on rows, let the cell read another cell.
   */
  readonly cellKey: (view: string, name: string) => string;
}
