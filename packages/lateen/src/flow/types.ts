/**
 * The public face of the incremental engine. `graph.ts` implements it; everything else in the
 * product (model, resource cells, status, analysis, debug) reads and derives only through it.
 *
 * Vocabulary: a *row* is an immutable value under a string key in a *collection*. A *revision* is
 * one batch of edits of input collections, applied in one go: every derived collection is visited
 * at most once, in rank order, so no function ever sees half of it. A *cell* is a value computed on
 * demand and kept only while somebody holds it.
 */

/** Where a batch of edits came from; kept with the revision for `explain`. */
export interface Cause {
  /** The writer: `embedded store`, `files`, `xds connection`, `ca`, ... */
  readonly source: string;
  /** What was edited, as a person would name it: `VirtualService default/demoapp`. */
  readonly subject?: string;
  /** Milliseconds since the epoch, taken by the writer: the engine itself knows no time. */
  readonly at?: number;
}

/** A read-only keyed table. Iteration is in ascending key order (code units), always. */
export interface Collection<V> {
  readonly name: string;
  /** 0 for inputs; one more than the highest rank among declared inputs otherwise. */
  readonly rank: number;
  readonly size: number;
  get(key: string): V | undefined;
  keys(): readonly string[];
  entries(): IterableIterator<readonly [string, V]>;
  /** Revision in which the row last changed (equal values do not change it). */
  changedAt(key: string): number | undefined;
}

/** Edited only inside `Graph.commit`. */
export interface InputCollection<V> extends Collection<V> {
  readonly input: true;
}

/** Rows of a collection grouped under zero or more bucket names. Kept incrementally. */
export interface Index<V> {
  readonly name: string;
  readonly collection: Collection<V>;
  /** Keys in ascending order. */
  keysOf(bucket: string): readonly string[];
  /** Names of the buckets that hold at least one row, ascending. */
  buckets(): readonly string[];
}

/** A labelled thing that selectors may select: a pod, a workload entry, a proxy. */
export interface Selectable {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** An equality selector. `namespace: undefined` selects in every namespace (root namespace). */
export interface Selector {
  readonly namespace: string | undefined;
  readonly matchLabels: Readonly<Record<string, string>>;
}

/** Finds rows by selector without scanning, and remembers what was asked. */
export interface SelectableIndex<V> {
  readonly name: string;
  readonly direction: "rows by selector";
  readonly collection: Collection<V>;
}

/** Finds the selectors that match given labels without scanning, and remembers what was asked. */
export interface SelectorIndex<V> {
  readonly name: string;
  readonly direction: "selectors by labels";
  readonly collection: Collection<V>;
}

/**
 * The only way for a derivation or a cell to read: the methods of collections, indexes and cells
 * themselves throw inside of one. Each call is remembered as a dependency, also when nothing was
 * found. Reading what `reads` does not name throws; an index is named by itself, not by its
 * collection. What a reader returns never changes afterwards, so a row may keep it.
 */
export interface Reader {
  get<V>(collection: Collection<V>, key: string): V | undefined;
  has(collection: Collection<unknown>, key: string): boolean;
  /** Depends on every row. For small collections only (mesh configuration, namespaces). */
  all<V>(collection: Collection<V>): readonly (readonly [string, V])[];
  /** Keys only: depends on which rows there are, not on what they say. */
  keys(collection: Collection<unknown>): readonly string[];
  /** Rows of a bucket in ascending key order; depends on the rows' content. */
  rows<V>(index: Index<V>, bucket: string): readonly V[];
  /** Keys of a bucket; depends only on membership. */
  keysOf(index: Index<unknown>, bucket: string): readonly string[];
  /** Rows that `selector` selects, ascending by key. An empty `matchLabels` selects all of the namespace. */
  select<V>(index: SelectableIndex<V>, selector: Selector): readonly V[];
  /** Rows whose selector matches `labels` in `namespace` (or in every namespace), ascending by key. */
  selectedBy<V>(index: SelectorIndex<V>, target: Selectable): readonly V[];
  /** The value of a cell of a family with a lower rank (declared in `reads`). */
  cell<T>(family: CellFamily<T>, key: string): T;
}

export type Readable =
  | Collection<unknown>
  | Index<unknown>
  | SelectableIndex<unknown>
  | SelectorIndex<unknown>
  | CellFamily<unknown>;

export interface DeriveOptions<Out> {
  readonly name: string;
  /** Everything that the function may read beside its own row. */
  readonly reads?: readonly Readable[];
  /** When two values are the same, readers are not told. Default: deep structural equality. */
  readonly equals?: (a: Out, b: Out) => boolean;
}

/** A family of cells: one lazily computed value for each key. */
export interface CellFamily<T> {
  readonly name: string;
  readonly rank: number;
  /** Counts one more holder; the first one creates the cell. Nothing is computed yet. */
  acquire(key: string): Cell<T>;
  /** The live cell, if anyone holds it. */
  peek(key: string): Cell<T> | undefined;
  readonly liveCount: number;
}

export interface Cell<T> {
  readonly family: CellFamily<T>;
  readonly key: string;
  /** True when an input changed since the value was computed (or it never was). */
  readonly dirty: boolean;
  /** Computes if dirty. A value equal to the one before keeps the older one and its `changedAt`. */
  value(): T;
  /** Revision at which the value last changed, as of the last `value()`. */
  readonly changedAt: number;
  /** Called at the end of the commit in which the cell turns dirty (once until it is computed again). */
  onDirty(listener: () => void): () => void;
  /** Gives back one hold; the last one forgets the cell and its dependencies. */
  release(): void;
}

/** What one edit batch did; the numbers that tests of cost assert. */
export interface CommitStats {
  readonly revision: number;
  /** Rows edited by the batch that were really different. */
  readonly inputRows: number;
  /** For each derived collection visited, by name: functions run, rows that came out different. */
  readonly derived: ReadonlyMap<string, { readonly computed: number; readonly changed: number }>;
  /** Cells that turned dirty, by family name. */
  readonly dirtied: ReadonlyMap<string, number>;
}

export interface Writer {
  set<V>(collection: InputCollection<V>, key: string, value: V): void;
  delete(collection: InputCollection<unknown>, key: string): void;
}

/** Why a row (or cell) is what it is. */
export interface Explanation {
  readonly collection: string;
  readonly key: string;
  readonly revision: number;
  readonly cause: Cause | undefined;
  /**
   * What was read to make it, each with its last change: the source row first, then in the order of
   * reading. An index appears as itself (key: the bucket or the query), followed by the rows found.
   * `changedAt` is undefined for what is not there.
   */
  readonly inputs: readonly {
    readonly collection: string;
    readonly key: string;
    readonly changedAt: number | undefined;
    readonly cause: Cause | undefined;
  }[];
}

/** A function that threw. Its row or cell keeps the last good output until an input changes. */
export interface Failure {
  /** Name of the derived collection, index or cell family. */
  readonly collection: string;
  /** Key of the source row, bucket or cell. */
  readonly key: string;
  readonly error: unknown;
}

/** How much bookkeeping a graph holds; the numbers that leak tests compare. */
export interface Census {
  readonly rows: number;
  /** Functions of derived rows that have run. */
  readonly runs: number;
  readonly cells: number;
  /** Entries of all indexes: rows, and questions asked of selector indexes. */
  readonly filed: number;
  /** Things that something depends on. */
  readonly points: number;
  /** Dependencies. */
  readonly edges: number;
}

export interface Graph {
  readonly revision: number;
  input<V>(name: string, options?: { equals?: (a: V, b: V) => boolean }): InputCollection<V>;

  /**
   * One source row gives zero or more output rows. Where two source rows give the same output key,
   * the one with the smallest source key wins; the other appears when it goes away.
   */
  deriveMany<In, Out>(
    from: Collection<In>,
    options: DeriveOptions<Out>,
    fn: (key: string, row: In, read: Reader) => Iterable<readonly [string, Out]>,
  ): Collection<Out>;
  /** One source row gives one output row under the same key, or none. */
  derive<In, Out>(
    from: Collection<In>,
    options: DeriveOptions<Out>,
    fn: (key: string, row: In, read: Reader) => Out | undefined,
  ): Collection<Out>;
  /** One output row for each non-empty bucket of an index, under the bucket's name, or none. */
  group<In, Out>(
    from: Index<In>,
    options: DeriveOptions<Out>,
    fn: (bucket: string, rows: readonly In[], read: Reader) => Out | undefined,
  ): Collection<Out>;
  /** All rows of several collections of one shape; keys must not collide (the first one wins). */
  union<V>(name: string, collections: readonly Collection<V>[]): Collection<V>;

  index<V>(
    collection: Collection<V>,
    name: string,
    bucketsOf: (key: string, row: V) => readonly string[],
  ): Index<V>;
  selectableIndex<V>(
    collection: Collection<V>,
    name: string,
    of: (key: string, row: V) => Selectable | undefined,
  ): SelectableIndex<V>;
  selectorIndex<V>(
    collection: Collection<V>,
    name: string,
    of: (key: string, row: V) => Selector | undefined,
  ): SelectorIndex<V>;

  cells<T>(options: DeriveOptions<T>, fn: (key: string, read: Reader) => T): CellFamily<T>;

  /**
   * Applies a batch: edits take effect together when `fn` returns, the last one of a key wins, and
   * if `fn` throws nothing happens. A batch without a real difference makes no revision. The first
   * commit fixes the graph's shape. Not to be called from `fn` or from a derivation; a listener may
   * commit, and everyone hears of revisions in their order.
   *
   * What a derivation throws stays with its row (see `failures`); only misuse of the engine (a read
   * that was not declared) and what listeners throw is thrown from here, after the revision is
   * complete and everyone has heard of it.
   */
  commit(cause: Cause, fn: (writer: Writer) => void): CommitStats;
  /** Called after each commit that changed something, when the graph is consistent again. */
  onCommit(listener: (stats: CommitStats) => void): () => void;

  /** Functions whose last run threw, oldest first. */
  failures(): readonly Failure[];
  /**
   * Called for each failure as it happens, also when a cell is computed and when the same one happens
   * again. The graph is in the middle of its work: it must not be touched.
   */
  onFailure(listener: (failure: Failure) => void): void;
  /** Why a row of a collection or a live cell is what it is, by the name of its collection or family. */
  explain(name: string, key: string): Explanation | undefined;
  /** Walks all bookkeeping: for tests and debugging. */
  census(): Census;
  /** Names, ranks, sizes and declared inputs of everything in the graph, for debug and docs. */
  describe(): readonly {
    readonly name: string;
    readonly kind: "input" | "derived" | "index" | "cells";
    readonly rank: number;
    readonly size: number;
    readonly inputs: readonly string[];
  }[];
}
