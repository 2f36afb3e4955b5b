/**
 * Seed 003 from its section 3.3 on, step by step on a local mesh, with `lateen` in place of kubectl
 * and istioctl. Outputs are compared in the layout of Istio 1.14 where the seed shows one.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";
import {
  CLUSTERS,
  GATEWAY_LISTENERS,
  GATEWAY_LISTENERS_AT_FIRST,
  GATEWAY_ROUTES,
  GATEWAY_ROUTES_WITHOUT_VIRTUAL_SERVICE,
  SLEEP_LISTENERS,
  SLEEP_ROUTES,
  seedFile,
} from "../support/seed-003.ts";

const skip = whyNoMesh() ?? false;

describe("seed 003", { skip }, () => {
  let mesh: RunningMesh;
  let sleep = "";
  let ingress = "";

  before(async () => {
    mesh = await RunningMesh.start();
  });
  after(() => mesh?.stop());

  const compat = (words: string) => mesh.ok(`${words} --compat 1.14`);
  const apply = (name: string) => mesh.ok(["apply", "-f", seedFile(name)]);
  const rows = (table: string) =>
    table
      .trimEnd()
      .split("\n")
      .map(line => line.trimEnd());

  test("3.3.1 the ingress gateway's Service is a LoadBalancer with the demo profile's ports", async () => {
    const [header, row = ""] = rows(await mesh.ok("get svc -n istio-system istio-ingressgateway"));
    assert.match(header ?? "", /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE$/);
    assert.match(row, /^istio-ingressgateway +LoadBalancer /);
    for (const port of [15021, 80, 443, 31400, 15443])
      assert.match(row, new RegExp(`\\b${port}\\b.*/TCP`));
    [ingress = ""] = await mesh.pods("istio-ingressgateway", "istio-system");
    assert.notEqual(ingress, "");
  });

  test("3.3.2 a labelled namespace, three replicas and a client come up 2/2", async () => {
    assert.equal(
      await mesh.ok("label namespace default istio-injection=enabled"),
      "namespace/default labeled\n",
    );
    const applied = await mesh.ok(
      "apply -f samples/demoapp/demoapp-v10.yaml -f samples/demoapp/sleep.yaml",
    );
    assert.match(applied, /deployment\.apps\/demoappv10 created/);
    assert.match(applied, /service\/demoappv10 created/);
    await mesh.until("four pods are 2/2", async () => {
      const lines = rows(await mesh.ok("get po"));
      return lines.filter(line => / 2\/2 +Running /.test(line)).length === 4;
    });
    const names = await mesh.pods("demoappv10-");
    assert.equal(names.length, 3);
    for (const name of names) assert.match(name, /^demoappv10-[a-z0-9]{8,10}-[a-z0-9]{5}$/);
    [sleep = ""] = await mesh.pods("sleep-");
  });

  test("3.3.2.4 sixty calls by service name reach each replica at least ten times", async () => {
    const script = "for i in $(seq 60); do curl -s demoappv10:8080; done";
    const text = await mesh.ok(["exec", sleep, "--", "sh", "-c", script]);
    const answers = rows(text);
    assert.equal(answers.length, 60);
    const counts = new Map<string, number>();
    for (const answer of answers) {
      const match =
        /^iKubernetes demoapp v1\.0 !! ClientIP: 127\.0\.0\.6, ServerName: (\S+), ServerIP: [\d.]+!$/.exec(
          answer,
        );
      assert.ok(match, `unexpected answer: ${answer}`);
      const name = match[1] ?? "";
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    assert.equal(counts.size, 3);
    for (const [name, count] of counts)
      assert.ok(count >= 10, `${name} was reached ${count} times`);
  });

  test("3.3.3.1 ps shows every proxy SYNCED", async () => {
    const [header, ...lines] = rows(await compat("ps"));
    assert.match(header ?? "", /^NAME +CLUSTER +CDS +LDS +EDS +RDS +ECDS +ISTIOD +VERSION$/);
    assert.equal(lines.length, 6, "three demoapp, sleep, two gateways");
    for (const line of lines) {
      const gateway = /^istio-(ingress|egress)gateway/.test(line);
      const routes = gateway ? "NOT SENT" : "SYNCED";
      assert.match(
        line,
        new RegExp(
          `^\\S+\\.\\S+ +Kubernetes +SYNCED +SYNCED +SYNCED +${routes} +NOT SENT +\\S+ +\\S+$`,
        ),
      );
    }
  });

  test("3.3.3.2 pc listeners, routes, clusters and endpoints of sleep", async () => {
    assert.deepEqual(rows(await compat(`pc listeners --port 8080 ${sleep}`)), SLEEP_LISTENERS);
    assert.deepEqual(rows(await compat(`pc routes ${sleep} --name 8080`)), SLEEP_ROUTES);
    const json = JSON.parse(await mesh.ok(`pc routes ${sleep} --name 8080 -o json`));
    assert.equal(json[0].name, "8080");
    assert.deepEqual(rows(await compat(`pc clusters ${sleep} --port 8080`)), CLUSTERS);
    const endpoints = rows(await compat(`pc endpoints ${sleep} --port 8080`));
    assert.match(endpoints[0] ?? "", /^ENDPOINT +STATUS +OUTLIER CHECK +CLUSTER$/);
    const demoapp = endpoints.filter(line =>
      /:8080 +HEALTHY +OK +outbound\|8080\|\|demoappv10\.default\.svc\.cluster\.local$/.test(line),
    );
    assert.equal(demoapp.length, 3);
    for (const gateway of ["istio-ingressgateway", "istio-egressgateway"]) {
      assert.ok(
        endpoints.some(line =>
          line.endsWith(`outbound|80||${gateway}.istio-system.svc.cluster.local`),
        ),
        `port 80 of ${gateway} has target port 8080`,
      );
    }
  });

  const viaIngress = async (host: string | undefined, path = "/") => {
    const { request } = await import("node:http");
    const [address, port] = mesh.ingress.split(":");
    return new Promise<{ status: number; server: string; body: string }>((done, fail) => {
      const headers = host === undefined ? {} : { host };
      const call = request({ host: address, port, path, headers, agent: false }, response => {
        const chunks: Buffer[] = [];
        response.on("data", chunk => chunks.push(chunk));
        response.on("end", () =>
          done({
            status: response.statusCode ?? 0,
            server: String(response.headers.server),
            body: Buffer.concat(chunks).toString("utf8"),
          }),
        );
      });
      call.on("error", fail);
      call.end();
    });
  };

  test("3.3.3 before a Gateway the ingress gateway has no listener on 8080", async () => {
    const at = `-n istio-system ${ingress}`;
    assert.deepEqual(rows(await compat(`pc clusters ${at} --port 8080`)), CLUSTERS);
    assert.deepEqual(rows(await compat(`pc listeners ${at}`)), GATEWAY_LISTENERS_AT_FIRST);
  });

  test("3.3.3.2 a Gateway without a VirtualService answers 404 as istio-envoy", async () => {
    assert.equal(
      await apply("gateway-demoapp.yaml"),
      "gateway.networking.istio.io/demoapp-gateway created\n",
    );
    assert.match(await mesh.ok("get gw -n istio-system"), /^NAME +AGE\ndemoapp-gateway +\d+s\n$/);
    await mesh.until("the listener is there", async () =>
      (await compat(`pc listeners ${ingress}.istio-system`)).includes("8080"),
    );
    const listeners = rows(await compat(`pc listeners -n istio-system ${ingress}`));
    assert.deepEqual(listeners, GATEWAY_LISTENERS);
    await mesh.until(
      "the gateway answers",
      async () => (await viaIngress(undefined)).status === 404,
    );
    assert.equal((await viaIngress(undefined)).server, "istio-envoy");
    const routes = rows(await compat(`pc routes -n istio-system ${ingress}`));
    assert.deepEqual(routes, GATEWAY_ROUTES_WITHOUT_VIRTUAL_SERVICE);
  });

  test("3.3.3.5 with the VirtualService it answers 200, and only the gateway has it", async () => {
    assert.equal(
      await apply("virtualservice-demoapp.yaml"),
      "virtualservice.networking.istio.io/demoapp created\n",
    );
    assert.match(
      await mesh.ok("get vs"),
      /^NAME +GATEWAYS +HOSTS +AGE\ndemoapp +\["istio-system\/demoapp-gateway"\] +\["demoapp\.magedu\.com"\] +\d+s\n$/,
    );
    await mesh.until("the route is there", async () =>
      (await compat(`pc routes -n istio-system ${ingress}`)).includes("demoapp.default"),
    );
    const table = rows(await compat(`pc routes -n istio-system ${ingress}`));
    assert.deepEqual(table, GATEWAY_ROUTES);
    await mesh.until("200", async () => (await viaIngress("demoapp.magedu.com")).status === 200);
    assert.match((await viaIngress("demoapp.magedu.com")).body, /^iKubernetes demoapp v1\.0 !!/);
    const routes = await compat(`pc routes ${sleep} --name 8080`);
    assert.doesNotMatch(routes, /magedu/, "a gateway's VirtualService does not reach sidecars");
  });

  test("3.3.5 the DestinationRule shows at its cluster, LEAST_CONN as LEAST_REQUEST", async () => {
    assert.equal(
      await apply("destinationrule-demoapp.yaml"),
      "destinationrule.networking.istio.io/demoapp created\n",
    );
    assert.match(await mesh.ok("get dr"), /^NAME +HOST +AGE\ndemoapp +demoappv10 +\d+s\n$/);
    await mesh.until("the rule is at the cluster", async () =>
      /outbound +EDS +demoapp\.default/.test(await compat(`pc clusters ${sleep} --port 8080`)),
    );
    const json = JSON.parse(await mesh.ok(`pc clusters ${sleep} --port 8080 -o json`));
    assert.equal(json[0].lb_policy ?? json[0].lbPolicy, "LEAST_REQUEST");
  });

  test("3.3.6 a service without a sidecar is published through the same gateway port", async () => {
    await apply("kiali-stand-in.yaml");
    assert.match(await apply("kiali"), /gateway\.networking\.istio\.io\/kiali-gateway created/);
    await mesh.until("200", async () => (await viaIngress("kiali.magedu.com")).status === 200);
    const table = await mesh.ok("get gw,vs,dr -A");
    assert.match(table, /^NAMESPACE +NAME +AGE$/m);
    assert.match(table, /^istio-system +gateway\.networking\.istio\.io\/kiali-gateway +\d+s$/m);
    assert.match(
      table,
      /^istio-system +virtualservice\.networking\.istio\.io\/kiali-virtualservice +\["kiali-gateway"\] +\["kiali\.magedu\.com"\] +\d+s$/m,
    );
    assert.match(
      table,
      /^istio-system +destinationrule\.networking\.istio\.io\/kiali +kiali +\d+s$/m,
    );
    const listeners = rows(await compat(`pc listener -n istio-system ${ingress}`));
    assert.deepEqual(listeners, GATEWAY_LISTENERS);
  });
});
