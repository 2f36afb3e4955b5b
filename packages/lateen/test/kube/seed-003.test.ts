/**
 * Seed 003 from installation to removal on a real cluster: its commands in its order, `lateen` in place of
 * istioctl, in the layout of Istio 1.14 (`--compat 1.14`), which the seed shows. What it printed stands here
 * as it printed it and is compared whole, but for names by chance, addresses and ages (support/alike.ts).
 * What differs beyond that, and why:
 *
 * | output | difference | reason |
 * |---|---|---|
 * | version, ps | 0.1.0 for 1.14.3 | Lateen's own |
 * | version | 6 proxies for 8 | there were two more than the seed's commands make |
 * | profile dump | 4 KB other settings | those that Istio's charts have today |
 * | apply -f istio-demo.yaml | closes with "Thank you for installing Lateen" | the seed leaves out what it printed |
 * | get po, addons | grafana and kiali are compared when they run | the seed's were being pulled |
 * | addons, demoapp, sleep | images are stand-ins | the bed pulls none |
 * | get crd, api-resources | 15 kinds, their newest versions | the seed shows pictures, of fewer |
 * | apply sleep.yaml | created for unchanged | the seed had applied it before |
 * | get po,svc | pod/NAME for NAME | kubectl's own; the seed's was edited |
 * | ps before the first Gateway | RDS of the ingress gateway NOT SENT | nothing asks for routes until then; the table of the seed is from when it had a Gateway, and is compared then |
 * | get dr | HOST demoappv10 for demoapp | what the seed's own file says |
 * | get svc kiali | an age | the seed's is cut off |
 * | pc without --compat | ADDRESSES, VHOST NAME; listener 15020 with routes agent_status | istioctl's columns of today; Envoy answers there itself, for istioctl's an agent did |
 * | exec -it, edit, /etc/hosts, a browser | a script, sed, curl --resolve | nobody is at the terminal |
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { alike } from "../support/alike.ts";
import { BareCluster } from "../support/bare-cluster.ts";
import { type KubeCluster, needsKubernetes } from "../support/kube-cluster.ts";
import {
  PROFILES,
  podOf,
  rows,
  lateen as runWords,
  TICKS,
  untilRunning,
} from "../support/lateen-on-kube.ts";
import {
  CLUSTERS,
  GATEWAY_LISTENERS,
  GATEWAY_LISTENERS_AT_FIRST,
  GATEWAY_ROUTES,
  GATEWAY_ROUTES_WITHOUT_VIRTUAL_SERVICE,
  PS,
  SLEEP_LISTENERS,
  SLEEP_ROUTES,
  seedFile,
} from "../support/seed-003.ts";

const skip = needsKubernetes();
const TIMEOUT_MS = 300_000;
const PS_BEFORE_A_GATEWAY = PS.replace(
  /(istio-ingress.*)SYNCED {7}NOT SENT/,
  "$1NOT SENT     NOT SENT",
);
const SYSTEM = ["-n", "istio-system"];
const samples = join(import.meta.dirname, "../../../../samples");
const addons = join(samples, "addons");
const sleepFile = join(samples, "sleep/sleep.yaml");

describe("seed 003 on Kubernetes", { skip, timeout: 900_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "lateen-seed-"));
  let bare: BareCluster | undefined;
  let cluster: KubeCluster;
  let [sleep, ingress] = ["", ""];
  after(() => {
    rmSync(folder, { recursive: true, force: true });
    return bare?.restore();
  });

  const lateen = (words: string): Promise<string> => runWords(cluster, words);
  const compat = async (words: string): Promise<string[]> =>
    rows(await lateen(`${words} --compat 1.14`));
  const atGateway = (what: string): Promise<string[]> =>
    compat(`pc ${what} -n istio-system ${ingress}`);
  const kubectl = (words: string): Promise<string> => cluster.must(words.split(" "));
  /** A command of kubectl, and what the seed shows below it; with `word`: of lines with this word. */
  const prints = async (words: string, printed: string, word = ""): Promise<void> => {
    const lines = rows(await kubectl(words)).filter(line => line.includes(word));
    assert.deepEqual(alike(lines.join("\n")), alike(printed));
  };
  const apply = (name: string, printed: string): Promise<void> =>
    prints(`apply -f ${seedFile(name)}`, printed);
  const nodePort = (): Promise<string> =>
    cluster.must([
      ...["get", "svc", "istio-ingressgateway", ...SYSTEM],
      ...["-o", 'jsonpath={.spec.ports[?(@.name=="http2")].nodePort}'],
    ]);
  const browse = async (host: string, path = "/"): Promise<string> => {
    const port = await nodePort();
    const resolve = `${host}:${port}:${cluster.plan.address}`;
    const flags = ["-s", "--fail", "--max-time", "5", "--resolve", resolve];
    const answer = await cluster.inNode(["curl", ...flags, `http://${host}:${port}${path}`]);
    if (answer.code !== 0) throw new Error(`curl ${host}${path}: ${answer.code}`);
    return answer.stdout;
  };

  test("2.4.2 version and profiles", async () => {
    bare = await BareCluster.find();
    cluster = bare.cluster;
    assert.equal(await lateen("version"), 'no running Istio pods in "istio-system"\n0.1.0\n');
    assert.equal(await lateen("profile list"), PROFILES);
  });

  test("2.4.3.1 the dumped profile is applied and verified", async () => {
    const file = join(folder, "istio-demo.yaml");
    const dumped = await lateen("profile dump demo");
    assert.match(dumped, /^apiVersion: install\.istio\.io\/v1alpha1\nkind: IstioOperator\n/);
    writeFileSync(file, dumped);
    assert.equal(await lateen(`apply -f ${file} -y`), TICKS);
    await prints(
      "get po -n istio-system",
      `
NAME                                    READY   STATUS    RESTARTS   AGE
istio-egressgateway-55748d4c9b-q5pqk    1/1     Running   0          49s
istio-ingressgateway-66867b46f4-rzjqb   1/1     Running   0          49s
istiod-744dc8cf66-ldqt7                 1/1     Running   0          57s`,
    );
    const verified = rows(await lateen(`verify-install -f ${file}`));
    assert.equal(verified.at(-1), "✔ Istio is installed and verified successfully");
    ingress = await podOf(cluster, "istio-ingressgateway", ...SYSTEM);
  });

  test("2.4.3.2 the namespace is labelled", async () => {
    await prints("label namespace default istio-injection=enabled", "namespace/default labeled");
    await prints(
      "get ns default --show-labels",
      `
NAME      STATUS   AGE   LABELS
default   Active   68d   istio-injection=enabled,kubernetes.io/metadata.name=default`,
    );
  });

  test("2.4.4 addons", async () => {
    const names = "extras  grafana.yaml  jaeger.yaml  kiali.yaml  prometheus.yaml  README.md";
    assert.deepEqual(readdirSync(addons).sort(), names.split("  ").sort());
    await kubectl(`apply -f ${addons}`);
    const ready = (pod: string): string => (pod.startsWith("prometheus-") ? "2/2" : "1/1");
    await untilRunning(cluster, "istio-system", 7, ready);
    await prints(
      "get po -n istio-system",
      `
NAME                                    READY   STATUS              RESTARTS   AGE
grafana-6794b7cd4d-hwrqv                0/1     ContainerCreating   0          15s
istio-egressgateway-55748d4c9b-q5pqk    1/1     Running             0          15m
istio-ingressgateway-66867b46f4-rzjqb   1/1     Running             0          15m
istiod-744dc8cf66-ldqt7                 1/1     Running             0          15m
jaeger-7bb75985cf-ptwff                 1/1     Running             0          15s
kiali-577d898bfd-76x8d                  0/1     ContainerCreating   0          15s
prometheus-55f7f779f8-v7th8             2/2     Running             0          14s`.replaceAll(
        "0/1     ContainerCreating",
        "1/1     Running          ",
      ),
    );
  });

  test("2.4.5 CRDs; 2.4.6 the resources of networking.istio.io", async () => {
    const crds = rows(await kubectl("get crd")).filter(line => line.includes("istio"));
    assert.equal(crds.length, 15);
    await prints(
      "api-resources --api-group=networking.istio.io",
      `
NAME               SHORTNAMES   APIVERSION                     NAMESPACED   KIND
destinationrules   dr           networking.istio.io/v1         true         DestinationRule
envoyfilters                    networking.istio.io/v1alpha3   true         EnvoyFilter
gateways           gw           networking.istio.io/v1         true         Gateway
proxyconfigs                    networking.istio.io/v1beta1    true         ProxyConfig
serviceentries     se           networking.istio.io/v1         true         ServiceEntry
sidecars                        networking.istio.io/v1         true         Sidecar
virtualservices    vs           networking.istio.io/v1         true         VirtualService
workloadentries    we           networking.istio.io/v1         true         WorkloadEntry
workloadgroups     wg           networking.istio.io/v1         true         WorkloadGroup`,
    );
  });

  test("3.3.1 the ingress gateway's Service, edited to NodePort", async () => {
    const shown = "get svc -n istio-system istio-ingressgateway";
    const service = `
NAME                   TYPE           CLUSTER-IP       EXTERNAL-IP   PORT(S)                                                                      AGE
istio-ingressgateway   LoadBalancer   10.100.125.148   <pending>     15021:31412/TCP,80:31697/TCP,443:32672/TCP,31400:31337/TCP,15443:31272/TCP   22h`;
    await prints(shown, service);
    const edited = await cluster.must(["edit", "svc", "istio-ingressgateway", ...SYSTEM], {
      env: { KUBE_EDITOR: "sed -i 's/type: LoadBalancer/type: NodePort/'" },
    });
    assert.equal(edited, "service/istio-ingressgateway edited\n");
    await prints(shown, service.replace("LoadBalancer", "NodePort").replace("pending", "none"));
  });

  test("3.3.2 pods are 2/2 and answer by the Service's name", async () => {
    await apply(
      "deploy-demoapp01.yaml",
      "deployment.apps/demoappv10 created\nservice/demoappv10 created",
    );
    await untilRunning(cluster, "default", 3, () => "2/2");
    await prints(
      "get po,svc",
      `
NAME                              READY   STATUS    RESTARTS   AGE
pod/demoappv10-54757f48d6-77g4l   2/2     Running   0          2m22s
pod/demoappv10-54757f48d6-fcv4b   2/2     Running   0          2m22s
pod/demoappv10-54757f48d6-n2hzh   2/2     Running   0          2m22s

NAME                 TYPE        CLUSTER-IP      EXTERNAL-IP   PORT(S)    AGE
service/demoappv10   ClusterIP   10.100.77.133   <none>        8080/TCP   3m31s
service/kubernetes   ClusterIP   10.100.0.1      <none>        443/TCP    69d`,
    );
    await prints(
      `apply -f ${sleepFile}`,
      "serviceaccount/sleep created\nservice/sleep created\ndeployment.apps/sleep created",
    );
    await untilRunning(cluster, "default", 4, () => "2/2");
    await prints(
      "get po,svc",
      `
pod/sleep-645b966fc4-qjgns        2/2     Running   0          17s
service/sleep        ClusterIP   10.200.214.100   <none>        80/TCP     17s`,
      "sleep",
    );
    sleep = await podOf(cluster, "sleep");
  });

  test("3.3.2.4 thirty calls reach all three replicas", async () => {
    const shell = ["exec", "-i", sleep, "--", "/bin/sh"];
    const input = "for i in $(seq 30); do curl -s demoappv10:8080; done\n";
    const line =
      "iKubernetes demoapp v1.0 !! ClientIP: 127.0.0.6, ServerName: demoappv10-54757f48d6-fcv4b, ServerIP: 10.200.135.152!";
    // A Service has a pod a moment after the pod is ready.
    await cluster.until("all three replicas answer", async () => {
      const answers = rows(await cluster.must(shell, { input }));
      assert.deepEqual(alike(answers.join("\n")), Array(30).fill(alike(line)[0]));
      assert.equal(new Set(answers).size, 3);
      return true;
    });
  });

  test("3.3.3.1 version and ps", async () => {
    assert.equal(
      await lateen("version"),
      "client version: 0.1.0\ncontrol plane version: 0.1.0\ndata plane version: 0.1.0 (6 proxies)\n",
    );
    assert.deepEqual(alike(await lateen("ps --compat 1.14")), alike(PS_BEFORE_A_GATEWAY));
  });

  test("3.3.3.2 pc listeners, routes, clusters, endpoints of sleep", async () => {
    assert.deepEqual(await compat(`pc listeners --port 8080 ${sleep}`), SLEEP_LISTENERS);
    assert.deepEqual(await compat(`pc routes ${sleep} --name 8080`), SLEEP_ROUTES);
    const [route] = JSON.parse(await lateen(`pc routes ${sleep} --name 8080 -o json`));
    assert.equal(route.name, "8080");
    assert.deepEqual(await compat(`pc clusters ${sleep} --port 8080`), CLUSTERS);
    await prints(
      "get ep",
      "demoappv10   10.200.135.152:8080,10.200.58.214:8080,10.200.85.218:8080   46h",
      "demoapp",
    );
    const endpoints = `
ENDPOINT                STATUS      OUTLIER CHECK     CLUSTER
10.200.135.147:8080     HEALTHY     OK                outbound|80||istio-egressgateway.istio-system.svc.cluster.local
10.200.135.148:8080     HEALTHY     OK                outbound|80||istio-ingressgateway.istio-system.svc.cluster.local
10.200.135.152:8080     HEALTHY     OK                outbound|8080||demoappv10.default.svc.cluster.local
10.200.58.214:8080      HEALTHY     OK                outbound|8080||demoappv10.default.svc.cluster.local
10.200.85.218:8080      HEALTHY     OK                outbound|8080||demoappv10.default.svc.cluster.local`;
    const shown = await compat(`pc endpoints ${sleep} --port 8080`);
    // They are in the order of addresses.
    assert.deepEqual(alike(shown.join("\n")).sort(), alike(endpoints).sort());
  });

  test("3.3.3 before a Gateway the ingress gateway has the cluster, and no listener", async () => {
    assert.deepEqual(await atGateway("clusters --port 8080"), CLUSTERS);
    assert.deepEqual(await atGateway("listeners"), GATEWAY_LISTENERS_AT_FIRST);
  });

  test("3.3.3.2 a Gateway alone answers 404 as istio-envoy", async () => {
    await apply("gateway-demoapp.yaml", "gateway.networking.istio.io/demoapp-gateway created");
    await prints("get gw -n istio-system", "NAME              AGE\ndemoapp-gateway   88s");
    const ask = ["curl", "-sI", `http://${cluster.plan.address}:${await nodePort()}`];
    await cluster.until("404", async () => {
      assert.deepEqual(
        alike((await cluster.inNode(ask)).stdout),
        alike(`
HTTP/1.1 404 Not Found
date: Wed, 01 Nov 2023 08:23:46 GMT
server: istio-envoy
transfer-encoding: chunked`),
      );
      return true;
    });
    assert.deepEqual(await atGateway("listeners"), GATEWAY_LISTENERS);
    assert.deepEqual(await atGateway("routes"), GATEWAY_ROUTES_WITHOUT_VIRTUAL_SERVICE);
    assert.deepEqual(alike(await lateen("ps --compat 1.14")), alike(PS));
  });

  test("3.3.3.5 with a VirtualService the host is routed", async () => {
    await apply(
      "virtualservice-demoapp.yaml",
      "virtualservice.networking.istio.io/demoapp created",
    );
    await prints(
      "get vs",
      `
NAME      GATEWAYS                           HOSTS                    AGE
demoapp   ["istio-system/demoapp-gateway"]   ["demoapp.magedu.com"]   3s`,
    );
    const page = await cluster.until("it answers", () => browse("demoapp.magedu.com"));
    assert.match(page, /^iKubernetes demoapp v1\.0 !!/);
    assert.deepEqual(await atGateway("routes"), GATEWAY_ROUTES);
  });

  test("3.3.5 a DestinationRule is at its cluster", async () => {
    await apply(
      "destinationrule-demoapp.yaml",
      "destinationrule.networking.istio.io/demoapp created",
    );
    await prints("get dr", "NAME      HOST         AGE\ndemoapp   demoappv10   12s");
    await cluster.until("the rule is at the cluster", async () => {
      const table = await compat(`pc clusters ${sleep} --port 8080`);
      assert.match(table[1] ?? "", / outbound +EDS +demoapp\.default$/);
      return true;
    });
  });

  test("3.3.6 Kiali, which has no sidecar, through the same port", async () => {
    await prints(
      "get po,svc -n istio-system",
      `
pod/kiali-577d898bfd-pp2pg                  1/1     Running   0             2d19h
service/kiali                  ClusterIP   10.200.82.11     <none>        20001/TCP,9090/TCP   2d19h`,
      "kiali",
    );
    await apply(
      "kiali",
      `
destinationrule.networking.istio.io/kiali created
gateway.networking.istio.io/kiali-gateway created
virtualservice.networking.istio.io/kiali-virtualservice created`,
    );
    await prints(
      "get gw,vs,dr -A",
      `
istio-system   gateway.networking.istio.io/kiali-gateway     24s
istio-system   virtualservice.networking.istio.io/kiali-virtualservice   ["kiali-gateway"]                  ["kiali.magedu.com"]     24s
istio-system   destinationrule.networking.istio.io/kiali     kiali        24s`,
      "kiali",
    );
    const page = await cluster.until("Kiali", () => browse("kiali.magedu.com", "/kiali"));
    assert.match(page, /<title>Kiali<\/title>/);
    assert.deepEqual(await atGateway("listener"), GATEWAY_LISTENERS);
  });

  test("3.3.7 Grafana, and all that was made", async () => {
    await apply(
      "grafana",
      `
destinationrule.networking.istio.io/grafana created
gateway.networking.istio.io/grafana-gateway created
virtualservice.networking.istio.io/grafana-virtualservice created`,
    );
    const page = await cluster.until("Grafana", () => browse("grafana.magedu.com"));
    assert.match(page, /<title>Grafana<\/title>/);
    assert.match(await browse("demoapp.magedu.com"), /^iKubernetes demoapp v1\.0 !!/);
  });

  test("without --compat nothing of Envoy's is left out", async () => {
    assert.deepEqual(rows(await lateen(`pc listeners -n istio-system ${ingress}`)), [
      "ADDRESSES PORT  MATCH DESTINATION",
      "0.0.0.0   8080  ALL   Route: http.8080",
      "0.0.0.0   15020 ALL   Inline Route: /quitquitquit, /healthz/ready*, /stats/prometheus*",
      "0.0.0.0   15021 ALL   Inline Route: /healthz/ready*",
      "0.0.0.0   15090 ALL   Inline Route: /stats/prometheus*",
    ]);
    assert.deepEqual(rows(await lateen(`pc routes -n istio-system ${ingress}`)), [
      "NAME             VHOST NAME                DOMAINS                MATCH                  VIRTUAL SERVICE",
      "http.8080        demoapp.magedu.com:80     demoapp.magedu.com     /*                     demoapp.default",
      "http.8080        grafana.magedu.com:80     grafana.magedu.com     /*                     grafana-virtualservice.istio-system",
      "http.8080        kiali.magedu.com:80       kiali.magedu.com       /*                     kiali-virtualservice.istio-system",
      "agent_status     backend                   *                      /quitquitquit",
      "agent_status     backend                   *                      /healthz/ready*",
      "agent_status     backend                   *                      /stats/prometheus*",
      "                 backend                   *                      /healthz/ready*",
      "                 backend                   *                      /stats/prometheus*",
    ]);
  });

  test("the control plane may do what it does", async () => {
    const log = await cluster.must(["logs", ...SYSTEM, "deploy/istiod"]);
    // Not "cannot watch": an API server says 429 while it takes up CRDs that are seconds old.
    assert.doesNotMatch(log, /forbidden|code=40[13]/i);
  });

  test("2.5 the end: what was made, the installation, the label and the namespace are gone", async () => {
    await kubectl(`delete -f ${seedFile("deploy-demoapp01.yaml")} -f ${sleepFile} --wait=false`);
    await cluster.must(["delete", "-f", addons], { timeoutMs: TIMEOUT_MS });
    assert.match(await lateen("x uninstall -y --purge"), /✔ Uninstall complete\n$/);
    await kubectl("label namespace default istio-injection-");
    await cluster.must(["delete", "namespace", "istio-system"], { timeoutMs: TIMEOUT_MS });
    await bare?.untilBare();
    assert.equal(await lateen("version"), 'no running Istio pods in "istio-system"\n0.1.0\n');
  });
});
