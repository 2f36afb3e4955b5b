import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { issueTestCertificate } from "../../test/support/test-certificate.ts";
import { type AuthenticatedPeer, authenticate, type Caller } from "./authenticate.ts";
import { checkNodeClaims } from "./node-claims.ts";
import { maySubscribeSecret } from "./secret-access.ts";
import type { TokenVerifier } from "./token.ts";

const identity = "spiffe://cluster.local/ns/default/sa/sleep";
const tokens: TokenVerifier = {
  verify: async token =>
    token === "good"
      ? {
          ok: true,
          token: {
            namespace: "default",
            serviceAccount: "sleep",
            podName: "sleep-1",
            podUid: "u1",
            expiresAt: 0,
          },
        }
      : { ok: false, reason: "token signature is wrong" },
};
const options = { tokens, trustDomain: "cluster.local" };
const caller: Caller = {
  transport: "tls",
  headers: {},
  certificate: undefined,
  address: "10.0.0.9",
};

async function peerOf(change: Partial<Caller>): Promise<AuthenticatedPeer> {
  const result = await authenticate({ ...caller, ...change }, options);
  assert.ok(!("refused" in result), JSON.stringify(result));
  return result;
}

async function refusalOf(change: Partial<Caller>): Promise<string> {
  const result = await authenticate({ ...caller, ...change }, options);
  assert.ok("refused" in result);
  assert.equal(result.code, 16);
  return result.refused;
}

const certificateFor = (names: { uris?: string[]; dnsNames?: string[] }): X509Certificate =>
  new X509Certificate(issueTestCertificate(names));

test("a token gives identity and pod", async () => {
  assert.deepEqual(await peerOf({ headers: { authorization: "Bearer good" } }), {
    transport: "tls",
    identity,
    claims: { namespace: "default", serviceAccount: "sleep", podName: "sleep-1", podUid: "u1" },
    address: "10.0.0.9",
  });
});

test("a token without a pod is an account's that asks debug types, and has no pod's claims", async () => {
  const token = { namespace: "istio-system", serviceAccount: "default", expiresAt: 0 };
  const verify: TokenVerifier["verify"] = async () => ({
    ok: true,
    token: { ...token, podName: undefined, podUid: undefined },
  });
  const headers = { authorization: "Bearer any" };
  const peer = await authenticate({ ...caller, headers }, { ...options, tokens: { verify } });
  assert.deepEqual(peer, {
    transport: "tls",
    identity: "spiffe://cluster.local/ns/istio-system/sa/default",
    claims: { namespace: "istio-system", serviceAccount: "default" },
    address: "10.0.0.9",
    onlyDebug: true,
  });
});

test("a token that is refused says whose it claims to be, and nothing vouches for it", async () => {
  const said = { "kubernetes.io": { pod: { name: "a", uid: "u9" } } };
  const token = (payload: unknown): string =>
    `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.c2ln`;
  const claimed = async (bearer: string): Promise<unknown> => {
    const headers = { authorization: `Bearer ${bearer}` };
    const result = await authenticate({ ...caller, headers }, options);
    return "refused" in result ? result.claimedPod : "let in";
  };
  assert.equal(await claimed(token(said)), "u9");
  for (const other of [token({}), token([said]), token("x"), "e30.!.c", "x"])
    assert.equal(await claimed(other), undefined);
  const odd = token({ "kubernetes.io": { pod: { uid: "../\u0000" } } });
  assert.equal(await claimed(odd), undefined);
});

test("a client certificate gives the identity of its SPIFFE id", async () => {
  const peer = await peerOf({ certificate: certificateFor({ uris: [identity] }) });
  assert.equal(peer.identity, identity);
  assert.deepEqual(peer.claims, { namespace: "default", serviceAccount: "sleep" });
});

test("a bad token is not saved by a good certificate", async () => {
  const certificate = certificateFor({ uris: [identity] });
  const said = await refusalOf({ headers: { authorization: "Bearer bad" }, certificate });
  assert.equal(said, "token signature is wrong");
  assert.match(await refusalOf({ headers: { authorization: "Basic x" }, certificate }), /Bearer/);
  assert.match(await refusalOf({ headers: { authorization: ["Bearer good"] } }), /Bearer/);
});

test("certificates that name no, several, foreign or smuggled identities are refused", async () => {
  const hostile = [
    { dnsNames: ["sleep.default"] },
    { uris: [identity, `${identity}2`] },
    { uris: ["spiffe://elsewhere/ns/default/sa/sleep"] },
    { uris: [`${identity}/x`] },
    { uris: ["https://cluster.local/ns/default/sa/sleep"] },
    { dnsNames: [`a, URI:${identity}, DNS:b`] },
    { uris: [`x, URI:${identity}`] },
  ];
  for (const names of hostile) await refusalOf({ certificate: certificateFor(names) });
  assert.match(await refusalOf({}), /no credential/);
});

test("plaintext has no identity, whatever it sends", async () => {
  const peer = await peerOf({ transport: "plaintext", headers: { authorization: "Bearer good" } });
  assert.equal(peer.identity, undefined);
  assert.equal(maySubscribeSecret(peer, "default", false), false);
});

const holder = { identity, claims: { podUid: "u1" } };
const nobody = { identity: undefined, claims: {} };

test("a certificate is not renewed by showing it: a token of a pod is asked for", () => {
  const byCertificate = { identity, claims: { namespace: "default", serviceAccount: "sleep" } };
  assert.equal(maySubscribeSecret(byCertificate, "default", false), false);
  assert.equal(maySubscribeSecret(byCertificate, "ROOTCA", false), true);
});

test("a stream may have its own certificate, the roots and its own files, nothing else", () => {
  assert.equal(maySubscribeSecret(holder, "file-root:system", false), true);
  assert.equal(maySubscribeSecret(nobody, "file-root:system", false), false);
  assert.equal(maySubscribeSecret(holder, "default", false), true);
  assert.equal(maySubscribeSecret(holder, "ROOTCA", false), true);
  fc.assert(
    fc.property(fc.string(), name => {
      fc.pre(name !== "default" && name !== "ROOTCA" && !name.startsWith("file-"));
      assert.equal(maySubscribeSecret(holder, name, false), false);
      assert.equal(maySubscribeSecret(holder, `kubernetes://${name}`, false), false);
    }),
  );
});

test("a gateway may have the credentials of its own namespace, and no others", () => {
  const may = (name: string, isGateway = true) => maySubscribeSecret(holder, name, isGateway);
  assert.equal(may("kubernetes://shop"), true);
  assert.equal(may("kubernetes://shop-cacert"), true);
  assert.equal(may("kubernetes://default/shop"), true);
  assert.equal(may("kubernetes://shop", false), false);
  assert.equal(maySubscribeSecret(nobody, "kubernetes://shop", true), false);
  for (const name of ["other/shop", "/shop", "a/default/shop", "", "default/", "../shop"])
    assert.equal(may(`kubernetes://${name}`), false, name);
});

test("no gateway may have the key of the mesh's CA, whatever form its Secret has", () => {
  for (const name of ["cacerts", "istio-ca-secret", "lateen-ca-change"])
    for (const asked of [name, `default/${name}`, `${name}-cacert`, `default/${name}-cacert`])
      assert.equal(maySubscribeSecret(holder, `kubernetes://${asked}`, true), false, asked);
  assert.equal(maySubscribeSecret(holder, "kubernetes://my-cacerts", true), true);
});

const peer: AuthenticatedPeer = {
  transport: "tls",
  identity,
  claims: { namespace: "default", serviceAccount: "sleep", podName: "sleep-1", podUid: "u1" },
  address: "10.0.0.9",
};
const id = "sidecar~10.0.0.9~sleep-1.default~default.svc.cluster.local";
const metadata = { namespace: "default", name: "sleep-1", serviceAccount: "sleep" };
const pod = { uid: "u1", ips: ["10.0.0.9", "fd00::9"] };

test("a node that is what its credential says is let in", () => {
  assert.equal(checkNodeClaims({ id, metadata }, peer, pod), undefined);
  assert.equal(checkNodeClaims({ id, metadata: {} }, peer), undefined);
  const dotted = { ...peer, claims: { ...peer.claims, podName: "a.b" } };
  const dottedId = "router~10.0.0.9~a.b.default~default.svc.cluster.local";
  assert.equal(checkNodeClaims({ id: dottedId, metadata: {} }, dotted), undefined);
});

test("each claim that differs is refused by name", () => {
  const cases: readonly [string, Record<string, string>, RegExp][] = [
    [id.replace("sleep-1.default", "sleep-1.kube-system"), metadata, /namespace of the node id/],
    [id.replace("sleep-1", "sleep-2"), metadata, /pod of the node id: found "sleep-2"/],
    [id, { ...metadata, namespace: "other" }, /metadata NAMESPACE: found "other"/],
    [id, { ...metadata, name: "sleep-2" }, /metadata NAME: found "sleep-2"/],
    [id, { ...metadata, serviceAccount: "admin" }, /metadata SERVICE_ACCOUNT/],
    [id.replace("10.0.0.9", "10.0.0.8"), metadata, /expected 10.0.0.9 or fd00::9/],
    [id.replace("10.0.0.9", "x".repeat(5000)), metadata, /\.\.\., expected/],
  ];
  for (const [nodeId, claimed, expected] of cases) {
    const refusal = checkNodeClaims({ id: nodeId, metadata: claimed }, peer, pod);
    assert.equal(refusal?.code, 7);
    assert.match(refusal?.refused ?? "", expected);
  }
  const replaced = checkNodeClaims({ id, metadata }, peer, { ...pod, uid: "u2" });
  assert.match(replaced?.refused ?? "", /earlier pod/);
});

test("a certificate names no pod: its holder is no pod of another service account", () => {
  const { podName, podUid, ...claims } = peer.claims;
  const holder = { ...peer, claims };
  const own = { ...pod, serviceAccount: "sleep" };
  assert.equal(checkNodeClaims({ id, metadata }, holder, own), undefined);
  const gateway = { ...pod, serviceAccount: "gateway" };
  const refusal = checkNodeClaims({ id, metadata: {} }, holder, gateway);
  assert.match(refusal?.refused ?? "", /service account of the pod: found "gateway"/);
});

test("a node id of another form is an invalid argument, on plaintext too", () => {
  const plaintext = { ...peer, transport: "plaintext", identity: undefined, claims: {} } as const;
  for (const bad of ["", "sidecar~a~b", "ztunnel~1.2.3.4~a.b~c", `${id}~x`])
    assert.equal(checkNodeClaims({ id: bad, metadata }, plaintext)?.code, 3);
  assert.equal(checkNodeClaims({ id, metadata: { namespace: "x" } }, plaintext), undefined);
});
