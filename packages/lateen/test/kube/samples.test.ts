/** Configurations that people have are accepted, by an API server with Lateen's CRDs and webhook. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";
import { startValidating } from "../support/validating-control-plane.ts";

const skip = needsKubernetes("control-plane");
const root = join(import.meta.dirname, "../../../..");
/** Lateen's own, and Istio's, which people have. */
const FOLDERS = ["samples", "packages/lateen/test/testdata/samples"];
/** Need the CRDs of other projects; every cluster without them refuses these. */
const FOREIGN =
  /no matches for kind "((Certificate|ClusterIssuer)" in version "certmanager\.k8s\.io|(PodMonitor|ServiceMonitor)" in version "monitoring\.coreos\.com)\//;

function objectsIn(folder: string): number {
  let count = 0;
  for (const file of globSync("**/*.yaml", { cwd: folder }))
    for (const document of parseAllDocuments(readFileSync(join(folder, file), "utf8")))
      if (document.toJS() !== null) count++;
  return count;
}

describe("samples", { skip, timeout: 600_000 }, () => {
  test("every object of every file is accepted", async () => {
    // Some want addresses of both families.
    const cluster = await ownKubeCluster({ mode: "control-plane", dualStack: true });
    const running = await startValidating(cluster);
    try {
      await cluster.must(["create", "namespace", "legacy"]);
      for (const folder of FOLDERS.map(each => join(root, each))) {
        const dryRun = ["apply", "--dry-run=server", "--recursive", "-f", folder];
        const { stdout, stderr } = await cluster.kubectl(dryRun, { timeoutMs: 300_000 });
        const lines = (text: string): string[] => text.split("\n").filter(line => line !== "");
        const isComplaint = (line: string): boolean =>
          !line.startsWith("Warning: ") && line !== "ensure CRDs are installed first";
        const [foreign, refused] = [true, false].map(wanted =>
          lines(stderr).filter(line => isComplaint(line) && FOREIGN.test(line) === wanted),
        );
        assert.deepEqual(refused, []);
        const accepted = lines(stdout).filter(line => line.endsWith("(server dry run)"));
        assert.equal(accepted.length + (foreign?.length ?? 0), objectsIn(folder), folder);
        assert.ok((foreign?.length ?? 0) <= 2);
      }
    } finally {
      await running.stop();
    }
  });
});
