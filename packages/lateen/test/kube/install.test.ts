/** An installation from its first command to its last. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { BareCluster } from "../support/bare-cluster.ts";
import { type KubeCluster, needsKubernetes } from "../support/kube-cluster.ts";
import { lateenOn as lateen } from "../support/lateen-command.ts";
import { TICKS } from "../support/lateen-on-kube.ts";
import { untilRefusing } from "../support/validating-control-plane.ts";

const skip = needsKubernetes();
const TIMEOUT_MS = 300_000;
describe("an installation", { skip, timeout: 900_000 }, () => {
  let bare: BareCluster;
  let cluster: KubeCluster;
  const folder = mkdtempSync(join(tmpdir(), "lateen-install-"));
  after(() => {
    rmSync(folder, { recursive: true, force: true });
    return bare?.restore();
  });

  test("before it there is nothing, and the cluster is fit for it", async () => {
    bare = await BareCluster.find();
    cluster = bare.cluster;
    const checked = await lateen(cluster, "x", "precheck");
    assert.equal(checked.stderr, "");
    assert.match(checked.stdout, /^✔ No issues found/);
    const verified = await lateen(cluster, "verify-install");
    assert.equal(verified.code, 1);
    assert.match(verified.stderr, /no installation of Lateen was found/);
  });

  test("a dry run changes nothing; without -y nothing happens that nobody said yes to", async () => {
    const tried = await lateen(cluster, "install", "--set", "profile=demo", "--dry-run");
    assert.equal(tried.code, 0, tried.stderr);
    assert.match(tried.stdout, /Installation complete \(dry run: nothing was changed\)/);
    const unasked = await lateen(cluster, "install", "--set", "profile=demo");
    assert.equal(unasked.code, 1);
    assert.match(unasked.stdout, /Lateen 0\.1\.0 demo profile with .*Proceed\? \(y\/N\) Cancelled/);
    assert.deepEqual(await bare.changes(), []);
  });

  test("profile demo: the ticks, and every pod is ready", async () => {
    const installed = await lateen(cluster, "install", "--set", "profile=demo", "-y");
    assert.equal(installed.code, 0, installed.stderr);
    assert.equal(installed.stdout, TICKS);
    const pods = await cluster.must(["get", "pods", "-n", "istio-system", "--no-headers"]);
    const rows = pods.trimEnd().split("\n");
    assert.equal(rows.length, 3);
    for (const row of rows)
      assert.match(row, /^(istiod|istio-(in|e)gressgateway)-\S+ +1\/1 +Running/);
    const service = await cluster.must([
      "get",
      "svc",
      "-n",
      "istio-system",
      "istio-ingressgateway",
    ]);
    assert.match(
      service,
      /LoadBalancer .* 15021:\d+\/TCP,80:\d+\/TCP,443:\d+\/TCP,31400:\d+\/TCP,15443/,
    );
  });

  test("the dumped profile, applied and verified, is what is there already", async () => {
    const file = join(folder, "istio-demo.yaml");
    const { stdout } = await lateen(cluster, "profile", "dump", "demo");
    writeFileSync(file, stdout);
    const applied = await lateen(cluster, "apply", "-f", file, "-y");
    assert.equal(applied.stdout, TICKS);
    assert.equal(applied.stderr, "");
    const verified = await lateen(cluster, "verify-install", "-f", file);
    assert.equal(verified.code, 0, verified.stderr);
    assert.match(verified.stdout, /\n✔ Istio is installed and verified successfully\n$/);
    assert.match(verified.stdout, /✔ Deployment: istiod\.istio-system checked successfully/);
    assert.match(verified.stdout, /Checked 15 custom resource definitions\nChecked 3 Istio Deploy/);
  });

  test("an older version is upgraded where it is", async () => {
    const version = "operator.istio.io/version";
    const istiod = ["deploy", "istiod", "-n", "istio-system"];
    await cluster.must(["label", ...istiod, `${version}=0.0.9`, "--overwrite"]);
    const path = `jsonpath={.metadata.labels.${version.replaceAll(".", "\\.")}}`;
    const unsaid = await lateen(cluster, "upgrade", "--set", "profile=demo", "--revision", "none");
    assert.match(unsaid.stderr, /revision none is not installed .*nothing to upgrade/);
    // The label is kubectl's now.
    const flags = ["--set", "profile=demo", "--force", "-y"];
    const upgraded = await lateen(cluster, "upgrade", ...flags);
    assert.equal(upgraded.code, 0, upgraded.stderr);
    assert.equal(upgraded.stdout, `Upgrading from 0.0.9 to 0.1.0.\n${TICKS}`);
    assert.match(upgraded.stderr, /WARNING: Lateen is being upgraded from 0\.0\.9 to 0\.1\.0\./);
    assert.equal(await cluster.must(["get", ...istiod, "-o", path]), "0.1.0");
  });

  test("pods of a labelled namespace are injected, and reached through their sidecars", async t => {
    const namespace = await cluster.namespace(t, { "istio-injection": "enabled" });
    const image = "--image=ikubernetes/demoapp:v1.0";
    await namespace.kubectl("create", "deployment", "demoapp", image, "--replicas=3");
    await namespace.kubectl("create", "service", "clusterip", "demoapp", "--tcp=8080:80");
    await namespace.readyPods("app=demoapp", 3);
    const pods = await namespace.kubectl("get", "pods", "--no-headers");
    for (const row of pods.trimEnd().split("\n")) assert.match(row, / 2\/2 +Running /);
    const client = await namespace.client();
    assert.match(await namespace.curl(client, "demoapp:8080"), /ClientIP: 127\.0\.0\.6, /);
    const wrong = await cluster.kubectl(["apply", "-f", "-"], { input: HTTPS_WITHOUT_TLS });
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.stderr, /spec\.servers\[0\]\.tls: is required for protocol HTTPS/);
  });

  test("without a control plane the mesh waits, and nobody else does", async t => {
    const mesh = await cluster.namespace(t, { "istio-injection": "enabled" });
    const others = await cluster.namespace(t);
    const system = ["-n", "istio-system"];
    await untilRefusing(cluster, VALIDATOR);
    await cluster.must(["scale", ...system, "deployment/istiod", "--replicas=0"]);
    await cluster.must(["wait", ...system, "--for=delete", "pod", "-l", "app=istiod"]);

    await others.client();
    await others.kubectl("create", "configmap", "any", "--from-literal=a=b");
    await others.kubectl("label", "configmap", "any", "c=d");
    await others.kubectl("create", "service", "clusterip", "any", "--tcp=80");
    const run = ["run", "--image=ikubernetes/demoapp:v1.0"];
    await mesh.kubectl(...run, "apart", "--labels=sidecar.istio.io/inject=false");
    const kept = await cluster.kubectl(["-n", mesh.name, ...run, "kept"]);
    assert.match(kept.stderr, unreachable("namespace.sidecar-injector.istio.io"));
    const input = gateway("later");
    const refused = await cluster.kubectl(["apply", "-n", others.name, "-f", "-"], { input });
    assert.match(refused.stderr, unreachable("validation.istio.io"));
    // The way out for whoever can not wait; the control plane closes it again.
    const open = [{ op: "replace", path: "/webhooks/0/failurePolicy", value: "Ignore" }];
    const patch = ["patch", "validatingwebhookconfiguration", VALIDATOR, "--type=json", "-p"];
    await cluster.must([...patch, JSON.stringify(open)]);
    await others.apply(input);
    await others.kubectl("delete", "gw", "later");

    await cluster.must(["scale", ...system, "deployment/istiod", "--replicas=1"]);
    await untilRefusing(cluster, VALIDATOR);
    await mesh.client("kept");
    await others.apply(input);
  });

  test("what a person changed is not overwritten but on purpose", async () => {
    const patch = JSON.stringify({ spec: { type: "NodePort" } });
    const system = ["-n", "istio-system"];
    await cluster.must([
      ...["patch", "svc", "istio-ingressgateway", ...system, "-p", patch],
      ...["--field-manager", "kubectl-edit"],
    ]);
    const type = ["get", "svc", "istio-ingressgateway", ...system, "-o", "jsonpath={.spec.type}"];
    const kept = await lateen(cluster, "install", "--set", "profile=demo", "-y");
    assert.equal(kept.code, 0, kept.stderr);
    assert.match(kept.stderr, /spec\.type stays NodePort, .*kubectl-edit.*--force takes it over/);
    assert.equal(await cluster.must(type), "NodePort");
    const ports = JSON.stringify([{ op: "replace", path: "/spec/ports/1/targetPort", value: 80 }]);
    await cluster.must([
      ...["patch", "svc", "istio-ingressgateway", ...system, "--type=json", "-p", ports],
      ...["--field-manager", "kubectl-edit"],
    ]);
    const refused = await lateen(cluster, "install", "--set", "profile=demo", "-y");
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /Service:istio-system:istio-ingressgateway: somebody else/);
    assert.match(refused.stderr, /targetPort \(.*kubectl-edit.*--force/s);
    const forced = await lateen(cluster, "install", "--set", "profile=demo", "-y", "--force");
    assert.equal(forced.code, 0, forced.stderr);
    assert.equal(await cluster.must(type), "LoadBalancer");
  });

  test("what the new settings no longer have is pruned", async () => {
    const minimal = await lateen(cluster, "install", "--set", "profile=minimal", "-y");
    assert.equal(minimal.code, 0, minimal.stderr);
    assert.match(minimal.stderr, /Pruned object Deployment:istio-system:istio-ingressgateway\./);
    const deployments = await cluster.must(["get", "deploy", "-n", "istio-system", "-o", "name"]);
    assert.equal(deployments, "deployment.apps/istiod\n");
  });

  test("a canary beside it comes, serves its own namespaces, and goes", async t => {
    const flags = ["--set", "profile=minimal", "--revision", "canary", "-y"];
    const canary = await lateen(cluster, "install", ...flags);
    assert.equal(canary.code, 0, canary.stderr);
    assert.doesNotMatch(canary.stdout, /the default for injection/);
    const namespace = await cluster.namespace(t, { "istio.io/rev": "canary" });
    await namespace.client();
    const path = "jsonpath={.metadata.annotations.istio\\.io/rev}";
    assert.equal(await namespace.kubectl("get", "pod", "client", "-o", path), "canary");
    const gone = await lateen(cluster, "uninstall", "--revision", "canary", "-y");
    assert.equal(gone.code, 0, gone.stderr);
    const verified = await lateen(cluster, "verify-install");
    assert.equal(verified.code, 0, verified.stderr);
    await bare.untilWithout("canary");
  });

  test("a control plane in another namespace is that of -i", async () => {
    const there = ["-i", "second-mesh"];
    const flags = ["--set", "profile=minimal", "--revision", "second", "-y"];
    const installed = await lateen(cluster, "install", ...flags, ...there);
    assert.equal(installed.code, 0, installed.stderr);
    const version = await lateen(cluster, "version", "-o", "json", ...there);
    assert.equal(version.code, 0, version.stderr);
    assert.deepEqual(JSON.parse(version.stdout).meshVersion, [{ Info: { version: "0.1.0" } }]);
    const nobody = await lateen(cluster, "ps", ...there);
    assert.match(nobody.stderr, /^no proxies found\n/);
    const nowhere = await lateen(cluster, "ps", "-i", "third-mesh");
    assert.match(nowhere.stderr, /^no running Istio pods in "third-mesh"\n/);
    const gone = await lateen(cluster, "uninstall", "--purge", "-y", ...there);
    assert.equal(gone.code, 0, gone.stderr);
    await cluster.must(["delete", "namespace", "second-mesh"], { timeoutMs: TIMEOUT_MS });
    const first = await lateen(cluster, "version", "-o", "json");
    assert.deepEqual(JSON.parse(first.stdout).meshVersion, [{ Info: { version: "0.1.0" } }]);
    await bare.untilWithout("second");
  });

  test("what never becomes ready is said with its reason", async () => {
    const flags = ["--set", "profile=minimal", "--set", "tag=none", "--readiness-timeout", "4s"];
    // A busy kubelet may not have tried within four seconds.
    await cluster.until("the pod's reason is said", async () => {
      const failed = await lateen(cluster, "install", ...flags, "-y");
      assert.equal(failed.code, 1);
      assert.match(failed.stderr, /✘ Istiod encountered an error: not ready after 4 s/);
      assert.match(failed.stderr, /container discovery: (ErrImagePull|ImagePullBackOff)/);
      return true;
    });
  });

  test("after it nothing is left", async () => {
    const unsaid = await lateen(cluster, "uninstall");
    assert.match(unsaid.stderr, /either --purge or --revision/);
    const removed = await lateen(cluster, "x", "uninstall", "-y", "--purge");
    assert.equal(removed.code, 0, removed.stderr);
    assert.match(removed.stdout, / {2}Removed Deployment:istio-system:istiod\.\n/);
    assert.match(removed.stdout, /✔ Uninstall complete\n$/);
    await cluster.must(["delete", "namespace", "istio-system"], { timeoutMs: TIMEOUT_MS });
    await bare.untilBare();
  });
});

/** What the API server says of a webhook that nobody answers. */
function unreachable(webhook: string): RegExp {
  const name = webhook.replaceAll(".", "\\.");
  const reason = 'no endpoints available for service "istiod"';
  return new RegExp(`\\(InternalError\\): .*failed calling webhook "${name}": .*${reason}`);
}

const VALIDATOR = "istiod-default-validator";

function gateway(name: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}}
spec: {selector: {app: none}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
`;
}

const HTTPS_WITHOUT_TLS = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: wrong, namespace: default}
spec:
  selector: {app: none}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: ["*"]
`;
