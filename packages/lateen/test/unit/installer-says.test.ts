/** What installing, upgrading and comparing profiles tell a person. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { installCommand, upgradeCommand } from "../../src/bin/install-command.ts";
import { manifestCommand } from "../../src/bin/manifest-command.ts";
import { precheckCommand } from "../../src/bin/precheck-command.ts";
import { profileCommand } from "../../src/bin/profile-command.ts";
import { VERSION_LABEL } from "../../src/install/render.ts";
import { objectAt } from "../../src/sources/json.ts";
import { type FakeCluster, fakeCluster } from "../support/fake-cluster.ts";
import type { Ran } from "../support/kube-cluster.ts";
import { runCommand } from "../support/run-command.ts";
import { mustRun, run } from "../support/run-on-fake.ts";

const MINIMAL = "-y --set profile=minimal";

/** With a control plane that another version of this program has installed. */
async function installedBy(t: TestContext, version: string, line = MINIMAL): Promise<FakeCluster> {
  const cluster = await fakeCluster(t);
  await mustRun(cluster, installCommand, line);
  for (const [path, object] of cluster.objects) {
    const metadata = objectAt(object, "metadata");
    const labels = objectAt(metadata, "labels");
    if (labels[VERSION_LABEL] === undefined) continue;
    const relabelled = { ...metadata, labels: { ...labels, [VERSION_LABEL]: version } };
    cluster.objects.set(path, { ...object, metadata: relabelled });
  }
  return cluster;
}

function versionOf(cluster: FakeCluster, name = "istiod"): unknown {
  const deployment = cluster.get("Deployment", "istio-system", name) ?? {};
  return objectAt(objectAt(deployment, "metadata"), "labels")[VERSION_LABEL];
}

test("upgrade: from the version that is installed to this one, with the settings given", async t => {
  const cluster = await installedBy(t, "0.0.9");
  assert.equal(versionOf(cluster), "0.0.9");
  const { stdout, stderr } = await mustRun(
    cluster,
    upgradeCommand,
    `${MINIMAL} --set values.pilot.env.A=b`,
  );
  assert.match(stdout, /^Upgrading from 0\.0\.9 to 0\.1\.0\.\n[\s\S]*✔ Installation complete\n/);
  assert.match(
    stderr,
    /^Warning: spec\.values\.pilot\.env\.A: nothing reads A\nWARNING: Lateen is being upgraded from 0\.0\.9 to 0\.1\.0\.\n/,
  );
  assert.equal(versionOf(cluster), "0.1.0");
  assert.match(JSON.stringify(cluster.get("Deployment", "istio-system", "istiod")), /"name":"A"/);
});

test("upgrade: a newer version stays, what is not there is not made, and nobody's no is kept", async t => {
  const newer = await installedBy(t, "0.2.0");
  const back = await run(newer, upgradeCommand, MINIMAL);
  assert.equal(back.code, 1);
  assert.equal(
    back.stderr,
    "revision default has version 0.2.0, newer than this program (0.1.0)\n" +
      "'lateen install' goes back to an older version\n",
  );
  assert.equal(versionOf(newer), "0.2.0");
  const canary = await run(newer, upgradeCommand, `${MINIMAL} -r canary`);
  assert.match(canary.stderr, /^revision canary is not installed in .*\nlateen install\n/);
  const older = await installedBy(t, "0.0.9");
  const tried = await mustRun(older, upgradeCommand, "--dry-run --set profile=minimal");
  assert.match(
    tried.stdout,
    /^Upgrading from 0\.0\.9 .*[\s\S]*\(dry run: nothing was changed\)\n$/,
  );
  assert.equal(versionOf(older), "0.0.9");
});

test("install says that it overwrites another version, and how to go beside it", async t => {
  const cluster = await installedBy(t, "0.0.9");
  const { stderr } = await mustRun(cluster, installCommand, MINIMAL);
  const warning = (lines: readonly string[]): string => `WARNING: ${lines.join("\n         ")}\n`;
  const precheck =
    "Before upgrading, you may wish to use 'lateen x precheck' to check for upgrade warnings.";
  assert.equal(
    stderr,
    warning([
      "Lateen is being upgraded from 0.0.9 to 0.1.0.",
      "Running this command will overwrite it; use revisions to upgrade alongside the existing version.",
      precheck,
    ]),
  );
  assert.equal((await mustRun(cluster, installCommand, MINIMAL)).stderr, "", "the same version");
  const newer = await installedBy(t, "2.0.0", `${MINIMAL} -r canary`);
  assert.equal(
    (await mustRun(newer, installCommand, `${MINIMAL} -r canary`)).stderr,
    warning(["Lateen is being downgraded from 2.0.0 to 0.1.0.", precheck]),
    "a revision can not be beside itself",
  );
});

test("install --verify looks at everything again", async t => {
  const cluster = await fakeCluster(t);
  const { stdout } = await mustRun(cluster, installCommand, `${MINIMAL} --verify`);
  assert.match(
    stdout,
    /✔ Installation complete\n[\s\S]*✔ Deployment: istiod\.istio-system checked/,
  );
  assert.match(
    stdout,
    /✔ Istio is installed and verified successfully\n\nThank you for installing/,
  );
  const gone = await fakeCluster(t);
  const {
    code,
    stdout: said,
    stderr,
  } = await runWhile(gone, `${MINIMAL} --verify`, () =>
    gone.objects.delete("/api/v1/namespaces/istio-system/services/istiod"),
  );
  assert.equal(code, 1);
  assert.match(
    stderr,
    /✘ Service: istiod\.istio-system: .*not found\n✘ 1 of \d+ objects are missing/,
  );
  assert.doesNotMatch(said, /Thank you/);
});

/** `then` happens when the installation is there, before it is looked at again. */
async function runWhile(cluster: FakeCluster, line: string, then: () => void): Promise<Ran> {
  const timer = setInterval(() => {
    if (cluster.asked.some(each => each.startsWith("PATCH") && each.includes("/services/istiod")))
      then();
  }, 1);
  try {
    return await run(cluster, installCommand, line);
  } finally {
    clearInterval(timer);
  }
}

test("install says that the Gateway API's objects are not carried out, where the cluster has it", async t => {
  const line =
    "Kubernetes Gateway API: its objects are not carried out, so no GatewayClass was created.\n";
  const cluster = await fakeCluster(t);
  assert.ok(!(await mustRun(cluster, installCommand, MINIMAL)).stdout.includes(line));
  cluster.objects.set("/apis/gateway.networking.k8s.io", { kind: "APIGroup" });
  assert.ok((await mustRun(cluster, installCommand, MINIMAL)).stdout.includes(line));
  const created = [...cluster.objects.keys()].filter(path => path.includes("gatewayclasses"));
  assert.deepEqual(created, []);
});

test("install --compat ends with the older layout's line, and with what it is", async t => {
  const cluster = await fakeCluster(t);
  const last = async (line: string): Promise<string | undefined> =>
    (await mustRun(cluster, installCommand, `${MINIMAL}${line}`)).stdout
      .trimEnd()
      .split("\n")
      .at(-1);
  assert.equal(await last(""), "Thank you for installing Lateen 0.1.");
  for (const version of ["1.12", "1.14"])
    assert.equal(
      await last(` --compat ${version}`),
      `Thank you for installing Istio ${version}.  It is Lateen 0.1, which speaks Istio's API.`,
    );
});

test("x precheck --from-version: what the step from there to here would mean", async t => {
  const cluster = await installedBy(t, "0.2.0");
  const said = async (line: string): Promise<string> =>
    (await mustRun(cluster, precheckCommand, line)).stdout;
  const back = /^Warning: 0\.2\.0 is newer than this program \(0\.1\.0\): .* would go back$/m;
  assert.match(await said("-n default"), back, "without the flag it is what is installed");
  assert.match(await said("-r default"), back);
  assert.match(await said("-r canary"), /^✔ No issues found/);
  assert.match(await said("--from-version 0.1"), /^✔ No issues found/);
  assert.match(await said("-f 1.2"), /^Warning: 1\.2 is newer than this program \(0\.1\.0\)/);
});

test("profile diff: lines that only one of two has", async () => {
  const diff = (...names: readonly string[]) => runCommand(profileCommand, ["diff", ...names]);
  const same = await diff("demo", "demo");
  assert.deepEqual([same.code, same.stdout], [0, "Profiles are identical\n"]);
  const { code, stdout } = await diff("default", "demo");
  assert.equal(code, 1);
  const [title, ...lines] = stdout.trimEnd().split("\n");
  assert.equal(title, "The difference between profiles:");
  const dumped = async (name: string): Promise<string> =>
    (await runCommand(profileCommand, ["dump", name])).stdout;
  const own = (mark: string): string[] =>
    lines.filter(line => !line.startsWith(mark)).map(line => line.slice(1));
  // One half is what the one has, the other half what the other has; dumps name the images, too.
  const without = (text: string): string[] =>
    text.split("\n").filter(line => line !== "" && !/^ {2}(hub|tag): /.test(line));
  assert.deepEqual(without(own("+").join("\n")), without(await dumped("default")));
  assert.deepEqual(without(own("-").join("\n")), without(await dumped("demo")));
  assert.ok(lines.some(line => line.startsWith("+")) && lines.some(line => line.startsWith(" ")));
  const unknown = await diff("default", "dmeo");
  assert.equal(unknown.stderr, 'there is no profile "dmeo": did you mean demo?\n');
});

test("what has no effect is said: compatibilityVersion, global.platform and their like", async () => {
  const idle = [
    "compatibilityVersion=1.20",
    "values.compatibilityVersion=1.20",
    "values.platform=gke",
  ];
  const { code, stderr } = await runCommand(manifestCommand, [
    "generate",
    ...idle.flatMap(each => ["--set", each]),
  ]);
  assert.equal(code, 0);
  for (const each of idle)
    assert.ok(
      stderr.includes(
        `Warning: spec.${each.split("=")[0]}: Istio's field is accepted, but not carried out: it has no effect\n`,
      ),
      `${each}: ${stderr}`,
    );
  const platform = async (name: string): Promise<string> => {
    const words = ["generate", "--set", `values.global.platform=${name}`];
    return (await runCommand(manifestCommand, words)).stderr;
  };
  assert.match(
    await platform("openshift"),
    /^Warning: spec\.values\.global\.platform: OpenShift's/,
  );
  assert.equal(
    await platform("gke"),
    "Warning: spec.values.global.platform: nothing depends on platform gke: it has no effect\n",
  );
});
