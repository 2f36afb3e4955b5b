/**
 * Seed 001 from installation to removal on a real cluster: its kubectl commands as they are, `lateen`
 * in place of istioctl; then the samples of a release as written. Outputs are compared in the layout of
 * Istio 1.12, which the seed shows. What differs, and why:
 *
 * | output | difference | reason |
 * |---|---|---|
 * | version, proxy-status | 0.1.0 for 1.12.1 | Lateen's own |
 * | install | "Thank you for installing Lateen" and no survey | there is none |
 * | profile dump demo | other fields of values | those that Istio's charts have today; the components are the same |
 * | get pod, addons | images are stand-ins | the bed pulls none |
 * | /listeners | 15020 is among them | merged metrics and probes are Envoy's here, were an agent's |
 * | /listeners | no 10.96.0.10_9153 | the bed's DNS has no port for metrics |
 * | /listeners | no CLUSTERIP_80 | of the seed's own Service myapp, which its commands do not make |
 * | /listeners | also 4317 and 4318 | the Jaeger of today takes OTLP |
 * | clusters --port 80 | no myapp | as above |
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { arrayAt, isObject } from "../../src/sources/json.ts";
import { alike } from "../support/alike.ts";
import { BareCluster } from "../support/bare-cluster.ts";
import { type KubeCluster, needsKubernetes } from "../support/kube-cluster.ts";
import type { KubeNamespace } from "../support/kube-namespace.ts";
import {
  PROFILES,
  podOf,
  rows,
  lateen as runWords,
  TICKS,
  untilRunning,
} from "../support/lateen-on-kube.ts";
import { podTargets } from "../support/prometheus-targets.ts";

const skip = needsKubernetes();
const TIMEOUT_MS = 300_000;
const samples = join(import.meta.dirname, "../../../../samples");
const SYSTEM = ["-n", "istio-system"];
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}::/;
const PROXY_STATUS = `
NAME                                                   CDS        LDS        EDS        RDS          ISTIOD                      VERSION
demoapp-5748b7ccfc-g96k7.default                       SYNCED     SYNCED     SYNCED     SYNCED       istiod-864977fd6c-lf7hr     1.12.1
demoapp-5748b7ccfc-kzjg6.default                       SYNCED     SYNCED     SYNCED     SYNCED       istiod-864977fd6c-lf7hr     1.12.1
demoapp-5748b7ccfc-s947x.default                       SYNCED     SYNCED     SYNCED     SYNCED       istiod-864977fd6c-lf7hr     1.12.1
istio-egressgateway-65bdddf685-6fk64.istio-system      SYNCED     SYNCED     SYNCED     NOT SENT     istiod-864977fd6c-lf7hr     1.12.1
istio-ingressgateway-7b545cdbc7-cmpx4.istio-system     SYNCED     SYNCED     SYNCED     NOT SENT     istiod-864977fd6c-lf7hr     1.12.1`;

/** Services of istio-system and the ports of those that the seed's listeners are named after. */
const ADDON_PORTS = [
  "grafana 3000/TCP",
  "jaeger-collector 14268/TCP,14250/TCP,9411/TCP,4317/TCP,4318/TCP",
  "kiali 20001/TCP,9090/TCP",
  "prometheus 9090/TCP",
  "tracing 80/TCP,16685/TCP",
  "zipkin 9411/TCP",
];

describe("seed 001 on Kubernetes", { skip, timeout: 900_000 }, () => {
  let bare: BareCluster | undefined;
  let cluster: KubeCluster;
  let demoapp = "";
  after(() => bare?.restore());
  const lateen = (words: string): Promise<string> => runWords(cluster, words);
  const addressOf = (service: string, ...flags: readonly string[]): Promise<string> =>
    cluster.must(["get", "svc", service, ...flags, "-o", "jsonpath={.spec.clusterIP}"]);
  const atItsEnvoy = async (path: string): Promise<string[]> =>
    rows(await cluster.must(["exec", demoapp, "--", "curl", "-s", `localhost:15000${path}`]));

  test("version, profiles, installation", async () => {
    bare = await BareCluster.find();
    cluster = bare.cluster;
    assert.equal(await lateen("version"), 'no running Istio pods in "istio-system"\n0.1.0\n');
    assert.equal(await lateen("profile list"), PROFILES);
    const dumped = await lateen("profile dump demo");
    assert.match(dumped, /^apiVersion: install\.istio\.io\/v1alpha1\nkind: IstioOperator\n/);
    for (const gateway of ["istio-egressgateway", "istio-ingressgateway"])
      assert.match(dumped, new RegExp(`enabled: true\n {6}name: ${gateway}\n`));
    assert.equal(await lateen("install --set profile=demo -y"), TICKS);
    const pods = await untilRunning(cluster, "istio-system", 3, () => "1/1");
    const names = ["istio-egressgateway", "istio-ingressgateway", "istiod"];
    for (const [i, name] of names.entries())
      assert.match(pods[i] ?? "", new RegExp(`^${name}-[a-z0-9]+-[a-z0-9]{5} `));
  });

  test("addons: five more pods, Prometheus with two containers", async () => {
    const applied = await cluster.must(["apply", "-f", join(samples, "addons")]);
    for (const name of ["grafana", "jaeger", "kiali", "prometheus"])
      assert.match(applied, new RegExp(`^deployment\\.apps/${name} created$`, "m"));
    const isPair = (pod: string): boolean => pod.startsWith("prometheus-");
    const ready = (pod: string): string => (isPair(pod) ? "2/2" : "1/1");
    await untilRunning(cluster, "istio-system", 7, ready);
    const services = rows(await cluster.must(["get", "svc", ...SYSTEM, "--no-headers"])).map(row =>
      row.split(/ +/),
    );
    const ports = services.map(([name, , , , list]) => `${name} ${list}`);
    assert.deepEqual(
      ports.filter(each => !each.startsWith("istio")),
      ADDON_PORTS,
    );
    const proxied = "/api/v1/namespaces/istio-system/services";
    for (const [service, path] of [
      ["kiali:20001", "kiali"],
      ["grafana:3000", "api/health"],
      ["tracing:80", "jaeger"],
      ["prometheus:9090", "-/ready"],
    ])
      await cluster.until(`${service} answers`, () =>
        cluster.must(["get", "--raw", `${proxied}/${service}/proxy/${path}`]),
      );
  });

  test("a labelled namespace, three replicas, 2/2", async () => {
    const label = ["label", "namespace", "default", "istio-injection=enabled"];
    assert.equal(await cluster.must(label), "namespace/default labeled\n");
    const create = ["create", "deployment", "demoapp", "--image=ikubernetes/demoapp:v1.0"];
    const created = await cluster.must([...create, "--replicas=3"]);
    assert.equal(created, "deployment.apps/demoapp created\n");
    await untilRunning(cluster, "default", 3, () => "2/2");
    demoapp = await podOf(cluster, "demoapp");
  });

  test("what Prometheus' configuration leads to: metrics of all pods of the mesh", async () => {
    const path = "jsonpath={.data.prometheus\\.yml}";
    const config = await cluster.must(["get", "configmap", "prometheus", ...SYSTEM, "-o", path]);
    const { body } = await cluster.api({ path: "/api/v1/pods" });
    const pods = arrayAt(body, "items").filter(isObject);
    const targets = podTargets(config, "kubernetes-pods", pods);
    const endings = targets.map(({ url, labels }) => [
      labels["app"],
      url.replace(/^.*?:\/\/[^:]+/, ""),
    ]);
    assert.deepEqual(endings.sort(), [
      ...Array.from({ length: 3 }, () => ["demoapp", ":15020/stats/prometheus"]),
      ["istio-egressgateway", ":15020/stats/prometheus"],
      ["istio-ingressgateway", ":15020/stats/prometheus"],
      ["istiod", ":15014/metrics"],
      ["jaeger", ":8888/metrics"],
      ["kiali", ":9090/metrics"],
    ]);
    for (const { url, labels } of targets.filter(each => each.url.includes(":150"))) {
      assert.match(labels["pod"] ?? "", new RegExp(`^${labels["app"]}-`));
      const answer = await fetch(url, { headers: { connection: "close" } });
      assert.equal(answer.status, 200, url);
      assert.match(await answer.text(), /^(envoy|pilot)_\w+(\{.*\})? \d/m, url);
    }
  });

  test("Envoy's listeners and clusters by their names", async () => {
    const [ingress, egress, istiod, grafana, jaeger, dns] = await Promise.all([
      addressOf("istio-ingressgateway", ...SYSTEM),
      addressOf("istio-egressgateway", ...SYSTEM),
      addressOf("istiod", ...SYSTEM),
      addressOf("grafana", ...SYSTEM),
      addressOf("jaeger-collector", ...SYSTEM),
      addressOf("kube-dns", "-n", "kube-system"),
    ]);
    const api = await addressOf("kubernetes");
    const at = (address: string | undefined, ...ports: readonly number[]): string[] =>
      ports.map(port => `${address}_${port}::${address}:${port}`);
    const expected = [
      ...["virtualOutbound::0.0.0.0:15001", "virtualInbound::0.0.0.0:15006"],
      ...at("0.0.0.0", 80, 4317, 4318, 9090, 9411, 15010, 15014, 16685, 20001),
      ...at(ingress, 443, 15021, 15443, 31400),
      ...[...at(egress, 443), ...at(istiod, 443, 15012), ...at(grafana, 3000)],
      ...[...at(jaeger, 14250, 14268), ...at(api, 443), ...at(dns, 53)],
    ];
    await cluster.until("all listeners are there", async () => {
      const all = (await atItsEnvoy("/listeners")).filter(line => !UUID.test(line));
      assert.deepEqual(all.sort(), expected.sort());
      return true;
    });
    const unnamed = (await atItsEnvoy("/listeners")).filter(line => UUID.test(line));
    const places = unnamed.map(line => line.replace(UUID, "")).sort();
    assert.deepEqual(places, ["0.0.0.0:15020", "0.0.0.0:15021", "0.0.0.0:15090"]);
    const clusters = (await atItsEnvoy("/clusters")).join("\n");
    for (const name of ["xds-grpc", "prometheus_stats", "PassthroughCluster", "BlackHoleCluster"])
      assert.match(clusters, new RegExp(`^${name}::`, "m"));
    const kiali = "outbound|20001||kiali.istio-system.svc.cluster.local";
    assert.ok(clusters.includes(`\n${kiali}::default_priority::max_connections::`));
  });

  test("proxy-status and proxy-config clusters", async () => {
    assert.deepEqual(alike(await lateen("proxy-status --compat 1.12")), alike(PROXY_STATUS));
    const words = `proxy-config clusters ${demoapp}.default --port 80 --compat 1.12`;
    assert.deepEqual(rows(await lateen(words)), [
      "SERVICE FQDN                                            PORT     SUBSET     DIRECTION     TYPE     DESTINATION RULE",
      "istio-egressgateway.istio-system.svc.cluster.local      80       -          outbound      EDS",
      "istio-ingressgateway.istio-system.svc.cluster.local     80       -          outbound      EDS",
      "tracing.istio-system.svc.cluster.local                  80       -          outbound      EDS",
    ]);
  });

  test("the samples of a release run as written", async t => {
    const namespace = await cluster.namespace(t, { "istio-injection": "enabled" });
    const apply = (...names: readonly string[]): Promise<string> =>
      namespace.kubectl("apply", ...names.flatMap(name => ["-f", join(samples, `${name}.yaml`)]));
    const single = ["sleep", "httpbin", "helloworld", "tcp-echo"].map(name => `${name}/${name}`);
    await apply(...single, "bookinfo/platform/kube/bookinfo");
    await untilRunning(cluster, namespace.name, 11, () => "2/2");
    const rules = ["bookinfo-gateway", "destination-rule-all", "virtual-service-reviews-v3"];
    await apply(...rules.map(name => `bookinfo/networking/${name}`));
    await inTheMesh(namespace);
    const port = await cluster.must([
      ...["get", "svc", "istio-ingressgateway", ...SYSTEM],
      ...["-o", 'jsonpath={.spec.ports[?(@.name=="http2")].nodePort}'],
    ]);
    const url = `http://${cluster.plan.address}:${port}/productpage`;
    await cluster.until("the page at the ingress gateway, with version 3 of reviews", async () => {
      const text = await (await fetch(url, { headers: { connection: "close" } })).text();
      const isWhole = text.includes("Simple Bookstore App") && text.includes('<font color="red">');
      return isWhole || undefined;
    });
    const istiod = await cluster.must(["get", "pod", "-l", "app=istiod", ...SYSTEM]);
    assert.match(istiod, / Running +0 /, "the control plane was never restarted");
  });

  test("the end: addons, installation, label and namespace gone, nothing is left", async () => {
    await cluster.must(["delete", "-f", join(samples, "addons")], { timeoutMs: TIMEOUT_MS });
    assert.match(await lateen("x uninstall -y --purge"), /✔ Uninstall complete\n$/);
    await cluster.must(["label", "namespace", "default", "istio-injection-"]);
    await cluster.must(["delete", "namespace", "istio-system"], { timeoutMs: TIMEOUT_MS });
    await cluster.must(["delete", "deployment", "demoapp"]);
    await bare?.untilBare();
  });
});

/** What tutorials ask of the samples from within, by way of sleep. */
async function inTheMesh(namespace: KubeNamespace): Promise<void> {
  const ask = (...args: readonly string[]): Promise<string> =>
    namespace.curl("deploy/sleep", ...args);
  assert.match(await ask("httpbin:8000/headers"), /"X-Forwarded-Client-Cert":\["By=spiffe:/);
  assert.equal(
    await ask("-o", "/dev/null", "-w", "%{http_code}", "httpbin:8000/status/204"),
    "204",
  );
  assert.match(
    await ask("helloworld:5000/hello"),
    /^Hello version: v[12], instance: helloworld-v[12]-\S+\n$/,
  );
  assert.match(await ask("productpage:9080/productpage"), /<title>Simple Bookstore App<\/title>/);
  const script = "(echo world; sleep 1) | nc tcp-echo 9000";
  await namespace.until("tcp-echo answers within the second", async () => {
    const echoed = await namespace.exec("deploy/sleep", ["sh", "-c", script]);
    assert.equal(echoed.stdout, "hello world\n");
    return true;
  });
}
