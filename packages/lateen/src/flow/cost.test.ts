/** What a change costs, counted, in a small mesh of 1,000 and of 10,000 services: the same. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createGraph } from "./graph.ts";
import type { CommitStats, Graph, InputCollection, Selectable, Writer } from "./types.ts";
import { createWatchSets } from "./watch.ts";
import type { WatchSet } from "./watch-types.ts";

interface Pod extends Selectable {
  readonly address: string;
  readonly account: string;
}

interface Service {
  readonly namespace: string;
  readonly selector: Readonly<Record<string, string>>;
}

interface Mesh {
  readonly graph: Graph;
  readonly services: InputCollection<Service>;
  readonly pods: InputCollection<Pod>;
  readonly domain: InputCollection<string>;
  /** The clusters of all services, as every proxy of one class watches them. */
  readonly clusters: WatchSet<string | undefined>;
  readonly endpoints: WatchSet<readonly string[] | undefined>;
}

const PODS_PER_SERVICE = 2;
const cause = { source: "test" };

function mesh(size: number): Mesh {
  const graph = createGraph();
  const services = graph.input<Service>("services");
  const pods = graph.input<Pod>("pods");
  const domain = graph.input<string>("domain");
  const podsByLabel = graph.selectableIndex(pods, "pods by label", (_, pod) => pod);
  const endpoints = graph.derive(
    services,
    { name: "endpoints", reads: [podsByLabel] },
    (_, row, read) =>
      read.select(podsByLabel, { namespace: row.namespace, matchLabels: row.selector }),
  );
  // A projection that most changes of endpoints leave equal.
  const accounts = graph.derive(endpoints, { name: "accounts" }, (_, found) => [
    ...new Set(found.map(pod => pod.account)),
  ]);
  const selectors = graph.selectorIndex(services, "services by selector", (_, row) => ({
    namespace: row.namespace,
    matchLabels: row.selector,
  }));
  graph.derive(pods, { name: "services of pods", reads: [selectors] }, (_, pod, read) =>
    read.selectedBy(selectors, pod).map(service => service.selector),
  );
  const clusterCells = graph.cells({ name: "cluster", reads: [accounts, domain] }, (key, read) => {
    const found = read.get(accounts, key);
    return found && `${key}.${read.get(domain, "")} ${found.join()}`;
  });
  const endpointCells = graph.cells({ name: "endpoint", reads: [endpoints] }, (key, read) =>
    read.get(endpoints, key)?.map(pod => pod.address),
  );
  const names = graph.cells({ name: "names", reads: [services] }, (_, read) => read.keys(services));
  const cellKey = (_: string, name: string): string => name;
  const clusters = createWatchSets({ cells: clusterCells, names, cellKey }).following("", "");
  const watched = createWatchSets({ cells: endpointCells, names, cellKey }).following("", "");
  graph.commit(cause, writer => {
    writer.set(domain, "", "svc");
    for (let i = 0; i < size; i++) {
      writer.set(services, `service${i}`, serviceOf(i));
      for (let n = 0; n < PODS_PER_SERVICE; n++) writer.set(pods, podKey(i, n), podOf(i, n));
    }
  });
  for (const set of [clusters, watched]) {
    set.retain();
    set.settle(() => false);
  }
  return { graph, services, pods, domain, clusters, endpoints: watched };
}

const podKey = (service: number, n: number): string => `pod${service}-${n}`;

function serviceOf(i: number): Service {
  return { namespace: `ns${i % 10}`, selector: { tier: "web", app: `app${i}` } };
}

function podOf(i: number, n: number, address = `10.0.${i}.${n}`): Pod {
  const labels = { tier: "web", app: `app${i}`, pod: podKey(i, n) };
  return { namespace: `ns${i % 10}`, labels, address, account: `account${i}` };
}

/** What one edit did, down to what goes out to the proxies. */
interface Cost {
  readonly computed: Readonly<Record<string, number>>;
  readonly changed: Readonly<Record<string, number>>;
  readonly dirtied: Readonly<Record<string, number>>;
  readonly clustersSent: readonly string[];
  readonly endpointsSent: readonly string[];
}

function costOf(given: Mesh, edit: (writer: Writer) => void): Cost {
  const { graph, clusters, endpoints } = given;
  const before = graph.revision;
  const { derived, dirtied }: CommitStats = graph.commit(cause, edit);
  clusters.settle(() => false);
  endpoints.settle(() => false);
  const entries = [...derived];
  return {
    computed: Object.fromEntries(entries.map(([name, visit]) => [name, visit.computed])),
    changed: Object.fromEntries(entries.map(([name, visit]) => [name, visit.changed])),
    dirtied: Object.fromEntries(dirtied),
    clustersSent: clusters.since(before).changed,
    endpointsSent: endpoints.since(before).changed,
  };
}

for (const size of [1_000, 10_000]) {
  describe(`one change among ${size} services`, () => {
    const given = mesh(size);

    test("an endpoint's address: one service, no cluster", () => {
      const cost = costOf(given, writer =>
        writer.set(given.pods, podKey(7, 0), podOf(7, 0, "10.9.9.9")),
      );
      assert.deepEqual(cost, {
        computed: { endpoints: 1, accounts: 1, "services of pods": 1 },
        changed: { endpoints: 1, accounts: 0, "services of pods": 0 },
        dirtied: { endpoint: 1 },
        clustersSent: [],
        endpointsSent: ["service7"],
      });
    });

    test("a pod that moves from one service to another: these two", () => {
      const cost = costOf(given, writer => writer.set(given.pods, podKey(3, 1), podOf(13, 2)));
      assert.deepEqual(cost.computed, { endpoints: 2, accounts: 2, "services of pods": 1 });
      assert.deepEqual(cost.endpointsSent, ["service13", "service3"]);
      assert.deepEqual(cost.clustersSent, []);
    });

    test("a service's selector: itself and the pods it has and had", () => {
      const cost = costOf(given, writer =>
        writer.set(given.services, "service5", { ...serviceOf(5), selector: { app: "app15" } }),
      );
      assert.deepEqual(cost.computed, {
        endpoints: 1,
        accounts: 1,
        "services of pods": 2 * PODS_PER_SERVICE,
      });
      assert.deepEqual(cost.clustersSent, ["service5"]);
    });

    test("a new service: one more name, nothing else", () => {
      const cost = costOf(given, writer => writer.set(given.services, "new", serviceOf(size + 1)));
      assert.deepEqual(cost.computed, { endpoints: 1, accounts: 1 });
      assert.deepEqual(cost.dirtied, { names: 1 });
      assert.deepEqual(cost.clustersSent, ["new"]);
    });

    test("what concerns every cluster is computed once for each", () => {
      const cost = costOf(given, writer => writer.set(given.domain, "", "mesh"));
      assert.deepEqual(cost.computed, {});
      assert.equal(cost.dirtied["cluster"], given.clusters.size);
      assert.equal(cost.clustersSent.length, given.clusters.size);
    });

    test("dependencies grow with what is read, and no further", () => {
      const { rows, edges } = given.graph.census();
      const services = given.services.size;
      // Each service reads its selection, each pod its selectors; each cluster two rows, each
      // endpoint cell one; each of the two sets' names (one cell) the list of services.
      assert.equal(edges, services + given.pods.size + 3 * services + 1);
      assert.equal(rows, 3 * services + 2 * given.pods.size + 1);
    });
  });
}
