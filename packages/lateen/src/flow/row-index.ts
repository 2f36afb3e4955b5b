import { type Engine, rule } from "./engine.ts";
import { type InputDescription, PointMap } from "./point.ts";
import { SortedKeys } from "./sorted-keys.ts";
import { asTable, type Change, type Table } from "./table.ts";
import type { Collection, Index } from "./types.ts";

const NONE: readonly string[] = Object.freeze([]);

export class RowIndex<V> implements Index<V> {
  readonly name: string;
  readonly collection: Table<V>;
  /** The rows of a bucket with their content; which keys it has. */
  readonly contentPoints: PointMap;
  readonly memberPoints: PointMap;
  readonly #engine: Engine;
  readonly #bucketsOf: (key: string, row: V) => readonly string[];
  readonly #buckets = new Map<string, SortedKeys>();
  readonly #names = new SortedKeys();
  readonly #followers: ((bucket: string) => void)[] = [];

  constructor(
    collection: Collection<V>,
    name: string,
    bucketsOf: (key: string, row: V) => readonly string[],
  ) {
    this.name = name;
    this.collection = asTable(collection);
    this.#engine = this.collection.engine;
    this.#bucketsOf = bucketsOf;
    const describe = (bucket: string): InputDescription[] => this.describeBucket(bucket);
    this.contentPoints = new PointMap({ certain: true, describe });
    this.memberPoints = new PointMap({ certain: true, describe });
    this.collection.follow(change => this.#update(change));
  }

  get size(): number {
    return this.#buckets.size;
  }

  get filed(): number {
    return this.#buckets.values().reduce((sum, keys) => sum + keys.size, 0);
  }

  keysOf(bucket: string): readonly string[] {
    this.#engine.checkUntracked(this.name);
    return this.keysIn(bucket);
  }

  /** The same for the engine itself. */
  keysIn(bucket: string): readonly string[] {
    return this.#buckets.get(bucket)?.values() ?? NONE;
  }

  buckets(): readonly string[] {
    this.#engine.checkUntracked(this.name);
    return this.#names.values();
  }

  /** Calls back for each bucket whose rows change, in the middle of propagation. */
  follow(follower: (bucket: string) => void): void {
    this.#followers.push(follower);
  }

  /** The bucket itself, then the rows found in it. */
  describeBucket(bucket: string): InputDescription[] {
    const rows = this.keysIn(bucket).map(key => this.collection.describeRow(key));
    return [
      { collection: this.name, key: bucket, changedAt: undefined, cause: undefined },
      ...rows,
    ];
  }

  *pointMaps(): IterableIterator<PointMap> {
    yield* [this.contentPoints, this.memberPoints];
  }

  #update({ key, before, after }: Change<V>): void {
    const left = before === undefined ? NONE : this.#bucketsFor(key, before);
    const entered = after === undefined ? NONE : this.#bucketsFor(key, after);
    if (after === undefined) this.#engine.clearFailure(this.name, key);
    for (const bucket of left) {
      if (!entered.includes(bucket)) this.#leave(bucket, key);
      this.#tell(bucket);
    }
    for (const bucket of entered) {
      if (left.includes(bucket)) continue;
      this.#enter(bucket, key);
      this.#tell(bucket);
    }
  }

  /** A pure function of the row, so it is asked again for the row before instead of remembered. */
  #bucketsFor(key: string, row: V): readonly string[] {
    try {
      const buckets = this.#bucketsOf(key, row);
      this.#engine.clearFailure(this.name, key);
      return buckets.length < 2 ? buckets : [...new Set(buckets)];
    } catch (error) {
      this.#engine.fail(this.name, key, error);
      return NONE;
    }
  }

  #enter(bucket: string, key: string): void {
    let keys = this.#buckets.get(bucket);
    if (keys === undefined) {
      keys = new SortedKeys();
      this.#buckets.set(bucket, keys);
      this.#names.add(bucket);
    }
    keys.add(key);
    this.memberPoints.signal(bucket);
  }

  #leave(bucket: string, key: string): void {
    const keys = this.#buckets.get(bucket);
    keys?.delete(key);
    if (keys?.size === 0) {
      this.#buckets.delete(bucket);
      this.#names.delete(bucket);
    }
    this.memberPoints.signal(bucket);
  }

  #tell(bucket: string): void {
    this.contentPoints.signal(bucket);
    for (const follower of this.#followers) follower(bucket);
  }
}

export function asRowIndex<V>(index: Index<V>): RowIndex<V> {
  rule(index instanceof RowIndex, `${index.name} is not an index of this engine`);
  return index;
}
