import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { configMapKind } from "../api/config-map/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import { namespaceKind } from "../api/namespace/kind.ts";
import { silentLog } from "../base/log.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { localTransport } from "../sources/client/local-transport.ts";
import { objectAt } from "../sources/json.ts";
import { kubeApiHandler } from "../sources/kube-api/handler.ts";
import { succeeded } from "../sources/status.ts";
import { testKinds, testStore, value } from "../sources/store/test-store.ts";
import { ROOT_CONFIG_MAP, RootConfigMaps } from "./root-config-maps.ts";

async function settle(): Promise<void> {
  for (let i = 0; i < 80; i++) await new Promise(setImmediate);
}

function setUp(t: TestContext) {
  const { store, clock } = testStore({ kinds: [...testKinds, configMapKind] });
  const inner = kubeApiHandler({ store, clock, version: "0" });
  let writes = 0;
  const state = { roots: ["root one\n"], down: false, hidden: new Set<string>(), another: false };
  /** What answers wait for. */
  let answering = Promise.resolve();
  const transport = localTransport(request => {
    if (request.method === "GET") return inner(request);
    writes++;
    return state.down ? { status: 503, json: {} } : inner(request);
  });
  const client = new ApiClient({
    ...transport,
    request: async (request, ...rest) => {
      const answer = await transport.request(request, ...rest);
      if (request.method !== "GET") await answering;
      return answer;
    },
  });
  const warnings: string[] = [];
  const maps = new RootConfigMaps({
    client,
    roots: () => state.roots,
    accepts: namespace => !state.hidden.has(namespace),
    keptByAnother: () => state.another,
    clock,
    random: () => 0,
    log: { ...silentLog, warn: message => void warnings.push(message) },
  });
  t.after(() => maps.stop());
  const add = (name: string): void => {
    value(
      store.create(namespaceKind, "", {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name },
      }),
    );
  };
  const read = (namespace: string): JsonObject | undefined => {
    const found = store.get(configMapKind, namespace, ROOT_CONFIG_MAP);
    return found.ok ? found.value.json : undefined;
  };
  const text = (namespace: string): unknown =>
    objectAt(read(namespace) ?? {}, "data")["root-cert.pem"];
  const holdAnswers = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    answering = promise;
    return resolve;
  };
  const common = { holdAnswers, store, clock, maps, state, add, read, text, warnings };
  return { ...common, writes: () => writes };
}

test("every namespace has the roots, new ones too; Kubernetes' own do not", async t => {
  const { maps, add, read, text, writes } = setUp(t);
  add("shop");
  add("kube-system");
  maps.start();
  await settle();
  add("later");
  await settle();
  assert.deepEqual([text("shop"), text("later")], ["root one\n", "root one\n"]);
  assert.equal(read("kube-system"), undefined);
  const labels = objectAt(objectAt(read("shop") ?? {}, "metadata"), "labels");
  assert.deepEqual(labels, { "istio.io/config": "true" });
  const before = writes();
  maps.start();
  await settle();
  assert.equal(writes(), before, "what is right is not written again");
});

test("what somebody removes or changes is put right; what is not seen is left alone", async t => {
  const { store, maps, add, state, text, read } = setUp(t);
  add("shop");
  add("hidden");
  state.hidden.add("hidden");
  maps.start();
  await settle();
  value(
    store.modify(configMapKind, "shop", ROOT_CONFIG_MAP, current =>
      succeeded({ ...current, data: { "root-cert.pem": "mine", other: "x" } }),
    ),
  );
  await settle();
  assert.deepEqual(objectAt(read("shop") ?? {}, "data"), {
    "root-cert.pem": "root one\n",
    other: "x",
  });
  value(store.delete(configMapKind, "shop", ROOT_CONFIG_MAP));
  await settle();
  assert.equal(text("shop"), "root one\n");
  assert.equal(read("hidden"), undefined);
  state.roots = ["root one\n", "root two\n"];
  state.hidden.clear();
  maps.refresh();
  await settle();
  assert.deepEqual([text("shop"), text("hidden")], Array(2).fill("root one\nroot two\n"));
});

test("what somebody writes while our own write is not answered yet is put right", async t => {
  const { store, maps, add, text, holdAnswers } = setUp(t);
  add("shop");
  const release = holdAnswers();
  maps.start();
  await settle();
  assert.equal(text("shop"), "root one\n");
  value(
    store.modify(configMapKind, "shop", ROOT_CONFIG_MAP, current =>
      succeeded({ ...current, data: { "root-cert.pem": "another mesh's" } }),
    ),
  );
  await settle();
  release();
  await settle();
  assert.equal(text("shop"), "root one\n");
});

test("an API server that takes no writes is asked again, with pauses", async t => {
  const { maps, clock, add, state, text, writes } = setUp(t);
  add("a");
  add("b");
  state.down = true;
  maps.start();
  for (let i = 0; i < 60; i++) {
    await settle();
    clock.advance(1000);
  }
  assert.ok(writes() > 3 && writes() < 40, String(writes()));
  state.down = false;
  clock.advance(60_000);
  await settle();
  assert.deepEqual([text("a"), text("b")], ["root one\n", "root one\n"]);
});

test("writes that fail are nobody else's: the next that can be taken is made", async t => {
  const { maps, clock, add, state, text, warnings } = setUp(t);
  add("a");
  state.down = true;
  maps.start();
  for (let i = 0; i < 20; i++) {
    await settle();
    clock.advance(1000);
  }
  state.down = false;
  clock.advance(16_000);
  await settle();
  assert.equal(text("a"), "root one\n");
  assert.deepEqual(
    warnings.filter(message => message.startsWith("somebody")),
    [],
  );
});

test("beside another control plane nothing is changed, and only what stays away is made", async t => {
  const { store, clock, maps, state, add, text, writes } = setUp(t);
  state.another = true;
  add("shop");
  value(
    store.create(configMapKind, "shop", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: ROOT_CONFIG_MAP, namespace: "shop" },
      data: { "root-cert.pem": "theirs" },
    }),
  );
  add("missed");
  maps.start();
  await settle();
  clock.advance(9_000);
  await settle();
  assert.deepEqual([writes(), text("missed")], [0, undefined]);
  add("later");
  await settle();
  clock.advance(1_000);
  await settle();
  assert.deepEqual(
    [text("shop"), text("missed"), text("later")],
    ["theirs", "root one\n", undefined],
  );
  clock.advance(9_000);
  await settle();
  assert.equal(text("later"), "root one\n");
  state.another = false;
  maps.refresh();
  await settle();
  assert.equal(text("shop"), "root one\n", "when it has gone, all are ours");
});

test("what stays away is made also where the clock is set back", async t => {
  const { clock, maps, state, add, text } = setUp(t);
  state.another = true;
  add("missed");
  maps.start();
  await settle();
  clock.set(-3_600_000);
  clock.advance(10_000);
  await settle();
  assert.equal(text("missed"), "root one\n");
});
