/** A mesh installed, changed and removed by Helm; gateways of every kind, asked from outside. */
import assert from "node:assert/strict";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { arrayAt, isObject } from "../../src/sources/json.ts";
import { type ClusterSnapshot, everyObject, leftBehind } from "../support/cluster-snapshot.ts";
import { chartPath, helm } from "../support/helm.ts";
import { type KubeCluster, needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";
import { KubeNamespace } from "../support/kube-namespace.ts";
import { lateenOn } from "../support/lateen-command.ts";
import { TestAuthority } from "../support/test-tls.ts";

const skip = needsKubernetes();
const authority = new TestAuthority();
const SYSTEM = "istio-system";
const INGRESS = "istio-ingress";
const SHOP = "shop";
const NAME = "istio-ingressgateway";

/** As Istio's documentation of gateway injection has it. */
const INJECTED_GATEWAY = `
apiVersion: v1
kind: Service
metadata: {name: by-hand}
spec:
  type: LoadBalancer
  selector: {istio: by-hand}
  ports:
  - {port: 80, name: http}
  - {port: 443, name: https}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: by-hand}
spec:
  selector: {matchLabels: {istio: by-hand}}
  template:
    metadata:
      annotations: {inject.istio.io/templates: gateway}
      labels: {istio: by-hand, sidecar.istio.io/inject: "true"}
    spec:
      containers:
      - name: istio-proxy
        image: auto
        securityContext:
          capabilities: {drop: [ALL]}
          runAsUser: 1337
          runAsGroup: 1337
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: by-hand-sds}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get, watch, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: by-hand-sds}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: by-hand-sds}
subjects: [{kind: ServiceAccount, name: default}]
`;

const APPLICATION = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, name: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: web, image: "ikubernetes/demoapp:v1.0", imagePullPolicy: IfNotPresent}
`;

function gateway(name: string, label: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}, namespace: ${SHOP}}
spec:
  selector: {istio: ${label}}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["${name}.shop.example"]}
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: ["${name}.shop.example"]
    tls: {mode: SIMPLE, credentialName: shop}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: ${SHOP}}
spec:
  hosts: ["${name}.shop.example"]
  gateways: [${name}]
  http: [{route: [{destination: {host: web, port: {number: 80}}}]}]
`;
}

function secret(host: string): string {
  const { certificatePem, privateKeyPem } = authority.issue({ dnsNames: [host] });
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "shop" },
    type: "kubernetes.io/tls",
    stringData: { "tls.crt": certificatePem, "tls.key": privateKeyPem },
  });
}

/** An answer that is late is not lost. */
const REQUEST_MS = 20_000;

/** From this machine, which is outside the cluster; rejects where nobody answers. */
function ask(
  address: string,
  port: number,
  path = "/",
  host?: string,
  agent: Agent | false = false,
): Promise<string> {
  return new Promise((done, failed) => {
    const headers = host === undefined ? {} : { host };
    const options = { host: address, port, path, headers, agent, timeout: REQUEST_MS };
    const sent = httpRequest(options, answer => void read(answer).then(done, failed));
    finish(sent, failed);
  });
}

/** Over TLS, the certificate checked against the shop's own root. */
function askSecurely(address: string, host: string): Promise<string> {
  return new Promise((done, failed) => {
    const ca = authority.roots.join("");
    const tls = { servername: host, ca, headers: { host }, agent: false, timeout: REQUEST_MS };
    const options = { host: address, port: 443, path: "/", ...tls };
    const sent = httpsRequest(options, answer => void read(answer).then(done, failed));
    finish(sent, failed);
  });
}

/** Requests that a load is at least, however slow the machine is. */
const LEAST = 50;

/** Connections that are kept, one request after the other on each. */
function startLoad(address: string, host: string) {
  const failures: string[] = [];
  let [answered, stopped] = [0, false];
  const client = async (): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!stopped || (answered <= LEAST && failures.length === 0)) {
      await ask(address, 80, "/?delay=10", host, agent).then(
        () => (answered += 1),
        error => failures.push(String(error)),
      );
      await sleep(10);
    }
    agent.destroy();
  };
  const clients = Array.from({ length: 6 }, client);
  return {
    async stop(): Promise<{ answered: number; failures: readonly string[] }> {
      stopped = true;
      await Promise.all(clients);
      return { answered, failures };
    },
  };
}

function finish(sent: ReturnType<typeof httpRequest>, failed: (error: Error) => void): void {
  sent.on("timeout", () => sent.destroy(new Error(`no answer within ${REQUEST_MS} ms`)));
  sent.on("error", failed);
  sent.end();
}

async function read(answer: IncomingMessage): Promise<string> {
  const text = (await answer.toArray()).join("");
  if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}: ${text}`);
  return text;
}

describe("a mesh by Helm", { skip, timeout: 1_800_000 }, () => {
  let cluster: KubeCluster;
  let before: ClusterSnapshot;
  let shop: KubeNamespace;
  let ingress: KubeNamespace;
  const run = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await helm(args, { kubeconfig: cluster.kubeconfig });
    assert.equal(code, 0, `helm ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const balancer = (last: number): string => `10.23${cluster.plan.number}.0.${last}`;
  const service = async (name: string, namespace: string): Promise<Record<string, unknown>> =>
    JSON.parse(await cluster.must(["get", "svc", name, "-n", namespace, "-o", "json"])).spec;
  const upgradeGateway = (...sets: readonly string[]): Promise<string> =>
    run(
      ...["upgrade", NAME, chartPath("gateway"), "-n", INGRESS, "--wait", "--reset-values"],
      ...sets.flatMap(each => ["--set", each]),
    );

  test("base, istiod and a gateway, in this order; each is ready when Helm is done", async () => {
    cluster = await ownKubeCluster({ suffix: "-helm" });
    before = await everyObject(cluster);
    const into = (name: string): string[] => ["-n", name, "--create-namespace", "--wait"];
    await run("install", "istio-base", chartPath("base"), ...into(SYSTEM));
    const notes = await run(
      ...["install", "istiod", chartPath("istiod"), ...into(SYSTEM)],
      ...["--set", "meshConfig.accessLogFile=/dev/stdout", "--set", "global.sts.x=1"],
    );
    assert.match(notes, /WARNING: global\.sts: Istio's field is accepted, but not carried out/);
    await run("install", NAME, chartPath("gateway"), ...into(INGRESS));
    ingress = new KubeNamespace(cluster, INGRESS);
    await ingress.readyPods("istio=ingressgateway", 1);
    assert.match(
      await ingress.kubectl("get", "svc", NAME, "--no-headers"),
      /^istio-ingressgateway +LoadBalancer .* 15021:\d+\/TCP,80:\d+\/TCP,443:\d+\/TCP/,
    );
    const verified = await lateenOn(cluster, "verify-install");
    assert.equal(verified.code, 0, verified.stderr);
    for (const line of ["Deployment: istiod.istio-system", `Deployment: ${NAME}.${INGRESS}`])
      assert.ok(verified.stdout.includes(`✔ ${line} checked successfully\n`), verified.stdout);
    assert.match(verified.stdout, /Checked 15 custom resource definitions\nChecked 2 Istio Depl/);
    await cluster.must(["create", "namespace", SHOP]);
    await cluster.must(["label", "namespace", SHOP, "istio-injection=enabled"]);
    shop = new KubeNamespace(cluster, SHOP);
    await shop.apply(APPLICATION);
    await shop.readyPods("app=web", 1);
    assert.match(await shop.kubectl("get", "pods", "--no-headers"), / 2\/2 +Running/);
  });

  test("a load balancer's address: HTTP, HTTPS by credentialName, readiness on 15021", async () => {
    await ingress.apply(secret("chart.shop.example"));
    await cluster.apply(gateway("chart", "ingressgateway"));
    await ingress.giveAddress(NAME, balancer(5));
    const host = "chart.shop.example";
    const plain = await cluster.until("the gateway answers", () => ask(balancer(5), 80, "/", host));
    assert.match(plain, /demoapp v1\.0/);
    const secure = await cluster.until("and over TLS", () => askSecurely(balancer(5), host));
    assert.match(secure, /demoapp v1\.0/);
    await ask(balancer(5), 15021, "/healthz/ready");
    const proxy = ["curl", "-s", "localhost:15000/listeners"];
    const { stdout } = await ingress.exec(`deploy/${NAME}`, proxy);
    assert.match(stdout, /0\.0\.0\.0_80::0\.0\.0\.0:80\n/);
    assert.match(stdout, /0\.0\.0\.0_443::0\.0\.0\.0:443\n/);
  });

  test("externalTrafficPolicy Local: the gateway sees who asks", async () => {
    await upgradeGateway("service.externalTrafficPolicy=Local");
    await ingress.giveAddress(NAME, balancer(5));
    const line = `seen-${Date.now()}`;
    const outside = "10.210.0.1";
    await cluster.until("the client's address is in the gateway's log", async () => {
      await ask(balancer(5), 80, `/${line}`, "chart.shop.example");
      const log = await ingress.kubectl("logs", `deploy/${NAME}`, "--tail=20");
      const own = log.split("\n").find(each => each.includes(line) && each.includes(outside));
      return own === undefined ? undefined : true;
    });
  });

  test("NodePort, ClusterIP, and back: the same gateway under each type of Service", async () => {
    await upgradeGateway("service.type=NodePort");
    const ports = arrayAt((await service(NAME, INGRESS)) as never, "ports").filter(isObject);
    const nodePort = Number(ports.find(each => each["port"] === 80)?.["nodePort"]);
    const node = cluster.plan.address;
    const host = "chart.shop.example";
    await cluster.until("the node port answers", () => ask(node, nodePort, "/", host));
    await upgradeGateway("service.type=ClusterIP");
    assert.equal((await service(NAME, INGRESS))["type"], "ClusterIP");
    const client = await shop.client();
    const url = `http://${NAME}.${INGRESS}/`;
    assert.match(await shop.curl(client, "-H", `host: ${host}`, url), /demoapp v1\.0/);
    await upgradeGateway();
    assert.equal((await service(NAME, INGRESS))["type"], "LoadBalancer");
  });

  test("a gateway by injection, as Istio's documentation writes it", async () => {
    await shop.apply(INJECTED_GATEWAY);
    await shop.apply(secret("hand.shop.example"));
    await cluster.apply(gateway("hand", "by-hand"));
    await shop.readyPods("istio=by-hand", 1);
    const pods = await shop.kubectl("get", "pods", "-l", "istio=by-hand", "--no-headers");
    assert.match(pods, / 1\/1 +Running/);
    await shop.giveAddress("by-hand", balancer(6));
    const host = "hand.shop.example";
    const secure = () => askSecurely(balancer(6), host);
    assert.match(await cluster.until("it answers over TLS", secure), /demoapp v1\.0/);
    assert.match(await ask(balancer(6), 80, "/", host), /demoapp v1\.0/);
  });

  test("a gateway restarts under load, and no request fails", async () => {
    const host = "chart.shop.example";
    await upgradeGateway("autoscaling.enabled=false", "replicaCount=2");
    await ingress.readyPods("istio=ingressgateway", 2);
    await ingress.giveAddress(NAME, balancer(5));
    await cluster.until("the gateway answers", () => ask(balancer(5), 80, "/", host));
    const before = await ingress.readyPods("istio=ingressgateway", 2);
    const load = startLoad(balancer(5), host);
    await ingress.kubectl("rollout", "restart", `deployment/${NAME}`);
    for (const { name } of before)
      await ingress.kubectl("wait", "--for=delete", `pod/${name}`, "--timeout=120s");
    const { answered, failures } = await load.stop();
    assert.deepEqual(failures, []);
    assert.ok(answered > LEAST, `${answered} requests`);
  });

  test("an upgrade changes what it is told, and leaves the validators closed", async () => {
    await cluster.until("both validators are closed", async () => {
      const closed = (await policies(cluster)).every(each => each === "Fail");
      return closed ? true : undefined;
    });
    await run("upgrade", "istio-base", chartPath("base"), "-n", SYSTEM);
    const istiod = ["upgrade", "istiod", chartPath("istiod"), "-n", SYSTEM, "--wait"];
    await run(...istiod, "--set", "env.EXTRA=1", "--reset-then-reuse-values");
    await run(...istiod, "--set", "autoscaleEnabled=false", "--server-side=false");
    assert.deepEqual(await policies(cluster), ["Fail", "Fail"]);
    const hpa = await cluster.must(["get", "hpa", "-n", SYSTEM, "-o", "name"]);
    assert.equal(hpa, "");
    const host = "chart.shop.example";
    await ingress.giveAddress(NAME, balancer(5));
    await cluster.until("the gateway answers", () => ask(balancer(5), 80, "/", host));
  });

  test("when all releases are gone, what Istio's charts leave is left", async () => {
    await ingress.kubectl("delete", "secret", "shop");
    await run("uninstall", NAME, "-n", INGRESS, "--wait");
    await run("uninstall", "istiod", "-n", SYSTEM, "--wait");
    await run("uninstall", "istio-base", "-n", SYSTEM, "--wait");
    // What belongs to pods goes a moment after them.
    await cluster.until("only the root is left", async () => {
      const left = leftBehind(before, await everyObject(cluster)).filter(line => !KEPT.test(line));
      assert.deepEqual(left, ["created Secret istio-system/istio-ca-secret"]);
      return true;
    });
    const { stdout } = await helm(["list", "-A", "-q"], { kubeconfig: cluster.kubeconfig });
    assert.equal(stdout, "");
    const crds = await cluster.must(["get", "crd", "-o", "name"]);
    assert.equal(crds.split("\n").filter(each => each.endsWith(".istio.io")).length, 15);
  });
});

/**
 * CRDs; this test's namespaces, with Kubernetes' own and the mesh's root in each; the application and its
 * Services' addresses; who was the leader last.
 */
const KEPT = new RegExp(
  [
    "^created (CustomResourceDefinition|APIService) \\S+\\.istio\\.io$",
    `^created Namespace (${SYSTEM}|${INGRESS}|${SHOP})$`,
    `^created \\S+ ${SHOP}/`,
    "^created IPAddress ",
    "^created ConfigMap \\S+/(kube-root-ca\\.crt|istio-ca-root-cert)$",
    "^created ServiceAccount \\S+/default$",
    `^created Lease ${SYSTEM}/lateen-leader`,
  ].join("|"),
);

async function policies(cluster: KubeCluster): Promise<unknown[]> {
  const list = await cluster.must(["get", "validatingwebhookconfiguration", "-o", "json"]);
  return arrayAt(JSON.parse(list), "items")
    .filter(isObject)
    .flatMap(each => arrayAt(each, "webhooks"))
    .map(each => (isObject(each) ? each["failurePolicy"] : undefined));
}
