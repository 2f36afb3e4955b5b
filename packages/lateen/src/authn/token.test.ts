import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { before, test } from "node:test";
import fc from "fast-check";
import { budget } from "../../test/support/budget.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { SecretPort } from "../base/secret-port.ts";
import { signCompact } from "./jws.ts";
import { createTokenVerifier, issueToken, TOKEN_LIFETIME_MS, verifyToken } from "./token.ts";
import { loadOrCreateTokenKey, TOKEN_KEY_SECRET, type TokenKey } from "./token-key.ts";

const now = Date.UTC(2026, 5, 1);
const workload = {
  namespace: "default",
  serviceAccount: "sleep",
  podName: "sleep-1",
  podUid: "9f3c",
};

function memoryStore(): SecretPort {
  const secrets = new Map<string, Readonly<Record<string, string>>>();
  return {
    get: async name => secrets.get(name),
    create: async (name, _type, data) => {
      if (secrets.has(name)) return "exists";
      secrets.set(name, data);
      return "created";
    },
  };
}

async function newKey(store: SecretPort = memoryStore()): Promise<TokenKey> {
  const loaded = await loadOrCreateTokenKey(store);
  assert.ok(loaded.ok);
  return loaded.value;
}

let key: TokenKey;
before(async () => {
  key = await newKey();
});

const encoded = (value: unknown): string =>
  Buffer.from(JSON.stringify(value)).toString("base64url");

function payloadOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

function reason(token: string, at: number = now): string {
  const verdict = verifyToken(token, key, at);
  assert.equal(verdict.ok, false);
  return verdict.reason;
}

test("a token says which workload it is bound to", () => {
  const verdict = verifyToken(issueToken(workload, key, now), key, now);
  assert.deepEqual(verdict, {
    ok: true,
    token: { ...workload, expiresAt: now + TOKEN_LIFETIME_MS },
  });
});

test("it has the claims of a Kubernetes bound token", () => {
  const payload = payloadOf(issueToken(workload, key, now, 3600_000));
  assert.equal(payload["sub"], "system:serviceaccount:default:sleep");
  assert.deepEqual(payload["aud"], ["istio-ca"]);
  assert.deepEqual(payload["kubernetes.io"], {
    namespace: "default",
    pod: { name: "sleep-1", uid: "9f3c" },
    serviceaccount: { name: "sleep" },
  });
  assert.equal(payload["exp"], now / 1000 + 3600);
});

test("the key is made once, and a broken one is an error that does not quote it", async () => {
  const store = memoryStore();
  const keys = await Promise.all([newKey(store), newKey(store)]);
  assert.equal(keys[0].keyId, keys[1].keyId);
  const broken = memoryStore();
  await broken.create(TOKEN_KEY_SECRET, "Opaque", { "key.pem": "sesame" });
  const result = await loadOrCreateTokenKey(broken);
  assert.equal(result.ok, false);
  assert.ok(!JSON.stringify(result).includes("sesame"));
});

test("times are kept", () => {
  const token = issueToken(workload, key, now, 3600_000);
  assert.match(reason(token, now + 3600_000), /expired at 2026-06-01T01:00:00/);
  assert.match(reason(token, now - 31_000), /not valid before/);
  assert.equal(verifyToken(token, key, now - 29_000).ok, true);
});

test("tokens of others, of other algorithms, or for others, are refused", async () => {
  const good = issueToken(workload, key, now);
  const payload = payloadOf(good);
  const [header = "", body = "", signature = ""] = good.split(".");
  const other = await newKey();
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const none = encoded({ alg: "none", kid: key.keyId });
  const hs = `${encoded({ alg: "HS256", kid: key.keyId })}.${body}`;
  const rs = `${encoded({ alg: "RS256", kid: key.keyId })}.${body}`;
  const publicPem = key.publicKey.export({ type: "spki", format: "pem" });
  const resigned = (change: object): string =>
    signCompact({ ...payload, ...change }, key.privateKey, key.keyId);
  const hostile: readonly string[] = [
    "",
    "a.b.c",
    `${none}.${body}.`,
    `${none}.${body}.${signature}`,
    `${hs}.${createHmac("sha256", publicPem).update(hs).digest("base64url")}`,
    `${rs}.${sign("sha256", Buffer.from(rs), rsa.privateKey).toString("base64url")}`,
    signCompact(payload, other.privateKey, key.keyId),
    issueToken(workload, other, now),
    `${header}.${body}.${"A".repeat(86)}`,
    `${header}.${encoded({ ...payload, sub: "system:serviceaccount:default:admin" })}.${signature}`,
    `${good}A`,
    `${good}.x`,
    ` ${good}`,
    `${good}${"A".repeat(9000)}`,
    resigned({ aud: ["vault"] }),
    resigned({ aud: undefined }),
    resigned({ iss: "https://elsewhere" }),
    resigned({ exp: "never" }),
    resigned({ exp: 1e300 }),
    resigned({ nbf: undefined }),
    resigned({ sub: "system:serviceaccount:default:admin" }),
    resigned({ "kubernetes.io": undefined }),
    resigned({ "kubernetes.io": { namespace: "default", serviceaccount: { name: "sleep" } } }),
    resigned({ "kubernetes.io": { ...workload, pod: [] } }),
  ];
  for (const token of hostile) {
    const said = reason(token);
    assert.ok(said.length < 200 && !said.includes(signature), said);
  }
});

test("no change of one character is accepted", () => {
  const good = issueToken(workload, key, now);
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";
  const at = fc.nat({ max: good.length - 1 });
  fc.assert(
    fc.property(at, fc.constantFrom(...alphabet), (index, letter) => {
      fc.pre(good[index] !== letter);
      const changed = good.slice(0, index) + letter + good.slice(index + 1);
      assert.equal(verifyToken(changed, key, now).ok, false);
    }),
    budget(300),
  );
});

test("anything at all gets a verdict, never a throw", () => {
  const part = fc.oneof(
    fc.string(),
    fc.json().map(json => Buffer.from(json).toString("base64url")),
  );
  fc.assert(
    fc.property(part, part, part, (a, b, c) => {
      assert.equal(verifyToken(`${a}.${b}.${c}`, key, now).ok, false);
      const signed = signCompact({ exp: a, "kubernetes.io": b, sub: c }, key.privateKey, key.keyId);
      assert.equal(verifyToken(signed, key, now).ok, false);
    }),
    budget(200),
  );
});

test("verdicts are kept until the token expires, and only so many", async () => {
  const clock = new FakeClock(now);
  let checks = 0;
  const counting = new Proxy(key, {
    get(target, name) {
      if (name === "publicKey") checks++;
      return Reflect.get(target, name);
    },
  });
  const verifier = createTokenVerifier(counting, clock, 2);
  const tokens = [1, 2, 3].map(i =>
    issueToken({ ...workload, podName: `p${i}` }, key, now, 60_000),
  );
  const [first = "", second = "", third = ""] = tokens;
  for (const token of [first, first, second, second]) await verifier.verify(token);
  assert.equal(checks, 2);
  await verifier.verify(third);
  await verifier.verify(first);
  assert.equal(checks, 4, "the oldest went to make room");
  clock.advance(60_000);
  assert.equal((await verifier.verify(first)).ok, false);
});
