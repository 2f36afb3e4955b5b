/** What a running mesh shows of itself: metrics under Istio's names, access logs, debug interfaces. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { after, before, describe, test } from "node:test";
import { networkPlan } from "../../src/local/network-plan.ts";
import { demoapp, rolledOut } from "../support/demoapp.ts";
import { CALL_ECHO, ECHO } from "../support/echo.ts";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";

const skip = whyNoMesh() ?? false;

const REGISTRY_ONLY = `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec:
  egress: [{hosts: ["*/*"]}]
  outboundTrafficPolicy: {mode: REGISTRY_ONLY}
`;

const side = (name: "source" | "destination", labels: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(labels).map(([key, value]) => [`${name}_${key}`, value]));

const workload = (name: string, account: string, version: string) => ({
  workload: name,
  workload_namespace: "default",
  principal: `spiffe://cluster.local/ns/default/sa/${account}`,
  app: name,
  version,
  canonical_service: name,
  canonical_revision: version === "unknown" ? "latest" : version,
  cluster: "Kubernetes",
});

/** TCP has no header to name the peer in: what is known of it is in its certificate. */
const PEER_OF_TCP = side("source", {
  ...{ workload: "unknown", app: "unknown", version: "unknown", cluster: "unknown" },
  ...{ canonical_service: "unknown", canonical_revision: "unknown" },
});

const service = (name: string) => ({
  destination_service: `${name}.default.svc.cluster.local`,
  destination_service_name: name,
  destination_service_namespace: "default",
});

describe("seeing a mesh", { skip }, () => {
  let mesh: RunningMesh;
  let outside: Server;
  let outsideAddress = "";
  let sleep = "";
  let web = "";
  let echo = "";

  before(async () => {
    mesh = await RunningMesh.start();
    await mesh.ok("label namespace default istio-injection=enabled");
    await mesh.ok("apply -f samples/demoapp/sleep.yaml");
    await mesh.ok("apply -f -", demoapp({ name: "web" }));
    await mesh.ok("apply -f -", ECHO);
    for (const name of ["sleep", "web", "echo"]) await rolledOut(mesh, name);
    [sleep = ""] = await mesh.pods("sleep-");
    [web = ""] = await mesh.pods("web-");
    [echo = ""] = await mesh.pods("echo-");
    outside = createServer((_, answer) => answer.end("outside\n"));
    const second = Number(mesh.ingress.split(".")[1]);
    const host = networkPlan(second).hostAddress;
    await new Promise<void>(done => outside.listen(0, host, done));
    const address = outside.address();
    assert.ok(typeof address === "object" && address !== null);
    outsideAddress = `${host}:${address.port}`;
  });
  after(async () => {
    outside?.close();
    await mesh?.stop();
  });

  const scrape = (pod: string) =>
    mesh.ok([
      "exec",
      pod,
      "-c",
      "istio-proxy",
      "--",
      "curl",
      "-s",
      "127.0.0.1:15090/stats/prometheus",
    ]);

  /** Waits for a series that has exactly these labels (and `le`). */
  const hasSeries = async (
    pod: string,
    name: string,
    labels: Readonly<Record<string, string>>,
  ): Promise<void> => {
    let lines: string[] = [];
    const wanted = Object.entries(labels)
      .map(([key, value]) => `${key}="${value}"`)
      .sort();
    const found = () =>
      lines.some(line => {
        const has = [...line.matchAll(/([a-z_]+)="([^"]*)"/g)].map(match => match[0]).sort();
        return JSON.stringify(has) === JSON.stringify(wanted) && !line.endsWith(" 0");
      });
    await mesh
      .until(
        `${name} of ${pod}`,
        async () => {
          lines = (await scrape(pod)).split("\n").filter(line => line.startsWith(`${name}{`));
          return found();
        },
        15_000,
      )
      .catch((error: Error) => {
        throw new Error(
          `${error.message}\nwanted:\n${wanted.join(",")}\nthere is:\n${lines.join("\n")}`,
        );
      });
  };

  const lines = async (pod: string, holds: string, count = 1) => {
    let found: string[] = [];
    await mesh.until(`a log line with ${holds}`, async () => {
      const text = await mesh.ok(`logs ${pod} -c istio-proxy`);
      found = text.split("\n").filter(line => line.includes(holds));
      return found.length >= count;
    });
    return found;
  };

  const HTTP_LABELS = {
    ...side("source", workload("sleep", "sleep", "unknown")),
    ...side("destination", workload("web", "default", "v1.0")),
    ...service("web"),
    request_protocol: "http",
    response_code: "200",
    response_flags: "-",
    grpc_response_status: "",
  };

  test("HTTP metrics on 15090, from both sides of an mTLS call, with all labels", async () => {
    await mesh.ok(["exec", sleep, "--", "curl", "-s", "http://web:8080/"]);
    for (const name of [
      "istio_requests_total",
      "istio_request_duration_milliseconds_count",
      "istio_request_bytes_count",
      "istio_response_bytes_count",
    ]) {
      const source = { ...HTTP_LABELS, reporter: "source", connection_security_policy: "unknown" };
      await hasSeries(sleep, name, source);
      const seen = { reporter: "destination", connection_security_policy: "mutual_tls" };
      await hasSeries(web, name, { ...HTTP_LABELS, ...seen });
    }
    assert.match(await scrape(web), /^# TYPE istio_requests_total counter$/m);
    assert.match(await scrape(web), /^# TYPE istio_request_duration_milliseconds histogram$/m);
  });

  test("TCP metrics on 15090, from both sides", async () => {
    assert.equal(await mesh.ok(["exec", sleep, "--", "node", "-e", CALL_ECHO]), "hello\n");
    const labels = {
      ...side("source", workload("sleep", "sleep", "unknown")),
      ...side("destination", workload("echo", "default", "v2")),
      ...service("echo"),
      request_protocol: "tcp",
      response_flags: "-",
    };
    for (const name of [
      "istio_tcp_connections_opened_total",
      "istio_tcp_connections_closed_total",
      "istio_tcp_sent_bytes_total",
      "istio_tcp_received_bytes_total",
    ]) {
      const source = { ...labels, reporter: "source", connection_security_policy: "unknown" };
      await hasSeries(sleep, name, source);
      const seen = { reporter: "destination", connection_security_policy: "mutual_tls" };
      await hasSeries(echo, name, { ...labels, ...PEER_OF_TCP, ...seen });
    }
  });

  test("the access log has Istio's default text format", async () => {
    const agent = `test-${process.pid}`;
    await mesh.ok(["exec", sleep, "--", "curl", "-s", "-A", agent, "http://web:8080/path"]);
    const cluster = "outbound|8080||web.default.svc.cluster.local";
    const start = String.raw`^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] "GET /path HTTP/1\.1" 200 - via_upstream - "-" 0 \d+ \d+ \d+ "-" `;
    const id = `"${agent}" "[0-9a-f-]{36}" "web:8080" `;
    const address = String.raw`\d+\.\d+\.\d+\.\d+:\d+`;
    const [client = ""] = await lines(sleep, agent);
    const escaped = cluster.replaceAll("|", "\\|").replaceAll(".", "\\.");
    assert.match(
      client,
      new RegExp(
        `${start}${id}"${address}" ${escaped};? ${address} ${address} ${address} - default$`,
      ),
    );
    const [server = ""] = await lines(web, agent);
    const sni = "outbound_\\.8080_\\._\\.web\\.default\\.svc\\.cluster\\.local";
    assert.match(
      server,
      new RegExp(
        `${start}${id}"${address}" inbound\\|8080\\|\\|;? 127\\.0\\.0\\.6:\\d+ ${address} ${address} ${sni} default$`,
      ),
    );
  });

  test("port-forward reaches pods and Services past the sidecar, until Ctrl-C", async t => {
    const child = mesh.spawn("port-forward svc/web :8080 :9 --address 127.0.0.1");
    const told: string[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk: Buffer) => told.push(chunk.toString("utf8")));
    await mesh.until("it refuses a port that the Service does not have", () =>
      Promise.resolve(told.join("").includes("service web does not have a port 9")),
    );
    told.length = 0;
    const second = mesh.spawn("port-forward deploy/web :8080 :9 --address 127.0.0.1");
    for (const stream of [second.stdout, second.stderr])
      stream?.on("data", (chunk: Buffer) => told.push(chunk.toString("utf8")));
    t.after(() => second.kill("SIGKILL"));
    const ended = new Promise<number | null>(done => second.once("exit", done));
    const ports: string[] = [];
    await mesh.until("it listens", () => {
      const shown = told.join("").matchAll(/Forwarding from 127\.0\.0\.1:(\d+) -> \d+\n/g);
      ports.splice(0, ports.length, ...[...shown].map(each => each[1] ?? ""));
      return Promise.resolve(ports.length === 2);
    });
    const answer = await fetch(`http://127.0.0.1:${ports[0]}/`);
    assert.match(await answer.text(), /demoapp/);
    assert.equal(answer.headers.get("x-envoy-upstream-service-time"), null);
    await assert.rejects(fetch(`http://127.0.0.1:${ports[1]}/`));
    await mesh.until("the refusal is told", () =>
      Promise.resolve(told.join("").includes(`forwarding ${ports[1]} -> 9: connection refused`)),
    );
    assert.ok(told.join("").includes(`Handling connection for ${ports[0]}\n`));
    const taken = await mesh.lateen(`port-forward deploy/web ${ports[0]}:8080 --address 127.0.0.1`);
    assert.equal(taken.code, 1);
    assert.match(
      taken.stderr,
      /Unable to listen on port \d+: 127\.0\.0\.1: address already in use/,
    );
    second.kill("SIGINT");
    assert.equal(await ended, 0);
  });

  test("passthrough and blackhole are logged, too", async () => {
    const call = ["exec", sleep, "--", "curl", "-sS", "-m", "10", `http://${outsideAddress}/`];
    assert.equal(await mesh.ok(call), "outside\n");
    const [passed = ""] = await lines(sleep, "PassthroughCluster");
    assert.ok(passed.includes(`"${outsideAddress}" PassthroughCluster`), passed);
    await mesh.ok("apply -f -", REGISTRY_ONLY);
    await mesh.until("it is refused", async () => (await mesh.lateen(call)).code !== 0);
    const [refused = ""] = await lines(sleep, "BlackHoleCluster");
    assert.match(refused, /^\[[^\]]+\] "- - -" 0 UH - - "-" 0 0 \d+ - .* BlackHoleCluster /);
    assert.ok(refused.includes(` ${outsideAddress} `), refused);
    // On a port of the mesh's HTTP services the request is known, and is answered.
    const blocked = "curl -s -m 10 -o /dev/null -w %{http_code} http://192.0.2.1:8080/blocked";
    assert.equal(await mesh.ok(["exec", sleep, "--", ...blocked.split(" ")]), "502");
    const [denied = ""] = await lines(sleep, "/blocked");
    assert.match(
      denied,
      /"GET \/blocked HTTP\/1\.1" 502 - direct_response - "-" 0 0 .* block_all$/,
    );
    await mesh.ok("delete sidecar default");
  });

  test("ps of one proxy: what it was sent against what its Envoy has loaded", async () => {
    const matches = "Clusters Match\nListeners Match\nRoutes Match";
    for (const proxy of [
      sleep,
      `pod/${sleep}.default`,
      "deployment/istio-ingressgateway -n istio-system",
    ])
      assert.ok((await mesh.ok(`ps ${proxy}`)).startsWith(matches), proxy);
    const before = await mesh.ok(`pc all ${sleep} -o json`);
    const names = Array.from({ length: 25 }, (_, i) => `many-${i}`);
    const services = names.map(
      name =>
        `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, ` +
        "spec: {ports: [{name: http, port: 8080}]}}\n",
    );
    await mesh.ok("apply -f -", services.join("---\n"));
    const inSync = new RegExp(
      `^${matches} \\(RDS last loaded at \\w{3}, \\d\\d \\w{3} \\d{4} [\\d:]{8} .+\\)\\n$`,
    );
    await mesh.until("Envoy has all of it, host by host", async () =>
      inSync.test(await mesh.ok(`ps ${sleep}`)),
    );
    const diff = await mesh.ok(`ps ${sleep} --file -`, before);
    assert.match(
      diff,
      /^--- Istiod Clusters\n\+\+\+ Envoy Clusters\n@@ -\d+,\d+ \+\d+,\d+ @@\n {6}/,
    );
    assert.match(diff, /^- +"name": "outbound\|8080\|\|many-7\.default\.svc\.cluster\.local",$/m);
    assert.match(diff, /^Routes Don't Match \(RDS last loaded at .+\)\n--- Istiod Routes\n/m);
    assert.doesNotMatch(diff, /^\+ /m, "nothing that the Envoy had then is gone");
    await mesh.ok(`delete service ${names.join(" ")}`);
    const unknown = await mesh.lateen("ps nobody");
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /there is no pod "nobody" in namespace "default"/);
  });

  test("pc secret: the workload's own, without keys", async () => {
    const rows = (await mesh.ok(`pc secret ${sleep}`))
      .split("\n")
      .map(row => row.split(/ {2,}/)[0]);
    assert.deepEqual(rows, ["RESOURCE NAME", "default", "ROOTCA", ""]);
    const { dynamicActiveSecrets } = JSON.parse(await mesh.ok(`pc secret ${sleep} -o json`));
    const { inlineBytes } = dynamicActiveSecrets[0].secret.tlsCertificate.privateKey;
    assert.equal(Buffer.from(inlineBytes, "base64").toString(), "[redacted]");
  });

  test("debug and metrics interfaces of the control plane", async () => {
    const debug = /control plane: (http:\S+)/.exec(mesh.output)?.[1] ?? "";
    const monitoring = /metrics: (http:\S+)\/metrics/.exec(mesh.output)?.[1] ?? "";
    assert.notEqual(monitoring, debug);
    for (const base of [debug, monitoring]) {
      const read = async (path: string) => {
        const answer = await fetch(base + path);
        assert.equal(answer.status, 200, base + path);
        return answer.text();
      };
      assert.equal(await read("/ready"), "ready\n");
      assert.match(JSON.parse(await read("/version")).instance, /^istiod-/);
      assert.match(await read("/metrics"), /^pilot_xds 5$/m);
      const proxies = JSON.parse(await read("/debug/syncz")) as { proxy: string }[];
      assert.ok(proxies.some(({ proxy }) => proxy === `${sleep}.default`));
      assert.equal(JSON.parse(await read("/debug/adsz")).totalClients, 5);
      assert.ok(Array.isArray(JSON.parse(await read("/debug/configz"))));
      assert.match(await read("/debug/endpointz"), /web\.default\.svc\.cluster\.local/);
      const dump = await read(`/debug/config_dump?proxyID=${sleep}.default`);
      assert.match(
        dump,
        /"dynamicActiveClusters":.*outbound\|8080\|\|web\.default\.svc\.cluster\.local/,
      );
      assert.doesNotMatch(dump, /PRIVATE KEY/);
      assert.equal((await fetch(`${base}/debug/config_dump?proxyID=nobody.default`)).status, 404);
    }
  });
});
