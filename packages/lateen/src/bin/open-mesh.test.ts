import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { UserError } from "../cli/command.ts";
import { openMesh } from "./open-mesh.ts";

const NOBODY = `
apiVersion: v1
kind: Config
current-context: nobody
contexts: [{name: nobody, context: {cluster: nobody}}]
clusters: [{name: nobody, cluster: {server: "http://127.0.0.1:1"}}]
`;

test("a kubeconfig that is named is meant; without one, and without a cluster, the local mesh", async t => {
  const home = mkdtempSync(join(tmpdir(), "lateen-open-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const kubeconfig = join(home, "config");
  writeFileSync(kubeconfig, NOBODY);
  const choice = {
    home,
    meshName: undefined,
    context: undefined,
    systemNamespace: "istio-system",
    revision: undefined,
  };
  const cluster = await openMesh({ ...choice, kubeconfig });
  await assert.rejects(
    cluster.discoveryDebug("/version"),
    error => error instanceof UserError && /does not tell its pods/.test(error.message),
  );
  const named = { ...choice, meshName: "none", kubeconfig: undefined };
  await assert.rejects(
    async () => (await openMesh(named)).discoveryDebug("/version"),
    error => error instanceof UserError && !/pods/.test(error.message),
  );
});
