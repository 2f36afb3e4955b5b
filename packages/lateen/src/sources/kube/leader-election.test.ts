import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import type { JsonObject } from "../../api/kind.ts";
import { silentLog } from "../../base/log.ts";
import { objectAt, stringAt } from "../json.ts";
import { type ApiResult, failed, succeeded } from "../status.ts";
import { LeaderElection } from "./leader-election.ts";

/** One Lease, as an API server keeps it. */
class LeaseServer {
  lease: JsonObject | undefined;
  version = 0;
  /** Of these replicas no request arrives. */
  readonly cutOff = new Set<string>();

  clientOf(identity: string) {
    const through = async (answer: () => ApiResult<JsonObject>): Promise<ApiResult<JsonObject>> => {
      await Promise.resolve();
      return this.cutOff.has(identity) ? failed(503, "ServiceUnavailable", "away") : answer();
    };
    return {
      get: () =>
        through(() => (this.lease ? succeeded(this.lease) : failed(404, "NotFound", "no lease"))),
      create: (_resource: unknown, _namespace: string, body: JsonObject) =>
        through(() => (this.lease ? failed(409, "AlreadyExists", "there") : this.#store(body))),
      update: (_resource: unknown, body: JsonObject) =>
        through(() => {
          const version = stringAt(objectAt(body, "metadata"), "resourceVersion");
          return version === String(this.version)
            ? this.#store(body)
            : failed(409, "Conflict", "changed");
        }),
    };
  }

  #store(body: JsonObject): ApiResult<JsonObject> {
    this.version++;
    const metadata = { ...objectAt(body, "metadata"), resourceVersion: String(this.version) };
    this.lease = { ...body, metadata };
    return succeeded(this.lease);
  }

  get holder(): string {
    return stringAt(objectAt(this.lease ?? {}, "spec"), "holderIdentity");
  }
}

function setUp(...identities: string[]) {
  const server = new LeaseServer();
  const clock = new FakeClock();
  const leading = new Set<string>();
  let most = 0;
  const replicas = identities.map(
    identity =>
      new LeaderElection({
        client: server.clientOf(identity),
        namespace: "istio-system",
        name: "leader",
        identity,
        clock,
        random: () => identities.indexOf(identity) / identities.length,
        log: silentLog,
        onLead: () => {
          leading.add(identity);
          most = Math.max(most, leading.size);
        },
        onLost: () => leading.delete(identity),
      }),
  );
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100);
      for (let i = 0; i < 10; i++) await Promise.resolve();
    }
  };
  return { server, clock, replicas, leading, pass, most: () => most };
}

test("one of several leads, and stays leader", async () => {
  const { server, replicas, leading, pass, most } = setUp("a", "b", "c");
  for (const replica of replicas) replica.start();
  await pass(60_000);
  assert.equal(leading.size, 1);
  assert.equal(most(), 1);
  assert.ok(leading.has(server.holder));
  assert.equal(objectAt(server.lease ?? {}, "spec")["leaseTransitions"], 0);
});

test("a leader that reaches nobody stops before another one begins", async () => {
  const { server, replicas, leading, pass, most } = setUp("a", "b");
  replicas[0]?.start();
  await pass(3_000);
  replicas[1]?.start();
  await pass(3_000);
  server.cutOff.add("a");
  await pass(10_500);
  assert.deepEqual([...leading], []);
  await pass(10_000);
  assert.deepEqual([...leading], ["b"]);
  assert.equal(objectAt(server.lease ?? {}, "spec")["leaseTransitions"], 1);
  server.cutOff.clear();
  await pass(30_000);
  assert.deepEqual([...leading], ["b"]);
  assert.equal(most(), 1);
});

test("who stops gives the lease back", async () => {
  const { server, replicas, leading, pass } = setUp("a", "b");
  const [first, second] = replicas;
  first?.start();
  await pass(1_000);
  second?.start();
  await pass(3_000);
  await first?.stop();
  assert.equal(server.holder, "");
  await pass(3_000);
  assert.deepEqual([...leading], ["b"]);
});

test("an API server that is away for a moment costs nobody the lead", async () => {
  const { server, replicas, leading, pass } = setUp("a", "b");
  for (const replica of replicas) replica.start();
  await pass(5_000);
  const before = [...leading];
  server.cutOff.add("a").add("b");
  await pass(6_000);
  server.cutOff.clear();
  await pass(6_000);
  assert.deepEqual([...leading], before);
  assert.equal(objectAt(server.lease ?? {}, "spec")["leaseTransitions"], 0);
});

test("a clock that differs by hours does not matter", async () => {
  const { server, replicas, leading, pass } = setUp("a");
  server.lease = {
    metadata: { resourceVersion: "0" },
    spec: {
      holderIdentity: "other",
      renewTime: "2199-01-01T00:00:00.000000Z",
      leaseDurationSeconds: 15,
    },
  };
  replicas[0]?.start();
  await pass(14_000);
  assert.equal(leading.size, 0);
  await pass(4_000);
  assert.deepEqual([...leading], ["a"]);
});

for (const hours of [-3, 3])
  test(`a clock that is set by ${hours} h makes no second leader, and keeps nobody from being the next`, async () => {
    const { server, clock, replicas, leading, pass, most } = setUp("a", "b");
    replicas[0]?.start();
    await pass(3_000);
    replicas[1]?.start();
    await pass(3_000);
    server.cutOff.add("a");
    clock.set(hours * 3_600_000);
    await pass(10_500);
    assert.deepEqual([...leading], []);
    await pass(10_000);
    assert.deepEqual([...leading], ["b"]);
    assert.equal(most(), 1);
  });

test("who slept longer than the lease leads no more until it has asked again", async () => {
  const { server, clock, replicas, leading, pass } = setUp("a");
  replicas[0]?.start();
  await pass(3_000);
  assert.deepEqual([...leading], ["a"]);
  server.cutOff.add("a");
  clock.set(60_000);
  // Timers go on where they stood; the deadline was ten seconds after the last renewal.
  await pass(10_000);
  assert.deepEqual([...leading], []);
});
