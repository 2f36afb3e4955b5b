import { BugError } from "../base/assert.ts";
import {
  type Engine,
  type Equals,
  MisuseError,
  type Outcome,
  type Revision,
  rule,
} from "./engine.ts";
import { deepEqual } from "./equal.ts";
import { LinkedList, type Links } from "./linked-list.ts";
import { Dependent, describeInputs, type InputDescription, PointMap } from "./point.ts";
import type { Cell, CellFamily, DeriveOptions, Readable, Reader } from "./types.ts";

type CellFunction<T> = (key: string, read: Reader) => T;
/** See `Runner` in tracked-reader.ts, which knows this file. */
type CellRunner<T> = (dependent: Dependent, compute: (read: Reader) => T) => Outcome<T>;

export class StoredFamily<T> implements CellFamily<T> {
  readonly engine: Engine;
  readonly name: string;
  readonly rank: number;
  readonly inputs: readonly string[];
  readonly equals: Equals<T>;
  readonly #run: CellRunner<T>;
  readonly #fn: CellFunction<T>;
  /** What cells of higher families depend on. */
  readonly points: PointMap;
  readonly #cells = new Map<string, StoredCell<T>>();

  constructor(engine: Engine, options: DeriveOptions<T>, run: CellRunner<T>, fn: CellFunction<T>) {
    const reads = options.reads ?? [];
    this.engine = engine;
    this.name = options.name;
    this.rank = 1 + Math.max(0, ...reads.map(rankOf));
    this.inputs = reads.map(readable => readable.name);
    this.equals = options.equals ?? deepEqual;
    this.#run = run;
    this.#fn = fn;
    this.points = new PointMap({
      certain: false,
      describe: key => this.#describe(key),
      onIdle: key => this.#cells.get(key)?.forgetIfUnused(),
      settle: key => this.open(key).settle(),
    });
  }

  get liveCount(): number {
    return this.#cells.size;
  }

  acquire(key: string): Cell<T> {
    this.engine.checkUntracked(this.name);
    const cell = this.open(key);
    cell.hold();
    return cell;
  }

  peek(key: string): StoredCell<T> | undefined {
    return this.#cells.get(key);
  }

  /** The live cell, made when it is first asked for. */
  open(key: string): StoredCell<T> {
    let cell = this.#cells.get(key);
    if (cell === undefined) {
      cell = new StoredCell(this, key);
      this.#cells.set(key, cell);
    }
    return cell;
  }

  compute(cell: Dependent, key: string): Outcome<T> {
    return this.#run(cell, read => this.#fn(key, read));
  }

  remove(key: string): void {
    this.#cells.delete(key);
  }

  #describe(key: string): InputDescription[] {
    const cell = this.#cells.get(key);
    const cause = cell?.because?.cause;
    return [
      { collection: this.name, key, changedAt: cell?.hasValue ? cell.changedAt : undefined, cause },
    ];
  }
}

/**
 * Someone who wants to hear that a cell turned dirty. It may still be told once after it was
 * detached, in the same commit.
 */
export interface CellWatcher extends Links<CellWatcher> {
  cellDirtied(): void;
}

class ListeningWatcher implements CellWatcher {
  next: CellWatcher | undefined;
  previous: CellWatcher | undefined;
  #listener: (() => void) | undefined;

  constructor(listener: () => void) {
    this.#listener = listener;
  }

  cellDirtied(): void {
    this.#listener?.();
  }

  /** False when it was stopped before. */
  stop(): boolean {
    const wasListening = this.#listener !== undefined;
    this.#listener = undefined;
    return wasListening;
  }
}

interface Memo<T> {
  readonly value: T;
  /** The revision at which it was computed: what holders compare. */
  readonly changedAt: number;
  /** The revision whose edit made it different from an earlier value. */
  readonly because: Revision | undefined;
}

/**
 * `stale`: a row that was read changed. `doubtful`: a cell that was read may have changed; it is asked
 * before anything is computed again. `fresh`: up to date.
 */
type State = "stale" | "doubtful" | "fresh";

export class StoredCell<T> extends Dependent implements Cell<T> {
  readonly family: StoredFamily<T>;
  readonly key: string;
  #state: State = "stale";
  #memo: Memo<T> | undefined;
  #failure: { readonly error: unknown; readonly since: number } | undefined;
  #verifiedAt = 0;
  #dirtiedIn: Revision | undefined;
  #holders = 0;
  #isForgotten = false;
  #watchers: LinkedList<CellWatcher> | undefined;

  constructor(family: StoredFamily<T>, key: string) {
    super();
    this.family = family;
    this.key = key;
  }

  get dirty(): boolean {
    return this.#state !== "fresh";
  }

  get changedAt(): number {
    return this.#memo?.changedAt ?? 0;
  }

  /** False until a computation succeeds. */
  get hasValue(): boolean {
    return this.#memo !== undefined;
  }

  get because(): Revision | undefined {
    return this.#memo?.because;
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    if (this.#holders === 0)
      throw new BugError(`${this.family.name} ${this.key}: released more often than acquired`);
    this.#holders--;
    if (!this.family.points.has(this.key)) this.forgetIfUnused();
  }

  /** Called when no cell depends on this one. */
  forgetIfUnused(): void {
    if (this.#holders > 0) return;
    this.#isForgotten = true;
    this.family.remove(this.key);
    this.family.engine.clearFailure(this.family.name, this.key);
    this.unlinkAll();
  }

  onDirty(listener: () => void): () => void {
    const watcher = new ListeningWatcher(listener);
    this.attach(watcher);
    return () => {
      if (watcher.stop()) this.detach(watcher);
    };
  }

  attach(watcher: CellWatcher): void {
    this.#watchers ??= new LinkedList();
    this.#watchers.add(watcher);
  }

  detach(watcher: CellWatcher): void {
    this.#watchers?.remove(watcher);
  }

  /** Called at the end of the commit in which the cell turned dirty. */
  tellWatchers(): void {
    const { engine } = this.family;
    for (const watcher of [...(this.#watchers ?? [])]) engine.notify(() => watcher.cellDirtied());
  }

  value(): T {
    this.family.engine.checkUntracked(this.family.name);
    return this.read();
  }

  /** The same for cells that depend on this one. */
  read(): T {
    this.settle();
    if (this.#memo !== undefined) return this.#memo.value;
    throw this.#failure?.error;
  }

  /** Brings the cell up to date; returns the revision of the last change that readers can see. */
  settle(): number {
    const { engine, name } = this.family;
    if (this.#isForgotten) throw new BugError(`${name} ${this.key}: read after its last release`);
    if (this.#state === "stale" || (this.#state === "doubtful" && this.#inputsChanged())) {
      this.#compute();
    }
    this.#state = "fresh";
    this.#verifiedAt = engine.revision.number;
    return this.#memo?.changedAt ?? this.#failure?.since ?? 0;
  }

  invalidate(certain: boolean): void {
    const wasFresh = this.#state === "fresh";
    if (certain) this.#state = "stale";
    else if (wasFresh) this.#state = "doubtful";
    const { engine, name, points } = this.family;
    this.#dirtiedIn = engine.revision;
    if (!wasFresh) return;
    engine.dirtied.set(name, (engine.dirtied.get(name) ?? 0) + 1);
    if (this.#watchers?.first !== undefined) engine.dirtiedCells.push(this);
    points.signal(this.key);
  }

  inputsRead(): InputDescription[] {
    return describeInputs(this);
  }

  /** Asks in the order of reading, and stops at the first change: later reads may not happen again. */
  #inputsChanged(): boolean {
    for (const { map, key } of this.inputs()) {
      if (map.owner.settle !== undefined && map.owner.settle(key) > this.#verifiedAt) return true;
    }
    return false;
  }

  #compute(): void {
    const { engine, name } = this.family;
    const outcome = this.family.compute(this, this.key);
    if (outcome.ok) {
      this.#failure = undefined;
      engine.clearFailure(name, this.key);
      this.#accept(outcome.value);
      return;
    }
    if (outcome.error instanceof MisuseError) throw outcome.error;
    this.#failure = { error: outcome.error, since: engine.revision.number };
    engine.fail(name, this.key, outcome.error);
  }

  #accept(value: T): void {
    const { engine } = this.family;
    const before = this.#memo;
    if (before !== undefined && engine.isSame(this.family, this.key, before.value, value)) return;
    const changedAt = engine.revision.number;
    this.#memo = { value, changedAt, because: this.#dirtiedIn };
  }
}

export function asStoredFamily<T>(family: CellFamily<T>): StoredFamily<T> {
  rule(family instanceof StoredFamily, `${family.name} is not a cell family of this engine`);
  return family;
}

function rankOf(readable: Readable): number {
  return "collection" in readable ? readable.collection.rank : readable.rank;
}
