/** Injection by the webhook into a real cluster: pods with a real Envoy, probes, metrics, policies. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import type { JsonObject } from "../../src/api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { type KubeCluster, kubeCluster, needsKubernetes } from "../support/kube-cluster.ts";
import { type KubeControlPlane, kubeControlPlane } from "../support/kube-control-plane.ts";
import type { KubeNamespace } from "../support/kube-namespace.ts";
import { lateenOn } from "../support/lateen-command.ts";

const skip = needsKubernetes();

const APP = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: demoapp}
spec:
  replicas: 1
  selector: {matchLabels: {app: demoapp}}
  template:
    metadata: {labels: {app: demoapp, version: v1}}
    spec:
      containers:
      - name: demoapp
        image: ikubernetes/demoapp:v1.0
        ports: [{containerPort: 80, name: http}]
        readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}
        livenessProbe: {tcpSocket: {port: http}, periodSeconds: 5, initialDelaySeconds: 20}
---
apiVersion: v1
kind: Service
metadata: {name: demoapp}
spec:
  selector: {app: demoapp}
  ports: [{name: http, port: 8080, targetPort: 80}]
`;

async function onlyPod(cluster: KubeCluster, namespace: KubeNamespace, label: string) {
  const path = `/api/v1/namespaces/${namespace.name}/pods?labelSelector=${encodeURIComponent(label)}`;
  const { body } = await cluster.api({ path });
  const [pod] = arrayAt(body, "items").filter(isObject);
  assert.ok(pod !== undefined, label);
  return pod;
}

function names(pod: Parameters<typeof objectAt>[0], field: string): string[] {
  return arrayAt(objectAt(pod, "spec"), field)
    .filter(isObject)
    .map(container => stringAt(container, "name"));
}

/** A pod of the curl image; `more` is YAML of its container, `metadata` of the pod. */
function pod(name: string, more: string, metadata = "", spec = ""): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}${metadata}}
spec:
  terminationGracePeriodSeconds: 0
  ${spec}
  containers:
  - name: app
    image: curlimages/curl:8.16.0
    ${more}
---
`;
}

/** By `kube-inject`, which is told no namespace. */
async function injectedByHand(
  cluster: KubeCluster,
  { revision, namespace }: KubeControlPlane,
  yaml: string,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lateen-by-hand-"));
  try {
    const file = join(folder, "app.yaml");
    await writeFile(file, yaml);
    const where = ["--revision", revision, "-i", namespace];
    const { code, stdout, stderr } = await lateenOn(cluster, "kube-inject", "-f", file, ...where);
    assert.equal(code, 0, stderr);
    return stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const IDLE = "command: [sleep, infinity]";
const OLDER = "annotations: {sidecar.istio.io/nativeSidecar: 'false'}";
const PROBES = {
  http: "httpGet: {path: /, port: 8080}",
  https: "httpGet: {path: /, port: 8080, scheme: HTTPS}",
  tcp: "tcpSocket: {port: 8080}",
  grpc: "grpc: {port: 8080}",
};

/** A pod of the demoapp image that runs a program instead. */
function program(name: string, text: string, more: string, metadata = ""): string {
  const command = JSON.stringify(["node", "-e", text]);
  const whole = pod(name, `command: ${command}\n    ${more}`, metadata);
  return whole.replace("image: curlimages/curl:8.16.0", "image: ikubernetes/demoapp:v1.0");
}

/** Says what it is asked. It does not end on SIGTERM, so that it can be heard. */
const METERED = program(
  "metered",
  `require("http").createServer((q, r) => { console.log(q.url); r.end("own_metric 1\\n") }).listen(9100)`,
  "lifecycle: {preStop: {httpGet: {path: /bye, port: 9100}}}",
  `, annotations: {prometheus.io/scrape: "true", prometheus.io/port: "9100", prometheus.io/path: /own}`,
).replace("terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 8");

/** It is well until it is asked for /stop, then nobody listens. */
function dying(name: string, probe: string, metadata = ""): string {
  const text =
    `const s = require("http").createServer((q, r) => r.end("ok", () => ` +
    `{ if (q.url === "/stop") { s.close(); s.closeAllConnections() } })).listen(8080); setInterval(() => 0, 1e6)`;
  // In the older form it is there before its proxy, which answers for it.
  const checks =
    `startupProbe: {${probe}, periodSeconds: 1, failureThreshold: 300}\n` +
    `    readinessProbe: {${probe}, periodSeconds: 1, failureThreshold: 1}\n` +
    `    livenessProbe: {${probe}, periodSeconds: 1, failureThreshold: 3}`;
  return program(name, text, checks, metadata);
}

/**
 * Its first act is a call through the mesh, and it has one try. Where sidecars are not native it has
 * to wait for its proxy, and to end it.
 */
function job(native: boolean): string {
  const call = "curl -sS --fail --max-time 20 http://demoapp:8080/";
  const ready = "until curl -sf localhost:15021/healthz/ready; do sleep 0.2; done";
  const script = native
    ? call
    : `${ready}; ${call} && curl -sS --fail -X POST localhost:15020/quitquitquit`;
  return `
apiVersion: batch/v1
kind: Job
metadata: {name: first}
spec:
  backoffLimit: 0
  template:
    metadata: {labels: {app: first}}
    spec:
      restartPolicy: Never
      containers:
      - {name: app, image: curlimages/curl:8.16.0, command: [sh, -c, ${JSON.stringify(script)}]}
`;
}

describe("injection into a real cluster", { skip, timeout: 900_000 }, () => {
  // Once for all tests of this file: a cluster that is made inside a test is gone with it.
  before(async () => void (await kubeCluster()));

  for (const native of [true, false])
    test(`pods become 2/2 and talk through Envoy (native sidecars: ${native})`, async t => {
      const cluster = await kubeCluster();
      const values = { pilot: { env: { ENABLE_NATIVE_SIDECARS: String(native) } } };
      const plane = await kubeControlPlane(t, cluster, { values });
      const { workloads } = plane;
      await workloads.apply(APP);
      await workloads.apply(METERED);
      const client = await workloads.client();
      await workloads.readyPods("app=demoapp", 1);
      const table = await workloads.kubectl("get", "pods", "-l", "app=demoapp", "--no-headers");
      assert.match(table, /\s2\/2\s+Running\s/);
      const found = await onlyPod(cluster, workloads, "app=demoapp");
      const proxies = native ? ["istio-proxy"] : [];
      assert.deepEqual(names(found, "initContainers"), ["istio-init", ...proxies]);
      assert.deepEqual(names(found, "containers"), ["demoapp", ...(native ? [] : ["istio-proxy"])]);
      const line = await workloads.curl(client, "demoapp:8080");
      assert.match(line, /ClientIP: 127\.0\.0\.6/, "it came through the sidecar");
      const curl = (...args: string[]) => workloads.exec("deploy/demoapp", ["curl", "-s", ...args]);
      const stats = await curl("localhost:15020/stats/prometheus");
      assert.match(
        stats.stdout,
        /istio_requests_total\{[^}]*connection_security_policy="mutual_tls"/,
      );
      const ready = await curl(
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "localhost:15021/healthz/ready",
      );
      assert.equal(ready.stdout, "200");
      await workloads.apply(job(native));
      await metricsAndHook(cluster, workloads);
      await workloads.kubectl("wait", "--for=condition=complete", "job/first", "--timeout=120s");
      const asked = await curl("localhost:15020/stats/prometheus");
      const called = asked.stdout.split("\n").filter(each => /source_workload="first"/.test(each));
      assert.match(called.join("\n"), /istio_requests_total\{.*="mutual_tls".* 1$/m);
      if (!native) return;
      await workloads.apply(await injectedByHand(cluster, plane, pod("manual", IDLE)));
      await workloads.readyPods("app=manual", 1);
      assert.match(await workloads.curl("manual", "demoapp:8080"), /ClientIP: 127\.0\.0\.6/);
      const page = (await curl("localhost:15020/stats/prometheus")).stdout;
      const source = `source_workload="manual",source_workload_namespace="${workloads.name}"`;
      assert.ok(page.includes(source), "its namespace is that of its certificate");
    });

  test("TPROXY: the application sees its client's own address", async t => {
    const cluster = await kubeCluster();
    const { workloads } = await kubeControlPlane(t, cluster);
    const annotations = "annotations: {sidecar.istio.io/interceptionMode: TPROXY}";
    await workloads.apply(APP.replace("version: v1}}", `version: v1}, ${annotations}}`));
    const client = await workloads.client();
    await workloads.readyPods("app=demoapp", 1);
    const found = await onlyPod(cluster, workloads, `app=${client}`);
    const address = stringAt(objectAt(found, "status"), "podIP");
    const line = await workloads.curl(client, "demoapp:8080");
    assert.match(line, new RegExp(`ClientIP: ${address},`));
    const stats = await workloads.exec("deploy/demoapp", [
      ...["curl", "-s", "localhost:15020/stats/prometheus"],
    ]);
    assert.match(
      stats.stdout,
      /istio_requests_total\{[^}]*connection_security_policy="mutual_tls"/,
    );
    const own = await workloads.exec("deploy/demoapp", ["curl", "-s", "demoapp:8080"]);
    assert.match(own.stdout, /demoapp v1\.0/, "it reaches itself by its Service, too");
  });

  test("a gateway's container is filled in; a custom bootstrap is merged", async t => {
    const cluster = await kubeCluster();
    const { workloads } = await kubeControlPlane(t, cluster);
    const bootstrap = {
      static_resources: {
        clusters: [{ name: "of-our-own", type: "STATIC", connect_timeout: "1s" }],
      },
    };
    await workloads.apply(
      JSON.stringify({
        ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "extra" } },
        data: { "custom_bootstrap.json": JSON.stringify(bootstrap) },
      }),
    );
    await workloads.apply(
      pod("custom", IDLE, ", annotations: {sidecar.istio.io/bootstrapOverride: extra}") +
        pod("edge", "", ", annotations: {inject.istio.io/templates: gateway}")
          .replace("name: app", "name: istio-proxy")
          .replace("image: curlimages/curl:8.16.0", "image: auto"),
    );
    await workloads.readyPods("app=edge", 1);
    const edge = await onlyPod(cluster, workloads, "app=edge");
    assert.deepEqual(names(edge, "containers"), ["istio-proxy"]);
    assert.deepEqual(names(edge, "initContainers"), []);
    await workloads.readyPods("app=custom", 1);
    const clusters = await workloads.exec("custom", ["curl", "-s", "localhost:15000/clusters"]);
    assert.match(clusters.stdout, /^of-our-own::/m);
    assert.match(clusters.stdout, /^xds-grpc::/m);
  });

  test("who is injected: labels, annotations, selectors, templates, the host's network", async t => {
    const cluster = await kubeCluster();
    const config = [
      "neverInjectSelector: [{matchLabels: {batch: never}}]",
      "templates:",
      "  greeting: |",
      "    metadata:",
      "      annotations: {greeting: '{{ .ObjectMeta.Labels.app }} of {{ .Revision }}'}",
      "    spec:",
      "      containers:",
      "      - {name: app, env: [{name: GREETING, value: hello}]}",
    ].join("\n");
    const { workloads, revision } = await kubeControlPlane(t, cluster, { config });
    const containers = async (name: string): Promise<string[]> => {
      const found = await onlyPod(cluster, workloads, `app=${name}`);
      return [...names(found, "initContainers"), ...names(found, "containers")];
    };
    await workloads.apply(
      pod("plain", IDLE) +
        pod("label", IDLE, ", annotations: {sidecar.istio.io/inject: 'false'}") +
        pod("selected", IDLE).replace("app: selected", "app: selected, batch: never") +
        pod("host", IDLE, "", "hostNetwork: true") +
        pod("custom", IDLE, ", annotations: {inject.istio.io/templates: 'sidecar,greeting'}"),
    );
    const injected = ["istio-init", "istio-proxy", "app"];
    assert.deepEqual(await containers("plain"), injected);
    for (const name of ["label", "selected", "host"])
      assert.deepEqual(await containers(name), ["app"], name);
    assert.deepEqual(await containers("custom"), injected);
    const custom = await onlyPod(cluster, workloads, "app=custom");
    const { annotations } = objectAt(custom, "metadata");
    assert.match(JSON.stringify(annotations), new RegExp(`"greeting":"custom of ${revision}"`));
    assert.match(JSON.stringify(custom), /"name":"GREETING","value":"hello"/);
    const bad = pod("bad", IDLE, ", annotations: {sidecar.istio.io/proxyCPU: much}");
    const refused = await cluster.kubectl(["-n", workloads.name, "apply", "-f", "-"], {
      input: bad,
    });
    assert.match(
      refused.stderr,
      /denied the request: the sidecar can not be injected: metadata\.annotations\[sidecar\.istio\.io\/proxyCPU\]: found "much"/,
    );
  });

  test("probes fail where the application is down, or goes down; Jobs end", async t => {
    const cluster = await kubeCluster();
    const { workloads } = await kubeControlPlane(t, cluster);
    const readiness = (probe: string): string =>
      `${IDLE}\n    readinessProbe: {${probe}, periodSeconds: 3}`;
    const dead = Object.entries(PROBES).map(([kind, probe]) =>
      pod(`dead-${kind}`, readiness(probe)),
    );
    const older = pod("dead-older", readiness(PROBES.tcp), `, ${OLDER}`);
    await workloads.apply([...dead, older].join(""));
    const dies = ["dies", "dies-older"];
    await workloads.apply(
      dying("dies", PROBES.http) + dying("dies-older", PROBES.tcp, `, ${OLDER}`),
    );
    await workloads.apply(`
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template:
    metadata: {labels: {app: once}}
    spec:
      restartPolicy: Never
      containers:
      - {name: app, image: curlimages/curl:8.16.0, command: [sh, -c, "exit 0"]}
`);
    const found = (name: string, what: string, is: (app: JsonObject) => boolean) =>
      cluster.until(`${name} ${what}`, async () => {
        const app = await applicationOf(cluster, workloads, name);
        return is(app) ? app : undefined;
      });
    await Promise.all(
      dies.map(async name => {
        await workloads.readyPods(`app=${name}`, 1);
        assert.equal((await applicationOf(cluster, workloads, name))["restartCount"], 0);
        await workloads.exec(name, ["curl", "-s", "localhost:8080/stop"]);
        await found(name, "is not ready", app => app["ready"] === false);
        const again = await found(name, "is started again", app => app["restartCount"] === 1);
        // It has not ended by itself.
        assert.match(JSON.stringify(again["lastState"]), /"exitCode":137/);
        await workloads.readyPods(`app=${name}`, 1);
      }),
    );
    for (const name of [...Object.keys(PROBES).map(kind => `dead-${kind}`), "dead-older"]) {
      const query = `fieldSelector=involvedObject.name=${name},reason=Unhealthy`;
      const path = `/api/v1/namespaces/${workloads.name}/events?${query}`;
      await cluster.until(`${name} is found to be down`, async () => {
        const { body } = await cluster.api({ path });
        const text = JSON.stringify(body);
        return /Readiness probe failed: HTTP probe failed with statuscode: 503/.test(text)
          ? true
          : undefined;
      });
      assert.equal((await applicationOf(cluster, workloads, name))["ready"], false, name);
    }
    await workloads.kubectl("wait", "--for=condition=complete", "job/once", "--timeout=120s");
  });
});

/** What the kubelet says of container `app`. */
async function applicationOf(cluster: KubeCluster, namespace: KubeNamespace, name: string) {
  const found = await onlyPod(cluster, namespace, `app=${name}`);
  const statuses = arrayAt(objectAt(found, "status"), "containerStatuses").filter(isObject);
  return statuses.find(each => each["name"] === "app") ?? {};
}

/** Its metrics are on the page that its annotations name; its hook is carried out through its proxy. */
async function metricsAndHook(cluster: KubeCluster, workloads: KubeNamespace): Promise<void> {
  const [{ address } = { address: "" }] = await workloads.readyPods("app=metered", 1);
  const found = await onlyPod(cluster, workloads, "app=metered");
  const annotations = objectAt(objectAt(found, "metadata"), "annotations");
  const [port, path] = ["port", "path"].map(each => stringAt(annotations, `prometheus.io/${each}`));
  const page = await cluster.inNode(["curl", "-sS", `http://${address}:${port}${path}`]);
  assert.match(page.stdout, /^envoy_server_live\{\} 1$/m);
  assert.match(page.stdout, /^own_metric 1$/m);
  assert.match(JSON.stringify(found), /"path":"\/app-lifecycle\/app\/prestopz","port":15020/);
  const follow = ["-n", workloads.name, "logs", "-f", "metered", "-c", "app"];
  const said = cluster.kubectl(follow);
  await workloads.kubectl("delete", "pod", "metered", "--wait=false");
  assert.equal((await said).stdout, "/own\n/bye\n");
}
