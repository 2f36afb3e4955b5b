import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { type OperatorRoot, operatorRoot } from "../../test/support/plugged-ca.ts";
import type { Log } from "../base/log.ts";
import { type CaSecret, type OpenedAuthority, openAuthority } from "./authority.ts";
import { renewedRoot, selfSignedRoot } from "./certificate.ts";
import { type AuthorityChange, LiveAuthority, ROOT_SPREAD_MS } from "./live-authority.ts";

const start = Date.UTC(2026, 5, 1);
const year = 365 * 24 * 3_600_000;

function opened(secret: CaSecret, now = start): OpenedAuthority {
  const result = openAuthority(secret, now);
  assert.ok(result.ok, JSON.stringify(result.diagnostics));
  return result.value;
}

const root = (label: string): OperatorRoot => operatorRoot("ec", label, start - 1, start + year);

interface Fixture {
  readonly live: LiveAuthority;
  readonly clock: FakeClock;
  readonly changes: AuthorityChange[];
  readonly errors: string[];
}

function liveOf(first: OpenedAuthority): Fixture {
  const clock = new FakeClock(start);
  const errors: string[] = [];
  const nothing = (): void => {};
  const log: Log = {
    ...{ debug: nothing, info: nothing, warn: nothing, scope: () => log },
    error: (_message, fields) => void errors.push(String(fields?.["reason"])),
  };
  const live = new LiveAuthority(first, { clock, log, spreadMs: ROOT_SPREAD_MS });
  const changes: AuthorityChange[] = [];
  live.onChanged(change => changes.push(change));
  return { live, clock, changes, errors };
}

function issuerOf(live: LiveAuthority): string {
  const { certificatePem } = live.issue({ uris: ["spiffe://x/ns/a/sa/b"] }, period);
  return new X509Certificate(certificatePem).issuer;
}
const period = { notBefore: start, notAfter: start + 3_600_000 };
const trusts = (live: LiveAuthority): string[] =>
  live.roots.map(pem => new X509Certificate(pem).subject.replace("CN=Root CA", ""));

test("step by step: root set A, A and B, issuer B, root set B", () => {
  const [a, b] = [root(" A"), root(" B")];
  const ofA = a.plugged();
  const { live, clock, changes } = liveOf(opened(ofA));
  live.offer(opened({ ...ofA, "root-cert.pem": a.pem + b.pem }));
  assert.deepEqual(trusts(live), [" A", " B"]);
  assert.deepEqual(changes, [{ issuer: false, roots: true }]);
  assert.equal(issuerOf(live), "CN=Intermediate CA A");
  clock.advance(ROOT_SPREAD_MS);

  const ofB = b.plugged([a, b]);
  live.offer(opened(ofB));
  assert.equal(issuerOf(live), "CN=Intermediate CA B");
  assert.deepEqual(changes.splice(0).at(-1), { issuer: true, roots: false });
  assert.equal(live.state.phase, "settled");
  clock.advance(2 * ROOT_SPREAD_MS);

  live.offer(opened({ ...ofB, "root-cert.pem": b.pem }));
  assert.deepEqual(trusts(live), [" B"]);
  assert.deepEqual(changes, [{ issuer: false, roots: true }]);
  assert.equal(clock.waiting, 0);
});

test("all at once: the new issuer waits until its root is trusted everywhere", () => {
  const [a, b] = [root(" A"), root(" B")];
  const { live, clock } = liveOf(opened(a.plugged()));
  live.offer(opened(b.plugged([a, b])));
  assert.deepEqual(trusts(live), [" A", " B"]);
  assert.equal(live.state.phase, "spreading");
  clock.advance(ROOT_SPREAD_MS - 1_000);
  assert.equal(issuerOf(live), "CN=Intermediate CA A");
  clock.advance(1_000);
  assert.equal(issuerOf(live), "CN=Intermediate CA B");
  assert.equal(live.state.phase, "settled");
});

test("steps that follow too fast are each waited for", () => {
  const [a, b] = [root(" A"), root(" B")];
  const ofA = a.plugged();
  const { live, clock } = liveOf(opened(ofA));
  live.offer(opened({ ...ofA, "root-cert.pem": a.pem + b.pem }));
  clock.advance(10_000);
  const ofB = b.plugged();
  live.offer(opened(ofB));
  assert.equal(live.state.phase, "spreading");
  clock.advance(ROOT_SPREAD_MS - 10_000);
  assert.equal(issuerOf(live), "CN=Intermediate CA B");
  assert.equal(live.state.phase, "retiring");
  clock.advance(2 * ROOT_SPREAD_MS - 1_000);
  assert.deepEqual(trusts(live), [" B", " A"]);
  clock.advance(1_000);
  assert.deepEqual(trusts(live), [" B"]);
  assert.equal(live.state.phase, "settled");
});

test("a change that is taken back leaves the new root trusted until none can have signed under it", () => {
  const [a, b] = [root(" A"), root(" B")];
  const ofA = a.plugged();
  const { live, clock } = liveOf(opened(ofA));
  live.offer(opened(b.plugged([a, b])));
  clock.advance(ROOT_SPREAD_MS - 1_000);
  // A replica that has started meanwhile signs under B since then.
  live.offer(opened(ofA));
  assert.equal(live.state.phase, "retiring");
  clock.advance(ROOT_SPREAD_MS);
  assert.deepEqual([trusts(live), issuerOf(live)], [[" A", " B"], "CN=Intermediate CA A"]);
  clock.advance(1_000);
  assert.deepEqual(trusts(live), [" A"]);
  assert.equal(live.state.phase, "settled");
  assert.equal(clock.waiting, 0);
});

test("a root replaced by another in one step: the old one signs, and stays trusted, until all know the new", () => {
  const [a, b] = [root(" A"), root(" B")];
  const { live, clock, changes, errors } = liveOf(opened(a.plugged()));
  const ofB = b.plugged();
  live.offer(opened(ofB));
  assert.deepEqual([trusts(live), issuerOf(live)], [[" B", " A"], "CN=Intermediate CA A"]);
  assert.deepEqual(changes.splice(0), [{ issuer: false, roots: true }]);
  clock.advance(ROOT_SPREAD_MS - 1_000);
  assert.deepEqual([live.state.phase, issuerOf(live)], ["spreading", "CN=Intermediate CA A"]);
  clock.advance(1_000);
  assert.deepEqual([live.state.phase, issuerOf(live)], ["retiring", "CN=Intermediate CA B"]);
  clock.advance(2 * ROOT_SPREAD_MS - 1_000);
  assert.deepEqual(trusts(live), [" B", " A"]);
  clock.advance(1_000);
  assert.deepEqual([live.state.phase, trusts(live)], ["settled", [" B"]]);
  assert.deepEqual([errors, live.change, clock.waiting], [[], undefined, 0]);
});

test("another issuer of the same root takes over at once, the old root set stays", () => {
  const a = root(" A");
  const { live, changes, clock } = liveOf(opened(a.plugged()));
  live.offer(opened(a.plugged()));
  assert.equal(issuerOf(live), "CN=Intermediate CA A2");
  assert.deepEqual(changes, [{ issuer: true, roots: false }]);
  clock.advance(2 * ROOT_SPREAD_MS);
  assert.equal(clock.waiting, 0);
});

test("from the mesh's own root to a plugged one, and what is the same changes nothing", () => {
  const own = selfSignedRoot("cluster.local", { notBefore: start, notAfter: start + year });
  const first = selfSigned(own.certificatePem, own.privateKeyPem);
  const { live, clock, changes } = liveOf(opened(first));
  live.offer(opened(first));
  assert.deepEqual(changes, []);
  const b = root(" B");
  const both = `${own.certificatePem}${b.pem}`;
  live.offer(opened({ ...b.plugged(), "root-cert.pem": both }));
  clock.advance(ROOT_SPREAD_MS);
  assert.equal(issuerOf(live), "CN=Intermediate CA B");
});

function selfSigned(certificate: string, key: string): CaSecret {
  const chain = { "cert-chain.pem": "", "root-cert.pem": certificate };
  return { "ca-cert.pem": certificate, "ca-key.pem": key, ...chain };
}

test("a root renewed with its own key is trusted by who knows the old one only", () => {
  const own = selfSignedRoot("cluster.local", { notBefore: start, notAfter: start + year });
  const renewed = renewedRoot(own, { notBefore: start, notAfter: start + 2 * year });
  const { live, clock } = liveOf(opened(selfSigned(own.certificatePem, own.privateKeyPem)));
  const { keyId } = live;
  live.offer(opened(selfSigned(renewed, own.privateKeyPem)));
  assert.equal(live.keyId, keyId);
  assert.equal(live.rootsNotAfter, start + 2 * year);
  const leaf = new X509Certificate(
    live.issue({ uris: ["spiffe://x/ns/a/sa/b"] }, period).certificatePem,
  );
  for (const pem of [own.certificatePem, renewed]) {
    const each = new X509Certificate(pem);
    assert.ok(leaf.checkIssued(each) && leaf.verify(each.publicKey));
  }
  clock.advance(2 * ROOT_SPREAD_MS);
  assert.deepEqual(live.roots, [new X509Certificate(renewed).toString()]);
});
