import type { Cell } from "./types.ts";

/**
 * A subscription set: an ordered list of names with a cell each, shared by every stream that wants
 * just these, and a change log by revision so that a stream needs to keep only one number.
 */
export interface WatchSet<T> {
  /** Interned identity: two streams that ask for the same set get the same object. */
  readonly id: string;
  readonly size: number;
  names(): readonly string[];
  cell(name: string): Cell<T> | undefined;
  /**
   * Builds dirty cells until `deadline` says stop; false when some are still dirty. After true,
   * `since` is complete up to `revision`.
   */
  settle(deadline: () => boolean): boolean;
  /** The revision that the last complete `settle` reached. */
  readonly revision: number;
  /** Names added or changed, and names removed, after `revision`, each once, in name order. */
  since(revision: number): {
    readonly changed: readonly string[];
    readonly removed: readonly string[];
  };
  onDirty(listener: () => void): () => void;
  retain(): void;
  release(): void;
}
