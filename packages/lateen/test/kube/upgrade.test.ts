/**
 * A cluster is brought from an earlier version to this one and back, under load between pods and through
 * the gateway: the control plane and the gateway first, under pods that the other version injected, then
 * the pods, servers before their callers. No request fails, pods of either version speak mutual TLS with
 * those of the other, and metrics have the same names and labels at every step.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { VERSION as PRESENT } from "../../../../scripts/images/build.ts";
import { BareCluster } from "../support/bare-cluster.ts";
import { EarlierOnKube } from "../support/earlier-on-kube.ts";
import { ECHO_PROGRAM } from "../support/echo.ts";
import { type KubeCluster, needsKubernetes } from "../support/kube-cluster.ts";
import {
  assertNothingLost,
  type KubeLoad,
  type LoadTarget,
  prepareLoad,
  startKubeLoad,
} from "../support/kube-load.ts";
import { KubeNamespace } from "../support/kube-namespace.ts";
import { lateenOn } from "../support/lateen-command.ts";
import { whyNoEarlier } from "../support/two-versions.ts";

const skip = needsKubernetes() || (whyNoEarlier() ?? false);
/** Of the earlier version's images. */
const TAG = "earlier";
const SERVERS = ["web", "echo"] as const;
const APPS = [...SERVERS, "caller"] as const;
/** For a machine that does other things, too; on an idle one nothing takes so long. */
const PATIENCE_MS = 180_000;
const SETTINGS = [
  "profile=default",
  "meshConfig.accessLogFile=/dev/stdout",
  // During rollouts there is twice of everything, on one small node.
  ...["pilot", "global.proxy", "gateways.istio-ingressgateway"].map(
    who => `values.${who}.resources.requests.cpu=10m`,
  ),
].flatMap(each => ["--set", each]);

describe("from version to version on a cluster", { skip, timeout: 900_000 }, () => {
  let earlier: EarlierOnKube;
  let bare: BareCluster;
  let cluster: KubeCluster;
  let mesh: KubeNamespace;
  let outside: KubeNamespace;
  let system: KubeNamespace;
  let inMesh: readonly LoadTarget[] = [];
  let throughGateway: readonly LoadTarget[] = [];
  let expected: readonly string[] = [];

  before(async () => {
    earlier = EarlierOnKube.make();
    bare = await BareCluster.find();
    cluster = bare.cluster;
    [mesh, outside, system] = ["upgraded", "outside", "istio-system"].map(
      name => new KubeNamespace(cluster, name),
    ) as [KubeNamespace, KubeNamespace, KubeNamespace];
    await earlier.loadImages(cluster, TAG);
  });
  after(async () => {
    earlier?.remove();
    await bare?.restore();
  });

  const toEarlier = (): Promise<string> =>
    earlier.lateen(cluster, "install", ...SETTINGS, "--set", `tag=${TAG}`, "-y");
  const toPresent = async (): Promise<string> => {
    const { code, stdout, stderr } = await lateenOn(cluster, "upgrade", ...SETTINGS, "-y");
    assert.equal(code, 0, stderr + stdout);
    return stdout;
  };

  /** The pods of an application start anew, with the sidecar of whoever injects by now. */
  const roll = async (app: (typeof APPS)[number], tag: string): Promise<void> => {
    const [deploy, timeout] = [`deploy/${app}`, `--timeout=${PATIENCE_MS}ms`];
    await mesh.kubectl("rollout", "restart", deploy);
    const status = ["-n", mesh.name, "rollout", "status", deploy, timeout];
    await cluster.must(status, { timeoutMs: PATIENCE_MS });
    await mesh.readyPods(`app=${app}`, app === "web" ? 2 : 1, PATIENCE_MS);
    await hasImage(mesh, app, tag);
  };

  const hasImage = async (where: KubeNamespace, app: string, tag: string): Promise<void> => {
    const path = '{range .items[*].spec.initContainers[*]}{.image}{"\\n"}{end}{range .items[*]}';
    const all = `${path}{range .spec.containers[*]}{.image}{"\\n"}{end}{end}`;
    await cluster.until(`${app} has proxies of ${tag} only`, async () => {
      const images = await where.kubectl(
        "get",
        "pods",
        "-l",
        `app=${app}`,
        "-o",
        `jsonpath=${all}`,
      );
      const proxies = images.split("\n").filter(image => image.includes("/proxyv2:"));
      assert.ok(proxies.length > 0);
      for (const image of proxies) assert.ok(image.endsWith(`:${tag}`), image);
      return true;
    });
  };

  /** The only control plane there is has all proxies, and none of them refused anything of it. */
  const allServed = async (): Promise<void> => {
    await cluster.until(
      "all proxies are connected to the control plane",
      async () => {
        const [istiod] = await system.readyPods("app=istiod", 1);
        const path = `/api/v1/namespaces/istio-system/pods/${istiod?.name}:15014/proxy/metrics`;
        const { text, status } = await cluster.api({ path });
        assert.equal(status, 200, text);
        const sum = (metric: string): number =>
          [...text.matchAll(new RegExp(`^${metric}({.*})? (\\d+)$`, "gm"))].reduce(
            (total, [, , value]) => total + Number(value),
            0,
          );
        const pods = await mesh.kubectl("get", "pods", "-o", "name");
        const gateways = await system.readyPods("app=istio-ingressgateway", 1);
        assert.equal(sum("pilot_xds"), pods.trimEnd().split("\n").length + gateways.length);
        assert.equal(sum("pilot_total_xds_rejects"), 0, "something was refused");
        return true;
      },
      PATIENCE_MS,
    );
  };

  const underLoad = async (round: string, work: () => Promise<void>): Promise<void> => {
    const places = [
      [mesh, inMesh],
      [outside, throughGateway],
    ] as const;
    const loads: KubeLoad[] = [];
    for (const [namespace, targets] of places)
      loads.push(await startKubeLoad(namespace, round, targets));
    await work();
    for (const [i, [namespace, targets]] of places.entries()) {
      const reports = (await loads[i]?.end()) ?? [];
      await assertNothingLost(namespace, round, targets, reports);
      await namespace.kubectl("delete", "pod", round);
    }
  };

  /** What a step must leave as it is: who speaks how with whom, as both sides have counted it. */
  const asBefore = async (): Promise<void> => assert.deepEqual(await series(), expected);

  const statusOf = async (from: KubeNamespace, pod: string, url: string): Promise<string> => {
    const flags = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10"];
    return (await from.exec(pod, ["curl", ...flags, url])).stdout;
  };
  const say = (from: KubeNamespace, pod: string, host: string) =>
    from.exec(pod, ["node", "-e", SAY, host]);

  /** The caller, and who is not in the mesh, both directly and through the gateway, over HTTP and TCP. */
  const callAll = async (): Promise<void> => {
    const [web] = await mesh.readyPods("app=web", 2);
    const [echo] = await mesh.readyPods("app=echo", 1);
    const gateway = "http://istio-ingressgateway.istio-system/";
    assert.equal(await statusOf(mesh, "deploy/caller", "http://web:8080/"), "200");
    assert.equal(await statusOf(outside, "client", gateway), "200");
    assert.equal(await statusOf(outside, "client", `http://${web?.address}/`), "200");
    assert.equal((await say(mesh, "deploy/caller", "echo")).stdout, "hello");
    assert.equal((await say(outside, "client", echo?.address ?? "")).stdout, "hello");
  };

  /** Of `callAll`: those of the caller, the gateway, and the servers. */
  const series = async (): Promise<readonly string[]> => {
    await callAll();
    return cluster.until("both sides have counted all of it", async () => {
      const pages = await Promise.all([
        ...APPS.map(app => pagesOf(mesh, app)),
        pagesOf(system, "istio-ingressgateway"),
      ]);
      const found = [...new Set(pages.flat().flatMap(seriesIn))].sort();
      const missing = (expected.length > 0 ? expected : ENOUGH).filter(
        wanted => !found.some(each => each.startsWith(wanted)),
      );
      assert.deepEqual(missing, [], found.join("\n"));
      return found;
    });
  };

  const pagesOf = async (where: KubeNamespace, app: string): Promise<readonly string[]> => {
    const list = ["get", "pods", "-l", `app=${app}`, "-o", "jsonpath={.items[*].metadata.name}"];
    const names = (await where.kubectl(...list)).split(" ");
    const ask = ["-c", "istio-proxy", "--", "curl", "-sf", "127.0.0.1:15020/stats/prometheus"];
    return Promise.all(names.map(name => where.kubectl("exec", name, ...ask)));
  };

  test("the earlier version, its gateway and its sidecars", async () => {
    await toEarlier();
    for (const { name } of [mesh, outside]) await cluster.must(["create", "namespace", name]);
    await cluster.must(["label", "namespace", mesh.name, "istio-injection=enabled"]);
    for (const namespace of [mesh, outside]) await prepareLoad(namespace);
    await mesh.apply(OBJECTS);
    await outside.apply(CLIENT);
    await outside.readyPods("app=client", 1, PATIENCE_MS);
    for (const app of APPS) await mesh.readyPods(`app=${app}`, app === "web" ? 2 : 1, PATIENCE_MS);
    for (const app of APPS) await hasImage(mesh, app, TAG);
    const url = async (namespace: KubeNamespace, service: string, port: number) => {
      const path = "jsonpath={.spec.clusterIP}";
      const address = await namespace.kubectl("get", "service", service, "-o", path);
      return { url: `http://${address}:${port}/`, longMs: 2000 };
    };
    inMesh = [await url(mesh, "web", 8080), await url(mesh, "web-once", 8080)];
    throughGateway = [await url(system, "istio-ingressgateway", 80)];
    await cluster.until("the gateway leads to its application", async () => {
      const gateway = throughGateway[0]?.url ?? "";
      return (await statusOf(outside, "client", gateway)) === "200" ? true : undefined;
    });
    await allServed();
    expected = await series();
    for (const each of expected.filter(line => line.includes('reporter="destination"'))) {
      const stranger = each.includes(STRANGER);
      const policy = `connection_security_policy="${stranger ? "none" : "mutual_tls"}"`;
      assert.ok(each.includes(policy), each);
    }
    assert.ok(expected.some(each => each.includes(STRANGER)));
  });

  test("an upgrade: the control plane and the gateway, then servers, then their callers", async () => {
    assert.ok(expected.length > 0, "the earlier version did not come up");
    await underLoad("up", async () => {
      await toPresent();
      await hasImage(system, "istio-ingressgateway", PRESENT);
      await allServed();
      await asBefore();
      await Promise.all(SERVERS.map(app => roll(app, PRESENT)));
      await asBefore();
      await roll("caller", PRESENT);
      await allServed();
      await asBefore();
    });
  });

  test("and back: the same under the earlier control plane", async () => {
    assert.ok(expected.length > 0, "the earlier version did not come up");
    await underLoad("back", async () => {
      await hasImage(mesh, "back", PRESENT);
      await toEarlier();
      await hasImage(system, "istio-ingressgateway", TAG);
      await allServed();
      await asBefore();
      await Promise.all(SERVERS.map(app => roll(app, TAG)));
      await asBefore();
      await roll("caller", TAG);
      await allServed();
      await asBefore();
    });
  });

  test("this version removes what both have installed", async () => {
    for (const { name } of [mesh, outside])
      await cluster.must(["delete", "namespace", name], { timeoutMs: PATIENCE_MS });
    const removed = await lateenOn(cluster, "uninstall", "--purge", "-y");
    assert.equal(removed.code, 0, removed.stderr);
    await cluster.must(["delete", "namespace", "istio-system"], { timeoutMs: PATIENCE_MS });
    await bare.untilBare();
  });
});

const TCP = ["connections_opened", "connections_closed", "sent_bytes", "received_bytes"];
const COUNTED = ["istio_requests_total", ...TCP.map(what => `istio_tcp_${what}_total`)];
/** Each is counted by both sides. */
const ENOUGH = COUNTED.flatMap(name =>
  ["source", "destination"].map(reporter => `${name}{reporter="${reporter}"`),
);
/** Over TCP a server knows its caller by its certificate only. */
const STRANGER = 'source_principal="unknown"';
/** Others are the load's. */
const CALLERS = ["caller", "istio-ingressgateway", "unknown"].map(
  name => `source_workload="${name}"`,
);

/** Istio's own counters, without values, each once. */
function seriesIn(page: string): readonly string[] {
  return page
    .split("\n")
    .filter(line => COUNTED.some(name => line.startsWith(`${name}{`)))
    .filter(line => CALLERS.some(caller => line.includes(caller)))
    .map(line => line.replace(/\} .*$/, "}"));
}

/** One word to port 9000 of a host, and what comes back. */
const SAY =
  "const s = require('net').connect(9000, process.argv[1], () => s.write('hello'));" +
  "s.on('data', data => { process.stdout.write(data); s.end(); });" +
  "s.on('error', () => process.exit(1)); s.setTimeout(5000, () => process.exit(1))";

function deployment(name: string, replicas: number, container: string): string {
  // Only the web application ends by itself, and has something under way then.
  const grace = name === "web" ? 30 : 1;
  return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}, version: v1}}
    spec:
      serviceAccountName: ${name}
      terminationGracePeriodSeconds: ${grace}
      containers:
      - {name: ${name}, image: "ikubernetes/demoapp:v1.0", ${container}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: ${name}}
---
`;
}

/** The web application goes on for 3 s after SIGTERM by itself: docs/applications.md. */
const READY =
  "readinessProbe: {httpGet: {path: /readyz, port: 80}, periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 30}";

const OBJECTS = `
${deployment("web", 2, READY)}
${deployment("echo", 1, `command: [node, -e, "${ECHO_PROGRAM}"]`)}
${deployment("caller", 1, "command: [sleep, infinity]")}
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 8080, targetPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-once}
spec: {selector: {app: web}, ports: [{name: http, port: 8080, targetPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {selector: {app: echo}, ports: [{name: tcp, port: 9000}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web-once}
spec:
  hosts: [web-once]
  http:
  - route: [{destination: {host: web-once}}]
    retries: {attempts: 0}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front}
spec:
  hosts: ["*"]
  gateways: [front]
  http: [{route: [{destination: {host: web, port: {number: 8080}}}]}]
`;

const CLIENT = `
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: client, image: "ikubernetes/demoapp:v1.0", command: [sleep, infinity]}]
`;
