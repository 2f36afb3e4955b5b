import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import { ContainerHealth } from "./pod-health.ts";

/** The health of a container whose commands end with `code()`, and all that was said of it. */
function health(container: JsonObject, code: () => number, also: () => string | undefined) {
  const decoded = podKind.decode({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default" },
    spec: { containers: [{ name: "app", image: "a", ...container }] },
  });
  assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
  const [spec] = decoded.value.spec.containers;
  assert.ok(spec !== undefined);
  const clock = new FakeClock();
  const said: string[] = [];
  const watched = new ContainerHealth({
    spec,
    clock,
    target: { podIp: "127.0.0.1", port: () => 1, exec: () => Promise.resolve(code()) },
    held: () => false,
    also,
    onChange: () => said.push("changed"),
    onFailure: (probe, why) => said.push(`${probe}: ${why}`),
    onUnhealthy: probe => said.push(`${probe} for good`),
  });
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 50) {
      clock.advance(50);
      for (let turn = 0; turn < 8; turn++) await Promise.resolve();
    }
  };
  return { watched, said, pass };
}

const exec = { command: ["check"] };
const FAILED = "command check ended with exit code 1";

test("a readiness probe that fails is told of at its own period, and not while the program starts", async () => {
  const readinessProbe = { exec, periodSeconds: 10 };
  const { watched, said, pass } = health(
    { readinessProbe },
    () => 1,
    () => undefined,
  );
  await pass(9_500);
  assert.deepEqual(said, []);
  await pass(25_000);
  assert.deepEqual(said, Array(3).fill(`Readiness: ${FAILED}`));
  assert.equal(watched.ready, false);
  watched.stop();
});

test("a liveness probe is told of from its first failure on, before it fails for good", async () => {
  const livenessProbe = { exec, periodSeconds: 1, failureThreshold: 2 };
  const { watched, said, pass } = health(
    { livenessProbe },
    () => 1,
    () => undefined,
  );
  await pass(1_500);
  assert.deepEqual(said, [`Liveness: ${FAILED}`, `Liveness: ${FAILED}`, "Liveness for good"]);
  watched.stop();
});

test("what else keeps a container from being ready counts as its readiness probe does", async () => {
  const readinessProbe = { exec, periodSeconds: 1, failureThreshold: 1 };
  let problem: string | undefined = "its port is taken";
  const { watched, said, pass } = health(
    { readinessProbe },
    () => 0,
    () => problem,
  );
  await pass(1_500);
  assert.equal(watched.ready, false);
  assert.equal(said.at(-1), "Readiness: its port is taken");
  problem = undefined;
  await pass(1_500);
  assert.equal(watched.ready, true);
  watched.stop();
});
