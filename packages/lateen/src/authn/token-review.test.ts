import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { createTokenReviewer, type TokenReviewStatus } from "./token-review.ts";

const clock = new FakeClock();
const inSeconds = (seconds: number): number => Math.floor(clock.now() / 1000) + seconds;

function jwt(claims: Record<string, unknown>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256" })}.${part(claims)}.c2ln`;
}

function statusOf(change: Record<string, unknown> = {}, user: Record<string, unknown> = {}) {
  return {
    authenticated: true,
    audiences: ["istio-ca"],
    user: {
      username: "system:serviceaccount:default:sleep",
      extra: {
        "authentication.kubernetes.io/pod-name": ["sleep-1"],
        "authentication.kubernetes.io/pod-uid": ["u-1"],
      },
      ...user,
    },
    ...change,
  };
}

function reviewer(answer: () => TokenReviewStatus | Promise<TokenReviewStatus>, cacheMax = 100) {
  const asked: (readonly [string, readonly string[]])[] = [];
  const verifier = createTokenReviewer({
    clock,
    cacheMax,
    review: async (token, audiences) => {
      asked.push([token, audiences]);
      return answer();
    },
  });
  return { verifier, asked };
}

test("the pod comes from the bound claims, and the audience is asked for", async () => {
  const { verifier, asked } = reviewer(() => statusOf());
  const token = jwt({ exp: inSeconds(3600) });
  assert.deepEqual(await verifier.verify(token), {
    ok: true,
    token: {
      namespace: "default",
      serviceAccount: "sleep",
      podName: "sleep-1",
      podUid: "u-1",
      expiresAt: inSeconds(3600) * 1000,
    },
  });
  assert.deepEqual(asked, [[token, ["istio-ca"]]]);
});

test("a token of an account without a pod says so, and no pod is made up", async () => {
  for (const extra of [{}, undefined, { "authentication.kubernetes.io/node-name": ["n"] }]) {
    const { verifier } = reviewer(() => statusOf({}, { extra }));
    const verdict = await verifier.verify(jwt({ exp: inSeconds(3600) }));
    assert.ok(verdict.ok);
    assert.deepEqual([verdict.token.podName, verdict.token.podUid], [undefined, undefined]);
  }
});

test("what is not proven is refused, each with its reason", async () => {
  const cases: readonly [TokenReviewStatus, RegExp][] = [
    [{ authenticated: false, error: "expired" }, /refused by the API server: expired/],
    [{}, /refused by the API server$/],
    [statusOf({ audiences: ["https://kubernetes.default.svc"] }), /audience: expected istio-ca/],
    [statusOf({ audiences: undefined }), /audience: expected istio-ca/],
    [statusOf({}, { username: "admin" }), /not of a service account/],
    [statusOf({}, { username: "system:serviceaccount:a/b:c" }), /not of a service account/],
    [
      statusOf({}, { extra: { "authentication.kubernetes.io/pod-name": ["a", "b"] } }),
      /bound to a pod, and does not say which/,
    ],
    [
      statusOf({}, { extra: { "authentication.kubernetes.io/pod-name": ["a"] } }),
      /bound to a pod, and does not say which/,
    ],
    [
      statusOf({}, { extra: { "authentication.kubernetes.io/pod-uid": [""] } }),
      /bound to a pod, and does not say which/,
    ],
  ];
  for (const [status, expected] of cases) {
    const { verifier } = reviewer(() => status);
    const verdict = await verifier.verify(jwt({ exp: inSeconds(3600) }));
    assert.match(verdict.ok ? "" : verdict.reason, expected);
  }
  const { verifier, asked } = reviewer(() => statusOf());
  for (const token of ["", "a.b", "x".repeat(9000), "a.b.c d"])
    assert.equal((await verifier.verify(token)).ok, false);
  assert.equal(asked.length, 0);
  assert.match(JSON.stringify(await verifier.verify(jwt({}))), /no exp/);
});

test("good ones are asked about again after minutes, or when they expire; bad ones after seconds", async () => {
  const { verifier, asked } = reviewer(() => statusOf());
  const short = jwt({ exp: inSeconds(60) });
  const long = jwt({ exp: inSeconds(36_000) });
  for (const token of [short, short, long, long]) await verifier.verify(token);
  assert.equal(asked.length, 2);
  clock.advance(61_000);
  assert.match(JSON.stringify(await verifier.verify(short)), /expired at 2026/);
  assert.equal((await verifier.verify(long)).ok, true);
  assert.equal(asked.length, 2, "what is over is not asked about");
  clock.advance(5 * 60_000);
  await verifier.verify(long);
  assert.equal(asked.length, 3);
  verifier.forgetPod?.("another");
  await verifier.verify(long);
  assert.equal(asked.length, 3);
  verifier.forgetPod?.("u-1");
  await verifier.verify(long);
  assert.equal(asked.length, 4);
  const bad = reviewer(() => ({ authenticated: false }));
  const token = jwt({ exp: inSeconds(3600) });
  await bad.verifier.verify(token);
  await bad.verifier.verify(token);
  assert.equal(bad.asked.length, 1);
  clock.advance(11_000);
  await bad.verifier.verify(token);
  assert.equal(bad.asked.length, 2);
});

test("one question for many streams of one token; no answer is nobody's verdict", async () => {
  let answer: (status: TokenReviewStatus) => void = () => {};
  const { verifier, asked } = reviewer(() => new Promise(done => (answer = done)));
  const token = jwt({ exp: inSeconds(3600) });
  const all = [verifier.verify(token), verifier.verify(token), verifier.verify(token)];
  await new Promise(setImmediate);
  answer(statusOf());
  assert.deepEqual(
    (await Promise.all(all)).map(each => each.ok),
    [true, true, true],
  );
  assert.equal(asked.length, 1);
  const away = reviewer(() => Promise.reject(new Error("API server away")));
  await assert.rejects(away.verifier.verify(token), /API server away/);
  await assert.rejects(away.verifier.verify(token), /API server away/);
  assert.equal(away.asked.length, 2);
});

test("the cache is bounded, and so are the questions at a time", async () => {
  const small = reviewer(() => statusOf(), 3);
  const tokens = [1, 2, 3, 4].map(n => jwt({ n, exp: inSeconds(3600) }));
  for (const token of tokens) await small.verifier.verify(token);
  await small.verifier.verify(tokens[3] ?? "");
  assert.equal(small.asked.length, 4);
  await small.verifier.verify(tokens[0] ?? "");
  assert.equal(small.asked.length, 5);

  const answers: (() => void)[] = [];
  const slow = reviewer(() => new Promise(done => answers.push(() => done(statusOf()))));
  const many = Array.from({ length: 100 }, (_, n) =>
    slow.verifier.verify(jwt({ n, exp: inSeconds(3600) })),
  );
  await new Promise(setImmediate);
  assert.equal(slow.asked.length, 32);
  while (answers.length > 0) {
    answers.shift()?.();
    await new Promise(setImmediate);
  }
  assert.equal((await Promise.all(many)).filter(each => each.ok).length, 100);
});

test("many bad tokens do not push out what is known of a good one", async () => {
  let isGood = true;
  const { verifier, asked } = reviewer(() => statusOf({ authenticated: isGood }), 3);
  const good = jwt({ exp: inSeconds(3600) });
  await verifier.verify(good);
  isGood = false;
  for (let n = 0; n < 10; n++) await verifier.verify(jwt({ n, exp: inSeconds(3600) }));
  assert.equal((await verifier.verify(good)).ok, true);
  assert.equal(asked.length, 11);
});

test("a token that is refused once and good later is asked about after seconds", async () => {
  let isGood = false;
  const { verifier } = reviewer(() => statusOf({ authenticated: isGood }));
  const token = jwt({ exp: inSeconds(3600) });
  assert.equal((await verifier.verify(token)).ok, false);
  isGood = true;
  assert.equal((await verifier.verify(token)).ok, false);
  clock.advance(11_000);
  assert.equal((await verifier.verify(token)).ok, true);
});

test("an end that no date can be is none", async () => {
  const { verifier, asked } = reviewer(() => statusOf());
  for (const exp of [1e300, -1, "9999999999", null])
    assert.match(JSON.stringify(await verifier.verify(jwt({ exp }))), /no exp/);
  assert.equal(asked.length, 0);
});

test("made-up tokens of one address wait for one another, and others for one of them at most", async () => {
  const gates: (() => void)[] = [];
  const answered = (): Promise<TokenReviewStatus> =>
    new Promise(done => gates.push(() => done(statusOf())));
  const { verifier, asked } = reviewer(answered);
  const token = (name: string) => jwt({ exp: inSeconds(3600), jti: name });
  const all = Array.from({ length: 200 }, (_, i) => verifier.verify(token(`s${i}`), "stranger"));
  const good = [0, 1].map(i => verifier.verify(token(`g${i}`), "good"));
  const order: number[] = [];
  for (const [i, each] of good.entries()) void each.then(() => order.push(i));
  const inFlight = asked.length;
  for (let i = 0; i < 4; i++) {
    gates.shift()?.();
    await new Promise(setImmediate);
  }
  const names = asked.slice(inFlight).map(([each]) => {
    const claims = JSON.parse(Buffer.from(each.split(".")[1] ?? "", "base64url").toString());
    return String(claims.jti);
  });
  assert.deepEqual(names, ["s32", "g0", "s33", "g1"]);
  while (gates.length > 0) {
    gates.shift()?.();
    await new Promise(setImmediate);
  }
  for (const each of [...all, ...good]) assert.equal((await each).ok, true);
  assert.equal(asked.length, 202);
  assert.deepEqual(order, [0, 1]);
});

test("a line that one address fills has room for others", async () => {
  const gates: (() => void)[] = [];
  const answered = (): Promise<TokenReviewStatus> =>
    new Promise(done => gates.push(() => done(statusOf())));
  const { verifier } = reviewer(answered);
  const token = (name: string) => jwt({ exp: inSeconds(3600), jti: name });
  let turnedAway = 0;
  const all = Array.from({ length: 20_100 }, (_, i) =>
    verifier.verify(token(`s${i}`), "stranger").catch(() => void turnedAway++),
  );
  await new Promise(setImmediate);
  assert.equal(turnedAway, 20_100 - 20_000 - 32);
  const good = verifier.verify(token("g"), "good");
  await new Promise(setImmediate);
  assert.equal(turnedAway, 20_100 - 20_000 - 32 + 1);
  for (let i = 0; i < 34; i++) {
    gates.shift()?.();
    await new Promise(setImmediate);
  }
  assert.equal((await good).ok, true);
  while (gates.length > 0) {
    for (const gate of gates.splice(0)) gate();
    await new Promise(setImmediate);
  }
  await Promise.all(all);
});

test("a clock that is set back makes no verdict stand for longer", async () => {
  const { verifier, asked } = reviewer(() => statusOf());
  const token = jwt({ exp: inSeconds(36_000) });
  await verifier.verify(token);
  clock.set(-3 * 3_600_000);
  clock.advance(5 * 60_000 + 1);
  await verifier.verify(token);
  assert.equal(asked.length, 2);
  clock.set(3 * 3_600_000);
});
