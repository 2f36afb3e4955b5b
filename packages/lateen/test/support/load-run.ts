/** Runs the load generator in a pod of a running mesh, and judges what it reports. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { LoadReport } from "./load.ts";
import type { RunningMesh } from "./running-mesh.ts";

const program = join(import.meta.dirname, "load.ts");

export interface LoadRun {
  /** Lets it end once its time is over; resolves to what it saw. */
  end(): Promise<LoadReport>;
}

/** 50 requests a second from `pod` to `url` for at least `seconds`, until `end` is called. */
export function startLoad(mesh: RunningMesh, pod: string, url: string, seconds: number): LoadRun {
  // Where the pod sees it, too: what the mesh keeps is hidden there.
  const marker = join(mkdtempSync(join(tmpdir(), "lateen-load-")), "ends");
  const options = ["--rate", "50", "--seconds", String(seconds), "--until", marker];
  const running = printed(mesh.spawn(["exec", pod, "--", "node", program, url, ...options]));
  // Read when the test asks for the report; a test that fails before that tells its own reason.
  running.catch(() => undefined);
  return {
    async end() {
      writeFileSync(marker, "");
      const report = JSON.parse(await running) as LoadReport;
      rmSync(dirname(marker), { recursive: true });
      return report;
    },
  };
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
async function printed(child: ChildProcess): Promise<string> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", chunk => {
    stdout += chunk;
  });
  child.stderr?.on("data", chunk => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`the load generator ended with code ${code}: ${stderr}`);
  return stdout;
}
