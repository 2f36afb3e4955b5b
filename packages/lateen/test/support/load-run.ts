/** Runs the load generator in a pod of a running mesh, and judges what it reports. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LoadReport } from "./load.ts";
import type { RunningMesh } from "./running-mesh.ts";

const program = join(import.meta.dirname, "load.ts");

const RATE = 50;
const PROGRESS = 5;
/** Requests that a phase of a test is proven by. */
const LEAST_IN_PHASE = 20;
/** For a machine that does other things, too; on an idle one so many are sent in half a second. */
const PATIENCE_MS = 60_000;

export interface LoadRun {
  /** How many requests it has sent so far, somewhat fewer at times. */
  sent(): number;
  /** Lets it end once its time is over; resolves to what it saw. */
  end(): Promise<LoadReport>;
}

/**
 * 50 requests a second from `pod` to `url` for at least `seconds`, until `end` is called. Requests are
 * under way from when this resolves.
 */
export async function startLoad(
  mesh: RunningMesh,
  pod: string,
  url: string,
  seconds: number,
): Promise<LoadRun> {
  // Where the pod sees it, too: what the mesh keeps is hidden there.
  const marker = join(mkdtempSync(join(tmpdir(), "lateen-load-")), "ends");
  const options = ["--rate", RATE, "--seconds", seconds, "--progress", PROGRESS].map(String);
  const command = ["node", program, url, ...options, "--until", marker];
  const child = mesh.spawn(["exec", pod, "--", ...command]);
  let lines: readonly string[] = [];
  const running = printed(child, stdout => {
    lines = stdout.split("\n");
  });
  // Read when the test asks for the report; a test that fails before that tells its own reason.
  running.catch(() => undefined);
  const run: LoadRun = {
    sent: () => Number(lines.findLast(line => line.startsWith("sent "))?.slice(5) ?? 0),
    async end() {
      writeFileSync(marker, "");
      await running;
      rmSync(dirname(marker), { recursive: true });
      return JSON.parse(lines.find(line => line.startsWith("{")) ?? "") as LoadReport;
    },
  };
  await Promise.race([running, untilSent(run, PROGRESS, `the load on ${url} begins`)]);
  return run;
}

/**
 * Does the work under these loads: they go on until each has sent enough of its requests since the work
 * began, however slow the machine is.
 */
export async function underLoad(
  what: string,
  loads: readonly LoadRun[],
  work: () => Promise<void>,
): Promise<void> {
  const least = loads.map(load => load.sent() + LEAST_IN_PHASE);
  await work();
  for (const [i, load] of loads.entries()) await untilSent(load, least[i] ?? 0, what);
}

async function untilSent(load: LoadRun, count: number, what: string): Promise<void> {
  const endsAt = Date.now() + PATIENCE_MS;
  while (load.sent() < count) {
    assert.ok(Date.now() < endsAt, `${what}: ${load.sent()} requests were sent, not ${count}`);
    await sleep(50);
  }
}

/** Fails with each lost request and what the client's Envoy logged of those that went wrong. */
export async function assertNoLoss(
  mesh: RunningMesh,
  pod: string,
  report: LoadReport,
): Promise<void> {
  const { failures, sent, good } = report;
  if (failures.length > 0) {
    const log = await mesh.ok(`logs ${pod} -c istio-proxy`);
    const wrong = log.split("\n").filter(line => /" (0|[45]\d\d) /.test(line));
    const shown = failures.slice(0, 20).map(each => JSON.stringify(each));
    assert.fail(
      `${failures.length} of ${sent} requests failed:\n${shown.join("\n")}\n` +
        `the client's Envoy logged:\n${wrong.slice(-40).join("\n")}`,
    );
  }
  assert.equal(good, sent);
  assert.ok(report.keepAlive > 0 && report.fresh > 0, "both kinds of connections were used");
}

/** The load generator ends by itself; how long the test takes is the test's matter. */
async function printed(child: ChildProcess, onOutput: (stdout: string) => void): Promise<void> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", chunk => {
    stdout += chunk;
    onOutput(stdout);
  });
  child.stderr?.on("data", chunk => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`the load generator ended with code ${code}: ${stderr}`);
}
