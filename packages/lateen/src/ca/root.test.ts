import assert from "node:assert/strict";
import { test } from "node:test";
import { pluggedCa } from "../../test/support/plugged-ca.ts";
import type { SecretPort } from "../base/secret-port.ts";
import type { Authority } from "./authority.ts";
import { loadOrCreateRoot, PLUGGED_CA_SECRET, SELF_SIGNED_CA_SECRET } from "./root.ts";

const options = { trustDomain: "cluster.local", now: Date.UTC(2026, 5, 1) };

/** A store whose answers come late, so that callers overlap. */
function memoryStore(): SecretPort & { readonly secrets: Map<string, object>; writes: number } {
  const secrets = new Map<string, Readonly<Record<string, string>>>();
  return {
    secrets,
    writes: 0,
    async get(name) {
      await Promise.resolve();
      return secrets.get(name);
    },
    async create(name, _type, data) {
      await Promise.resolve();
      if (secrets.has(name)) return "exists";
      secrets.set(name, { ...data });
      this.writes++;
      return "created";
    },
  };
}

async function load(port: SecretPort): Promise<Authority> {
  const result = await loadOrCreateRoot(port, options);
  assert.ok(result.ok, JSON.stringify(result.diagnostics));
  return result.value;
}

test("the root is made once and found again", async () => {
  const store = memoryStore();
  const first = await load(store);
  const second = await load(store);
  assert.equal(first.keyId, second.keyId);
  assert.deepEqual([...store.secrets.keys()], [SELF_SIGNED_CA_SECRET]);
  assert.deepEqual(Object.keys(store.secrets.get(SELF_SIGNED_CA_SECRET) ?? {}).sort(), [
    "ca-cert.pem",
    "ca-key.pem",
    "cert-chain.pem",
    "root-cert.pem",
  ]);
});

test("control planes that start at once agree on one root", async () => {
  const store = memoryStore();
  const loaded = await Promise.all(Array.from({ length: 5 }, () => load(store)));
  assert.equal(new Set(loaded.map(authority => authority.keyId)).size, 1);
  assert.equal(store.writes, 1);
});

test("cacerts comes first, and nothing is written then", async () => {
  const store = memoryStore();
  const plugged = pluggedCa("ec", options.now - 1000, options.now + 1e10);
  store.secrets.set(PLUGGED_CA_SECRET, plugged);
  const authority = await load(store);
  assert.deepEqual(authority.roots, [plugged["root-cert.pem"]]);
  assert.equal(store.writes, 0);
});

test("a broken stored Secret is an error, never a new root", async () => {
  const store = memoryStore();
  store.secrets.set(SELF_SIGNED_CA_SECRET, { "ca-cert.pem": "x" });
  const result = await loadOrCreateRoot(store, options);
  assert.equal(result.ok, false);
  assert.equal(store.writes, 0);
});
