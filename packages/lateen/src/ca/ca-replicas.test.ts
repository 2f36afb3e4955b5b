/**
 * A CA that is replaced under replicas that start, end and hear of it at different times: whatever is in use
 * is trusted by all, at each moment.
 */
import type { FakeClock } from "../../test/support/fake-clock.ts";
import "../../test/support/fixed-seed.ts";
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { type OperatorRoot, operatorRoot, type PluggedCa } from "../../test/support/plugged-ca.ts";
import { secretKind } from "../api/secret/kind.ts";
import type { Clock } from "../base/clock.ts";
import { silentLog } from "../base/log.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { localTransport } from "../sources/client/local-transport.ts";
import type { Transport } from "../sources/client/transport.ts";
import { objectAt } from "../sources/json.ts";
import { kubeApiHandler } from "../sources/kube-api/handler.ts";
import { testKinds, testStore, value } from "../sources/store/test-store.ts";
import { openAuthority } from "./authority.ts";
import { CA_CHANGE_SECRET } from "./ca-change.ts";
import { CaChangeKeeper, keptChange } from "./ca-change-keeper.ts";
import { CaSecrets, decodeSecretData } from "./ca-secrets.ts";
import { LiveAuthority, ROOT_SPREAD_MS } from "./live-authority.ts";
import { caSecret, PLUGGED_CA_SECRET } from "./root.ts";

const namespace = "default";
const STEP_MS = 5_000;
const LAG_MS = 20_000;
const start = Date.parse("2026-01-01T00:00:00Z");
const roots = ["A", "B", "C"].map(label =>
  operatorRoot("ec", ` ${label}`, start - 1_000, start + 1e10),
);

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
}

/** What is watched comes late. */
function slow(transport: Transport, clock: FakeClock, lagMs: number): Transport {
  if (lagMs === 0) return transport;
  return {
    ...transport,
    stream: (request, reader) => {
      const timers: (() => void)[] = [];
      const stop = transport.stream(request, {
        ...reader,
        onOpen: () => reader.onOpen(),
        onEnd: refused => reader.onEnd(refused),
        onLines: lines => void timers.push(clock.after(lagMs, () => reader.onLines(lines))),
      });
      return () => {
        for (const cancel of timers) cancel();
        stop();
      };
    },
  };
}

interface Running {
  readonly authority: LiveAuthority;
  readonly subject: () => string;
  readonly trusted: () => readonly string[];
  stop(): void;
}

const label = (pem: string): string => new X509Certificate(pem).subject.replace("CN=Root CA ", "");

class Cluster {
  readonly clock: FakeClock;
  readonly handler: ReturnType<typeof kubeApiHandler>;
  readonly client: ApiClient;
  readonly store;
  /** Set to refuse what is written to the Secret of the change. */
  mayWrite = true;
  writes = 0;

  constructor() {
    const { store, clock } = testStore({ kinds: [...testKinds, secretKind] });
    this.store = store;
    this.clock = clock;
    const inner = kubeApiHandler({ store, clock, version: "0" });
    this.handler = request => {
      const isChange = request.path.includes(CA_CHANGE_SECRET) || request.method === "POST";
      if (request.method === "GET" || !isChange) return inner(request);
      this.writes++;
      return this.mayWrite ? inner(request) : { status: 403, json: { message: "no right" } };
    };
    this.client = new ApiClient(localTransport(inner));
  }

  async plug(stringData: PluggedCa): Promise<void> {
    const metadata = { name: PLUGGED_CA_SECRET, namespace };
    const secret = { apiVersion: "v1", kind: "Secret", metadata, stringData: { ...stringData } };
    const found = this.store.get(secretKind, namespace, PLUGGED_CA_SECRET);
    if (found.ok) {
      const patch = { data: null, stringData: { ...stringData } };
      const answer = await this.client.patch(secretKind, namespace, "cacerts", "merge", patch);
      assert.ok(answer.ok);
    } else value(this.store.create(secretKind, namespace, secret));
    await settle();
  }

  kept(): object | undefined {
    const found = this.store.get(secretKind, namespace, CA_CHANGE_SECRET);
    return found.ok ? objectAt(found.value.json, "data") : undefined;
  }

  /** Its clock goes before the others' by `skewMs`. */
  async replica(lagMs = 0, skewMs = 0): Promise<Running> {
    const client = new ApiClient(slow(localTransport(this.handler), this.clock, lagMs));
    const clock: Clock = {
      now: () => this.clock.now() + skewMs,
      monotonic: () => this.clock.monotonic(),
      after: (ms, run) => this.clock.after(ms, run),
    };
    const common = { client, namespace, clock, random: () => 0, log: silentLog };
    const { json } = value(this.store.get(secretKind, namespace, PLUGGED_CA_SECRET));
    const data = decodeSecretData(objectAt(json, "data"));
    const opened = openAuthority(caSecret(data), clock.now());
    assert.ok(opened.ok, JSON.stringify(opened.diagnostics));
    const kept = await keptChange(client, namespace, clock.now(), silentLog);
    const options = { clock, log: silentLog, spreadMs: ROOT_SPREAD_MS };
    const authority = new LiveAuthority(opened.value, options, kept);
    const keeper = new CaChangeKeeper({ ...common, authority });
    const secrets = new CaSecrets({ ...common, authority });
    keeper.start();
    secrets.start();
    await settle();
    return {
      authority,
      subject: () => rootOf(authority),
      trusted: () => authority.roots.map(label),
      stop() {
        secrets.stop();
        keeper.stop();
        authority.dispose();
      },
    };
  }

  async advance(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.clock.advance(Math.min(STEP_MS, ms - passed));
      await settle();
    }
  }
}

/** Label of the root that what is issued now leads to. */
function rootOf(authority: LiveAuthority): string {
  const period = { notBefore: start, notAfter: start + 1e10 };
  const { certificatePem } = authority.issue({ uris: ["spiffe://x/ns/a/sa/b"] }, period);
  return /Intermediate CA (.)/.exec(new X509Certificate(certificatePem).issuer)?.[1] ?? "";
}

async function clusterOf(t: TestContext, first: PluggedCa) {
  const cluster = new Cluster();
  await cluster.plug(first);
  const running: Running[] = [];
  t.after(() => {
    for (const each of running) each.stop();
  });
  const replica = async (lagMs = 0, skewMs = 0): Promise<Running> => {
    const one = await cluster.replica(lagMs, skewMs);
    running.push(one);
    return one;
  };
  return { cluster, replica };
}

function at(index: number): OperatorRoot {
  const found = roots[index];
  assert.ok(found !== undefined);
  return found;
}
const [a, b] = [at(0), at(1)];

test("a control plane that starts in the middle of a one-step change takes it up, and spreads anew", async t => {
  const { cluster, replica } = await clusterOf(t, a.plugged());
  const first = await replica();
  assert.equal(cluster.kept(), undefined);
  await cluster.plug(b.plugged());
  await cluster.advance(30_000);
  first.stop();

  const second = await replica();
  assert.deepEqual([second.subject(), second.trusted()], ["A", ["B", "A"]]);
  await cluster.advance(ROOT_SPREAD_MS - 5_000);
  assert.equal(second.subject(), "A");
  await cluster.advance(5_000);
  assert.equal(second.subject(), "B");
  assert.doesNotMatch(Object.keys(cluster.kept() ?? {}).join(), /ca-key/, "the old key is gone");
  await cluster.advance(30_000);
  second.stop();

  const third = await replica();
  assert.deepEqual([third.subject(), third.trusted()], ["B", ["B", "A"]]);
  await cluster.advance(2 * ROOT_SPREAD_MS - 35_000);
  assert.deepEqual(third.trusted(), ["B", "A"]);
  await cluster.advance(5_000);
  assert.deepEqual([third.trusted(), third.authority.state.phase], [["B"], "settled"]);
  assert.equal(cluster.kept(), undefined, "nothing is left");
});

test("going back to an earlier CA is a change like any other, also after a restart in the middle of the first", async t => {
  const ofA = a.plugged();
  const { cluster, replica } = await clusterOf(t, ofA);
  const first = await replica();
  await cluster.plug(b.plugged());
  await cluster.advance(30_000);
  first.stop();
  const second = await replica();
  await cluster.advance(5 * ROOT_SPREAD_MS);
  assert.deepEqual([second.subject(), second.trusted()], ["B", ["B"]]);
  await cluster.plug(ofA);
  assert.deepEqual([second.subject(), second.authority.state.phase], ["B", "spreading"]);
  await cluster.advance(ROOT_SPREAD_MS);
  assert.equal(second.subject(), "A");
});

test("a root that is added and a moment old is not taken for one that all trust by who starts then", async t => {
  const { cluster, replica } = await clusterOf(t, a.plugged());
  const first = await replica();
  const ofA = a.plugged([a, b]);
  await cluster.plug(ofA);
  await cluster.advance(10_000);
  first.stop();
  const second = await replica();
  await cluster.plug(b.plugged([a, b]));
  assert.equal(second.authority.state.phase, "spreading");
  await cluster.advance(ROOT_SPREAD_MS - 5_000);
  assert.equal(second.subject(), "A", "of the first, nobody knows whether it gave it out");
  await cluster.advance(5_000);
  assert.equal(second.subject(), "B");
});

test("time in which nothing ran spreads no root; a restart beside another replica delays nothing", async t => {
  const { cluster, replica } = await clusterOf(t, a.plugged());
  const first = await replica();
  await cluster.plug(b.plugged());
  await cluster.advance(2_000);
  first.stop();
  await cluster.advance(3 * 60_000);
  const second = await replica();
  assert.deepEqual([second.subject(), second.authority.state.phase], ["A", "spreading"]);
  await cluster.advance(60_000);
  const third = await replica();
  await cluster.advance(55_000);
  assert.deepEqual([second.subject(), third.subject()], ["A", "A"]);
  await cluster.advance(5_000);
  assert.deepEqual([second.subject(), third.subject()], ["B", "B"]);
});

test("a change that a mesh long gone has left behind is not taken up, and goes", async t => {
  const { cluster, replica } = await clusterOf(t, a.plugged());
  const first = await replica();
  await cluster.plug(b.plugged());
  first.stop();
  cluster.clock.advance(25 * 3_600_000);
  const second = await replica();
  assert.deepEqual([second.subject(), second.trusted(), cluster.kept()], ["B", ["B"], undefined]);
});

const longSince = (name: string): OperatorRoot =>
  operatorRoot("ec", ` ${name}`, start - 1e9, start + 1e10);

test("replicas whose clocks differ do not write in turn", async t => {
  const { cluster, replica } = await clusterOf(t, longSince("A").plugged());
  const all = [await replica(0, 45_000), await replica(LAG_MS, -45_000), await replica()];
  await cluster.plug(longSince("B").plugged());
  await cluster.advance(4 * ROOT_SPREAD_MS);
  assert.deepEqual([...new Set(all.map(each => each.subject()))], ["B"]);
  assert.ok(cluster.writes <= 15, `${cluster.writes} writes`);
  await cluster.advance(2 * ROOT_SPREAD_MS);
  assert.deepEqual([...new Set(all.map(each => each.trusted().join()))], ["B"]);
  assert.equal(cluster.kept(), undefined);
  assert.ok(cluster.writes <= 20, `${cluster.writes} writes`);
});

test("a replica that refuses the new CA for now does not write in turn with one that takes it", async t => {
  const { cluster, replica } = await clusterOf(t, longSince("A").plugged());
  const [takes, refuses] = [await replica(), await replica(0, -8 * 60_000)];
  await cluster.plug(b.plugged());
  await cluster.advance(ROOT_SPREAD_MS);
  assert.deepEqual([takes.subject(), refuses.subject()], ["B", "A"]);
  assert.equal(refuses.authority.state.phase, "refused");
  await cluster.advance(3 * ROOT_SPREAD_MS);
  assert.ok(cluster.writes <= 15, `${cluster.writes} writes`);
  await cluster.advance(8 * 60_000);
  assert.deepEqual([takes.subject(), refuses.subject()], ["B", "B"]);
  assert.ok(cluster.writes <= 30, `${cluster.writes} writes`);
});

test("a change that was made while nothing ran keeps trusting what was kept, and signs at once", async t => {
  const { cluster, replica } = await clusterOf(t, a.plugged());
  const first = await replica();
  await cluster.plug(b.plugged());
  await cluster.advance(10_000);
  first.stop();
  await cluster.plug(at(2).plugged());
  const second = await replica();
  assert.deepEqual([second.subject(), [...second.trusted()].sort()], ["A", ["A", "B", "C"]]);
});

test("of two replicas none goes before the one that has heard last; what they trust, they trust alike", async t => {
  const { cluster, replica } = await clusterOf(t, a.plugged());
  const [fast, late] = [await replica(), await replica(LAG_MS)];
  await cluster.plug(b.plugged());
  await cluster.advance(LAG_MS - STEP_MS);
  assert.deepEqual([fast.trusted(), late.trusted()], [["B", "A"], ["A"]]);
  await cluster.advance(ROOT_SPREAD_MS);
  assert.deepEqual([fast.subject(), late.subject()], ["A", "A"], "not before all had their time");
  await cluster.advance(STEP_MS);
  assert.equal(fast.subject(), "B");
  await cluster.advance(LAG_MS);
  assert.deepEqual([fast.subject(), late.subject()], ["B", "B"]);
  assert.deepEqual(fast.authority.roots, late.authority.roots);
  const writes = cluster.writes;
  assert.ok(writes <= 8, `${writes} writes`);
  await cluster.advance(3 * ROOT_SPREAD_MS);
  assert.deepEqual([fast.trusted(), late.trusted(), cluster.kept()], [["B"], ["B"], undefined]);
});

test("who may not write the Secret goes on all the same, and asks seldom", async t => {
  const { cluster, replica } = await clusterOf(t, a.plugged());
  const only = await replica();
  cluster.mayWrite = false;
  await cluster.plug(b.plugged());
  await cluster.advance(ROOT_SPREAD_MS);
  assert.deepEqual([only.subject(), cluster.kept()], ["B", undefined]);
  assert.ok(cluster.writes < 20, `${cluster.writes} writes`);
});

test("what is no change in the Secret is replaced by one", async t => {
  const { cluster, replica } = await clusterOf(t, a.plugged());
  const metadata = { name: CA_CHANGE_SECRET, namespace };
  const stringData = { "times.json": "nothing" };
  const secret = { apiVersion: "v1", kind: "Secret", metadata, stringData };
  value(cluster.store.create(secretKind, namespace, secret));
  const only = await replica();
  assert.equal(only.subject(), "A");
  await cluster.plug(b.plugged());
  only.stop();
  assert.equal((await replica()).subject(), "A");
});

const steps = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant("plug" as const),
      signer: fc.nat({ max: 2 }),
      trusted: fc.subarray([0, 1, 2]),
    }),
    fc.record({ do: fc.constant("restart" as const), replica: fc.nat({ max: 1 }) }),
    fc.record({
      do: fc.constant("wait" as const),
      ms: fc.integer({ min: 1, max: 60 }).map(n => n * STEP_MS),
    }),
  ),
  { minLength: 1, maxLength: 12 },
);

/** Which roots are in use, and since when each slot of a replica gives them out. */
class Observer {
  /** Root by slot: until when certificates of it may be in use. */
  readonly #used = [new Map<string, number>(), new Map<string, number>()];
  readonly #given = [new Map<string, number>(), new Map<string, number>()];
  #signed: (string | undefined)[] = [];

  look(replicas: readonly Running[], now: number): void {
    replicas.forEach((replica, slot) => {
      const given = this.#given[slot];
      assert.ok(given !== undefined);
      const trusted = new Set(replica.trusted());
      for (const root of given.keys()) if (!trusted.has(root)) given.delete(root);
      for (const root of trusted) if (!given.has(root)) given.set(root, now);
    });
    replicas.forEach((replica, slot) => {
      const signs = replica.subject();
      const before = this.#signed[slot];
      if (before !== undefined && before !== signs) this.#assertKnown(signs, now);
      this.#signed[slot] = signs;
      // Certificates are replaced within such a time.
      this.#used[slot]?.set(signs, now + ROOT_SPREAD_MS);
    });
    for (const used of this.#used)
      for (const [root, until] of used) if (until > now) this.#assertTrusted(root, replicas);
  }

  #assertTrusted(root: string, replicas: readonly Running[]): void {
    for (const replica of replicas)
      assert.ok(
        replica.trusted().includes(root),
        `${root} is in use, trusted ${replica.trusted()}`,
      );
  }

  /** Long enough for who hears of it late. */
  #assertKnown(root: string, now: number): void {
    for (const given of this.#given) {
      const since = given.get(root) ?? now;
      const ms = now - since;
      assert.ok(ms >= ROOT_SPREAD_MS - LAG_MS || since === start, `${root} after ${ms} ms`);
    }
  }
}

test("whatever is plugged and restarted in whatever order, nothing is in use that somebody does not trust", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async sequence => {
      const cluster = new Cluster();
      await cluster.plug(a.plugged());
      const replicas = [await cluster.replica(), await cluster.replica(LAG_MS)];
      const observer = new Observer();
      observer.look(replicas, cluster.clock.now());
      const wait = async (ms: number): Promise<void> => {
        for (let passed = 0; passed < ms; passed += STEP_MS) {
          await cluster.advance(STEP_MS);
          observer.look(replicas, cluster.clock.now());
        }
      };
      for (const step of sequence) {
        if (step.do === "wait") await wait(step.ms);
        else if (step.do === "restart") {
          replicas[step.replica]?.stop();
          replicas[step.replica] = await cluster.replica(step.replica === 0 ? 0 : LAG_MS);
        } else {
          const signer = at(step.signer);
          const trusted = [...new Set([step.signer, ...step.trusted])].map(at);
          await cluster.plug(signer.plugged(trusted));
        }
        observer.look(replicas, cluster.clock.now());
      }
      await wait(4 * ROOT_SPREAD_MS + LAG_MS);
      const [one, other] = replicas;
      assert.deepEqual(one?.authority.roots, other?.authority.roots);
      assert.equal(one?.authority.state.phase, "settled");
      assert.equal(cluster.kept(), undefined);
      for (const replica of replicas) replica.stop();
      cluster.store.close();
    }),
    { numRuns: 6 },
  );
});
