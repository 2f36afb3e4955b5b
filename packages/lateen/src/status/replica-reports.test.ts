import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { configMapKind } from "../api/config-map/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import { silentLog } from "../base/log.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { localTransport } from "../sources/client/local-transport.ts";
import { arrayAt, isObject, objectAt } from "../sources/json.ts";
import { kubeApiHandler } from "../sources/kube-api/handler.ts";
import { testKinds, testStore, value } from "../sources/store/test-store.ts";
import type { Rejection } from "./object-report.ts";
import { decodeReport, encodeReport, type ReplicaReport } from "./replica-report.ts";
import { ReplicaReports } from "./replica-reports.ts";

const REJECTION: Rejection = {
  type: "LDS",
  resource: "x",
  message: "no",
  proxies: 2,
  proxy: "p.default",
  namespaces: ["default"],
};

async function settle(): Promise<void> {
  for (let i = 0; i < 80; i++) await new Promise(setImmediate);
}

function setUp(t: TestContext) {
  const kinds = [...testKinds.filter(kind => kind !== podKind), configMapKind, podKind];
  const { store, clock } = testStore({ kinds });
  const inner = kubeApiHandler({ store, clock, version: "0" });
  let writes = 0;
  const state = { down: false, onWrite: (): void | Promise<void> => {} };
  const local = localTransport(request => {
    if (request.method === "GET") return inner(request);
    writes++;
    return state.down ? { status: 503, json: {} } : inner(request);
  });
  const client = new ApiClient({
    ...local,
    request: async request => {
      if (request.method !== "GET") await state.onWrite();
      const response = await local.request(request);
      // Watches may be faster than the answer.
      if (request.method !== "GET") await settle();
      return response;
    },
  });
  const replica = (instance: string) => {
    let others: readonly ReplicaReport[] = [];
    const reports = new ReplicaReports({
      ...{ client, instance, clock, log: silentLog },
      namespace: "default",
      random: () => 0,
      onOthers: all => {
        others = all;
      },
    });
    t.after(() => reports.stop());
    reports.start();
    return { reports, others: () => others };
  };
  const pass = async (ms: number): Promise<void> => {
    await settle();
    clock.advance(ms);
    await settle();
  };
  const stored = (instance: string): JsonObject | undefined => {
    const found = store.get(configMapKind, "default", `lateen-replica-${instance}`);
    return found.ok ? found.value.json : undefined;
  };
  return { store, state, replica, pass, stored, writes: () => writes };
}

const rejecting = (...rejections: readonly Rejection[]): Partial<ReplicaReport> => ({
  rejections: new Map([["VirtualService.networking.istio.io/default/web", rejections]]),
});

test("what one replica tells the others hear, and that there is no more of it", async t => {
  const { replica, pass, stored, writes } = setUp(t);
  const [a, b] = [replica("a"), replica("b")];
  await pass(31_000);
  assert.equal(writes(), 0, "nothing to say is not written");
  a.reports.tell(rejecting(REJECTION));
  a.reports.tell({ waiting: new Map([["default/web", "because"]]) });
  await pass(1_000);
  assert.equal(writes(), 1, "what comes together is written together");
  const heard = b.others()[0];
  assert.deepEqual([...(heard?.rejections.values() ?? [])], [[REJECTION]]);
  assert.deepEqual([...(heard?.waiting ?? [])], [["default/web", "because"]]);
  assert.deepEqual(a.others(), [], "nobody hears of himself");
  a.reports.tell({ rejections: new Map(), waiting: new Map() });
  await pass(1_000);
  assert.equal(stored("a"), undefined);
  assert.deepEqual(b.others(), []);
});

test("a report goes with the replica's Pod, and with its end", async t => {
  const { store, replica, pass, stored } = setUp(t);
  const spec = { containers: [{ name: "discovery", image: "pilot" }] };
  const metadata = { name: "istiod-1", namespace: "default" };
  const pod = value(
    store.create(podKind, "default", { apiVersion: "v1", kind: "Pod", metadata, spec }),
  );
  const { reports } = replica("istiod-1");
  reports.tell(rejecting(REJECTION));
  await pass(1_000);
  const [owner] = arrayAt(objectAt(stored("istiod-1") ?? {}, "metadata"), "ownerReferences");
  const { uid } = objectAt(pod.json, "metadata");
  assert.ok(isObject(owner) && owner["kind"] === "Pod" && owner["uid"] === uid);
  await reports.stop();
  assert.equal(stored("istiod-1"), undefined);
});

test("what an earlier life has said stands until its proxies have come again", async t => {
  const { replica, pass, stored, state } = setUp(t);
  const first = replica("a");
  first.reports.tell(rejecting(REJECTION));
  await pass(1_000);
  state.down = true;
  await first.reports.stop();
  state.down = false;
  replica("a");
  await pass(20_000);
  assert.notEqual(stored("a"), undefined);
  await pass(11_000);
  assert.equal(stored("a"), undefined);
});

test("an API server that is away is asked again", async t => {
  const { replica, pass, stored, state } = setUp(t);
  const { reports } = replica("a");
  await settle();
  state.down = true;
  reports.tell(rejecting(REJECTION));
  await pass(1_000);
  assert.equal(stored("a"), undefined);
  state.down = false;
  await pass(1_000);
  assert.notEqual(stored("a"), undefined);
});

test("what somebody has removed is there again, also where the watch says so before the answer", async t => {
  const { store, replica, pass, stored, state } = setUp(t);
  const { reports } = replica("a");
  reports.tell(rejecting(REJECTION));
  await pass(1_000);
  state.onWrite = async () => {
    state.onWrite = () => {};
    store.delete(configMapKind, "default", "lateen-replica-a");
    await settle();
  };
  reports.tell(rejecting(REJECTION, { ...REJECTION, resource: "y" }));
  await pass(1_000);
  await settle();
  assert.match(String(objectAt(stored("a") ?? {}, "data")["report"]), /"y"/);
});

test("a report of rare characters is short enough for a ConfigMap, too", () => {
  const odd = "\u{1F4A9}".repeat(600);
  const rejection = {
    type: odd,
    resource: odd,
    message: odd,
    proxies: 1,
    proxy: odd,
    namespaces: [odd],
  };
  const objects = Array.from(
    { length: 100 },
    (_, i) => [`k${i}`, Array(3).fill(rejection)] as const,
  );
  const text = encodeReport({ rejections: new Map(objects), waiting: new Map() });
  assert.ok(Buffer.byteLength(text) < 1_000_000, `${Buffer.byteLength(text)}`);
  assert.ok(decodeReport(text).rejections.size >= 25);
});

test("reports are bounded when written, and whatever is read is harmless", () => {
  const long = { ...REJECTION, message: "x".repeat(10_000) };
  const objects = Array.from({ length: 1_000 }, (_, i) => [`k${i}`, Array(50).fill(long)] as const);
  const pods = Array.from({ length: 5_000 }, (_, i) => [`ns/p${i}`, "y".repeat(5_000)] as const);
  const text = encodeReport({ rejections: new Map(objects), waiting: new Map(pods) });
  assert.ok(text.length < 500_000, `${text.length}`);
  assert.equal(decodeReport(text).rejections.size, 100);
  assert.equal(encodeReport({ rejections: new Map(), waiting: new Map() }), "");
  for (const odd of [
    "",
    "[]",
    "null",
    "{",
    '{"rejections":{"a":[1,{"proxies":"2"}]},"waiting":[]}',
  ])
    assert.equal(decodeReport(odd).waiting.size, 0, odd);
});
