/** Root and issuer replaced under load: nothing fails, nothing is restarted. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { customResourceDefinitions } from "../../src/api/custom-resources.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { type KubeCluster, kubeCluster, needsKubernetes } from "../support/kube-cluster.ts";
import { cacertsSecret, kubeControlPlane } from "../support/kube-control-plane.ts";
import type { KubeNamespace } from "../support/kube-namespace.ts";
import type { LoadReport } from "../support/load.ts";
import { type OperatorRoot, operatorRoot } from "../support/plugged-ca.ts";
import { proxySecrets, subjectsIn } from "../support/proxy-secrets.ts";

const skip = needsKubernetes();
const program = join(import.meta.dirname, "../../bin/lateen.mjs");
const load = join(import.meta.dirname, "../support/load.ts");
const execute = promisify(execFile);
const ROOT_FILE = "/var/run/secrets/istio/root-cert.pem";
const YEAR_MS = 365 * 24 * 3_600_000;

const APPS = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
---
apiVersion: v1
kind: Service
metadata: {name: demoapp}
spec:
  selector: {app: demoapp}
  ports: [{name: http, port: 8080, targetPort: 80}]
${deployment("demoapp", 2)}
${deployment("client", 1)}
`;

function deployment(name: string, replicas: number): string {
  return `
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: ikubernetes/demoapp:v1.0
        ports: [{containerPort: 80, name: http}]
        readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}
`;
}

/**
 * Half of the requests on connections of their own, from inside the client's pod; so few that a machine on
 * which much else runs can keep up.
 */
function startLoad(cluster: KubeCluster, namespace: KubeNamespace) {
  const node = ["/usr/local/bin/node", "--input-type=module-typescript", "-"];
  const flags = ["http://demoapp:8080/", "--rate", "20", "--seconds", "5", "--until", "/tmp/end"];
  const exec = ["-n", namespace.name, "exec", "-i", "deploy/client", "-c", "app", "--"];
  const input = readFileSync(load, "utf8");
  const running = cluster.kubectl([...exec, ...node, ...flags], { input, timeoutMs: 700_000 });
  let over = false;
  void running.then(() => {
    over = true;
  });
  return {
    /** It ends by itself after a while. */
    isOver: () => over,
    async end() {
      await namespace.exec("deploy/client", ["touch", "/tmp/end"]);
      const { code, stdout, stderr } = await running;
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout) as LoadReport;
    },
  };
}

interface Containers {
  readonly ids: string[];
  readonly restarts: number;
}

async function containersOf(cluster: KubeCluster, namespace: KubeNamespace): Promise<Containers> {
  const { body } = await cluster.api({ path: `/api/v1/namespaces/${namespace.name}/pods` });
  const statuses = arrayAt(body, "items")
    .filter(isObject)
    .map(pod => objectAt(pod, "status"))
    .flatMap(status =>
      ["containerStatuses", "initContainerStatuses"].flatMap(each => arrayAt(status, each)),
    )
    .filter(isObject);
  const restarts = statuses.reduce((sum, each) => sum + Number(each["restartCount"] ?? 0), 0);
  return { ids: statuses.map(each => stringAt(each, "containerID")).sort(), restarts };
}

/** What `pc secret` says. */
async function secretsOf(cluster: KubeCluster, namespace: KubeNamespace, pod: string) {
  const place = ["--kubeconfig", cluster.kubeconfig, "-o", "json"];
  const command = [program, "pc", "secret", `${pod}.${namespace.name}`, ...place];
  const { stdout } = await execute(process.execPath, command);
  return proxySecrets(stdout);
}

/** The same from Envoy itself, and the roots in the proxy's file: one call, as this is asked often. */
async function trustOf(cluster: KubeCluster, namespace: KubeNamespace, pod: string) {
  const url = "localhost:15000/config_dump?resource=dynamic_active_secrets";
  const script = `curl -s "${url}" && cat ${ROOT_FILE}`;
  const place = ["-n", namespace.name, "exec", pod, "-c", "istio-proxy"];
  const { stdout } = await cluster.kubectl([...place, "--", "sh", "-c", script]);
  const begin = stdout.indexOf("-----BEGIN");
  const dump = stdout.slice(0, begin).replace(/"[a-z_]+":/g, camelCase);
  const { configs } = JSON.parse(dump) as { configs: unknown };
  const { roots, issuer } = proxySecrets(JSON.stringify({ dynamicActiveSecrets: configs }));
  return { roots, issuer, file: subjectsIn(stdout.slice(begin)) };
}

const camelCase = (key: string): string =>
  key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

async function podNames(cluster: KubeCluster, namespace: KubeNamespace): Promise<string[]> {
  const { body } = await cluster.api({ path: `/api/v1/namespaces/${namespace.name}/pods` });
  return arrayAt(body, "items")
    .filter(isObject)
    .map(pod => stringAt(objectAt(pod, "metadata"), "name"));
}

describe("certificates are replaced while everything runs", { skip, timeout: 900_000 }, () => {
  test("root A, A and B, issuer B, root B, root C in one step, two replicas: no request fails", async t => {
    const cluster = await kubeCluster();
    await peerAuthentications(t, cluster);
    const now = Date.now();
    const newRoot = (label: string) => operatorRoot("ec", label, now - 60_000, now + YEAR_MS);
    const [a, b, c] = [newRoot(" A"), newRoot(" B"), newRoot(" C")];
    const ofA = a.plugged();
    const ofB = b.plugged([a, b]);
    const discovery = { rootSpreadMs: 3_000, streamAgeMaxMs: 8_000 };
    const mesh = await kubeControlPlane(t, cluster, { cacerts: ofA, discovery, replicas: 2 });
    const { workloads } = mesh;
    await workloads.apply(APPS);
    await workloads.readyPods("app=demoapp", 2);
    await workloads.readyPods("app=client", 1);
    await workloads.until("the client reaches the application", () => answers(workloads, "client"));
    const before = await containersOf(cluster, workloads);
    const running = startLoad(cluster, workloads);

    const plug = (data: object) => cluster.apply(cacertsSecret(mesh.namespace, data));
    const allHave = (roots: readonly OperatorRoot[], issuer: string) =>
      untilAllHave(cluster, workloads, roots, issuer);
    await plug({ ...ofA, "root-cert.pem": a.pem + b.pem });
    await allHave([a, b], "CN=Intermediate CA A");
    await plug(ofB);
    await allHave([a, b], "CN=Intermediate CA B");
    await plug({ ...ofB, "root-cert.pem": b.pem });
    await allHave([b], "CN=Intermediate CA B");
    // What has been in force goes for good, so that every proxy has to know the new one.
    await mesh.restart();
    await workloads.apply(deployment("late", 1));
    await workloads.readyPods("app=late", 1);
    await workloads.until("a new pod reaches the application", () => answers(workloads, "late"));
    await plug(b.plugged([b]));
    await allHave([b], "CN=Intermediate CA B2");
    // In one step, and while it is under way all replicas are replaced.
    await plug(c.plugged());
    await mesh.restart();
    await allHave([c], "CN=Intermediate CA C");

    for (const pod of await podNames(cluster, workloads)) {
      const { roots, issuer } = await secretsOf(cluster, workloads, pod);
      assert.deepEqual([roots, issuer], [["CN=Root CA C"], "CN=Intermediate CA C"], pod);
    }
    assert.equal(running.isOver(), false);
    const report = await running.end();
    assert.deepEqual(report.failures, []);
    assert.ok(report.keepAlive > 50 && report.fresh > 50, JSON.stringify(report));
    t.diagnostic(`${report.sent} requests in ${Math.round(report.seconds)} s, none failed`);
    const after = await containersOf(cluster, workloads);
    assert.equal(after.restarts, 0);
    for (const id of before.ids) assert.ok(after.ids.includes(id), `${id} runs no more`);
  });
});

/** The one kind of Istio's that is needed, there for the time of this test. */
async function peerAuthentications(t: TestContext, cluster: KubeCluster): Promise<void> {
  const name = "peerauthentications.security.istio.io";
  const crd = customResourceDefinitions().find(
    each => stringAt(objectAt(each, "metadata"), "name") === name,
  );
  await cluster.apply(JSON.stringify(crd), "--server-side");
  t.after(() => cluster.kubectl(["delete", "crd", name]));
  await cluster.must(["wait", "--for=condition=Established", `crd/${name}`, "--timeout=120s"]);
}

async function answers(namespace: KubeNamespace, client: string): Promise<true> {
  const { code, stderr } = await namespace.exec(`deploy/${client}`, [
    ...["curl", "--silent", "--show-error", "--fail", "--max-time", "5", "http://demoapp:8080/"],
  ]);
  if (code !== 0) throw new Error(stderr.trim());
  return true;
}

/**
 * Every proxy over SDS, and in its own file by way of the ConfigMap. A kubelet brings a ConfigMap with
 * its next look at a pod, about once a minute: a change of the pod makes it look at once.
 */
async function untilAllHave(
  cluster: KubeCluster,
  namespace: KubeNamespace,
  roots: readonly OperatorRoot[],
  issuer: string,
): Promise<void> {
  const expected = subjectsIn(roots.map(each => each.pem).join(""));
  const text = `${expected.join()} ${issuer}`;
  const isAsExpected = (pod: string): Promise<boolean> =>
    namespace.until(`${pod} has ${text}, in its file, too`, async () => {
      const has = await trustOf(cluster, namespace, pod);
      const file = has.file.join() === expected.join();
      if (file && `${has.roots.join()} ${has.issuer}` === text) return true;
      if (!file)
        await namespace.kubectl("annotate", "pod", pod, "--overwrite", `looked-at=${Date.now()}`);
      throw new Error(`it has ${JSON.stringify(has)}`);
    });
  await Promise.all((await podNames(cluster, namespace)).map(isAsExpected));
}
