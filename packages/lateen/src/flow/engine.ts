import { BugError } from "../base/assert.ts";
import { type Dependent, ReadLog } from "./point.ts";
import type { Cause, Failure } from "./types.ts";

/** One batch of edits. Rows point to the one that changed them, so a cause lives as long as a row. */
export interface Revision {
  readonly number: number;
  readonly cause: Cause | undefined;
}

/**
 * The engine is used against its rules: reading what was not declared, reading after the function
 * returned, adding to a graph that runs. Other errors stay with the row they happen in; this one
 * means that no result can be trusted, so it leaves `Cell.value`, and `commit` at its end.
 */
export class MisuseError extends BugError {}

/** Like `assert`, for the rules that users of the engine must keep. */
export function rule(condition: unknown, message: string): asserts condition {
  if (!condition) throw new MisuseError(message);
}

export type Equals<V> = (a: V, b: V) => boolean;

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown };

/** What all parts of one graph share. */
export class Engine {
  revision: Revision = { number: 0, cause: undefined };
  /** `building` until the first commit fixes the shape; `propagating` inside a commit. */
  phase: "building" | "idle" | "propagating" = "building";
  /** Watched cells that turned dirty in this commit. */
  readonly dirtiedCells: { tellWatchers(): void }[] = [];
  /** Cells that turned dirty in this commit, by family. */
  readonly dirtied = new Map<string, number>();
  /** The first misuse of this commit, thrown at its end. */
  misuse: MisuseError | undefined;
  /** What listeners threw in this commit; the first one is thrown at its end. */
  readonly listenerErrors: unknown[] = [];
  /** Who hears of each failure at once. */
  readonly failureListeners: ((failure: Failure) => void)[] = [];
  readonly #failures = new Map<string, Failure>();
  #runs = 0;
  #activeRuns = 0;

  /** Runs a function for a dependent, tracks what it reads and contains what it throws. */
  run<T>(dependent: Dependent, compute: (log: ReadLog) => T): Outcome<T> {
    const log = new ReadLog(dependent, ++this.#runs);
    this.#activeRuns++;
    try {
      return { ok: true, value: compute(log) };
    } catch (error) {
      return { ok: false, error };
    } finally {
      this.#activeRuns--;
      log.finish();
    }
  }

  /**
   * Guards the public face of collections and cells: what a derivation reads beside its `Reader`
   * would be a dependency that nobody knows of.
   */
  checkUntracked(name: string): void {
    const isOutside = this.#activeRuns === 0 && this.phase !== "propagating";
    rule(isOutside, `${name} is used inside of a derivation other than through its Reader`);
  }

  /** Equality that throws counts as a difference, and is a failure of the row. */
  isSame<V>(table: { name: string; equals: Equals<V> }, key: string, a: V, b: V): boolean {
    try {
      return table.equals(a, b);
    } catch (error) {
      this.fail(table.name, key, error);
      return false;
    }
  }

  /** Calls a listener; one that throws does not keep others from hearing. */
  notify(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.listenerErrors.push(error);
    }
  }

  /** Records why a row is not what its inputs say. */
  fail(collection: string, key: string, error: unknown): void {
    if (error instanceof MisuseError) this.misuse ??= error;
    const failure = { collection, key, error };
    this.#failures.set(failureId(collection, key), failure);
    for (const listener of this.failureListeners) this.notify(() => listener(failure));
  }

  clearFailure(collection: string, key: string): void {
    if (this.#failures.size > 0) this.#failures.delete(failureId(collection, key));
  }

  failures(): readonly Failure[] {
    return [...this.#failures.values()];
  }
}

function failureId(collection: string, key: string): string {
  return `${collection}\0${key}`;
}
