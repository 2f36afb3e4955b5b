/** Flags of istioctl's scripts on the commands of an installation, against a faked API server. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { installCommand, upgradeCommand } from "../../src/bin/install-command.ts";
import { kubeInjectCommand } from "../../src/bin/kube-inject-command.ts";
import { manifestCommand } from "../../src/bin/manifest-command.ts";
import { precheckCommand } from "../../src/bin/precheck-command.ts";
import { profileCommand } from "../../src/bin/profile-command.ts";
import { tagCommand } from "../../src/bin/tag-command.ts";
import { uninstallCommand } from "../../src/bin/uninstall-command.ts";
import { verifyInstallCommand } from "../../src/bin/verify-install-command.ts";
import type { Command } from "../../src/cli/command.ts";
import { fakeCluster } from "../support/fake-cluster.ts";
import { runCommand } from "../support/run-command.ts";
import { must, run } from "../support/run-on-fake.ts";

const OWN = join(import.meta.dirname, "../../../../manifests");
const MINIMAL = "-y --set profile=minimal";

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "lateen-scripts-"));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test("--manifests: the folder of this release, and no other", async t => {
  const other = folder(t);
  mkdirSync(join(other, "charts/base"), { recursive: true });
  writeFileSync(join(other, "charts/base/Chart.yaml"), "name: base\nversion: 1.14.1\n");
  const cluster = await fakeCluster(t);
  const lines: [Command, string][] = [
    [installCommand, MINIMAL],
    [upgradeCommand, MINIMAL],
    [manifestCommand, "generate"],
    [manifestCommand, `apply ${MINIMAL}`],
    [profileCommand, "list"],
    [profileCommand, "dump demo"],
    [profileCommand, "diff demo demo"],
    [verifyInstallCommand, "--enableVerbose=false"],
    [tagCommand, "generate prod --revision default"],
    [tagCommand, "set prod --revision default -y"],
    [uninstallCommand, "--purge -y"],
  ];
  for (const [command, line] of lines) {
    const refused = await run(cluster, command, `${line} -d ${other}`);
    assert.equal(refused.code, 1, line);
    assert.equal(
      refused.stderr,
      "--manifests: found charts of version 1.14.1; expected those of Lateen 0.1.0, whose objects " +
        "are built into this program\nleave the flag out; settings are for --set and -f, other " +
        "objects for k8s.overlays\n",
      line,
    );
    if (command.name !== "tag")
      assert.match(
        (await run(cluster, command, `${line} --charts ${OWN}/charts`)).stderr,
        /^--charts: found no charts in /,
      );
    await must(cluster, command, `${line} --manifests=${OWN}`);
  }
});

test("manifest generate: components by name, and what a cluster makes of it", async t => {
  const cluster = await fakeCluster(t);
  const kinds = (text: string): string[] =>
    [...new Set(text.match(/^kind: \w+$/gm) ?? [])].map(line => line.slice("kind: ".length));
  const base = kinds(await must(cluster, manifestCommand, "generate --component Base"));
  assert.ok(base.includes("CustomResourceDefinition") && !base.includes("Deployment"), base.join());
  const two = await must(cluster, manifestCommand, "generate --component Pilot,IngressGateways");
  assert.ok(!kinds(two).includes("CustomResourceDefinition"));
  assert.match(two, /^ {2}name: istio-ingressgateway$/m);
  const odd = await run(cluster, manifestCommand, "generate --component Pilot,Galley");
  assert.equal(
    odd.stderr,
    '--component is "Galley"; it must be of Base, Pilot, IstiodRemote, EgressGateways, IngressGateways\n',
  );
  const alone = await must(cluster, manifestCommand, "generate --revision canary");
  assert.doesNotMatch(alone, /istiod-default-validator/);
  assert.ok(!cluster.asked.some(each => each.includes("/version")), "no cluster is asked");
  const specific = "generate --revision canary --cluster-specific";
  // Nobody else serves namespaces without a revision there: install would make it the default, too.
  assert.match(await must(cluster, manifestCommand, specific), /istiod-default-validator/);
  await must(cluster, installCommand, MINIMAL);
  assert.doesNotMatch(await must(cluster, manifestCommand, specific), /istiod-default-validator/);
});

test("uninstall -f and --set name a control plane", async t => {
  const cluster = await fakeCluster(t);
  await must(cluster, installCommand, MINIMAL);
  await must(cluster, installCommand, `${MINIMAL} --revision canary`);
  const file = join(folder(t), "canary.yaml");
  writeFileSync(
    file,
    "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec: {revision: canary}\n",
  );
  const both = await run(cluster, uninstallCommand, `-y -v --force --purge -f ${file}`);
  assert.match(both.stderr, /^uninstall needs either --purge or --revision/);
  const tried = await must(cluster, uninstallCommand, "--set revision=canary --dry-run");
  assert.match(tried, /Would remove Deployment:istio-system:istiod-canary/);
  assert.doesNotMatch(tried, /:istiod\.\n/);
  await must(cluster, uninstallCommand, `-y -v --force -f ${file}`);
  assert.equal(cluster.get("Deployment", "istio-system", "istiod-canary"), undefined);
  assert.ok(cluster.get("Deployment", "istio-system", "istiod"));
  const gone = await run(cluster, uninstallCommand, `-y -f ${file}`);
  assert.match(gone.stderr, /^there is no control plane of revision canary/);
});

test("verify-install --enableVerbose=false says only what is wrong, and the sum", async t => {
  const cluster = await fakeCluster(t);
  await must(cluster, installCommand, MINIMAL);
  const quiet = await must(cluster, verifyInstallCommand, "--enableVerbose=false");
  assert.equal(
    quiet,
    "Checked 15 custom resource definitions\nChecked 1 Istio Deployments\n" +
      "✔ Istio is installed and verified successfully\n",
  );
});

test("x precheck: as JSON, from a level on, and without the control plane's part", async t => {
  const cluster = await fakeCluster(t, {
    denied: (verb, kind) => verb === "create" && kind === "services",
  });
  const found = async (line: string): Promise<unknown> => {
    const { code, stdout } = await run(cluster, precheckCommand, `-o json ${line}`);
    return { code, findings: JSON.parse(stdout) };
  };
  const denied = {
    level: "Error",
    message:
      "you may not do what an installation does:\n  create in namespace istio-system: services",
  };
  const leap = {
    level: "Warning",
    message: "0.3 is newer than this program (0.1.0): proxies and control plane would go back",
  };
  assert.deepEqual(await found("--from-version 0.3"), { code: 1, findings: [denied, leap] });
  assert.deepEqual(await found("--from-version 0.3 --output-threshold Error"), {
    code: 1,
    findings: [denied],
  });
  assert.deepEqual(await found("--from-version 0.3 --skip-controlplane"), {
    code: 0,
    findings: [leap],
  });
  assert.deepEqual(await found("--skip-controlplane"), { code: 0, findings: [] });
  const odd = await run(cluster, precheckCommand, "--from-version old");
  assert.equal(odd.stderr, '--from-version is "old"; expected a version like 0.1 or 0.1.2\n');
});

test("kube-inject --operatorFileName: what the file installs is the configuration", async t => {
  const made = folder(t);
  const [app, operator] = [join(made, "app.yaml"), join(made, "operator.yaml")];
  writeFileSync(
    app,
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: a, image: a}]\n",
  );
  writeFileSync(
    operator,
    "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n" +
      "spec: {hub: registry.example/mesh, tag: one, revision: canary}\n",
  );
  const { code, stdout, stderr } = await runCommand(kubeInjectCommand, [
    "-f",
    app,
    "--operatorFileName",
    operator,
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /image: registry\.example\/mesh\/proxyv2:one/);
  assert.match(stdout, /istiod-canary\.istio-system\.svc/);
});
