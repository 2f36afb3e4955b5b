/**
 * The engine's central promise: whatever is edited in whatever order, the result is what the naive
 * graph computes from the final inputs, and the bookkeeping is that of an engine which saw nothing
 * else. Random graphs over one small type of row, in which collisions, joins, selectors and equal
 * results are frequent.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { budget } from "../../test/support/budget.ts";
import { createNaiveGraph, type PlainGraph } from "../../test/support/naive-graph.ts";
import { createGraph } from "./graph.ts";
import type {
  Cell,
  CellFamily,
  Collection,
  Graph,
  Index,
  InputCollection,
  Readable,
  Reader,
  Selectable,
  SelectableIndex,
  Selector,
  SelectorIndex,
} from "./types.ts";

const KEYS = 7;
const VALUES = 6;
/** A row with this number makes whoever reads it throw. */
const BROKEN = VALUES;
const keyOf = (n: number): string => `k${n % KEYS}`;

/** Everything about a row follows from its number, so that rows are often equal. */
interface Row extends Selectable {
  readonly n: number;
}

function rowOf(n: number): Row {
  const labels = n === 0 ? {} : { app: String(n % 2), tier: String(n >> 2) };
  return { n, namespace: `ns${n % 2}`, labels };
}

function selectorOf(n: number): Selector {
  const { namespace, labels } = rowOf(n);
  return { namespace: n % 3 === 0 ? undefined : namespace, matchLabels: labels };
}

const OPERATIONS = ["get", "has", "keys", "all", "rows", "keysOf", "select", "selectedBy"] as const;

interface ReadSpec {
  readonly operation: (typeof OPERATIONS)[number];
  /** Which collection, counted modulo those that exist. */
  readonly target: number;
  readonly argument: number;
  /** Reads only for some rows, so that dependencies come and go. */
  readonly onlyIfOdd: boolean;
}

interface CollectionSpec {
  readonly kind: "derive" | "deriveMany" | "group" | "union";
  readonly from: number;
  readonly reads: readonly ReadSpec[];
}

interface FamilySpec {
  readonly reads: readonly ReadSpec[];
  /** The family below is read, if there is one, under this offset of the key. */
  readonly below: number;
}

interface GraphSpec {
  readonly collections: readonly CollectionSpec[];
  readonly families: readonly FamilySpec[];
}

const readSpec: fc.Arbitrary<ReadSpec> = fc.record({
  operation: fc.constantFrom(...OPERATIONS),
  target: fc.nat(20),
  argument: fc.nat(20),
  onlyIfOdd: fc.boolean(),
});
const reads = fc.array(readSpec, { maxLength: 3 });
const graphSpec: fc.Arbitrary<GraphSpec> = fc.record({
  collections: fc.array(
    fc.record({
      kind: fc.constantFrom("derive", "deriveMany", "group", "union"),
      from: fc.nat(20),
      reads,
    }),
    { minLength: 1, maxLength: 5 },
  ),
  families: fc.array(fc.record({ reads, below: fc.nat(3) }), { minLength: 1, maxLength: 3 }),
});

/** A collection with one index of each kind. */
interface Node {
  readonly collection: Collection<Row>;
  readonly index: Index<Row>;
  readonly selectable: SelectableIndex<Row>;
  readonly selectors: SelectorIndex<Row>;
}

interface Built<G extends PlainGraph> {
  readonly graph: G;
  readonly inputs: readonly InputCollection<Row>[];
  readonly nodes: readonly Node[];
  readonly families: readonly CellFamily<Row>[];
}

function build<G extends PlainGraph>(graph: G, spec: GraphSpec): Built<G> {
  const inputs = ["left", "right"].map(name => graph.input<Row>(name));
  const nodes = inputs.map(input => nodeOf(graph, input));
  for (const [i, collection] of spec.collections.entries()) {
    nodes.push(nodeOf(graph, derived(graph, `derived${i}`, collection, [...nodes])));
  }
  const families: CellFamily<Row>[] = [];
  for (const [i, family] of spec.families.entries()) {
    families.push(cells(graph, `cells${i}`, family, nodes, families.at(-1)));
  }
  return { graph, inputs, nodes, families };
}

function nodeOf(graph: PlainGraph, collection: Collection<Row>): Node {
  const { name } = collection;
  return {
    collection,
    index: graph.index(collection, `${name} index`, (_, { n }) => [keyOf(n), keyOf(n + 2)]),
    selectable: graph.selectableIndex(collection, `${name} selectable`, (_, row) =>
      row.n === 5 ? undefined : { namespace: row.namespace, labels: row.labels },
    ),
    selectors: graph.selectorIndex(collection, `${name} selectors`, (_, { n }) =>
      n === 5 ? undefined : selectorOf(n),
    ),
  };
}

function derived(
  graph: PlainGraph,
  name: string,
  { kind, from, reads }: CollectionSpec,
  nodes: readonly Node[],
): Collection<Row> {
  const source = pick(nodes, from);
  const options = { name, reads: readablesOf(reads, nodes) };
  const once = atMostOnce(graph, name);
  const result = (key: string, n: number, read: Reader): Row => {
    once(key);
    return rowOf(digest(checked([n, ...runReads(reads, nodes, n, read)])));
  };
  switch (kind) {
    case "derive":
      return graph.derive(source.collection, options, (key, { n }, read) =>
        n === 4 ? undefined : result(key, n, read),
      );
    case "deriveMany":
      return graph.deriveMany(source.collection, options, function* (key, { n }, read) {
        if (n === 3) return;
        yield [keyOf(n), result(key, n, read)];
        yield [keyOf(n + 1), rowOf(n)];
      });
    case "group":
      return graph.group(source.index, options, (bucket, rows, read) =>
        result(bucket, digest(rows), read),
      );
    case "union":
      return graph.union(name, [source.collection, pick(nodes, from + 1).collection]);
  }
}

function cells(
  graph: PlainGraph,
  name: string,
  { reads, below }: FamilySpec,
  nodes: readonly Node[],
  lower: CellFamily<Row> | undefined,
): CellFamily<Row> {
  const readables = [...readablesOf(reads, nodes), ...(lower === undefined ? [] : [lower])];
  return graph.cells({ name, reads: readables }, (key, read) => {
    const n = Number(key.slice(1));
    const under = lower === undefined ? rowOf(n % VALUES) : read.cell(lower, keyOf(n + below));
    return rowOf(digest(checked([under, ...runReads(reads, nodes, under.n, read)])));
  });
}

/** Fails when a function runs twice for one key in one revision. */
function atMostOnce(graph: PlainGraph, name: string): (key: string) => void {
  const lastRun = new Map<string, number>();
  return key => {
    assert.notEqual(lastRun.get(key), graph.revision, `${name} ${key} ran twice in a revision`);
    lastRun.set(key, graph.revision);
  };
}

function readablesOf(reads: readonly ReadSpec[], nodes: readonly Node[]): readonly Readable[] {
  return reads.map(({ operation, target }) => {
    const node = pick(nodes, target);
    if (operation === "rows" || operation === "keysOf") return node.index;
    if (operation === "select") return node.selectable;
    return operation === "selectedBy" ? node.selectors : node.collection;
  });
}

function runReads(
  reads: readonly ReadSpec[],
  nodes: readonly Node[],
  n: number,
  read: Reader,
): readonly unknown[] {
  const wanted = reads.filter(({ onlyIfOdd }) => !onlyIfOdd || n % 2 === 1);
  return wanted.map(spec => runRead(spec, pick(nodes, spec.target), n + spec.argument, read));
}

function runRead({ operation }: ReadSpec, node: Node, argument: number, read: Reader): unknown {
  switch (operation) {
    case "get":
      return read.get(node.collection, keyOf(argument));
    case "has":
      return read.has(node.collection, keyOf(argument));
    case "keys":
      return read.keys(node.collection);
    case "all":
      return read.all(node.collection);
    case "rows":
      return read.rows(node.index, keyOf(argument));
    case "keysOf":
      return read.keysOf(node.index, keyOf(argument));
    case "select":
      return read.select(node.selectable, selectorOf(argument % VALUES));
    case "selectedBy":
      return read.selectedBy(node.selectors, rowOf(argument % VALUES));
  }
}

function pick<T>(items: readonly T[], n: number): T {
  const item = items[n % items.length];
  assert.ok(item !== undefined);
  return item;
}

function checked(values: readonly unknown[]): readonly unknown[] {
  const isBroken = JSON.stringify(values).includes(`"n":${BROKEN}`) || values[0] === BROKEN;
  if (isBroken) throw new Error("a broken row");
  return values;
}

/** A small number from anything, so that different inputs often give equal results. */
function digest(value: unknown): number {
  let hash = 7;
  for (const char of JSON.stringify(value)) hash = (hash * 31 + char.charCodeAt(0)) % 65_521;
  return hash % VALUES;
}

type Action =
  | { readonly kind: "batch"; readonly edits: readonly Edit[] }
  | { readonly kind: "compare" }
  | { readonly kind: "acquire"; readonly family: number; readonly key: number }
  | { readonly kind: "release" | "value"; readonly which: number };

interface Edit {
  readonly input: number;
  readonly key: number;
  /** undefined deletes. */
  readonly n: number | undefined;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  input: fc.nat(1),
  key: fc.nat(KEYS - 1),
  n: fc.option(fc.nat(BROKEN), { nil: undefined }),
});
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("batch"), edits: fc.array(edit) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("compare") }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("acquire"), family: fc.nat(2), key: fc.nat(6) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom("release", "value"), which: fc.nat(20) }),
  },
);

/** What the inputs hold and which cells are held, once for each hold. */
interface State {
  readonly rows: Map<string, Edit>;
  readonly held: { readonly family: number; readonly cell: Cell<Row> }[];
}

function perform(
  built: Built<PlainGraph>,
  state: State,
  given: Exclude<Action, { readonly kind: "compare" }>,
): void {
  switch (given.kind) {
    case "batch":
      commit(built, given.edits);
      for (const made of given.edits) state.rows.set(`${made.input} ${made.key}`, made);
      break;
    case "acquire":
      state.held.push({
        family: given.family,
        cell: pick(built.families, given.family).acquire(keyOf(given.key)),
      });
      break;
    case "release":
      state.held.splice(given.which % (state.held.length || 1), 1)[0]?.cell.release();
      break;
    case "value":
      settle(state.held[given.which % (state.held.length || 1)]?.cell);
      break;
  }
}

/** A cell that read a broken row before it had a value throws. */
function settle(cell: Cell<Row> | undefined): void {
  try {
    cell?.value();
  } catch (error) {
    assert.match(String(error), /a broken row/);
  }
}

function commit({ graph, inputs }: Built<PlainGraph>, edits: readonly Edit[]): void {
  graph.commit({ source: "test" }, writer => {
    for (const { input, key, n } of edits) {
      const collection = pick(inputs, input);
      if (n === undefined) writer.delete(collection, keyOf(key));
      else writer.set(collection, keyOf(key), rowOf(n));
    }
  });
}

/** Everything that can be seen from outside, in order. */
function observe({ nodes }: Built<PlainGraph>, cells: readonly Cell<Row>[]): unknown {
  return {
    collections: nodes.map(({ collection }) => [...collection.entries()]),
    buckets: nodes.map(({ index }) => index.buckets().map(bucket => index.keysOf(bucket))),
    cells: cells.map(cell => cell.value()),
  };
}

/** Mends what is broken first: last good rows depend on what came before. */
function compare(spec: GraphSpec, built: Built<Graph>, state: State): void {
  const { rows, held } = state;
  const mended = [...rows.values()]
    .filter(({ n }) => n === BROKEN)
    .map(made => ({ ...made, n: 0 }));
  perform(built, state, { kind: "batch", edits: mended });
  const observed = observe(
    built,
    held.map(({ cell }) => cell),
  );
  const rebuild = <G extends PlainGraph>(graph: G): { graph: G; observed: unknown } => {
    const other = build(graph, spec);
    commit(other, [...rows.values()].reverse());
    const cells = held.map(({ family, cell }) => pick(other.families, family).acquire(cell.key));
    return { graph, observed: observe(other, cells) };
  };
  assert.deepEqual(observed, rebuild(createNaiveGraph()).observed);
  assert.deepEqual(built.graph.census(), rebuild(createGraph()).graph.census());
}

test("incremental results are those of scanning everything again, with no more bookkeeping", () => {
  fc.assert(
    fc.property(graphSpec, fc.array(action, { maxLength: 25, size: "max" }), (spec, actions) => {
      const built = build(createGraph(), spec);
      const state: State = { rows: new Map(), held: [] };
      for (const given of actions) {
        if (given.kind === "compare") compare(spec, built, state);
        else perform(built, state, given);
      }
      compare(spec, built, state);
      assert.deepEqual(built.graph.failures(), []);
    }),
    budget(300),
  );
});

test("nothing is left when all rows are deleted and all cells released", () => {
  fc.assert(
    fc.property(graphSpec, fc.array(action, { maxLength: 25, size: "max" }), (spec, actions) => {
      const built = build(createGraph(), spec);
      const state: State = { rows: new Map(), held: [] };
      for (const given of actions) if (given.kind !== "compare") perform(built, state, given);
      for (const { cell } of state.held) cell.release();
      commit(
        built,
        [...state.rows.values()].map(made => ({ ...made, n: undefined })),
      );
      assert.deepEqual(built.graph.census(), {
        rows: 0,
        runs: 0,
        cells: 0,
        filed: 0,
        points: 0,
        edges: 0,
      });
    }),
    budget(200),
  );
});

test("any two paths of a graph meet in the same revision", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5), { minLength: 1, maxLength: 8 }), lengths => {
      const graph = createGraph();
      const versions = graph.input<number>("versions");
      const paths = lengths.map((length, i) => {
        let end: Collection<number> = versions;
        for (let step = 0; step < length; step++) {
          end = graph.derive(end, { name: `path ${i} step ${step}` }, (_, version) => version);
        }
        return end;
      });
      const unequal: unknown[] = [];
      graph.derive(versions, { name: "meeting", reads: paths }, (key, version, read) => {
        const seen = paths.map(path => read.get(path, key));
        if (seen.some(other => other !== version)) unequal.push([version, seen]);
        return version;
      });
      for (let version = 1; version < 5; version++) {
        graph.commit({ source: "test" }, writer => writer.set(versions, "a", version));
      }
      assert.deepEqual(unequal, []);
    }),
    { numRuns: 50 },
  );
});
