import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type FlagValues, UserError } from "../cli/command.ts";
import type { MeshAccess } from "../cli/context.ts";
import { personsCluster } from "./open-cluster.ts";
import { openMesh } from "./open-mesh.ts";
import { whichMesh } from "./which-mesh.ts";

const NOBODY = `
apiVersion: v1
kind: Config
current-context: nobody
contexts: [{name: nobody, context: {cluster: nobody}}]
clusters: [{name: nobody, cluster: {server: "http://127.0.0.1:1"}}]
`;

async function open(home: string, flags: FlagValues): Promise<MeshAccess> {
  const which = whichMesh(flags, home);
  const more = { systemNamespace: "istio-system", revision: undefined, adminPort: 15000 };
  return openMesh({ which, home, cluster: personsCluster(flags), ...more });
}

test("a kubeconfig that is named is meant; without one, and without a cluster, the local mesh", async t => {
  const home = mkdtempSync(join(tmpdir(), "lateen-open-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const kubeconfig = join(home, "config");
  writeFileSync(kubeconfig, NOBODY);
  const cluster = await open(home, { kubeconfig });
  await assert.rejects(
    cluster.discoveryDebug("/version"),
    error => error instanceof UserError && /does not tell its pods/.test(error.message),
  );
  await assert.rejects(
    async () => (await open(home, { mesh: "none" })).discoveryDebug("/version"),
    error => error instanceof UserError && !/pods/.test(error.message),
  );
});

test("a kubeconfig that is not there is named", async t => {
  const home = mkdtempSync(join(tmpdir(), "lateen-open-"));
  const before = { KUBECONFIG: process.env["KUBECONFIG"], HOME: process.env["HOME"] };
  t.after(() => {
    rmSync(home, { recursive: true, force: true });
    for (const [name, value] of Object.entries(before))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });
  const refusal = async (): Promise<string> => {
    const found: unknown = await open(home, {}).catch(error => error);
    assert.ok(found instanceof UserError);
    return `${found.message}\n${found.hint ?? ""}`;
  };
  const missing = join(home, "missing");
  process.env["KUBECONFIG"] = missing;
  assert.equal(
    (await refusal()).trim(),
    `${missing}: can not be read: there is no such file (kubeconfig)`,
  );
  delete process.env["KUBECONFIG"];
  process.env["HOME"] = home;
  const usual = join(home, ".kube", "config");
  assert.match(await refusal(), /^no mesh is running on this machine\n/);
  assert.ok((await refusal()).endsWith(`names a cluster: there is none at ${usual}`));
});
