/** Pods in namespaces with a real Envoy each, without a control plane: only what a pod is. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { JsonObject } from "../../src/api/kind.ts";
import { runCommand } from "../../src/local/command.ts";
import { requestInside } from "../../src/local/dial-inside.ts";
import { RunningPod } from "../../src/local/pod.ts";
import { inside } from "../../src/local/sandbox.ts";
import { objectAt } from "../../src/sources/json.ts";
import { eventually } from "../support/envoy-process.ts";
import { needsRoot, type PodMesh, startPodMesh } from "../support/pod-mesh.ts";

const skip = needsRoot();
const demoapp = join(import.meta.dirname, "../../../../samples/demoapp/server.mjs");

function podJson(name: string, command: readonly string[], more: JsonObject = {}): JsonObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", uid: `uid-${name}`, labels: { app: name } },
    spec: {
      nodeName: "node",
      containers: [{ name: "app", image: "app", command, ...more }],
    },
  };
}

const http = (port: number, path: string): JsonObject => ({ httpGet: { port, path } });
const tcp = (port: number): JsonObject => ({ tcpSocket: { port } });

function isReady(pod: RunningPod): boolean {
  return JSON.stringify(pod.status()).includes('"type":"Ready","status":"True"');
}

async function curl(pod: RunningPod, ...args: string[]): Promise<string> {
  const command = ["curl", "-sS", "-m", "5", ...args];
  const [file = "", ...rest] = inside(pod.sandboxPid ?? 0, "pod", command);
  const result = await runCommand(file, rest);
  return result.code === 0 ? result.stdout : `exit ${result.code}: ${result.stderr}`;
}

describe("two pods with sidecars", { skip }, () => {
  let mesh: PodMesh;
  let client: RunningPod;
  let server: RunningPod;
  before(async () => {
    mesh = await startPodMesh();
    client = new RunningPod(
      mesh.inject(podJson("client", ["sleep", "infinity"])),
      mesh.context,
      () => {},
    );
    const probes = {
      readinessProbe: http(8080, "/readyz"),
      livenessProbe: { ...tcp(8080), periodSeconds: 1, failureThreshold: 2 },
    };
    const command = ["node", demoapp];
    server = new RunningPod(
      mesh.inject(podJson("server", command, probes)),
      mesh.context,
      () => {},
    );
    await Promise.all([client.start(), server.start()]);
    await eventually("both are ready", () => isReady(client) && isReady(server));
  });
  after(async () => {
    await Promise.all([client.terminate(0), server.terminate(0)]);
    await mesh.stop();
  });

  test("a request goes through both Envoys; the application sees 127.0.0.6", async () => {
    const answer = await curl(client, `http://${server.address}:8080/`);
    assert.equal(
      answer,
      "iKubernetes demoapp v1.0 !! ClientIP: 127.0.0.6, ServerName: server, " +
        `ServerIP: ${server.address}!\n`,
    );
    const { body } = await requestInside(client.sandboxPid ?? 0, 15000, {
      method: "GET",
      path: "/clusters",
      timeoutMs: 5000,
    });
    assert.match(body, new RegExp(`^out::${server.address}:8080::cx_total::1$`, "m"));
  });

  test("Envoy runs as 1337, knows its name and has its token", async () => {
    assert.match(mesh.controlPlane.tokens.join(), /Bearer client-\d/);
    assert.match(mesh.controlPlane.tokens.join(), /Bearer server-\d/);
    const node = mesh.controlPlane.source.connections.map(connection => connection.node.id).sort();
    assert.deepEqual(node, [
      `sidecar~${client.address}~client.default~default.svc.cluster.local`,
      `sidecar~${server.address}~server.default~default.svc.cluster.local`,
    ]);
    const { stdout } = await runCommand("ps", ["-A", "-o", "uid=,pid=,comm="]);
    const state = JSON.stringify(server.status()["containerStatuses"]);
    const users = stdout.split("\n").flatMap(line => {
      const [uid, pid, program] = line.trim().split(/\s+/);
      return program === "envoy" && state.includes(`process://${pid}"`) ? [uid] : [];
    });
    assert.deepEqual(users, ["1337"]);
  });

  test("readiness, metrics and probes are served on Istio's ports, quitquitquit only inside", async () => {
    const base = `http://${server.address}`;
    const status = async (url: string, method = "GET"): Promise<number> =>
      (await fetch(url, { method })).status;
    assert.equal(await status(`${base}:15021/healthz/ready`), 200);
    assert.equal(await status(`${base}:15020/app-health/app/readyz`), 200);
    const live = `${base}:15020/app-health/app/livez`;
    await eventually(
      "Envoy has seen the port open",
      async () => (await status(live)) === 200,
      5000,
    );
    assert.equal(await status(`${base}:15020/app-health/app/other`), 404);
    assert.equal(await status(`${base}:15020/quitquitquit`, "POST"), 403);
    assert.equal(await status(`${base}:15020/healthz/ready/../../quitquitquit`, "POST"), 403);
    const metrics = await (await fetch(`${base}:15090/stats/prometheus`)).text();
    assert.ok(/^envoy_server_live\{\} 1$/m.test(metrics), "Envoy's own metrics are there");
    assert.equal(await status(`${base}:15090/stats`), 404);
  });

  test("quitquitquit from inside the pod ends Envoy as a success, and only a POST does", async () => {
    const pod = new RunningPod(
      mesh.inject(podJson("quits", ["sleep", "infinity"])),
      mesh.context,
      () => {},
    );
    await pod.start();
    await eventually("it is ready", () => isReady(pod));
    const quit = "http://127.0.0.1:15020/quitquitquit";
    assert.equal(await curl(pod, "-o", "/dev/null", "-w", "%{http_code}", quit), "405");
    assert.equal(isReady(pod), true);
    assert.equal(await curl(pod, "--fail", "-X", "POST", quit), "OK");
    await eventually("Envoy has ended, and is started again", () =>
      /"istio-proxy".*"exitCode":0/.test(JSON.stringify(pod.status())),
    );
    await pod.terminate(0);
  });

  test("probes tell the truth: a dead application is not ready, and started again", async () => {
    const set = (state: string): Promise<string> =>
      curl(server, "-X", "POST", "-d", `state=${state}`, "http://127.0.0.1:8080/readyz");
    await set("fail");
    const probe = `http://${server.address}:15020/app-health/app/readyz`;
    assert.equal((await fetch(probe)).status, 506);
    await set("ok");
    const before = JSON.stringify(server.status());
    assert.match(before, /"restartCount":0/);
    const state = server.status()["containerStatuses"];
    const pid = Number(/process:\/\/(\d+)/.exec(JSON.stringify(state))?.[1]);
    process.kill(pid, "SIGSTOP");
    // A stopped process still accepts in the kernel: only a dead one fails a TCP probe.
    process.kill(pid, "SIGKILL");
    await eventually("the container is started again", () =>
      JSON.stringify(server.status()).includes('"restartCount":1'),
    );
    await eventually("and ready", () => isReady(server));
  });

  test("application metrics follow Envoy's on one page; volumes and names are the pod's own", async () => {
    const script =
      "const s = require('http').createServer((q, r) => r.end('own_metric 1\\n', () => " +
      "{ if (q.url === '/stop') { s.close(); s.closeAllConnections() } })).listen(9100, () => " +
      "console.log(require('fs').readFileSync('/etc/lateen-test/sub/greeting', 'utf8')));" +
      "setInterval(() => 0, 1e6)";
    const json = podJson("scraped", ["node", "-e", script], {
      volumeMounts: [{ name: "v", mountPath: "/etc/lateen-test/sub" }],
    });
    const annotations = { "prometheus.io/scrape": "true", "prometheus.io/port": "9100" };
    const pod = new RunningPod(
      mesh.inject({
        ...json,
        metadata: { name: "scraped", namespace: "default", uid: "uid-scraped", annotations },
        spec: { ...objectAt(json, "spec"), volumes: [{ name: "v", configMap: { name: "words" } }] },
      }),
      mesh.context,
      () => {},
    );
    await pod.start();
    await eventually("it is ready", () => isReady(pod));
    const url = `http://${pod.address}:15020/stats/prometheus`;
    await eventually("both are there", async () => {
      const page = await (await fetch(url)).text();
      return /^envoy_server_live\{\} 1$/m.test(page) && page.endsWith("own_metric 1\n");
    });
    assert.match(readFileSync(join(pod.logDirectory("app"), "0.log"), "utf8"), /^hello\n/);
    assert.equal(existsSync("/etc/lateen-test"), false);
    assert.equal(await curl(pod, "-o", "/dev/null", "http://scraped:9100/"), "");
    // As with istio-agent: Envoy's metrics are there without the application's; it is counted, and said.
    await curl(pod, "http://127.0.0.1:9100/stop");
    for (const failures of [1, 2]) {
      const answer = await fetch(url);
      const page = await answer.text();
      assert.equal(answer.status, 200);
      assert.match(page, /^envoy_server_live\{\} 1$/m);
      assert.doesNotMatch(page, /own_metric/);
      assert.match(page, /^# TYPE istio_agent_scrape_failures_total counter$/m);
      const line = `istio_agent_scrape_failures_total{type="application"} ${failures}`;
      assert.ok(page.split("\n").includes(line), page.match(/^.*scrape_failures.*$/m)?.[0]);
    }
    const log = readFileSync(join(pod.logDirectory("istio-proxy"), "0.log"), "utf8");
    assert.match(log, /no metrics of the application: status 503/);
    await pod.terminate(0);
  });

  test("a new token and a new root are taken up without a restart", async () => {
    mesh.controlPlane.tokenLifeMs = 1000;
    const pod = new RunningPod(
      mesh.inject(podJson("rotating", ["sleep", "infinity"])),
      mesh.context,
      () => {},
    );
    await pod.start();
    await eventually("it is ready", () => isReady(pod));
    const first = mesh.controlPlane.tokens.find(token => token.includes("rotating"));
    await new Promise(next => setTimeout(next, 1500));
    mesh.controlPlane.tokenLifeMs = 3_600_000;
    mesh.controlPlane.rotateRoot();
    await new Promise(next => setTimeout(next, 500));
    await mesh.controlPlane.restart();
    await eventually("it comes back with another token", () => {
      const last = mesh.controlPlane.tokens.findLast(token => token.includes("rotating"));
      return last !== undefined && last !== first;
    });
    await pod.terminate(0);
    assert.equal(pod.address !== undefined && isReady(pod), false);
  });
});
