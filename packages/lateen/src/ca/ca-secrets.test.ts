/** The CA's Secrets against an API, and the renewal of the mesh's own root. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { type TestContext, test } from "node:test";
import { operatorRoot, type PluggedCa } from "../../test/support/plugged-ca.ts";
import { secretKind } from "../api/secret/kind.ts";
import { silentLog } from "../base/log.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { localTransport } from "../sources/client/local-transport.ts";
import { objectAt } from "../sources/json.ts";
import { kubeApiHandler } from "../sources/kube-api/handler.ts";
import { testKinds, testStore, value } from "../sources/store/test-store.ts";
import { openAuthority } from "./authority.ts";
import { CaSecrets } from "./ca-secrets.ts";
import { selfSignedRoot } from "./certificate.ts";
import { LiveAuthority, ROOT_SPREAD_MS } from "./live-authority.ts";
import { PLUGGED_CA_SECRET, SELF_SIGNED_CA_SECRET } from "./root.ts";
import { type RootRenewalSettings, startRootRenewal } from "./root-renewal.ts";

const hour = 3_600_000;
const day = 24 * hour;
const namespace = "default";

async function settle(): Promise<void> {
  for (let i = 0; i < 80; i++) await new Promise(setImmediate);
}

function setUp(t: TestContext, lifetimeMs = 1000 * day) {
  const { store, clock } = testStore({ kinds: [...testKinds, secretKind] });
  const handler = kubeApiHandler({ store, clock, version: "0" });
  const client = new ApiClient(localTransport(handler));
  const made = selfSignedRoot("cluster.local", {
    notBefore: clock.now(),
    notAfter: clock.now() + lifetimeMs,
  });
  const own = {
    "ca-cert.pem": made.certificatePem,
    "ca-key.pem": made.privateKeyPem,
    "root-cert.pem": made.certificatePem,
    "cert-chain.pem": "",
  };
  const opened = openAuthority(own, clock.now());
  assert.ok(opened.ok);
  const authority = new LiveAuthority(opened.value, {
    clock,
    log: silentLog,
    spreadMs: ROOT_SPREAD_MS,
  });
  const common = { client, namespace, clock, log: silentLog };
  const secrets = new CaSecrets({ ...common, random: () => 0, authority });
  t.after(() => {
    secrets.stop();
    authority.dispose();
  });
  const object = (name: string, stringData: object) => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace },
    stringData: { ...stringData },
  });
  const create = (name: string, data: object): void =>
    void value(store.create(secretKind, namespace, object(name, data)));
  const write = async (name: string, data: object): Promise<void> => {
    const patch = { data: null, stringData: { ...data } };
    const answer = await client.patch(secretKind, namespace, name, "merge", patch);
    assert.ok(answer.ok);
    await settle();
  };
  create(SELF_SIGNED_CA_SECRET, own);
  const renewal = (settings: Partial<RootRenewalSettings>, random: number, another = false) => {
    const inForce = () => secrets.inForce;
    const isAnothers = () => Promise.resolve(another);
    const options = { ...common, inForce, isAnothers, random: () => random, settings };
    t.after(startRootRenewal(options));
  };
  return { clock, store, authority, secrets, own, create, write, renewal };
}

function plugged(now: number, label = " A", also = ""): PluggedCa {
  const secret = operatorRoot("ec", label, now - 1000, now + 1000 * day).plugged();
  return { ...secret, "root-cert.pem": secret["root-cert.pem"] + also };
}

test("cacerts that appears takes over as soon as its root is trusted", async t => {
  const { clock, authority, secrets, own, create } = setUp(t);
  secrets.start();
  await settle();
  assert.deepEqual(authority.state, { phase: "settled", trouble: "" });
  const { keyId } = authority;
  create(PLUGGED_CA_SECRET, plugged(clock.now(), " A", own["root-cert.pem"]));
  await settle();
  assert.deepEqual([authority.state.phase, authority.roots.length], ["spreading", 2]);
  clock.advance(authority.spreadMs);
  assert.notEqual(authority.keyId, keyId);
});

test("what can not be used is refused by name, and nothing of it is quoted", async t => {
  const { clock, authority, secrets, own, create, write } = setUp(t);
  secrets.start();
  await settle();
  const { keyId } = authority;
  const now = clock.now();
  const good = plugged(now, " A", own["root-cert.pem"]);
  const other = plugged(now, " B");
  const over = operatorRoot("ec", " C", now - 2 * hour, now - hour).plugged();
  const leaf = authority.issue(
    { uris: ["spiffe://a/ns/b/sa/c"] },
    { notBefore: now, notAfter: now + hour },
  );
  create(PLUGGED_CA_SECRET, { unrelated: "x" });
  const cases: readonly [object, RegExp][] = [
    [{ ...good, "ca-key.pem": other["ca-key.pem"] }, /ca-key\.pem.* is not the key/],
    [{ ...good, "ca-key.pem": "secret words" }, /no unencrypted private key/],
    [
      { ...over, "root-cert.pem": over["root-cert.pem"] + own["root-cert.pem"] },
      /is valid from .* not now/,
    ],
    [{ ...good, "cert-chain.pem": other["cert-chain.pem"] }, /cert-chain\.pem.* is not a chain/],
    [
      { ...good, "root-cert.pem": own["root-cert.pem"] },
      /holds no root that ca-cert\.pem leads up to/,
    ],
    [
      { ...good, "ca-cert.pem": leaf.certificatePem, "ca-key.pem": leaf.privateKeyPem },
      /is not a CA certificate/,
    ],
    [{ "ca-cert.pem": "x" }, /ca-cert\.pem/],
  ];
  for (const [data, expected] of cases) {
    await write(PLUGGED_CA_SECRET, data);
    assert.equal(authority.state.phase, "refused");
    assert.match(authority.state.trouble, expected);
    assert.doesNotMatch(authority.state.trouble, /secret words|PRIVATE|BEGIN/);
    assert.equal(authority.keyId, keyId);
  }
  await write(PLUGGED_CA_SECRET, good);
  assert.equal(authority.state.phase, "spreading");
});

test("certificates that are not valid yet are taken when they are", async t => {
  const { clock, authority, secrets, own, create } = setUp(t);
  secrets.start();
  await settle();
  create(PLUGGED_CA_SECRET, plugged(clock.now() + hour, " A", own["root-cert.pem"]));
  await settle();
  assert.match(authority.state.trouble, /not now/);
  clock.advance(hour + 60_000);
  assert.equal(authority.state.phase, "spreading");
});

test("the fields of cert-manager are read, too", async t => {
  const { clock, authority, secrets, own, create } = setUp(t);
  secrets.start();
  await settle();
  const secret = plugged(clock.now());
  const data = {
    "tls.crt": secret["ca-cert.pem"],
    "tls.key": secret["ca-key.pem"],
    "ca.crt": secret["root-cert.pem"] + own["root-cert.pem"],
  };
  create(PLUGGED_CA_SECRET, data);
  await settle();
  assert.equal(authority.state.phase, "spreading");
});

test("a CA whose Secrets are gone goes on, and says so", async t => {
  const { store, authority, secrets, own, create } = setUp(t);
  secrets.start();
  await settle();
  value(store.delete(secretKind, namespace, SELF_SIGNED_CA_SECRET));
  await settle();
  assert.match(authority.state.trouble, /neither Secret cacerts nor istio-ca-secret/);
  create(SELF_SIGNED_CA_SECRET, own);
  await settle();
  assert.equal(authority.state.phase, "settled");
});

test("the mesh's own root is renewed in the last fifth of its life, once, with its key", async t => {
  const { clock, authority, secrets, own, renewal, store } = setUp(t, 100 * day);
  secrets.start();
  await settle();
  const settings = { lifetimeMs: 300 * day };
  for (const random of [0.2, 0.8]) renewal(settings, random);
  const { keyId } = authority;
  const version = (): unknown => {
    const { json } = value(store.get(secretKind, namespace, SELF_SIGNED_CA_SECRET));
    return objectAt(json, "metadata")["resourceVersion"];
  };
  const before = version();
  clock.advance(79 * day);
  for (let i = 0; i < 22 && version() === before; i++) await later(clock, hour);
  assert.equal(version(), before, "not yet");
  for (let i = 0; i < 4; i++) await later(clock, hour);
  const renewed = version();
  assert.notEqual(renewed, before);
  const newest = new X509Certificate(authority.roots.at(-1) ?? "");
  assert.ok(newest.validToDate.getTime() > clock.now() + 299 * day);
  assert.equal(newest.subject, new X509Certificate(own["ca-cert.pem"]).subject);
  assert.equal(authority.keyId, keyId);
  for (let i = 0; i < 48; i++) await later(clock, hour);
  assert.equal(version(), renewed, "once");
  assert.equal(authority.state.phase, "settled");
});

async function later(clock: { advance(ms: number): void }, ms: number): Promise<void> {
  clock.advance(ms);
  await settle();
}

test("beside Istio the root is Istio's to renew", async t => {
  const { clock, secrets, renewal, store } = setUp(t, 100 * day);
  secrets.start();
  await settle();
  renewal({ lifetimeMs: 300 * day }, 0.2, true);
  const read = () => value(store.get(secretKind, namespace, SELF_SIGNED_CA_SECRET)).json;
  const before = read();
  clock.advance(90 * day);
  await settle();
  assert.deepEqual(read(), before);
});

test("roots that were added beside the mesh's own one stay when it is renewed", async t => {
  const { clock, authority, secrets, own, renewal, write } = setUp(t, 100 * day);
  const { "root-cert.pem": added } = plugged(clock.now());
  await write(SELF_SIGNED_CA_SECRET, { ...own, "root-cert.pem": own["root-cert.pem"] + added });
  secrets.start();
  await settle();
  renewal({ lifetimeMs: 300 * day }, 0.2);
  clock.advance(81 * day);
  await settle();
  for (let i = 0; i < 10; i++) await later(clock, 60_000);
  assert.equal(authority.state.phase, "settled");
  const roots = authority.roots.map(pem => new X509Certificate(pem));
  assert.deepEqual(roots.map(each => each.subject).sort(), ["CN=Root CA A", "O=cluster.local"]);
  const first = new X509Certificate(own["root-cert.pem"]);
  assert.ok(
    roots.every(each => !each.raw.equals(first.raw)),
    "the old one is gone",
  );
});
