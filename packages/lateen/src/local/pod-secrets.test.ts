import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { podKind } from "../api/pod/kind.ts";
import { silentLog } from "../base/log.ts";
import { PodPath } from "./pod-files.ts";
import { PodSecrets } from "./pod-secrets.ts";

const HOUR_MS = 3_600_000;

async function rig() {
  const decoded = podKind.decode({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default", uid: "u1" },
    spec: { containers: [{ name: "app", image: "x" }] },
  });
  assert.ok(decoded.ok);
  const clock = new FakeClock();
  const tokens: string[] = [];
  let issued = 0;
  const secrets = new PodSecrets(
    decoded.value,
    {
      clock,
      log: silentLog,
      rootCert: { current: () => "root", onChange: () => () => {} },
      issueToken: async ({ expirationSeconds }) => ({
        token: `token ${++issued}`,
        expiresAt: clock.now() + expirationSeconds * 1000,
      }),
    },
    { write: (path, content) => void (path === PodPath.proxyToken && tokens.push(content)) },
  );
  await secrets.start();
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    for (let i = 0; i < 5; i++) await Promise.resolve();
  };
  return { secrets, clock, tokens, pass };
}

test("a token is replaced when a fifth of its life is left", async () => {
  const { secrets, clock, tokens, pass } = await rig();
  await pass(9.5 * HOUR_MS);
  assert.deepEqual(tokens, ["token 1"]);
  for (let minute = 0; minute < 10; minute++) await pass(60_000);
  assert.deepEqual(tokens, ["token 1", "token 2"]);
  secrets.stop();
  assert.equal(clock.waiting, 0);
});

test("a token that ended while the machine slept is replaced within a minute, not hours later", async () => {
  const { secrets, clock, tokens, pass } = await rig();
  await pass(HOUR_MS);
  clock.set(14 * HOUR_MS);
  await pass(60_000);
  await pass(0);
  assert.deepEqual(tokens, ["token 1", "token 2"]);
  secrets.stop();
});
