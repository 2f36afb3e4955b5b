/** A change costs what it touches: counted, at sizes where a scan would show. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  bigMesh,
  hostOf,
  namespaceOf,
  PORT,
  podOf,
  routesOf,
  ruleOf,
  sliceOf,
} from "../../../test/support/big-mesh.ts";
import type { TestMesh } from "../../../test/support/mesh.ts";
import { proxy, service, virtualService } from "../../../test/support/mesh-objects.ts";
import { type TestStream, TestStreams } from "../../../test/support/mesh-stream.ts";
import type { CommitStats } from "../../flow/types.ts";

const ROUTES = [String(PORT)];
const ENDPOINTS = 2;
/** The service that is edited. */
const CHOSEN = 7;
const HOST = hostOf(CHOSEN);
const CLUSTERS = ["", "v1", "v2"].map(subset => `outbound|${PORT}|${subset}|${HOST}`);

/** Rows that follow an edit of an endpoint, of a service with an address of its own. */
const ENDPOINT_ROWS = {
  "joined slices": 1,
  "service endpoints": 1,
  "service accounts of services": 1,
};

const ROUTE_ROWS = {
  "virtual services": 1,
  "all virtual services": 1,
  "virtual service shapes": 1,
  "findings of VirtualService": 1,
};

/** Proxies in some namespaces, the chosen service's among them, all of them up to date. */
class Opened {
  readonly mesh: TestMesh;
  readonly streams: readonly TestStream[];
  readonly all: TestStreams;

  constructor(services: number, clients: number, vhds: boolean) {
    const hasSubsets = (index: number): boolean => index === CHOSEN || services <= 1_000;
    this.mesh = bigMesh({ services, endpoints: ENDPOINTS, hasSubsets });
    this.all = new TestStreams(this.mesh);
    const names = Array.from({ length: clients }, (_, i) => `${namespaceOf(CHOSEN + i)}/client`);
    this.mesh.connect(...names.map(at => proxy(at, { vhds: vhds ? "large" : "none" })));
    this.streams = names.map(name => this.all.open(name, ROUTES));
    for (const stream of this.streams) stream.take();
  }

  /** All streams are told the same, by name and kind, in at most so many bytes. */
  told(bytesMax = Number.POSITIVE_INFINITY): readonly string[] {
    const [first, ...others] = this.streams.map(stream => stream.take());
    for (const other of others) assert.deepEqual(other.names, first?.names);
    for (const { bytes } of [first, ...others].filter(each => each !== undefined))
      assert.ok(bytes <= bytesMax, `${bytes} bytes`);
    return first?.names ?? [];
  }

  close(): void {
    for (const stream of this.streams) stream.close();
  }
}

function computed(stats: CommitStats): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [name, { computed: runs }] of stats.derived) if (runs > 0) counts[name] = runs;
  return counts;
}

const SIZES = [
  { services: 1_000, clients: 10 },
  { services: 10_000, clients: 2 },
];

for (const { services, clients } of SIZES)
  describe(`${services} services seen from ${clients} namespaces`, () => {
    let open: Opened;
    before(() => {
      open = new Opened(services, clients, true);
    });
    after(() => open.close());

    test("an endpoint that is not ready touches its service's endpoints only", () => {
      const { mesh } = open;
      const stats = mesh.set(mesh.inputs.endpointSlices, sliceOf(CHOSEN, ENDPOINTS, 1));
      assert.deepEqual(computed(stats), ENDPOINT_ROWS);
      assert.deepEqual(Object.fromEntries(stats.dirtied), {
        "endpoint assignments": CLUSTERS.length,
        "EDS by view": CLUSTERS.length * clients,
      });
      // The endpoint is one of v2, so v1 stays as it is.
      assert.deepEqual(open.told(1_500), [`EDS ${CLUSTERS[2]}`, `EDS ${CLUSTERS[0]}`]);
    });

    test("a weight touches the virtual hosts of its hosts", () => {
      const { mesh } = open;
      const stats = mesh.set(mesh.inputs.virtualServices, routesOf(CHOSEN, 50));
      assert.deepEqual(computed(stats), ROUTE_ROWS);
      // One for clients in its own namespace, which know it by its short name; one for all others.
      assert.equal(stats.dirtied.get("virtual hosts"), 2);
      assert.equal(stats.dirtied.get("route plans"), undefined);
      assert.deepEqual(open.told(1_500), [`VHDS ${PORT}/${HOST}:${PORT}`]);
    });

    test("a new service account touches the clusters of its service", () => {
      const { mesh } = open;
      const stats = mesh.set(mesh.inputs.pods, podOf(CHOSEN, 0, { account: "another" }));
      assert.equal(stats.dirtied.get("outbound clusters"), CLUSTERS.length);
      assert.equal(stats.dirtied.get("CDS names"), undefined);
      assert.deepEqual(open.told(), CLUSTERS.map(name => `CDS ${name}`).sort());
    });

    test("a pod's label that nobody names changes nothing", () => {
      const { mesh } = open;
      const labels = { team: "x" };
      const changed = podOf(CHOSEN, 0, { labels, account: "another" });
      const stats = mesh.set(mesh.inputs.pods, changed);
      const ofThePod = { "workloads of pods": 1, "waiting proxies": 1 };
      assert.deepEqual(computed(stats), { ...ofThePod, ...ENDPOINT_ROWS });
      assert.equal(stats.dirtied.get("outbound clusters"), undefined);
      assert.deepEqual(open.told(), []);
    });

    test("a policy touches the clusters of its host", () => {
      const { mesh } = open;
      const stats = mesh.set(mesh.inputs.destinationRules, ruleOf(CHOSEN, true, "RANDOM"));
      assert.equal(stats.dirtied.get("outbound clusters"), CLUSTERS.length);
      assert.equal(stats.dirtied.get("CDS names"), undefined);
      assert.equal(stats.dirtied.get("endpoint assignments"), undefined);
      assert.deepEqual(open.told(), CLUSTERS.map(name => `CDS ${name}`).sort());
    });

    test("a new proxy of a known class computes its own row, no cell, and shares all sets", () => {
      const { mesh } = open;
      const cells = (): unknown => mesh.graph.describe().filter(part => part.kind === "cells");
      const before = cells();
      const at = `${namespaceOf(CHOSEN)}/another`;
      const stats = mesh.connect(proxy(at, { ip: "10.0.0.2", vhds: "large" }));
      assert.deepEqual(computed(stats), {
        "proxies classed": 1,
        "proxy classes": 1,
        "inbound sets": 1,
        "gateway sets": 1,
      });
      const another = open.all.open(at, ROUTES);
      assert.deepEqual(another.ids(), open.streams[0]?.ids());
      assert.deepEqual(cells(), before);
      assert.deepEqual(open.told(), []);
      another.close();
    });

    test("a VirtualService for hosts that nobody has touches no cluster, listener or endpoint", () => {
      const { mesh } = open;
      const route = { route: [{ destination: { host: "s1" } }] };
      const one = virtualService({ at: "ns1/shop" }, { hosts: ["shop.example"], http: [route] });
      const stats = mesh.set(mesh.inputs.virtualServices, one);
      for (const family of stats.dirtied.keys())
        assert.doesNotMatch(family, /CDS|LDS|EDS|cluster|endpoint|listener/);
      assert.deepEqual(open.told(), []);
    });

    test("a new service touches its own clusters and the routes of its port", () => {
      const { mesh } = open;
      const ports = [{ name: "http", port: PORT }];
      mesh.set(
        mesh.inputs.services,
        service({ at: "ns1/new" }, { clusterIP: "10.200.0.1", ports }),
      );
      const host = "new.ns1.svc.cluster.local";
      const cluster = `outbound|${PORT}||${host}`;
      const virtualHost = `${PORT}/${host}:${PORT}`;
      assert.deepEqual(open.told(5_000), [`CDS ${cluster}`, `VHDS ${virtualHost}`]);
      mesh.remove(mesh.inputs.services, "ns1/new");
      assert.deepEqual(open.told(), [`-CDS ${cluster}`, `-VHDS ${virtualHost}`]);
    });
  });

test("without VHDS a weight costs one route configuration a view", () => {
  const open = new Opened(200, 10, false);
  const { mesh } = open;
  const stats = mesh.set(mesh.inputs.virtualServices, routesOf(CHOSEN, 50));
  assert.equal(stats.dirtied.get("virtual hosts"), 2);
  assert.equal(stats.dirtied.get("RDS by view"), 10);
  assert.deepEqual(open.told(), [`RDS ${PORT}`]);
});
