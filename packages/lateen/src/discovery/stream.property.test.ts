/**
 * Random meshes, edits, delays, rejections and reconnects. A client that acts as Envoy does must
 * never hold a route to a cluster that it does not have, and must end with what the source holds.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { budget } from "../../test/support/budget.ts";
import { FakeConfigSource } from "../../test/support/fake-config-source.ts";
import { type Form, ProtocolClient, type Received } from "../../test/support/protocol-client.ts";
import { SnapshotCache } from "./snapshot.ts";
import { clusterType, endpointType, listenerType, routeType } from "./type-order.ts";

const services = ["s0", "s1", "s2", "s3", "s4"];
const routes = ["r0", "r1"];

/** Which services there are, and which of those each route names. */
interface MeshState {
  readonly present: readonly boolean[];
  readonly versions: readonly number[];
  readonly uses: readonly (readonly boolean[])[];
}

const meshState: fc.Arbitrary<MeshState> = fc.record({
  present: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  versions: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 5, maxLength: 5 }),
  uses: fc.array(fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), {
    minLength: 2,
    maxLength: 2,
  }),
});

type Step =
  | { readonly kind: "commit"; readonly state: MeshState }
  | { readonly kind: "take" | "ack" | "nack" | "settle" | "reconnect" | "again" }
  | { readonly kind: "reclassify"; readonly to: string };

const step = (rejections: boolean): fc.Arbitrary<Step> =>
  fc.oneof(
    { weight: 4, arbitrary: meshState.map(state => ({ kind: "commit", state }) as const) },
    { weight: 6, arbitrary: fc.constant({ kind: "take" } as const) },
    { weight: 6, arbitrary: fc.constant({ kind: "ack" } as const) },
    { weight: rejections ? 2 : 0, arbitrary: fc.constant({ kind: "nack" } as const) },
    { weight: 2, arbitrary: fc.constant({ kind: "settle" } as const) },
    { weight: 1, arbitrary: fc.constant({ kind: "reconnect" } as const) },
    { weight: 1, arbitrary: fc.constant({ kind: "again" } as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom("", "east").map(to => ({ kind: "reclassify", to }) as const),
    },
  );

const steps = (rejections: boolean): fc.Arbitrary<Step[]> =>
  fc.array(step(rejections), { minLength: 10, maxLength: 80, size: "max" });

class World {
  readonly mesh = new FakeConfigSource();
  readonly rejected = new Set<string>();
  readonly #form: Form;
  readonly #snapshots = new SnapshotCache();
  /** False until the next rest when the server can not know which clusters the client had. */
  #orderKnown = true;
  readonly #checkOrder: boolean;
  client: ProtocolClient;
  #inFlight: Received[] = [];
  /** Clusters whose endpoints the client asked for. */
  #endpointNames: readonly string[] = [];
  #class = "";

  constructor(form: Form, checkOrder: boolean) {
    this.#form = form;
    this.#checkOrder = checkOrder;
    this.mesh.namedOnly.add(endpointType).add(routeType);
    this.mesh.classOf = () => this.#class;
    this.client = this.#connect();
    this.client.subscribe(clusterType);
    this.client.subscribe(listenerType);
    this.client.subscribe(routeType, ...routes);
  }

  #connect(resume?: ProtocolClient): ProtocolClient {
    const snapshots = this.#snapshots;
    const limits = { responseBytesSoft: 200 };
    const options = resume === undefined ? { snapshots, limits } : { snapshots, limits, resume };
    return new ProtocolClient(this.#form, this.mesh, options);
  }

  play(step: Step): void {
    if (step.kind === "commit") this.#commit(step.state);
    else if (step.kind === "take") this.take();
    else if (step.kind === "ack") this.answer();
    else if (step.kind === "nack") this.#reject();
    else if (step.kind === "settle") this.settle();
    else if (step.kind === "reconnect") this.#reconnect();
    else if (step.kind === "reclassify") {
      this.#class = step.to;
      this.mesh.connections.at(-1)?.reclassify(step.to);
    } else if (this.#form === "delta") this.client.subscribe(routeType, "r0");
  }

  /** Views differ in the versions only, so that routes are right in both. */
  #commit({ present, versions, uses }: MeshState): void {
    this.mesh.commit(edit => {
      for (const [i, name] of services.entries()) {
        for (const view of ["", "east|"]) {
          for (const type of [clusterType, endpointType]) {
            if (present[i] === true) edit.set(`${view}${type}`, name, `${view}${versions[i]}`);
            else edit.delete(`${view}${type}`, name);
          }
        }
      }
      for (const [r, name] of routes.entries()) {
        const used = services.filter((_, i) => present[i] === true && uses[r]?.[i] === true);
        edit.set(routeType, name, used.join("+"));
      }
      edit.set(listenerType, "l", String(versions[0]));
    });
  }

  take(): boolean {
    const received = this.client.take();
    if (received === undefined) return false;
    this.#inFlight.push(received);
    if (received.type === clusterType) {
      // Envoy warms new clusters before it acknowledges.
      const names = received.resources.map(resource => resource.split("@")[0] ?? "");
      const known = new Set(this.#endpointNames);
      const added = names.filter(name => !known.has(name));
      this.#endpointNames = [...known, ...added].filter(name => !received.removed.includes(name));
      if (added.length > 0) this.client.subscribe(endpointType, ...added);
      const gone = received.removed.filter(name => known.has(name));
      if (gone.length > 0) this.client.unsubscribe(endpointType, ...gone);
    }
    return true;
  }

  answer(): boolean {
    const received = this.#inFlight.shift();
    if (received === undefined) return false;
    this.client.ack(received);
    if (this.#checkOrder && this.#orderKnown) this.#checkRoutes();
    return true;
  }

  #reject(): void {
    // A removal alone gives a client nothing to find wrong.
    if (this.#inFlight[0]?.resources.length === 0) {
      this.answer();
      return;
    }
    const received = this.#inFlight.shift();
    if (received === undefined) return;
    this.client.nack(received);
    for (const resource of received.resources) this.rejected.add(`${received.type} ${resource}`);
  }

  #reconnect(): void {
    this.client.stream.close();
    this.#inFlight = [];
    if (this.#form === "sotw") this.#orderKnown = false;
    this.client = this.#connect(this.client);
  }

  #checkRoutes(): void {
    const clusters = new Set(this.client.have(clusterType).map(each => each.split("@")[0]));
    for (const route of this.client.have(routeType)) {
      for (const name of (route.split("@")[1] ?? "").split("+")) {
        assert.ok(name === "" || clusters.has(name), `${route}, but no cluster ${name}`);
      }
    }
  }

  settle(): void {
    for (let i = 0; i < 500; i++) {
      if (this.take() || this.answer()) continue;
      this.#orderKnown = true;
      return;
    }
    assert.fail("does not come to rest");
  }

  get endpointNames(): readonly string[] {
    return this.#endpointNames;
  }

  expected(type: string, names: readonly string[]): string[] {
    return names.flatMap(name => {
      const version = this.mesh.versionOf(type, this.#class, name);
      return version === undefined ? [] : [`${name}@${version}`];
    });
  }
}

function end(world: World): void {
  world.settle();
  assert.equal(world.client.end, undefined);
  const { client, rejected } = world;
  for (const [type, names] of [
    [clusterType, services],
    [routeType, routes],
  ] as const) {
    const wrong = world
      .expected(type, names)
      .filter(each => !client.have(type).includes(each) && !rejected.has(`${type} ${each}`));
    assert.deepEqual(wrong, [], `${type}: has ${client.have(type)}`);
  }
  const endpoints = new Set(client.have(endpointType));
  for (const each of world.expected(endpointType, world.endpointNames))
    assert.ok(endpoints.has(each) || rejected.has(`${endpointType} ${each}`), `no ${each}`);
  if (rejected.size === 0)
    assert.deepEqual(client.have(clusterType), world.expected(clusterType, services));
  assert.ok(client.stream.ownEntries <= rejected.size, "only rejections are kept in the end");
  client.stream.close();
  assert.equal(world.mesh.liveSets, 0);
}

for (const form of ["delta", "sotw"] as const) {
  test(`random edits, delays and reconnects: make before break, and the end is right (${form})`, () => {
    fc.assert(
      fc.property(steps(false), sequence => {
        const world = new World(form, true);
        for (const each of sequence) world.play(each);
        end(world);
      }),
      budget(100),
    );
  });

  test(`the same with rejections: what was not rejected arrives (${form})`, () => {
    fc.assert(
      fc.property(steps(true), sequence => {
        const world = new World(form, false);
        for (const each of sequence) world.play(each);
        end(world);
      }),
      budget(100),
    );
  });
}
