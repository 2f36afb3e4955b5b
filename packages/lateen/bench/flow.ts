/**
 * The engine against computing everything again: `node packages/lateen/bench/flow.ts [services]`.
 * Prints milliseconds and their ratio, and what the bookkeeping weighs. Nothing is asserted here:
 * cost.test.ts counts what must not grow.
 */
import { createGraph } from "../src/flow/graph.ts";
import type { Collection, InputCollection, Selectable, Writer } from "../src/flow/types.ts";
import { createNaiveGraph, type PlainGraph } from "../test/support/naive-graph.ts";

const PODS_PER_SERVICE = 5;
const EDITS = 20;

interface Pod extends Selectable {
  readonly address: string;
}

interface Service {
  readonly namespace: string;
  readonly selector: Readonly<Record<string, string>>;
}

interface Mesh {
  readonly graph: PlainGraph;
  readonly services: InputCollection<Service>;
  readonly pods: InputCollection<Pod>;
  readonly clusters: Collection<string>;
}

function declare(graph: PlainGraph): Mesh {
  const services = graph.input<Service>("services");
  const pods = graph.input<Pod>("pods");
  const byLabel = graph.selectableIndex(pods, "pods by label", (_, pod) => pod);
  const options = { name: "endpoints", reads: [byLabel] };
  const endpoints = graph.derive(services, options, (_, { namespace, selector }, read) =>
    read.select(byLabel, { namespace, matchLabels: selector }).map(pod => pod.address),
  );
  const clusters = graph.derive(
    services,
    { name: "clusters", reads: [endpoints] },
    (key, _, read) => JSON.stringify([key, read.get(endpoints, key)]),
  );
  return { graph, services, pods, clusters };
}

function pod(service: number, n: number, generation = 0): Pod {
  const labels = { app: `app${service}`, tier: "web", version: `v${n % 2}` };
  return { namespace: `ns${service % 10}`, labels, address: `10.${generation}.${service}.${n}` };
}

function load({ services, pods }: Mesh, size: number, writer: Writer): void {
  for (let i = 0; i < size; i++) {
    const selector = { app: `app${i}`, tier: "web" };
    writer.set(services, `service${i}`, { namespace: `ns${i % 10}`, selector });
    for (let n = 0; n < PODS_PER_SERVICE; n++) writer.set(pods, `pod${i}-${n}`, pod(i, n));
  }
}

/** Milliseconds for the first load, and for one edit on average. */
function time(mesh: Mesh, size: number): { readonly load: number; readonly edit: number } {
  const start = performance.now();
  mesh.graph.commit({ source: "bench" }, writer => load(mesh, size, writer));
  const loaded = performance.now();
  for (let i = 1; i <= EDITS; i++) {
    const service = (i * 7919) % size;
    mesh.graph.commit({ source: "bench" }, writer =>
      writer.set(mesh.pods, `pod${service}-0`, pod(service, 0, i)),
    );
  }
  return { load: loaded - start, edit: (performance.now() - loaded) / EDITS };
}

/** Bytes for each dependency of `readers` cells that read `reads` rows each. */
function bytesPerEdge(readers: number, reads: number): number {
  const graph = createGraph();
  const rows = graph.input<number>("rows");
  const sums = graph.cells({ name: "sums", reads: [rows] }, (key, read) => {
    let sum = 0;
    for (let i = 0; i < reads; i++) sum += read.get(rows, `${Number(key) + i}`) ?? 0;
    return sum;
  });
  graph.commit({ source: "bench" }, writer => {
    for (let i = 0; i < readers + reads; i++) writer.set(rows, `${i}`, i);
  });
  const cells = Array.from({ length: readers }, (_, i) => sums.acquire(`${i}`));
  const before = heapUsed();
  for (const cell of cells) cell.value();
  return (heapUsed() - before) / graph.census().edges;
}

function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const size = Number(process.argv[2] ?? 300);
const engine = time(declare(createGraph()), size);
const naive = time(declare(createNaiveGraph()), size);
const row = (name: string, ours: number, theirs: number): string =>
  [name.padEnd(18), ours.toFixed(3).padStart(10), theirs.toFixed(3).padStart(12)].join("") +
  `${(theirs / ours).toFixed(1).padStart(9)}x`;
print(`${size} services of ${PODS_PER_SERVICE} pods`);
print(
  `${"".padEnd(18)}${"engine ms".padStart(10)}${"naive ms".padStart(12)}${"ratio".padStart(10)}`,
);
print(row("first load", engine.load, naive.load));
print(row("one pod changes", engine.edit, naive.edit));
const large = time(declare(createGraph()), 20 * size);
print(
  `engine alone, ${20 * size} services: load ${large.load.toFixed(0)} ms, edit ${large.edit.toFixed(3)} ms`,
);
print(`one dependency: ${bytesPerEdge(10_000, 20).toFixed(0)} bytes (exact with node --expose-gc)`);
