/**
 * A control plane that serves good proxies while others flood, stall and talk nonsense: what is held
 * stays within bounds, no pushed change is lost, and when they go nothing is left of them. `npm run
 * soak` gives it more time.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { defaultMesh } from "../../src/bin/mesh-config-input.ts";
import { createMeshGraph } from "../../src/bin/mesh-graph.ts";
import { clusterType, endpointType } from "../../src/discovery/type-order.ts";
import { systemClock } from "../../src/net/clock.ts";
import { DeltaClient } from "../support/ads-client.ts";
import { newAdsServer } from "../support/ads-test-server.ts";
import { eventually } from "../support/envoy-process.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FakeConfigSource } from "../support/fake-config-source.ts";
import { graphSource } from "../support/graph-source.ts";
import { behaviours, Hostile } from "../support/hostile-clients.ts";
import { service } from "../support/mesh-objects.ts";

const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

const SOAK_SECONDS = Number(process.env["LATEEN_SOAK_SECONDS"] ?? 0);
const ROUNDS = 6;
/** Streams of each kind of hostile client. */
const HOSTILE_STREAMS = SOAK_SECONDS > 0 ? 60 : 20;
const SERVICES = 30;
const CHANGED = "outbound|80||s0.default.svc.cluster.local";
const limits = {
  bufferedBytesMax: 4 << 20,
  bufferedBytesPerOwnerMax: 1 << 20,
  messageMs: 2_000,
  firstRequestMs: 3_000,
  unknownNamesMax: 20_000,
  unknownNamesPerOwnerMax: 5_000,
  newStreamsPerSecond: 50,
  newStreamBurst: 20,
  newStreamsWaitingMax: 100,
  connectionsMax: 60,
};

async function controlPlane() {
  const mesh = createMeshGraph();
  const { graph, inputs } = mesh;
  const of = graphSource(mesh, systemClock);
  let nth = 0;
  const change = (): void => {
    nth++;
    const port = { name: "http", port: 80 };
    const meta = { at: "default/s0", labels: { nth: String(nth) } };
    const spec = { clusterIP: `10.1.${nth >> 8}.${nth & 255}`, ports: [port] };
    graph.commit({ source: "test" }, writer => {
      writer.set(inputs.services, "default/s0", service(meta, spec));
      writer.set(
        inputs.services,
        "default/s-new",
        service(
          { at: "default/s-new" },
          {
            clusterIP: `10.2.${nth >> 8}.${nth & 255}`,
            ports: [{ name: "http", port: 8000 + nth }],
          },
        ),
      );
    });
  };
  graph.commit({ source: "test" }, writer => {
    writer.set(inputs.mesh, "mesh", defaultMesh());
    for (let i = 1; i < SERVICES; i++) {
      const spec = { clusterIP: `10.3.0.${i}`, ports: [{ name: "http", port: 80 }] };
      writer.set(inputs.services, `default/s${i}`, service({ at: `default/s${i}` }, spec));
    }
  });
  change();
  of.source.markReady();
  const server = newAdsServer(of.source, { serverLimits: limits });
  cleanups.push(() => server.close());
  const port = await server.listenPlaintext({ port: 0, host: "0.0.0.0" });
  /** The cluster that the last change brought. */
  const newest = (): string => `outbound|${8000 + nth}||s-new.default.svc.cluster.local`;
  return { ...of, mesh, server, port, change, newest };
}

/** A proxy as it should be: answers everything, asks for what it is told of, comes back when cut. */
class Good {
  readonly #url: string;
  readonly #id: string;
  #client: DeltaClient;
  #seen = 0;
  reconnects = -1;
  readonly clusters = new Set<string>();
  readonly endpoints = new Set<string>();

  constructor(port: number, nth: number) {
    this.#url = `http://127.0.0.1:${port}`;
    this.#id = `sidecar~10.0.0.${nth}~good${nth}.default~default.svc.cluster.local`;
    this.#client = this.#connect();
  }

  #connect(): DeltaClient {
    this.reconnects++;
    this.#seen = 0;
    const client = new DeltaClient(this.#url);
    client.send({ node: { id: this.#id }, typeUrl: clusterType });
    return client;
  }

  /** As where a node or a network fails; counts as no reconnect. */
  cut(): void {
    this.#client.close();
    this.reconnects--;
  }

  /** To be called often. */
  turn(): void {
    if (this.#client.stream.closed || this.#client.session.destroyed)
      this.#client = this.#connect();
    for (; this.#seen < this.#client.responses.length; this.#seen++) {
      const response = this.#client.responses[this.#seen];
      if (response === undefined) break;
      const isClusters = response.typeUrl === clusterType;
      const have = isClusters ? this.clusters : this.endpoints;
      const names = (response.resources ?? []).map(each => each.name ?? "");
      for (const name of response.removedResources ?? []) have.delete(name);
      for (const name of names) have.add(name);
      this.#client.ack(response);
      const resourceNamesSubscribe = names.filter(name => name.startsWith("outbound|"));
      const resourceNamesUnsubscribe = response.removedResources ?? [];
      if (isClusters)
        this.#client.send({
          typeUrl: endpointType,
          resourceNamesSubscribe,
          resourceNamesUnsubscribe,
        });
    }
  }

  close(): void {
    this.#client.close();
  }
}

test("floods, stalls and nonsense: bounds hold, no change is lost, and nothing is left", async () => {
  const here = await controlPlane();
  const { server, port, mesh, connections, subscriptions } = here;
  const good = Array.from({ length: 10 }, (_, i) => new Good(port, i + 1));
  cleanups.push(() => {
    for (const each of good) each.close();
  });
  const all = (holds: (proxy: Good) => boolean) => () => {
    for (const each of good) each.turn();
    return good.every(holds);
  };
  await eventually(
    "all have what there is",
    all(each => each.clusters.has(CHANGED)),
  );
  let seed = 1;
  const random = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
  const hostile = Object.values(behaviours).map(
    (behave, i) =>
      new Hostile(behave, HOSTILE_STREAMS, { port, random, address: `127.0.3.${i + 1}` }),
  );
  cleanups.push(() => {
    for (const each of hostile) each.stop();
  });
  const endsAt = Date.now() + SOAK_SECONDS * 1000;
  const most = { bufferedBytes: 0, unknownNames: 0, waiting: 0, connections: 0 };
  for (let round = 0; round < ROUNDS || Date.now() < endsAt; round++) {
    // Whoever comes back while others flood must find what changed meanwhile.
    good[round % good.length]?.cut();
    here.change();
    const newest = here.newest();
    await eventually(
      `change ${round} has come everywhere`,
      all(each => each.clusters.has(newest) && each.endpoints.has(newest)),
    );
    const { held } = server;
    for (const key of ["bufferedBytes", "unknownNames", "waiting", "connections"] as const)
      most[key] = Math.max(most[key], held[key]);
    assert.equal(mesh.inputs.proxies.size, connections.size);
    await new Promise(next => setTimeout(next, 100));
  }
  assert.ok(most.bufferedBytes <= limits.bufferedBytesMax, `${most.bufferedBytes} bytes`);
  assert.ok(most.unknownNames <= limits.unknownNamesMax, `${most.unknownNames} names`);
  assert.ok(most.waiting <= 2 * limits.newStreamsWaitingMax, `${most.waiting} in line`);
  assert.ok(most.connections <= limits.connectionsMax, `${most.connections} connections`);
  assert.deepEqual(
    good.map(each => each.reconnects),
    good.map(() => 0),
    "nobody good was cut",
  );
  for (const each of hostile) each.stop();
  await eventually("only good ones are left", () => server.streams === good.length);
  await eventually("nothing is held for the others", () => {
    const { connections: open, ...rest } = server.held;
    return open === good.length && Object.values(rest).every(each => each === 0);
  });
  assert.equal(mesh.inputs.proxies.size, good.length);
  assert.equal(connections.size, good.length);
  assert.ok(subscriptions.liveCount <= 4, `${subscriptions.liveCount} sets`);
});

/**
 * To be called for a few hundred at a time: the kernel drops what does not fit its queue of new
 * connections (511 by Node's default), and such a connection is tried again only seconds later.
 */
function connectProxy(port: number, nth: number): DeltaClient {
  const client = new DeltaClient(`http://127.0.0.1:${port}`);
  cleanups.push(() => client.close());
  const id = `sidecar~10.0.${nth >> 8}.${nth & 255}~p.d~d`;
  client.send({ node: { id }, typeUrl: clusterType });
  return client;
}

test("2,000 proxies behind one address get in while strangers fill the line", async () => {
  const source = new FakeConfigSource();
  source.keepEvents = false;
  source.commit(edit => edit.set(clusterType, "c0", "1"));
  const clock = new FakeClock();
  const serverLimits = {
    newStreamsPerSecond: 1_000,
    newStreamBurst: 1,
    credentialBurst: 10_000,
    newStreamsWaitingMax: 4_200,
    // The clock runs ahead of the sockets here.
    firstRequestMs: 1e9,
    pingEveryMs: 1e9,
    handshakeMs: 1e9,
    idleMs: 1e9,
  };
  const server = newAdsServer(source, { serverLimits, clock });
  cleanups.push(() => server.close());
  const port = await server.listenPlaintext({ port: 0, host: "0.0.0.0" });
  // Those that are turned away do not come again at once: this process has to serve both sides.
  const options = { port, random: () => 0, address: "127.0.4.1", againMs: 600_000 };
  const strangers = new Hostile(() => {}, 4_500, options);
  cleanups.push(() => strangers.stop());
  await eventually("the line is full", () => server.held.waiting === 4_200, 180_000);
  const proxies: DeltaClient[] = [];
  while (proxies.length < 2_000) {
    const first = proxies.length;
    const group = Array.from({ length: 250 }, (_, i) => connectProxy(port, first + i));
    await Promise.all(group.map(each => once(each.session, "connect")));
    proxies.push(...group);
  }
  const seen = (version: string): boolean =>
    proxies.every(each =>
      each.responses.some(({ resources }) => resources?.some(one => one.version === version)),
    );
  await eventually(
    "all got in",
    () => {
      // Only while the line moves by it: deadlines must not pass that a loaded machine can not keep.
      // A step lets fifty in: with five, hundreds of waits between steps are most of the test.
      if (server.held.waiting > 0) clock.advance(1_000);
      return seen("1");
    },
    180_000,
  );
  for (const each of proxies) for (const response of each.responses) each.ack(response);
  source.commit(edit => edit.set(clusterType, "c0", "2"));
  await eventually("a change reaches all of them", () => seen("2"), 180_000);
});
