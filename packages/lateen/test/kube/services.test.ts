/**
 * Kubernetes Services in detail, called by real pods through their sidecars, on a cluster with IPv4
 * and IPv6.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { customResourceDefinitions } from "../../src/api/custom-resources.ts";
import { type KubeCluster, needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";
import { type KubeControlPlane, kubeControlPlane } from "../support/kube-control-plane.ts";
import type { KubeNamespace } from "../support/kube-namespace.ts";

const skip = needsKubernetes();
const IMAGE = "ikubernetes/demoapp";

interface App {
  readonly name: string;
  readonly version?: string;
  /** Labels beside `app`, in YAML's flow style. */
  readonly labels?: string;
  readonly ready?: boolean;
  /** What it listens on. */
  readonly host?: string;
  readonly port?: number;
}

/** A pod that is one of `app: web`, with a port named http; one that is not ready stays so. */
function web(app: App): string {
  const { name, version = "v1.0", labels = "", ready = true, host = "0.0.0.0", port = 80 } = app;
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: web, name: ${name}, ${labels}}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: ${IMAGE}:${version}
    env: [{name: HOST, value: "${host}"}, {name: PORT, value: "${port}"}]
    ports: [{containerPort: ${port}, name: http}]
    readinessProbe: {httpGet: {path: /readyz, port: ${ready ? port : 81}}, periodSeconds: 1}
---
`;
}

function service(
  name: string,
  spec: string,
  ports = "[{name: http, port: 8080, targetPort: http}]",
): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {${spec}, ports: ${ports}}
---
`;
}

/** Who answers each of so many requests: names of pods, with their versions. */
async function servers(
  from: KubeNamespace,
  pod: string,
  url: string,
  times: number,
): Promise<Readonly<Record<string, number>>> {
  const loop = `for i in $(seq ${times}); do curl -s --max-time 5 ${url} || echo; done`;
  const { stdout } = await from.exec(pod, ["sh", "-c", loop]);
  const counts: Record<string, number> = {};
  for (const line of stdout.trimEnd().split("\n")) {
    const server = /ServerName: ([^,]+),/.exec(line)?.[1] ?? `no server: ${line}`;
    counts[server] = (counts[server] ?? 0) + 1;
  }
  return counts;
}

/** Calls through the mesh's TLS that the pod's sidecar has served. */
async function secured(of: KubeNamespace, pod: string): Promise<number> {
  const { stdout } = await of.exec(pod, ["curl", "-s", "localhost:15020/stats/prometheus"]);
  const lines = stdout.split("\n").filter(line => {
    const counts = /^istio_(requests|tcp_connections_opened)_total\{/.test(line);
    return counts && line.includes('connection_security_policy="mutual_tls"');
  });
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

describe("Kubernetes Services", { skip, timeout: 900_000 }, () => {
  let cluster: KubeCluster;
  before(async () => {
    cluster = await ownKubeCluster({ dualStack: true });
    const items = customResourceDefinitions();
    await cluster.apply(JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    await cluster.must(["wait", "--for=condition=Established", "crd", "--all", "--timeout=120s"]);
  });

  test("names of pods, aliases, and pods that are not ready", async t => {
    const plane = await kubeControlPlane(t, cluster);
    const { workloads } = plane;
    await workloads.apply(STATEFUL + service("v2", "selector: {name: later}"));
    await workloads.apply(web({ name: "later", version: "v1.1" }));
    await workloads.apply(web({ name: "unready", ready: false }));
    await workloads.apply(
      service("early", "selector: {name: unready}, publishNotReadyAddresses: true"),
    );
    await workloads.apply(service("late", "selector: {name: unready}"));
    const client = await workloads.client();
    await workloads.readyPods("app=db", 2);
    await workloads.readyPods("name=later", 1);

    for (const pod of ["db-0", "db-1"]) {
      // By its own name, over HTTP and over TCP of any kind.
      assert.match(await workloads.curl(client, `${pod}.db`), new RegExp(`ServerName: ${pod},`));
      assert.match(
        await workloads.curl(client, `${pod}.db:9090`),
        new RegExp(`ServerName: ${pod},`),
      );
      const before = await secured(workloads, pod);
      await workloads.curl(client, `${pod}.db`);
      await workloads.curl(client, `${pod}.db:9090`);
      await workloads.until(`${pod} was called over the mesh's TLS`, async () =>
        (await secured(workloads, pod)) >= before + 2 ? true : undefined,
      );
    }
    await aliases(await cluster.namespace(t), workloads, client);

    assert.match(await workloads.curl(client, "early:8080"), /ServerName: unready,/);
    assert.equal(await status(workloads, client, "http://late:8080/"), "503");
  });

  test("near endpoints, and those of the client's own node", async t => {
    const { workloads } = await kubeControlPlane(t, cluster);
    await workloads.apply(
      web({ name: "near", labels: "istio-locality: r1.z1" }) +
        web({ name: "far", labels: "istio-locality: r1.z2" }) +
        service("any", "selector: {app: web}") +
        service("zone", "selector: {app: web}, trafficDistribution: PreferClose") +
        service("local", "internalTrafficPolicy: Local") +
        service("everywhere", "internalTrafficPolicy: Cluster") +
        CLIENT,
    );
    const [near] = await workloads.readyPods("name=near", 1);
    await workloads.readyPods("name=far", 1);
    await workloads.readyPods("app=client", 1);
    const node = (
      await workloads.kubectl("get", "pod", "near", "-o", "jsonpath={.spec.nodeName}")
    ).trim();
    for (const name of ["local", "everywhere"])
      await workloads.apply(handWritten(name, near?.address ?? "", node));

    const from = (url: string, times = 20) => servers(workloads, "client", url, times);
    await workloads.until("the client knows both", async () => {
      const both = await from("any:8080", 40);
      assert.deepEqual(Object.keys(both).sort(), ["far", "near"]);
      return true;
    });
    assert.deepEqual(await from("zone:8080"), { near: 20 });

    await workloads.until("hand-written endpoints are known", async () => {
      const known = [`${near?.address}:80`, "192.0.2.9:80"];
      assert.deepEqual(await endpoints(workloads, "everywhere"), known);
      assert.deepEqual(await endpoints(workloads, "local"), [`${near?.address}:80`]);
      return true;
    });
    assert.deepEqual(await from("local:8080"), { near: 20 });

    await workloads.kubectl("delete", "pod", "near", "--wait=false");
    await workloads.until("calls go to the other zone", async () => {
      const found = await from("zone:8080", 5);
      return found["far"] === 5 ? true : undefined;
    });
  });

  test("both IP families lead through sidecars and gateways, over the mesh's TLS", async t => {
    const values = { pilot: { ipFamilies: ["IPv4", "IPv6"] } };
    const plane = await kubeControlPlane(t, cluster, { values });
    const { workloads } = plane;
    await workloads.apply(
      web({ name: "both", host: "::" }) +
        service("both", `selector: {name: both}, ${DUAL}`, MANY_PORTS) +
        service("six", "selector: {name: both}, ipFamilyPolicy: SingleStack, ipFamilies: [IPv6]") +
        gatewayPod("edge") +
        service(
          "edge",
          `selector: {app: edge}, ${DUAL}`,
          "[{name: http, port: 80, targetPort: 8080}]",
        ),
    );
    await workloads.apply(GATEWAY);
    const client = await workloads.client();
    for (const label of ["name=both", "app=edge"]) await workloads.readyPods(label, 1);

    const called = async (from: KubeNamespace, ...args: string[]): Promise<string> => {
      const line = await from.curl(client, ...args);
      return /ClientIP: ([^,]+), ServerName: both,/.exec(line)?.[1] ?? line;
    };
    const before = await secured(workloads, "both");
    for (const family of ["-4", "-6"])
      for (const port of [8080, 9090])
        assert.match(await called(workloads, family, `both:${port}`), SIDECAR, `${port} ${family}`);
    assert.equal(await called(workloads, "six:8080"), "::6");
    await workloads.until("all five were over the mesh's TLS", async () =>
      (await secured(workloads, "both")) >= before + 5 ? true : undefined,
    );

    const plain = await cluster.namespace(t);
    await plain.client();
    for (const family of ["-4", "-6"]) {
      const host = ["-H", "host: both.example", family];
      const line = await called(plain, ...host, `edge.${workloads.name}`);
      assert.match(line, SIDECAR, `ingress ${family}`);
    }
    await guarded(plane, plain, client);
  });

  test("where the mesh is IPv4 only, nothing comes in over IPv6", async t => {
    const { workloads } = await kubeControlPlane(t, cluster);
    await workloads.apply(web({ name: "one", host: "::" }));
    await workloads.readyPods("name=one", 1);
    const plain = await cluster.namespace(t);
    const client = await plain.client();
    const [four = "", six = ""] = await addressesOf(workloads, "one");
    assert.equal(await status(plain, client, `http://${four}/`), "200");
    assert.equal(await status(plain, client, `http://[${six}]/`), "000");
  });
});

/** Where connections to an application come from when its sidecar makes them. */
const SIDECAR = /^(127\.0\.0\.6|::6)$/;

/** HTTP status of one request; 000 where there is no answer. */
async function status(from: KubeNamespace, pod: string, url: string): Promise<string> {
  const command = ["curl", "-s", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}"];
  return (await from.exec(pod, [...command, url])).stdout;
}

/** Of an alias of a service of the mesh, and of one that leads out of it. */
async function aliases(
  elsewhere: KubeNamespace,
  workloads: KubeNamespace,
  client: string,
): Promise<void> {
  const here = `${workloads.name}.svc.cluster.local`;
  const outside = `outside.${elsewhere.name}.svc.cluster.local`;
  const alias = (name: string, externalName: string) =>
    service(name, `type: ExternalName, externalName: ${externalName}`, "[]");
  await workloads.apply(
    alias("shop", `db.${here}`) +
      alias("out", outside) +
      `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: db}
spec:
  hosts: [db]
  http: [{route: [{destination: {host: v2, port: {number: 8080}}}]}]
`,
  );
  // The control plane does not look into this namespace: what is there is no service of the mesh.
  await elsewhere.apply(web({ name: "outside" }) + service("outside", "selector: {name: outside}"));
  await workloads.until("the routes of the service hold for its alias", async () => {
    const line = await workloads.curl(client, "shop");
    return /demoapp v1\.1 !!.*ServerName: later,/.test(line) ? true : undefined;
  });
  const called = `http://out:8080/`;
  assert.match(await workloads.curl(client, called), /ServerName: outside,/);
  assert.doesNotMatch(
    await clusters(workloads, client),
    new RegExp(`^outbound\\|8080\\|\\|${outside}::`, "m"),
  );
  await workloads.apply(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside}
spec:
  hosts: [${outside}]
  ports: [{number: 8080, name: http, protocol: HTTP}]
  resolution: DNS
`);
  await workloads.until("calls of the alias are the ServiceEntry's", async () => {
    await workloads.curl(client, called);
    const done = new RegExp(`^outbound\\|8080\\|\\|${outside}::[^:]+:8080::rq_success::[1-9]`, "m");
    return done.test(await clusters(workloads, client)) ? true : undefined;
  });
}

async function clusters(of: KubeNamespace, pod: string): Promise<string> {
  return (await of.exec(pod, ["curl", "-s", "localhost:15000/clusters"])).stdout;
}

async function addressesOf(of: KubeNamespace, pod: string): Promise<readonly string[]> {
  const path = "jsonpath={.status.podIPs[*].ip}";
  return (await of.kubectl("get", "pod", pod, "-o", path)).trim().split(" ");
}

/** A client that may call services only is held to it over either family. */
async function guarded(
  { workloads }: KubeControlPlane,
  plain: KubeNamespace,
  client: string,
): Promise<void> {
  const call = (address: string): Promise<string> =>
    status(workloads, client, `http://${address.includes(":") ? `[${address}]` : address}:7070/`);
  await plain.apply(web({ name: "other", host: "::", port: 7070 }));
  await plain.readyPods("name=other", 1);
  const addresses = await addressesOf(plain, "other");
  for (const address of addresses) assert.equal(await call(address), "200", address);
  await workloads.apply(`
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
`);
  for (const address of addresses)
    await workloads.until(`${address} is no service`, async () =>
      (await call(address)) === "000" ? true : undefined,
    );
  assert.match(await workloads.curl(client, "-6", "both:8080"), /ServerName: both,/);
}

const DUAL = "ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv4, IPv6]";
const MANY_PORTS =
  "[{name: http, port: 8080, targetPort: http}, {name: tcp, port: 9090, targetPort: http}]";

const GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [both.example]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: both}
spec:
  hosts: [both.example]
  gateways: [edge]
  http: [{route: [{destination: {host: both, port: {number: 8080}}}]}]
`;

function gatewayPod(name: string): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}, annotations: {inject.istio.io/templates: gateway}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: istio-proxy, image: auto}]
---
`;
}

/** Addresses that the client's Envoy has for a Service. */
async function endpoints(of: KubeNamespace, name: string): Promise<readonly string[]> {
  const host = `${name}.${of.name}.svc.cluster.local`;
  const lines = (await clusters(of, "client")).split("\n");
  const found = lines.flatMap(
    line => new RegExp(`^outbound\\|8080\\|\\|${host}::([\\d.]+:\\d+)::`).exec(line)?.[1] ?? [],
  );
  return [...new Set(found)].sort();
}

/** The real pod's endpoint, and one on another node that leads nowhere. */
function handWritten(name: string, address: string, node: string): string {
  return JSON.stringify({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 80 }],
    endpoints: [
      { addresses: [address], nodeName: node, conditions: { ready: true } },
      { addresses: ["192.0.2.9"], nodeName: "elsewhere", conditions: { ready: true } },
    ],
  });
}

const CLIENT = `
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client, istio-locality: r1.z1}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: client, image: "curlimages/curl:8.16.0", command: [sleep, infinity]}]
`;

const STATEFUL = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: db
        image: ${IMAGE}:v1.0
        ports: [{containerPort: 80, name: http}]
        readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}
      - name: raw
        image: ${IMAGE}:v1.0
        env: [{name: PORT, value: "9090"}]
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  clusterIP: None
  selector: {app: db}
  ports:
  - {name: http, port: 80}
  - {name: tcp-raw, port: 9090}
---
`;
