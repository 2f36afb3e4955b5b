/**
 * Material that is well formed, and the certificates that workloads get under it: whatever is accepted
 * verifies in a real handshake, whatever would not verify is refused.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ExtendedKeyUsage,
  type Extension,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_extKeyUsage,
  id_ce_nameConstraints,
  id_kp_clientAuth,
  id_kp_emailProtection,
  id_kp_serverAuth,
  NameConstraints,
} from "@peculiar/asn1-x509";
import { type Ca, type CaOptions, extension, makeCa } from "../../test/support/plugged-ca.ts";
import { handshake } from "../../test/support/tls-handshake.ts";
import { type CaSecret, openAuthority } from "./authority.ts";

const now = Date.now();
const hour = 3_600_000;
const period = { notBefore: now - hour, notAfter: now + 100 * hour };
const DOMAIN = "mesh.example";

const ca = (commonName: string, options: Partial<CaOptions> = {}): Ca =>
  makeCa({ kind: "ec", commonName, period, ...options });
const usages = (...ids: string[]): Extension =>
  extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage(ids));

function permits(...hosts: string[]): Extension {
  const subtrees = hosts.map(
    host => new GeneralSubtree({ base: new GeneralName({ uniformResourceIdentifier: host }) }),
  );
  const constraints = new NameConstraints({ permittedSubtrees: new GeneralSubtrees(subtrees) });
  return extension(id_ce_nameConstraints, true, constraints);
}

function secretOf(own: Ca, chain: readonly Ca[], root: Ca): CaSecret {
  return {
    "ca-cert.pem": own.pem,
    "ca-key.pem": own.key.export({ type: "pkcs8", format: "pem" }).toString(),
    "cert-chain.pem": chain.map(each => each.pem).join(""),
    "root-cert.pem": root.pem,
  };
}

/** "" where a client and a server that trust only the root meet; else why the material is refused. */
async function outcome(secret: CaSecret, root: Ca): Promise<string> {
  const opened = openAuthority(secret, now, DOMAIN);
  if (!opened.ok) return opened.diagnostics.map(each => `${each.path} ${each.message}`).join("; ");
  const names = { uris: [`spiffe://${DOMAIN}/ns/a/sa/b`], dnsNames: ["b"] };
  const side = { has: opened.value.issue(names, period), trusts: [root] };
  assert.equal(await handshake(side, side), "");
  return "";
}

const root = ca("Root");
const issuing = ca("Issuing", { issuer: root });
const mesh = ca("Mesh", { issuer: issuing });

test("a chain may begin with the issuer or above it, and end with the root or below it", async () => {
  for (const chain of [[mesh, issuing], [mesh, issuing, root], [issuing], [issuing, root]])
    assert.equal(await outcome(secretOf(mesh, chain, root), root), "", `${chain.length}`);
  const direct = ca("Direct", { issuer: root });
  for (const chain of [[], [direct], [root], [direct, root]])
    assert.equal(await outcome(secretOf(direct, chain, root), root), "", `${chain.length}`);
  for (const chain of [[], [root]])
    assert.equal(await outcome(secretOf(root, chain, root), root), "", `${chain.length}`);
});

test("a gap in the chain is refused", async () => {
  for (const chain of [[], [mesh], [root], [mesh, root]])
    assert.match(await outcome(secretOf(mesh, chain, root), root), /root-cert.pem|cert-chain.pem/);
});

test("what is above the issuer has to be a CA, too", async () => {
  const notOne = ca("Leaf", { issuer: root, isAuthority: false });
  const below = ca("Below", { issuer: notOne });
  const said = await outcome(secretOf(below, [below, notOne], root), root);
  assert.match(said, /cert-chain.pem.*Leaf is not a CA certificate/);
  const false_ = ca("False root", { isAuthority: false });
  const under = ca("Under", { issuer: false_ });
  const root1 = await outcome(secretOf(under, [under], false_), false_);
  assert.match(root1, /root-cert.pem.*False root is not a CA certificate/);
});

test("usages that a CA names are those of what it signs", async () => {
  for (const [ids, missing] of [
    [[id_kp_serverAuth], "clientAuth"],
    [[id_kp_clientAuth], "serverAuth"],
    [[id_kp_emailProtection], "serverAuth and clientAuth"],
  ] as const) {
    const own = ca("Limited", { issuer: root, extensions: [usages(...ids)] });
    const said = await outcome(secretOf(own, [own], root), root);
    assert.match(said, new RegExp(`ca-cert.pem.*Limited .*without ${missing}:`));
  }
  const both = usages(id_kp_serverAuth, id_kp_clientAuth);
  const own = ca("Both", { issuer: root, extensions: [both] });
  assert.equal(await outcome(secretOf(own, [own], root), root), "");
});

test("a CA that permits no identity of the trust domain is refused", async () => {
  const other = ca("Other", { issuer: root, extensions: [permits("other.example")] });
  const said = await outcome(secretOf(other, [other], root), root);
  assert.match(said, /Other does not permit .* spiffe:\/\/mesh.example/);
  for (const host of [DOMAIN, ".example"]) {
    const own = ca(`Permits ${host}`, { issuer: root, extensions: [permits(host)] });
    assert.equal(await outcome(secretOf(own, [own], root), root), "", host);
  }
});
