import { StoredFamily } from "./cells.ts";
import { DerivedManyRows, DerivedRows } from "./derive.ts";
import { Engine, type Revision, rule } from "./engine.ts";
import { explainCell, explainRow } from "./explain.ts";
import { GroupedRows } from "./group.ts";
import { asInput, InputTable } from "./input.ts";
import type { DerivedPart, FamilyPart, IndexPart, InputPart, TablePart } from "./parts.ts";
import type { PointMap } from "./point.ts";
import { RowIndex } from "./row-index.ts";
import { StoredSelectableIndex, StoredSelectorIndex } from "./selector-index.ts";
import { trackedRunner } from "./tracked-reader.ts";
import type {
  Cause,
  CellFamily,
  Census,
  Collection,
  CommitStats,
  DeriveOptions,
  Explanation,
  Failure,
  Graph,
  Index,
  InputCollection,
  Reader,
  Selectable,
  SelectableIndex,
  Selector,
  SelectorIndex,
  Writer,
} from "./types.ts";
import { UnionRows } from "./union.ts";

/** An empty graph: declare collections, indexes and cells, then `commit` edits of the inputs. */
export function createGraph(): Graph {
  return new EngineGraph();
}

class EngineGraph implements Graph {
  readonly #engine = new Engine();
  readonly #names = new Set<string>();
  readonly #inputs: TablePart[] = [];
  /** In order of rank once the shape is fixed. */
  readonly #derived: DerivedPart[] = [];
  readonly #indexes: IndexPart[] = [];
  readonly #families: FamilyPart[] = [];
  #listeners: readonly ((stats: CommitStats) => void)[] = [];
  #isStaging = false;
  /** Revisions that listeners have not all heard of. */
  #unannounced: CommitStats[] = [];

  get revision(): number {
    return this.#engine.revision.number;
  }

  input<V>(name: string, options: { equals?: (a: V, b: V) => boolean } = {}): InputCollection<V> {
    this.#declare(name);
    const table = new InputTable<V>(this.#engine, name, options.equals);
    this.#inputs.push(table);
    return table;
  }

  deriveMany<In, Out>(
    from: Collection<In>,
    options: DeriveOptions<Out>,
    fn: (key: string, row: In, read: Reader) => Iterable<readonly [string, Out]>,
  ): Collection<Out> {
    this.#declare(options.name);
    return this.#addDerived(new DerivedManyRows(this.#engine, from, options, fn));
  }

  derive<In, Out>(
    from: Collection<In>,
    options: DeriveOptions<Out>,
    fn: (key: string, row: In, read: Reader) => Out | undefined,
  ): Collection<Out> {
    this.#declare(options.name);
    return this.#addDerived(new DerivedRows(this.#engine, from, options, fn));
  }

  group<In, Out>(
    from: Index<In>,
    options: DeriveOptions<Out>,
    fn: (bucket: string, rows: readonly In[], read: Reader) => Out | undefined,
  ): Collection<Out> {
    this.#declare(options.name);
    return this.#addDerived(new GroupedRows(this.#engine, from, options, fn));
  }

  union<V>(name: string, collections: readonly Collection<V>[]): Collection<V> {
    this.#declare(name);
    return this.#addDerived(new UnionRows(this.#engine, name, collections));
  }

  index<V>(
    collection: Collection<V>,
    name: string,
    bucketsOf: (key: string, row: V) => readonly string[],
  ): Index<V> {
    this.#declare(name);
    return this.#addIndex(new RowIndex(collection, name, bucketsOf));
  }

  selectableIndex<V>(
    collection: Collection<V>,
    name: string,
    of: (key: string, row: V) => Selectable | undefined,
  ): SelectableIndex<V> {
    this.#declare(name);
    return this.#addIndex(new StoredSelectableIndex(collection, name, of));
  }

  selectorIndex<V>(
    collection: Collection<V>,
    name: string,
    of: (key: string, row: V) => Selector | undefined,
  ): SelectorIndex<V> {
    this.#declare(name);
    return this.#addIndex(new StoredSelectorIndex(collection, name, of));
  }

  cells<T>(options: DeriveOptions<T>, fn: (key: string, read: Reader) => T): CellFamily<T> {
    this.#declare(options.name);
    const declaration = { name: options.name, reads: new Set(options.reads) };
    const run = trackedRunner(this.#engine, declaration);
    const family = new StoredFamily(this.#engine, options, run, fn);
    this.#families.push(family);
    return family;
  }

  commit(cause: Cause, fn: (writer: Writer) => void): CommitStats {
    this.#engine.checkUntracked("commit");
    rule(!this.#isStaging, "commit inside of a commit's own function");
    if (this.#engine.phase === "building") this.#fixShape();
    const staged = this.#stage(fn);
    const before = this.#engine.revision;
    const stats = this.#propagate({ number: before.number + 1, cause }, staged);
    if (stats.inputRows === 0) {
      this.#engine.revision = before;
      return { ...stats, revision: before.number };
    }
    this.#unannounced.push(stats);
    if (this.#unannounced.length === 1) this.#announce();
    return stats;
  }

  onCommit(listener: (stats: CommitStats) => void): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter(other => other !== listener);
    };
  }

  failures(): readonly Failure[] {
    return this.#engine.failures();
  }

  onFailure(listener: (failure: Failure) => void): void {
    this.#engine.failureListeners.push(listener);
  }

  explain(name: string, key: string): Explanation | undefined {
    const table = [...this.#inputs, ...this.#derived].find(other => other.name === name);
    if (table !== undefined) return explainRow(table, key);
    const family = this.#families.find(other => other.name === name);
    return family === undefined ? undefined : explainCell(family, key);
  }

  census(): Census {
    const tables = [...this.#inputs, ...this.#derived];
    const maps: PointMap[] = this.#families.map(family => family.points);
    for (const owner of [...tables, ...this.#indexes]) maps.push(...owner.pointMaps());
    const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
    return {
      rows: sum(tables.map(table => table.rowCount)),
      runs: sum(this.#derived.map(table => table.countRuns())),
      cells: sum(this.#families.map(family => family.liveCount)),
      filed: sum(this.#indexes.map(index => index.filed)),
      points: sum(maps.map(map => map.size)),
      edges: sum(maps.map(map => map.countEdges())),
    };
  }

  describe(): ReturnType<Graph["describe"]> {
    const tables = [...this.#inputs, ...this.#derived].map(
      ({ name, kind, rank, rowCount, inputs }) => ({ name, kind, rank, size: rowCount, inputs }),
    );
    const indexes = this.#indexes.map(({ name, size, collection }) => ({
      name,
      kind: "index" as const,
      rank: collection.rank,
      size,
      inputs: [collection.name],
    }));
    const families = this.#families.map(({ name, rank, liveCount, inputs }) => ({
      name,
      kind: "cells" as const,
      rank,
      size: liveCount,
      inputs,
    }));
    return [...tables, ...indexes, ...families];
  }

  #declare(name: string): void {
    rule(this.#engine.phase === "building", `${name}: the graph is fixed at the first commit`);
    rule(!this.#names.has(name), `two things in the graph are named ${name}`);
    this.#names.add(name);
  }

  #addDerived<Kind extends DerivedPart>(table: Kind): Kind {
    this.#derived.push(table);
    return table;
  }

  #addIndex<Kind extends IndexPart>(index: Kind): Kind {
    this.#indexes.push(index);
    return index;
  }

  #fixShape(): void {
    this.#derived.sort((a, b) => a.rank - b.rank);
    this.#engine.phase = "idle";
  }

  /** Runs the writer's function; its edits wait in the inputs that it touched. */
  #stage(fn: (writer: Writer) => void): ReadonlySet<InputPart> {
    const touched = new Set<InputPart>();
    this.#isStaging = true;
    try {
      fn(stagingWriter(touched));
    } catch (error) {
      for (const table of touched) table.unstage();
      throw error;
    } finally {
      this.#isStaging = false;
    }
    return touched;
  }

  /**
   * The graph is consistent by now, so listeners may read it. One that commits adds to the end of
   * the queue: everyone hears of revisions in their order.
   */
  #announce(): void {
    const engine = this.#engine;
    for (const stats of this.#unannounced) {
      for (const cell of engine.dirtiedCells.splice(0)) cell.tellWatchers();
      for (const listener of this.#listeners) engine.notify(() => listener(stats));
    }
    this.#unannounced = [];
    const thrown = [engine.misuse, ...engine.listenerErrors.splice(0)];
    engine.misuse = undefined;
    for (const error of thrown) if (error !== undefined) throw error;
  }

  /** Visits what is due in order of rank: whatever a function reads is up to date by then. */
  #propagate(revision: Revision, staged: Iterable<InputPart>): CommitStats {
    const engine = this.#engine;
    engine.phase = "propagating";
    engine.revision = revision;
    let inputRows = 0;
    for (const table of staged) inputRows += table.applyStaged();
    const derived = new Map<string, { readonly computed: number; readonly changed: number }>();
    for (const table of this.#derived) if (table.isDue) derived.set(table.name, table.visit());
    const dirtied = new Map(engine.dirtied);
    engine.dirtied.clear();
    engine.phase = "idle";
    return { revision: revision.number, inputRows, derived, dirtied };
  }
}

function stagingWriter(touched: Set<InputPart>): Writer {
  return {
    set(collection, key, value) {
      const table = asInput(collection);
      table.stageSet(key, value);
      touched.add(table);
    },
    delete(collection, key) {
      const table = asInput(collection);
      table.stageDelete(key);
      touched.add(table);
    },
  };
}
