/** Two meshes with different roots in one cluster: each namespace's ConfigMap is one's, and is not written in turn. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { configMapKind } from "../api/config-map/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import { namespaceKind } from "../api/namespace/kind.ts";
import { type Log, silentLog } from "../base/log.ts";
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
  const writes: string[] = [];
  const warnings: string[] = [];
  const running = new Set(["mesh-a", "mesh-b"]);
  const mesh = (self: string, root: string) => {
    const client = new ApiClient(
      localTransport(request => {
        if (request.method !== "GET") writes.push(`${self} ${request.path.split("/")[4]}`);
        return inner(request);
      }),
    );
    const nothing = (): void => {};
    const log: Log = {
      ...{ debug: nothing, info: nothing, error: nothing, scope: () => log },
      warn: (_message, fields) => void warnings.push(`${self} ${fields?.["namespace"]}`),
    };
    const state = {
      isSecond: false,
      roots: [root],
      sees: (namespace: string): boolean => namespace !== "default",
    };
    const maps = new RootConfigMaps({
      client,
      roots: () => state.roots,
      accepts: namespace => state.sees(namespace),
      isSecond: () => state.isSecond,
      ownership: {
        self,
        injectorOf: labels => injectors.get(String(labels["istio.io/rev"])),
        runsIn: namespace => running.has(namespace),
      },
      ...{ clock, random: () => 0, log },
    });
    t.after(() => maps.stop());
    return { maps, state };
  };
  const injectors = new Map([
    ["a", "mesh-a"],
    ["b", "mesh-b"],
    ["gone", "mesh-gone"],
  ]);
  const add = (name: string, labels: JsonObject = {}): void => {
    const metadata = { name, labels };
    value(store.create(namespaceKind, "", { apiVersion: "v1", kind: "Namespace", metadata }));
  };
  const text = (namespace: string): unknown => {
    const found = store.get(configMapKind, namespace, ROOT_CONFIG_MAP);
    return found.ok ? objectAt(found.value.json, "data")["root-cert.pem"] : undefined;
  };
  const label = (name: string, labels: JsonObject): void =>
    void value(
      store.modify(namespaceKind, "", name, current => {
        const metadata = { ...objectAt(current, "metadata"), labels };
        return succeeded({ ...current, metadata });
      }),
    );
  return { store, clock, mesh, add, text, label, writes, warnings, running };
}

test("a namespace is that mesh's which injects there; one that nobody injects, the first one's", async t => {
  const { mesh, add, text, writes, warnings } = setUp(t);
  for (const name of ["mesh-a", "mesh-b", "plain"]) add(name);
  add("of-a", { "istio.io/rev": "a" });
  add("of-b", { "istio.io/rev": "b" });
  const a = mesh("mesh-a", "root a\n");
  const b = mesh("mesh-b", "root b\n");
  a.maps.start();
  await settle();
  assert.deepEqual(["mesh-a", "mesh-b", "of-a", "of-b", "plain"].map(text), [
    ...["root a\n", undefined, "root a\n", undefined, "root a\n"],
  ]);
  b.maps.start();
  await settle();
  assert.deepEqual(["mesh-a", "mesh-b", "of-a", "of-b", "plain"].map(text), [
    ...["root a\n", "root b\n", "root a\n", "root b\n", "root a\n"],
  ]);
  assert.equal(writes.length, 5, writes.join());
  assert.deepEqual(warnings, ["mesh-b plain"]);
  assert.deepEqual([...b.maps.contested], [["plain", "mesh-a"]]);
  assert.deepEqual([...a.maps.contested], []);
  for (const name of ["second", "third"]) add(name);
  await settle();
  assert.ok(writes.length <= 9, "at most one try of each for a new one");
  const before = writes.length;
  await settle();
  assert.equal(writes.length, before);
});

test("a label moves it, also while both run, and once", async t => {
  const { mesh, add, text, label, writes } = setUp(t);
  add("shop");
  const a = mesh("mesh-a", "root a\n");
  const b = mesh("mesh-b", "root b\n");
  a.maps.start();
  await settle();
  b.maps.start();
  await settle();
  assert.equal(text("shop"), "root a\n");
  label("shop", { "istio.io/rev": "b" });
  await settle();
  assert.deepEqual([text("shop"), writes.length], ["root b\n", 2]);
  assert.equal(b.maps.contested.size, 0);
  label("shop", { "istio.io/rev": "gone" });
  await settle();
  assert.deepEqual([text("shop"), writes.length], ["root b\n", 2]);
});

test("what another mesh has left is taken over when it is gone; the same root is no dispute", async t => {
  const { mesh, add, text, running, warnings, clock } = setUp(t);
  for (const name of ["mesh-a", "shop"]) add(name);
  const a = mesh("mesh-a", "root a\n");
  const b = mesh("mesh-b", "root a\n");
  a.maps.start();
  await settle();
  b.maps.start();
  await settle();
  assert.deepEqual([b.maps.contested.size, warnings], [0, []]);
  b.state.roots = ["root b\n"];
  b.maps.refresh();
  await settle();
  assert.deepEqual([text("shop"), b.maps.contested.size, warnings.length], ["root a\n", 1, 1]);
  a.maps.stop();
  running.delete("mesh-a");
  b.maps.refresh();
  await settle();
  clock.advance(290_000);
  await settle();
  assert.equal(text("shop"), "root a\n", "it may be made anew");
  running.add("mesh-a");
  b.maps.refresh();
  await settle();
  clock.advance(20_000);
  running.delete("mesh-a");
  b.maps.refresh();
  await settle();
  clock.advance(290_000);
  await settle();
  assert.equal(text("shop"), "root a\n");
  clock.advance(10_000);
  await settle();
  assert.deepEqual([text("shop"), b.maps.contested.size], ["root b\n", 0]);
  const c = mesh("mesh-c", "root c\n");
  c.maps.start();
  await settle();
  assert.equal(text("shop"), "root b\n", "it runs");
  b.maps.stop();
  running.delete("mesh-b");
  c.maps.refresh();
  await settle();
  assert.equal(text("shop"), "root c\n", "there is not even a namespace mesh-b");
});

test("where a mesh injects its roots stay, also while its control plane is away", async t => {
  const { mesh, add, text, running, clock } = setUp(t);
  add("of-a", { "istio.io/rev": "a" });
  const a = mesh("mesh-a", "root a\n");
  a.maps.start();
  await settle();
  a.maps.stop();
  running.delete("mesh-a");
  const b = mesh("mesh-b", "root b\n");
  b.maps.start();
  await settle();
  clock.advance(3_600_000);
  await settle();
  assert.equal(text("of-a"), "root a\n");
});

test("one of its own that an older version wrote is marked, and not rewritten again", async t => {
  const { store, mesh, add, writes } = setUp(t);
  add("shop");
  value(
    store.create(configMapKind, "shop", {
      ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: ROOT_CONFIG_MAP } },
      data: { "root-cert.pem": "root a\n" },
    }),
  );
  const a = mesh("mesh-a", "root a\n");
  a.maps.start();
  await settle();
  assert.equal(writes.length, 1);
  a.maps.start();
  await settle();
  assert.equal(writes.length, 1);
});

test("who writes other roots again and again without saying who it is is not answered each time", async t => {
  const { store, clock, mesh, add, text, writes, warnings } = setUp(t);
  add("shop");
  const a = mesh("mesh-a", "root a\n");
  a.maps.start();
  await settle();
  const change = async (): Promise<void> => {
    value(
      store.modify(configMapKind, "shop", ROOT_CONFIG_MAP, current =>
        succeeded({ ...current, data: { "root-cert.pem": "theirs" } }),
      ),
    );
    await settle();
  };
  for (let i = 0; i < 20; i++) await change();
  assert.deepEqual([writes.length, warnings], [5, ["mesh-a shop"]]);
  a.state.roots = ["root a\n", "root c\n"];
  a.maps.refresh();
  await settle();
  assert.equal(text("shop"), "root a\nroot c\n", "a change of our own goes out at once");
  for (let i = 0; i < 20; i++) await change();
  clock.advance(60_000);
  await settle();
  assert.equal(text("shop"), "root a\nroot c\n");
});

test("what the leader of all revisions does not see, the leader of the one that does keeps, a little later", async t => {
  const { store, clock, mesh, add, text, writes } = setUp(t);
  for (const name of ["both", "second-only"]) add(name);
  const first = mesh("mesh-a", "root a\n");
  const second = mesh("mesh-a", "root a\n");
  first.state.sees = namespace => namespace === "both";
  second.state.isSecond = true;
  first.maps.start();
  second.maps.start();
  await settle();
  assert.deepEqual([text("both"), text("second-only"), writes.length], ["root a\n", undefined, 1]);
  clock.advance(10_000);
  await settle();
  assert.deepEqual([text("second-only"), writes.length], ["root a\n", 2]);
  for (const { maps, state } of [second, first]) {
    state.roots = ["root b\n"];
    maps.refresh();
    await settle();
  }
  assert.deepEqual([text("both"), text("second-only"), writes.length], ["root b\n", "root a\n", 3]);
  clock.advance(10_000);
  await settle();
  assert.deepEqual([text("second-only"), writes.length], ["root b\n", 4]);
  value(store.delete(configMapKind, "second-only", ROOT_CONFIG_MAP));
  second.state.isSecond = false;
  second.maps.refresh();
  await settle();
  assert.deepEqual([text("second-only"), writes.length], ["root b\n", 5]);
});

test("without several meshes nothing is marked", async t => {
  const { store, clock } = testStore({ kinds: [...testKinds, configMapKind] });
  const client = new ApiClient(localTransport(kubeApiHandler({ store, clock, version: "0" })));
  const common = { client, clock, random: () => 0, log: silentLog };
  const maps = new RootConfigMaps({ ...common, roots: () => ["x"], accepts: () => true });
  t.after(() => maps.stop());
  maps.start();
  await settle();
  const metadata = objectAt(
    value(store.get(configMapKind, "default", ROOT_CONFIG_MAP)).json,
    "metadata",
  );
  assert.equal(metadata["annotations"], undefined);
});
