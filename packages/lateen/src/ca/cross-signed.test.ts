/**
 * Chains that more than one root ends: renewed with its key, and signed by another one as well. Checked by
 * handshakes of real TLS (OpenSSL in Node) between who trusts the one and who trusts the other.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyUsageFlags } from "@peculiar/asn1-x509";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { type Ca, type CaOptions, makeCa } from "../../test/support/plugged-ca.ts";
import { handshake, type Side } from "../../test/support/tls-handshake.ts";
import { silentLog } from "../base/log.ts";
import { type CaSecret, type OpenedAuthority, openAuthority } from "./authority.ts";
import type { KeyedCertificate } from "./certificate.ts";
import { LiveAuthority, ROOT_SPREAD_MS } from "./live-authority.ts";

/** Handshakes look at the real time. */
const now = Date.now();
const hour = 3_600_000;
const period = { notBefore: now - hour, notAfter: now + 100 * hour };

function ca(commonName: string, options: Partial<CaOptions> = {}): Ca {
  return makeCa({ kind: "ec", commonName, period, ...options });
}

function secretOf(own: Ca, chain: readonly Ca[], roots: readonly Ca[]): CaSecret {
  return {
    "ca-cert.pem": own.pem,
    "ca-key.pem": own.key.export({ type: "pkcs8", format: "pem" }).toString(),
    "cert-chain.pem": chain.map(each => each.pem).join(""),
    "root-cert.pem": roots.map(each => each.pem).join(""),
  };
}

function opened(secret: CaSecret): OpenedAuthority {
  const result = openAuthority(secret, now);
  assert.ok(result.ok, JSON.stringify(result.diagnostics));
  return result.value;
}

function refusal(secret: CaSecret): string {
  const result = openAuthority(secret, now);
  assert.ok(!result.ok);
  return JSON.stringify(result.diagnostics.map(({ path, message }) => `${path} ${message}`));
}

const issued = (authority: Pick<OpenedAuthority, "issue">): KeyedCertificate =>
  authority.issue({ uris: ["spiffe://x/ns/a/sa/b"], dnsNames: ["b"] }, period);

async function allMeet(sides: readonly Side[]): Promise<void> {
  for (const client of sides)
    for (const server of sides) assert.equal(await handshake(client, server), "");
}

test("a handshake without a common root fails: what the others prove", async () => {
  const [a, b] = [ca("Root A"), ca("Root B")];
  const sides = [a, b].map(root => ({
    has: issued(opened(secretOf(root, [], [root]))),
    trusts: [root],
  }));
  const [first, second] = sides;
  assert.ok(first !== undefined && second !== undefined);
  assert.notEqual(await handshake(first, second), "");
});

test("a root renewed with its own key: old and new certificates and roots meet", async () => {
  const old = ca("Root");
  const { key } = old;
  const renewed = ca("Root", { key, period: { ...period, notAfter: now + 200 * hour } });
  const below = ca("Intermediate", { issuer: old });
  const before = opened(secretOf(below, [below], [old]));
  const after = opened(secretOf(below, [below, renewed], [renewed]));
  assert.ok(before.leadsTo(renewed.pem) && after.leadsTo(old.pem));
  await allMeet([
    { has: issued(before), trusts: [old] },
    { has: issued(after), trusts: [renewed] },
    { has: issued(after), trusts: [old, renewed] },
    { has: issued(before), trusts: [renewed, old] },
  ]);
});

test("a new root that the old one has signed, too: who knows either takes what is issued", async () => {
  const old = ca("Old root");
  const fresh = ca("New root");
  const bridge = ca("New root", { key: fresh.key, issuer: old });
  const ofOld = ca("Intermediate of old", { issuer: old });
  const ofNew = ca("Intermediate of new", { issuer: fresh });
  const before = opened(secretOf(ofOld, [ofOld], [old]));
  const bridged = opened(secretOf(ofNew, [ofNew, bridge], [old, fresh]));
  assert.ok(bridged.leadsTo(old.pem) && bridged.leadsTo(fresh.pem));
  await allMeet([
    { has: issued(before), trusts: [old, fresh] },
    { has: issued(bridged), trusts: [old] },
    { has: issued(bridged), trusts: [old, fresh] },
  ]);
  const ends = { has: issued(bridged), trusts: [fresh] };
  await allMeet([ends, { has: issued(bridged), trusts: [old] }]);
  // Only the new root, the bridge sent all the same; and only the old one.
  for (const trusts of [[fresh], [old]])
    assert.equal(opened(secretOf(ofNew, [ofNew, bridge], trusts)).issuerId, bridged.issuerId);
  // Without the bridge in cert-chain.pem, who knows the old root only is cut off, and it is said.
  assert.match(refusal(secretOf(ofNew, [ofNew], [old])), /holds no root that ca-cert\.pem leads/);
});

test("an intermediate that both roots have signed (one key): either root ends its chain", async () => {
  const [a, b] = [ca("Root A"), ca("Root B")];
  const byA = ca("Intermediate", { issuer: a });
  const byB = ca("Intermediate", { key: byA.key, issuer: b });
  const before = opened(secretOf(byA, [byA], [a]));
  const after = opened(secretOf(byB, [byB], [a, b]));
  assert.equal(before.keyId, after.keyId);
  assert.notEqual(before.issuerId, after.issuerId);
  assert.equal(after.leadsTo(a.pem), false, "a chain is sent as it is in cert-chain.pem");
  await allMeet([
    { has: issued(before), trusts: [a, b] },
    { has: issued(after), trusts: [a, b] },
  ]);
});

test("with a bridge the new issuer signs at once: everybody's root leads to it; the old root goes later", async () => {
  const old = ca("Old root");
  const fresh = ca("New root");
  const bridge = ca("New root", { key: fresh.key, issuer: old });
  const ofOld = ca("Intermediate of old", { issuer: old });
  const ofNew = ca("Intermediate of new", { issuer: fresh });
  const clock = new FakeClock(now);
  const first = opened(secretOf(ofOld, [ofOld], [old]));
  const live = new LiveAuthority(first, { clock, log: silentLog, spreadMs: ROOT_SPREAD_MS });
  const leafOfOld = issued(live);
  live.offer(opened(secretOf(ofNew, [ofNew, bridge], [fresh])));
  assert.equal(live.state.phase, "retiring");
  assert.deepEqual([...live.roots].sort(), [fresh.pem, old.pem].sort());
  const late = { has: leafOfOld, trusts: [old] };
  const renewed = { has: issued(live), trusts: [fresh, old] };
  await allMeet([late, renewed]);
  clock.advance(2 * ROOT_SPREAD_MS);
  assert.deepEqual(live.roots, [fresh.pem]);
});

test("a CA that proxies would refuse is refused here, by field", () => {
  const root = ca("Root");
  const narrow = ca("Narrow root", { pathLength: 0 });
  const below = ca("Below", { issuer: narrow });
  assert.match(
    refusal(secretOf(below, [below], [narrow])),
    /root-cert\.pem.* CN=Narrow root allows 0 CAs below it \(pathlen\), there are 1/,
  );
  const middle = ca("Middle", { issuer: root, pathLength: 0 });
  assert.ok(openAuthority(secretOf(middle, [middle], [root]), now).ok);
  const deep = ca("Deep", { issuer: middle });
  assert.match(
    refusal(secretOf(deep, [deep, middle], [root])),
    /cert-chain\.pem.* CN=Middle allows 0/,
  );
  const noSigner = ca("No signer", { issuer: root, usage: KeyUsageFlags.digitalSignature });
  assert.match(
    refusal(secretOf(noSigner, [noSigner], [root])),
    /ca-cert\.pem.* is not a CA certificate .*keyCertSign/,
  );
});
