/** Proxies come back as often as they like: nothing of a stream that is gone stays behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { graphSource } from "../../test/support/graph-source.ts";
import { service, sidecar, slice } from "../../test/support/mesh-objects.ts";
import { type Form, ProtocolClient } from "../../test/support/protocol-client.ts";
import { SnapshotCache } from "../discovery/snapshot.ts";
import {
  clusterType,
  endpointType,
  listenerType,
  routeType,
  virtualHostType,
} from "../discovery/type-order.ts";
import type { ConfigSource, Node } from "../discovery/types.ts";
import { defaultMesh } from "./mesh-config-input.ts";
import { createMeshGraph, type MeshGraph } from "./mesh-graph.ts";

const NAMESPACES = 2;
const SERVICES = 6;
const PROXIES = 8;
const ROUNDS = 10;

function rig() {
  const mesh = createMeshGraph();
  const { source, connections } = graphSource(mesh, new FakeClock());
  fill(mesh);
  return { graph: mesh.graph, source, connections };
}

function fill({ graph, inputs }: MeshGraph): void {
  graph.commit({ source: "test" }, writer => {
    writer.set(inputs.mesh, "mesh", defaultMesh());
    for (let i = 0; i < SERVICES; i++) {
      const at = `ns-${i % NAMESPACES}/svc-${i}`;
      const made = service({ at }, { clusterIP: `10.96.0.${i + 1}`, ports: [port] });
      writer.set(inputs.services, at, made);
      const pods = [{ name: `svc-${i}-0`, ip: `10.0.0.${i + 1}` }];
      const of = slice(`${at}-slice`, { service: `svc-${i}`, ports: { http: 8080 }, pods });
      writer.set(inputs.endpointSlices, `${at}-slice`, of);
    }
    for (let i = 0; i < NAMESPACES; i++) {
      const at = `ns-${i}/default`;
      writer.set(inputs.sidecars, at, sidecar({ at }, { egress: [{ hosts: ["./*"] }] }));
    }
  });
}

const port = { name: "http", port: 80, targetPort: 8080 };

/** A node says its id on its first request; the client of the tests has one of its own. */
function as(source: ConfigSource, i: number): ConfigSource {
  const namespace = `ns-${i % NAMESPACES}`;
  const ip = `10.1.0.${i + 1}`;
  const id = `sidecar~${ip}~proxy-${i}.${namespace}~${namespace}.svc.cluster.local`;
  const metadata = { NAMESPACE: namespace, NAME: `proxy-${i}`, INSTANCE_IPS: ip };
  return {
    ready: true,
    onReady: listener => source.onReady(listener),
    connect: (node: Node, peer, form) => source.connect({ ...node, id, metadata }, peer, form),
  };
}

/** Everything that a sidecar asks for, each answered. */
function subscribe(client: ProtocolClient): void {
  client.subscribe(clusterType);
  const clusters = client.settle().flatMap(({ resources }) => resources);
  const named = clusters.map(each => each.split("@")[0] ?? "");
  client.subscribe(endpointType, ...named.filter(name => name.startsWith("outbound|")));
  client.subscribe(listenerType);
  client.subscribe(routeType, "80");
  if (client.form === "delta") client.subscribe(virtualHostType);
  assert.ok(named.length > SERVICES / NAMESPACES, named.join());
  const answered = new Set(client.settle().map(({ type }) => type));
  assert.ok(answered.has(endpointType) && answered.has(listenerType) && answered.has(routeType));
}

for (const form of ["delta", "sotw"] satisfies Form[]) {
  for (const isResumed of [true, false]) {
    const what = isResumed ? "saying what they have" : "with nothing";
    test(`after ten rounds of reconnects as much is held as after one: ${form}, ${what}`, () => {
      const { graph, source, connections } = rig();
      const snapshots = new SnapshotCache();
      const held = () => {
        const sizes = graph.describe().map(({ name, size }) => [name, size]);
        return { ...graph.census(), connections: connections.size, sizes };
      };
      const open = (i: number, before: ProtocolClient | undefined): ProtocolClient => {
        const resume = isResumed && before !== undefined ? { resume: before } : {};
        const client = new ProtocolClient(form, as(source, i), { snapshots, ...resume });
        if (isResumed && before !== undefined) client.settle();
        else subscribe(client);
        return client;
      };
      const before = held();
      let clients = Array.from({ length: PROXIES }, (_, i) => open(i, undefined));
      const once = held();
      assert.equal(once.connections, PROXIES);
      for (let round = 0; round < ROUNDS; round++) {
        // Half of the old streams are noticed to be gone only after the new ones have come.
        const early = round % 2 === 0;
        if (early) for (const { stream } of clients) stream.close();
        const next = clients.map((client, i) => open(i, client));
        if (!early) for (const { stream } of clients) stream.close();
        clients = next;
        assert.deepEqual(held(), once, `round ${round}`);
        for (const { stream } of clients) assert.equal(stream.ownEntries, 0);
      }
      for (const { stream } of clients) stream.close();
      assert.deepEqual(held(), before);
    });
  }
}
