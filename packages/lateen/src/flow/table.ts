import { BugError } from "../base/assert.ts";
import { type Engine, type Equals, type Revision, rule } from "./engine.ts";
import type { TablePart } from "./parts.ts";
import { type InputDescription, PointMap } from "./point.ts";
import { SortedKeys } from "./sorted-keys.ts";
import type { Collection } from "./types.ts";

/** The one key under which points for the whole of a collection are kept. */
export const WHOLE = "*";

export interface Change<V> {
  readonly key: string;
  readonly before: V | undefined;
  readonly after: V | undefined;
}

interface Row<V> {
  readonly value: V;
  readonly changedIn: Revision;
}

/**
 * The rows of a collection and what can be read of them. Every kind of collection is one of these;
 * they differ only in who calls `put` and `remove`.
 */
export abstract class Table<V> implements Collection<V>, TablePart {
  abstract readonly kind: "input" | "derived";
  readonly engine: Engine;
  readonly name: string;
  readonly rank: number;
  /** A row's content; its existence; which rows there are; everything. */
  readonly rowPoints: PointMap;
  readonly presencePoints: PointMap;
  readonly keysPoints: PointMap;
  readonly allPoints: PointMap;
  readonly equals: Equals<V>;
  readonly #rows = new Map<string, Row<V>>();
  readonly #keys = new SortedKeys();
  readonly #followers: ((change: Change<V>) => void)[] = [];
  #entries: readonly (readonly [string, V])[] | undefined;

  constructor(engine: Engine, name: string, rank: number, equals: Equals<V>) {
    this.engine = engine;
    this.name = name;
    this.rank = rank;
    this.equals = equals;
    const describe = (key: string): InputDescription[] => [this.describeRow(key)];
    const describeAll = (): InputDescription[] => this.rowKeys().map(key => this.describeRow(key));
    const describeKeys = (key: string): InputDescription[] => [
      { collection: this.name, key, changedAt: undefined, cause: undefined },
    ];
    this.rowPoints = new PointMap({ certain: true, describe });
    this.presencePoints = new PointMap({ certain: true, describe });
    this.keysPoints = new PointMap({ certain: true, describe: describeKeys });
    this.allPoints = new PointMap({ certain: true, describe: describeAll });
  }

  abstract readonly inputs: readonly string[];
  abstract inputsOf(key: string): readonly InputDescription[];

  get size(): number {
    this.engine.checkUntracked(this.name);
    return this.rowCount;
  }

  get(key: string): V | undefined {
    this.engine.checkUntracked(this.name);
    return this.rowAt(key);
  }

  keys(): readonly string[] {
    this.engine.checkUntracked(this.name);
    return this.rowKeys();
  }

  entries(): IterableIterator<readonly [string, V]> {
    this.engine.checkUntracked(this.name);
    return this.rowEntries().values();
  }

  changedAt(key: string): number | undefined {
    this.engine.checkUntracked(this.name);
    return this.changedIn(key)?.number;
  }

  // What follows is for the engine itself, which reads while it propagates.

  get rowCount(): number {
    return this.#rows.size;
  }

  rowAt(key: string): V | undefined {
    return this.#rows.get(key)?.value;
  }

  rowKeys(): readonly string[] {
    return this.#keys.values();
  }

  /** The same array until a row changes: many readers of a small collection share it. */
  rowEntries(): readonly (readonly [string, V])[] {
    this.#entries ??= this.rowKeys().map(key => [key, this.existing(key)] as const);
    return this.#entries;
  }

  /** A row that an index or the list of keys names. */
  existing(key: string): V {
    const row = this.#rows.get(key);
    if (row === undefined) throw new BugError(`${this.name}: key ${key} is listed but has no row`);
    return row.value;
  }

  changedIn(key: string): Revision | undefined {
    return this.#rows.get(key)?.changedIn;
  }

  /** Calls back on each change of a row, in the middle of propagation: mark, do not compute. */
  follow(follower: (change: Change<V>) => void): void {
    this.#followers.push(follower);
  }

  describeRow(key: string): InputDescription {
    const changedIn = this.changedIn(key);
    return { collection: this.name, key, changedAt: changedIn?.number, cause: changedIn?.cause };
  }

  /** Writes a row unless it is equal to the one before, which then stays. */
  protected put(key: string, value: V): boolean {
    const before = this.#rows.get(key);
    if (before !== undefined && this.engine.isSame(this, key, before.value, value)) return false;
    this.#rows.set(key, { value, changedIn: this.engine.revision });
    if (before === undefined) this.#keys.add(key);
    this.#tell({ key, before: before?.value, after: value });
    return true;
  }

  protected remove(key: string): boolean {
    const before = this.#rows.get(key);
    if (before === undefined) return false;
    this.#rows.delete(key);
    this.#keys.delete(key);
    this.#tell({ key, before: before.value, after: undefined });
    return true;
  }

  #tell(change: Change<V>): void {
    this.#entries = undefined;
    for (const follower of this.#followers) follower(change);
    this.rowPoints.signal(change.key);
    this.allPoints.signal(WHOLE);
    if (change.before !== undefined && change.after !== undefined) return;
    this.presencePoints.signal(change.key);
    this.keysPoints.signal(WHOLE);
  }

  *pointMaps(): IterableIterator<PointMap> {
    yield* [this.rowPoints, this.presencePoints, this.keysPoints, this.allPoints];
  }
}

export function asTable<V>(collection: Collection<V>): Table<V> {
  rule(collection instanceof Table, `${collection.name} is not a collection of this engine`);
  return collection;
}
