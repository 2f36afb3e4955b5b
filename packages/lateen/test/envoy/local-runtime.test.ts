/** Deployments, Services, DNS and gateways on this machine; its Envoys are real and pass traffic on. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { deploymentKind } from "../../src/api/deployment/kind.ts";
import { endpointSliceKind } from "../../src/api/endpoint-slice/kind.ts";
import { eventKind } from "../../src/api/event/kind.ts";
import type { JsonObject } from "../../src/api/kind.ts";
import { namespaceKind } from "../../src/api/namespace/kind.ts";
import { nodeKind } from "../../src/api/node/kind.ts";
import { podKind } from "../../src/api/pod/kind.ts";
import { kindOfObject } from "../../src/api/registry.ts";
import { serviceKind } from "../../src/api/service/kind.ts";
import { runCommand } from "../../src/local/command.ts";
import { DnsForwarder } from "../../src/local/dns-forwarder.ts";
import { execCommand } from "../../src/local/pod-processes.ts";
import { forwardPort } from "../../src/local/port-forward.ts";
import { logDirectories, readLogs } from "../../src/local/read-logs.ts";
import { objectAt, stringAt, valueAt } from "../../src/sources/json.ts";
import type { ApiResult } from "../../src/sources/status.ts";
import { eventually } from "../support/envoy-process.ts";
import { type LocalMesh, startLocalMesh } from "../support/local-mesh.ts";
import { needsRoot } from "../support/pod-mesh.ts";

const skip = needsRoot();
const samples = join(import.meta.dirname, "../../../../samples/demoapp");

function ok<T>(result: ApiResult<T>): T {
  assert.ok(result.ok, result.ok ? "" : JSON.stringify(result.status));
  return result.value;
}

async function apply(mesh: LocalMesh, file: string): Promise<void> {
  for (const document of parseAllDocuments(readFileSync(join(samples, file), "utf8"))) {
    const object: JsonObject = document.toJS();
    const kind = kindOfObject(stringAt(object, "apiVersion"), stringAt(object, "kind"));
    assert.ok(kind !== undefined, file);
    ok(await mesh.client.create(kind, "default", object, { fieldValidation: "Strict" }));
  }
}

async function podsOf(mesh: LocalMesh, app: string, version?: string): Promise<JsonObject[]> {
  const more = version === undefined ? "" : `,version=${version}`;
  const labelSelector = `app=${app}${more}`;
  return [...ok(await mesh.client.list(podKind, { labelSelector })).items];
}

function nameOf(object: JsonObject): string {
  return stringAt(objectAt(object, "metadata"), "name");
}

function isReady(pod: JsonObject): boolean {
  return JSON.stringify(pod["status"] ?? {}).includes('"type":"Ready","status":"True"');
}

async function ready(mesh: LocalMesh, app: string, count: number, version?: string): Promise<void> {
  await eventually(`${count} pods of ${app} ${version ?? ""}`, async () => {
    const pods = await podsOf(mesh, app, version);
    return pods.length === count && pods.every(isReady);
  });
}

/** Runs a command in the first pod of an app, as `lateen exec` does from another process. */
async function exec(mesh: LocalMesh, app: string, ...argv: string[]): Promise<string> {
  const [pod] = await podsOf(mesh, app);
  assert.ok(pod !== undefined, app);
  const namespace = stringAt(objectAt(pod, "metadata"), "namespace");
  const found = await execCommand(mesh.stateDir, { namespace, name: nameOf(pod) }, undefined, argv);
  assert.ok(found.ok, found.diagnostics.map(d => d.message).join());
  const { file, args, env } = found.value;
  const result = await runCommand(file, args, { env });
  return result.code === 0 ? result.stdout : `exit ${result.code}: ${result.stderr}`;
}

const curl = (mesh: LocalMesh, url: string): Promise<string> =>
  exec(mesh, "sleep", "curl", "-sS", "-m", "5", url);

describe("the demo application on this machine", { skip }, () => {
  let mesh: LocalMesh;
  before(async () => {
    mesh = await startLocalMesh({
      gateways: ["ingress", "egress"],
      forwarder: new DnsForwarder(() => []),
    });
    const labels = { "istio-injection": "enabled" };
    ok(await mesh.client.patch(namespaceKind, "", "default", "merge", { metadata: { labels } }));
    for (const file of ["demoapp-v10.yaml", "demoapp-v11.yaml", "demoapp.yaml", "sleep.yaml"])
      await apply(mesh, file);
    await ready(mesh, "demoapp", 3, "v1.0");
    await ready(mesh, "sleep", 1);
  });
  after(() => mesh.stop());

  test("pods have Kubernetes' names, READY 2/2 and the mesh's labels", async () => {
    for (const pod of await podsOf(mesh, "demoapp", "v1.0")) {
      assert.match(nameOf(pod), /^demoappv10-[a-z0-9]{10}-[a-z0-9]{5}$/);
      const ready = podKind.columns.find(column => column.name === "Ready");
      assert.ok(typeof ready?.value === "function");
      assert.equal(ready.value(pod, 0), "2/2");
      const labels = objectAt(objectAt(pod, "metadata"), "labels");
      assert.equal(labels["service.istio.io/workload-name"], "demoappv10");
      assert.equal(labels["security.istio.io/tlsMode"], "istio");
    }
    // The Deployment's status follows its pods', a moment later.
    await eventually("three ready replicas in the Deployment's status", async () => {
      const deployment = ok(await mesh.client.get(deploymentKind, "default", "demoappv10"));
      return valueAt(deployment, "status.readyReplicas") === 3;
    });
  });

  test("a service is reached by every form of its name, and all its pods answer", async () => {
    const line =
      /^iKubernetes demoapp v1\.0 !! ClientIP: 127\.0\.0\.6, ServerName: (demoappv10-[a-z0-9-]+), ServerIP: \d+\.\d+\.\d+\.\d+!\n$/;
    const servers = new Set<string>();
    const suffixes = ["", ".default", ".default.svc", ".default.svc.cluster.local"];
    for (let i = 0; i < 24; i++) {
      const answer = await curl(mesh, `http://demoappv10${suffixes[i % 4]}:8080/`);
      const server = line.exec(answer)?.[1];
      assert.ok(server !== undefined, answer);
      servers.add(server);
    }
    assert.equal(servers.size, 3);
    assert.match(await curl(mesh, "http://nowhere.default:8080/"), /Could not resolve host/);
  });

  test("the host reaches services by their address, and the gateway by its own", async () => {
    const service = ok(await mesh.client.get(serviceKind, "default", "demoappv10"));
    const address = stringAt(objectAt(service, "spec"), "clusterIP");
    assert.match(
      await (await fetch(`http://${address}:8080/`)).text(),
      /^iKubernetes demoapp v1.0/,
    );
    await ready(mesh, "istio-ingressgateway", 1);
    const ingress = ok(await mesh.client.get(serviceKind, "istio-system", "istio-ingressgateway"));
    const shown = JSON.stringify(valueAt(ingress, "status.loadBalancer"));
    const external = /"ip":"([\d.]+)"/.exec(shown)?.[1];
    assert.equal((await fetch(`http://${external}:15021/healthz/ready`)).status, 200);
    const [pod] = await podsOf(mesh, "istio-ingressgateway");
    assert.match(nameOf(pod ?? {}), /^istio-ingressgateway-/);
    const ids = mesh.controlPlane.source.connections.map(connection => connection.node.id);
    assert.ok(ids.some(id => id.startsWith("router~") && id.includes("istio-egressgateway")));
  });

  test("a node tells Lateen's version as its kubelet's", async () => {
    const node = ok(await mesh.client.get(nodeKind, "", "node-1"));
    assert.equal(valueAt(node, "status.nodeInfo.kubeletVersion"), "0.0.0-test");
  });

  test("logs, exec and port-forward", async () => {
    const [pod] = await podsOf(mesh, "demoapp", "v1.0");
    const name = nameOf(pod ?? {});
    const logs = logDirectories(mesh.stateDir, { namespace: "default", name });
    const containers = logs.map(log => log.container).sort();
    assert.deepEqual(containers, ["demoapp", "istio-proxy"]);
    const directory = logs.find(log => log.container === "demoapp")?.directory ?? "";
    const read = readLogs(directory, { tail: 1 });
    assert.ok(read.ok);
    const text: Buffer[] = [];
    for await (const piece of read.value) text.push(piece);
    assert.equal(String(Buffer.concat(text)), "demoapp v1.0 listens on 0.0.0.0:8080\n");
    assert.equal(readLogs(directory, { previous: true }).ok, false);
    const running = mesh.runtime.pod("default", name);
    const told: string[] = [];
    const forwarded = (podPort: number) =>
      forwardPort({
        address: "127.0.0.1",
        localPort: 0,
        podPort,
        sandboxPid: () => running?.sandboxPid,
        onConnection: () => told.push(`to ${podPort}`),
        onRefused: () => told.push(`refused by ${podPort}`),
        onLost: () => told.push("lost"),
      });
    const forward = await forwarded(15000);
    const server = await (await fetch(`http://127.0.0.1:${forward.localPort}/server_info`)).text();
    forward.close();
    assert.match(server, /"state": "LIVE"/);
    const closed = await forwarded(9);
    await assert.rejects(fetch(`http://127.0.0.1:${closed.localPort}/`));
    await eventually("the refusal is told", () => Promise.resolve(told.length === 3));
    closed.close();
    assert.deepEqual(told, ["to 15000", "to 9", "refused by 9"]);
    assert.equal(
      await exec(mesh, "sleep", "sh", "-c", "echo $POD_X; hostname").then(s => s.length > 6),
      true,
    );
    assert.match(
      await exec(mesh, "sleep", "cat", "/etc/resolv.conf"),
      /search default\.svc\.cluster\.local/,
    );
  });

  test("a rollout replaces the pods and loses no request", async () => {
    const before = (await podsOf(mesh, "demoapp", "v1.0")).map(nameOf);
    const template = { metadata: { annotations: { "kubectl.kubernetes.io/restartedAt": "now" } } };
    const service = ok(await mesh.client.get(serviceKind, "default", "demoappv10"));
    const url = `http://${stringAt(objectAt(service, "spec"), "clusterIP")}:8080/`;
    let done = false;
    const failures: string[] = [];
    let requests = 0;
    const load = async (): Promise<void> => {
      // At least so many, however slow the machine is.
      while (!done || (requests <= 50 && failures.length === 0)) {
        requests++;
        const answer = await fetch(url, { headers: { connection: "close" } }).catch(String);
        if (typeof answer === "string") failures.push(answer);
        else if (!(await answer.text()).startsWith("iKubernetes"))
          failures.push(`${answer.status}`);
        await new Promise(next => setTimeout(next, 20));
      }
    };
    const loads = [load(), load()];
    try {
      ok(
        await mesh.client.patch(deploymentKind, "default", "demoappv10", "merge", {
          spec: { template },
        }),
      );
      await eventually("three new pods and nothing else", async () => {
        const pods = await podsOf(mesh, "demoapp", "v1.0");
        return (
          pods.length === 3 && pods.every(pod => isReady(pod) && !before.includes(nameOf(pod)))
        );
      });
      ok(
        await mesh.client.patch(deploymentKind, "default", "demoappv10", "merge", {
          spec: { replicas: 1 },
        }),
      );
      await ready(mesh, "demoapp", 1, "v1.0");
    } finally {
      done = true;
      await Promise.all(loads);
    }
    assert.deepEqual(failures, []);
    assert.ok(requests > 50);
    const slices = ok(
      await mesh.client.list(endpointSliceKind, {
        labelSelector: "kubernetes.io/service-name=demoappv10",
      }),
    );
    assert.equal(slices.items.length, 1);
    assert.equal(JSON.stringify(slices.items[0]?.["endpoints"]).match(/"ready":true/g)?.length, 1);
  });

  test("a pod that the store refuses shows in the Deployment's status", async () => {
    const container = { name: "app", image: "app", command: ["true"] };
    ok(
      await mesh.client.create(deploymentKind, "default", {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "refused" },
        spec: {
          selector: { matchLabels: { app: "refused" } },
          template: {
            metadata: { labels: { app: "refused" } },
            spec: { serviceAccountName: "nobody", containers: [container] },
          },
        },
      }),
    );
    await eventually("a condition says why", async () => {
      const found = ok(await mesh.client.get(deploymentKind, "default", "refused"));
      return /ReplicaFailure.*serviceaccount \\"nobody\\" not found/.test(JSON.stringify(found));
    });
    await eventually("an Event of the Deployment says why", async () => {
      const events = ok(await mesh.client.list(eventKind)).items;
      return events.some(event => {
        const about = JSON.stringify(event["involvedObject"]);
        return (
          event["reason"] === "FailedCreate" &&
          /"kind":"Deployment".*"name":"refused"/.test(about) &&
          /^Error creating: pods "refused-\w+-" is forbidden: .*serviceaccount "nobody" not found/.test(
            `${event["message"]}`,
          )
        );
      });
    });
    ok(await mesh.client.delete(deploymentKind, "default", "refused"));
  });

  test("a crashing container is in CrashLoopBackOff, and its logs say why", async () => {
    ok(
      await mesh.client.create(podKind, "default", {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "crashing", labels: { "sidecar.istio.io/inject": "false" } },
        spec: {
          containers: [{ name: "app", image: "app", command: ["sh", "-c", "echo no; exit 3"] }],
        },
      }),
    );
    await eventually("back-off", async () => {
      const pod = ok(await mesh.client.get(podKind, "default", "crashing"));
      const status = JSON.stringify(pod["status"]);
      return status.includes("CrashLoopBackOff") && status.includes('"exitCode":3');
    });
    const [log] = logDirectories(mesh.stateDir, { namespace: "default", name: "crashing" });
    const read = readLogs(log?.directory ?? "", { previous: true });
    assert.ok(read.ok);
    for await (const piece of read.value) assert.equal(String(piece), "no\n");
    ok(await mesh.client.delete(podKind, "default", "crashing"));
    await eventually(
      "gone",
      async () => !(await mesh.client.get(podKind, "default", "crashing")).ok,
    );
  });
});
