/** Who reaches whom: with and without sidecars, by name and address, beyond the mesh, and scoped. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { after, before, describe, test } from "node:test";
import { networkPlan } from "../../src/local/network-plan.ts";
import { demoapp, rolledOut } from "../support/demoapp.ts";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";

const skip = whyNoMesh() ?? false;

const NO_SIDECAR = { "sidecar.istio.io/inject": "false" };

const sleeper = (name: string, labels: Readonly<Record<string, string>>) =>
  JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name, ...labels } },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{ name: "sleep", image: "curl", command: ["/bin/sleep", "infinity"] }],
        },
      },
    },
  });

const HEADLESS = `
apiVersion: v1
kind: Service
metadata: {name: headless}
spec:
  clusterIP: None
  selector: {app: web}
  ports: [{name: http, port: 8080}]
`;

const STRICTLY_OWN = `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec:
  egress: [{hosts: ["./*"]}]
`;

const serviceEntry = (name: string, spec: object) =>
  JSON.stringify({
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name },
    spec: { location: "MESH_EXTERNAL", ...spec },
  });

describe("reaching services", { skip }, () => {
  let mesh: RunningMesh;
  let outside: Server;
  let host = "";
  let port = 0;
  let sleep = "";
  let bare = "";

  before(async () => {
    mesh = await RunningMesh.start();
    await mesh.ok("label namespace default istio-injection=enabled");
    await mesh.ok("apply -f samples/demoapp/sleep.yaml");
    await mesh.ok("apply -f -", sleeper("bare", NO_SIDECAR));
    await mesh.ok("apply -f -", demoapp({ name: "web", replicas: 2 }));
    await mesh.ok("apply -f -", demoapp({ name: "plain", labels: NO_SIDECAR }));
    await mesh.ok("apply -f -", HEADLESS);
    for (const name of ["sleep", "bare", "web", "plain"]) await rolledOut(mesh, name);
    [sleep = ""] = await mesh.pods("sleep-");
    [bare = ""] = await mesh.pods("bare-");
    outside = createServer((request, answer) => answer.end(`outside ${request.headers.host}\n`));
    host = networkPlan(Number(mesh.ingress.split(".")[1])).hostAddress;
    await new Promise<void>(done => outside.listen(0, host, done));
    const address = outside.address();
    assert.ok(typeof address === "object" && address !== null);
    port = address.port;
  });
  after(async () => {
    outside?.close();
    await mesh?.stop();
  });

  const call = async (pod: string, url: string, ...options: readonly string[]) => {
    const curl = ["curl", "-sS", "-m", "10", ...options, url];
    return mesh.ok(["exec", pod, "--", ...curl]);
  };
  const clientSeen = (answer: string) => /ClientIP: ([\d.]+)/.exec(answer)?.[1] ?? answer;
  const ipOf = async (pod: string) =>
    (await mesh.json<{ status: { podIP: string } }>(`get pod ${pod}`)).status.podIP;
  const clusterIp = async (service: string) =>
    (await mesh.json<{ spec: { clusterIP: string } }>(`get svc ${service}`)).spec.clusterIP;

  test("with a sidecar 2/2, without 1/1", async () => {
    const table = await mesh.ok("get pods");
    assert.match(table, /^web-\S+ +2\/2 +Running/m);
    assert.match(table, /^plain-\S+ +1\/1 +Running/m);
    assert.match(table, /^bare-\S+ +1\/1 +Running/m);
  });

  test("by name and by ClusterIP, from pods with and without a sidecar", async () => {
    const names = ["web", "web.default", "web.default.svc.cluster.local", await clusterIp("web")];
    for (const name of names) {
      for (const pod of [sleep, bare])
        assert.equal(clientSeen(await call(pod, `http://${name}:8080/`)), "127.0.0.6", name);
    }
  });

  test("a service without a sidecar, from pods with and without one", async () => {
    const address = await clusterIp("plain");
    for (const name of ["plain", address]) {
      for (const pod of [sleep, bare]) {
        const seen = clientSeen(await call(pod, `http://${name}:8080/`));
        assert.equal(seen, await ipOf(pod), `${name} from ${pod}`);
      }
    }
    const endpoints = await mesh.ok(`pc endpoints ${sleep} --port 8080`);
    assert.match(endpoints, /HEALTHY .*outbound\|8080\|\|plain\.default\.svc\.cluster\.local/);
  });

  test("a headless service: its name has the pods' addresses, and all answer", async () => {
    const lookup = ["getent", "ahostsv4", "headless"];
    const text = await mesh.ok(["exec", bare, "--", ...lookup]);
    const found = new Set(text.match(/^10\.\S+/gm));
    const pods = await mesh.pods("web-");
    assert.deepEqual([...found].sort(), (await Promise.all(pods.map(ipOf))).sort());
    // The client chooses among the addresses, and reaches the one that it has chosen.
    for (const pod of [sleep, bare]) {
      for (const server of pods) {
        const chosen = ["--resolve", `headless:8080:${await ipOf(server)}`];
        const answer = await call(pod, "http://headless:8080/", ...chosen);
        assert.match(answer, new RegExp(`ServerName: ${server},`));
      }
    }
  });

  const entryCluster = async (hostname: string, type: string) => {
    await mesh.until(`a cluster for ${hostname}`, async () =>
      new RegExp(`^${hostname} +80 +- +outbound +${type}`, "m").test(
        await mesh.ok(`pc clusters ${sleep}`),
      ),
    );
  };

  test("a ServiceEntry with STATIC endpoints", async () => {
    const ports = [{ number: 80, name: "http", protocol: "HTTP", targetPort: port }];
    const endpoints = [{ address: host }];
    const spec = { hosts: ["static.example"], ports, resolution: "STATIC", endpoints };
    const addresses = ["240.1.1.1"];
    await mesh.ok("apply -f -", serviceEntry("static", { ...spec, addresses }));
    await entryCluster("static.example", "EDS");
    const to = ["--resolve", "static.example:80:240.1.1.1"];
    assert.equal(await call(sleep, "http://static.example/", ...to), "outside static.example\n");
  });

  test("a ServiceEntry resolved through DNS", async () => {
    const ports = [{ number: 80, name: "http", protocol: "HTTP", targetPort: 8080 }];
    const endpoints = [{ address: "plain.default.svc.cluster.local" }];
    const spec = { hosts: ["dns.example"], ports, resolution: "DNS", endpoints };
    await mesh.ok("apply -f -", serviceEntry("dns", spec));
    await entryCluster("dns.example", "STRICT_DNS");
    const to = ["--resolve", "dns.example:80:240.1.1.2"];
    await mesh.until("it answers", async () =>
      (await call(sleep, "http://dns.example/", ...to)).startsWith("iKubernetes demoapp"),
    );
  });

  test("a ServiceEntry that selects a WorkloadEntry", async () => {
    const ports = [{ number: 80, name: "http", protocol: "HTTP", targetPort: port }];
    const workloadSelector = { labels: { app: "machine" } };
    const spec = { hosts: ["machine.example"], ports, resolution: "STATIC", workloadSelector };
    await mesh.ok("apply -f -", serviceEntry("machine", { ...spec, location: "MESH_INTERNAL" }));
    const entry = {
      apiVersion: "networking.istio.io/v1",
      kind: "WorkloadEntry",
      metadata: { name: "machine" },
      spec: { address: host, labels: { app: "machine" } },
    };
    await mesh.ok("apply -f -", JSON.stringify(entry));
    await mesh.until("its endpoint", async () =>
      (await mesh.ok(`pc endpoints ${sleep}`)).includes(`${host}:${port}`),
    );
    const to = ["--resolve", "machine.example:80:240.1.1.3"];
    await mesh.until("it answers", async () =>
      (await call(sleep, "http://machine.example/", ...to)).startsWith("outside machine.example"),
    );
    await mesh.ok("delete workloadentry machine");
    await mesh.until("it is gone", async () => {
      const answer = await mesh.lateen([
        ...["exec", sleep, "--", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"],
        ...[...to, "http://machine.example/"],
      ]);
      return answer.stdout === "503";
    });
  });

  test("the egress gateway is reachable", async () => {
    const gateway = "istio-egressgateway.istio-system";
    const spec = {
      selector: { istio: "egressgateway" },
      servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
    };
    const metadata = { name: "egress", namespace: "istio-system" };
    const apiVersion = "networking.istio.io/v1";
    await mesh.ok("apply -f -", JSON.stringify({ apiVersion, kind: "Gateway", metadata, spec }));
    for (const pod of [sleep, bare]) {
      await mesh.until(`404 of the gateway for ${pod}`, async () =>
        /^HTTP\/1\.1 404 [\s\S]*^server: (istio-)?envoy\r$/m.test(
          await call(pod, `http://${gateway}/`, "-i"),
        ),
      );
    }
  });

  test("a Sidecar narrows what a proxy has", async () => {
    const before = await mesh.ok(`pc clusters ${sleep}`);
    assert.match(before, /^istio-egressgateway\.istio-system\.svc\.cluster\.local /m);
    await mesh.ok("apply -f -", STRICTLY_OWN);
    await mesh.until(
      "only its own namespace",
      async () => !(await mesh.ok(`pc clusters ${sleep}`)).includes(".istio-system."),
    );
    const narrowed = await mesh.ok(`pc clusters ${sleep}`);
    assert.match(narrowed, /^web\.default\.svc\.cluster\.local +8080 /m);
    assert.equal(clientSeen(await call(sleep, "http://web:8080/")), "127.0.0.6");
    await mesh.ok("delete sidecar default");
    await mesh.until("all again", async () =>
      (await mesh.ok(`pc clusters ${sleep}`)).includes(".istio-system."),
    );
  });
});
