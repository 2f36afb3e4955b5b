/**
 * Seed 003 from installation to removal on a real cluster: its kubectl commands as they are, `lateen`
 * in place of istioctl. Outputs are compared in the layout of Istio 1.14, which the seed shows.
 *
 * Differences from the seed: `pc listeners` of a gateway also shows 15020, which is Envoy's own here
 * and was an agent's there; the egress and ingress gateways' RDS is NOT SENT until they have a route.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type KubeCluster, needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";
import { objectsNamed, podOf, rows, lateen as runWords } from "../support/lateen-on-kube.ts";

const skip = needsKubernetes();
const TIMEOUT_MS = 300_000;
const SYSTEM = ["-n", "istio-system"];

const DEMOAPP = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: demoappv10, labels: {app: demoappv10, version: v1.0}}
spec:
  replicas: 3
  selector: {matchLabels: {app: demoapp, version: v1.0}}
  template:
    metadata: {labels: {app: demoapp, version: v1.0}}
    spec:
      containers:
      - name: demoapp
        image: ikubernetes/demoapp:v1.0
        imagePullPolicy: IfNotPresent
        env: [{name: PORT, value: "8080"}]
        ports: [{containerPort: 8080, name: web}]
---
apiVersion: v1
kind: Service
metadata: {name: demoappv10}
spec:
  selector: {app: demoapp, version: v1.0}
  ports: [{name: http, port: 8080, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: sleep}
spec:
  selector: {matchLabels: {app: sleep}}
  template:
    metadata: {labels: {app: sleep}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: sleep, image: "curlimages/curl:8.16.0", command: [sleep, infinity]}
`;

const GATEWAY = `
apiVersion: networking.istio.io/v1beta1
kind: Gateway
metadata: {name: demoapp-gateway, namespace: istio-system}
spec:
  selector: {app: istio-ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["demoapp.magedu.com"]
`;

const VIRTUAL_SERVICE = `
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: demoapp}
spec:
  hosts: ["demoapp.magedu.com"]
  gateways: [istio-system/demoapp-gateway]
  http:
  - name: default
    route:
    - destination: {host: demoappv10}
`;

const DESTINATION_RULE = `
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: {name: demoapp}
spec:
  host: demoappv10
  trafficPolicy:
    loadBalancer: {simple: LEAST_CONN}
`;

describe("seed 003 on Kubernetes", { skip, timeout: 900_000 }, () => {
  let cluster: KubeCluster;
  let [sleep, ingress, demoapp] = ["", "", ""];

  const lateen = (words: string): Promise<string> => runWords(cluster, words);
  const compat = (words: string): Promise<string> => lateen(`${words} --compat 1.14`);
  const via = async (host: string): Promise<string> => {
    const where = [...SYSTEM, "get", "svc", "istio-ingressgateway", "-o"];
    const port = await cluster.must([
      ...where,
      'jsonpath={.spec.ports[?(@.name=="http2")].nodePort}',
    ]);
    const url = `http://${cluster.plan.address}:${port}`;
    const answer = await cluster.inNode([
      "curl",
      "-si",
      "--max-time",
      "5",
      "-H",
      `Host: ${host}`,
      url,
    ]);
    return answer.stdout;
  };

  test("2.4 version, profiles, installation, verification", async () => {
    cluster = await ownKubeCluster({ suffix: "-seed3" });
    assert.equal(await lateen("version"), 'no running Istio pods in "istio-system"\n0.1.0\n');
    assert.match(await lateen("profile list"), /^Istio configuration profiles:\n {4}default\n/);
    const installed = await lateen("install --set profile=demo -y");
    assert.match(installed, /^✔ Istio core installed\n✔ Istiod installed\n/);
    assert.match(
      await lateen("verify-install"),
      /✔ Istio is installed and verified successfully\n$/,
    );
    const pods = rows(await cluster.must(["get", "po", ...SYSTEM]));
    assert.equal(pods.length, 4);
    for (const row of pods.slice(1)) assert.match(row, / 1\/1 +Running /);
    ingress = await podOf(cluster, "istio-ingressgateway", ...SYSTEM);
  });

  test("2.4.3 the namespace is labelled", async () => {
    const labelled = await cluster.must([
      "label",
      "namespace",
      "default",
      "istio-injection=enabled",
    ]);
    assert.equal(labelled, "namespace/default labeled\n");
    const shown = await cluster.must(["get", "ns", "default", "--show-labels"]);
    assert.match(shown, /istio-injection=enabled,kubernetes\.io\/metadata\.name=default/);
  });

  test("2.4.5 CRDs and the resources of networking.istio.io", async () => {
    const crds = rows(await cluster.must(["get", "crd", "-o", "name"]));
    assert.equal(crds.filter(name => name.includes("istio")).length, 15);
    const list = ["api-resources", "--api-group=networking.istio.io", "--no-headers"];
    const resources = await cluster.must(list);
    assert.match(resources, /^gateways +gw +networking\.istio\.io\/v1 +true +Gateway$/m);
    assert.match(
      resources,
      /^virtualservices +vs +networking\.istio\.io\/v1 +true +VirtualService$/m,
    );
  });

  test("3.3.2 pods are 2/2 and answer by the Service's name", async () => {
    await cluster.apply(DEMOAPP);
    await cluster.until("four pods are 2/2", async () => {
      const lines = rows(await cluster.must(["get", "po", "--no-headers"]));
      return lines.filter(line => / 2\/2 +Running /.test(line)).length === 4 ? true : undefined;
    });
    sleep = await podOf(cluster, "sleep");
    demoapp = await podOf(cluster, "demoapp");
    const script = "for i in $(seq 30); do curl -s demoappv10:8080; done";
    // A Service has a pod a moment after the pod is ready.
    await cluster.until("all three replicas answer", async () => {
      const text = await cluster.must(["exec", sleep, "-c", "sleep", "--", "sh", "-c", script]);
      const answers = rows(text);
      assert.equal(answers.length, 30);
      for (const line of answers)
        assert.match(line, /^iKubernetes demoapp v1\.0 !! ClientIP: 127\.0\.0\.6, ServerName: /);
      assert.equal(new Set(answers).size, 3);
      return true;
    });
  });

  test("3.3.3.1 version and ps", async () => {
    const version = await lateen("version");
    assert.match(
      version,
      /^client version: 0\.1\.0\ncontrol plane version: 0\.1\.0\ndata plane version: 0\.1\.0 \(6 proxies\)\n$/,
    );
    const [header, ...lines] = rows(await compat("ps"));
    assert.match(header ?? "", /^NAME +CLUSTER +CDS +LDS +EDS +RDS +ECDS +ISTIOD +VERSION$/);
    assert.equal(lines.length, 6);
    for (const line of lines)
      assert.match(
        line,
        /^\S+ +Kubernetes( +SYNCED){3} +(SYNCED|NOT SENT) +NOT SENT +istiod-\S+ +\S+$/,
      );
  });

  test("3.3.3.2 pc listeners, routes, clusters, endpoints of sleep", async () => {
    assert.deepEqual(rows(await compat(`pc listeners --port 8080 ${sleep}`)), [
      "ADDRESS PORT MATCH                                DESTINATION",
      "0.0.0.0 8080 Trans: raw_buffer; App: http/1.1,h2c Route: 8080",
      "0.0.0.0 8080 ALL                                  PassthroughCluster",
    ]);
    assert.deepEqual(rows(await compat(`pc routes ${sleep} --name 8080`)), [
      "NAME     DOMAINS                                        MATCH     VIRTUAL SERVICE",
      "8080     demoappv10, demoappv10.default + 1 more...     /*",
    ]);
    assert.deepEqual(rows(await compat(`pc clusters ${sleep} --port 8080`)), [
      "SERVICE FQDN                             PORT     SUBSET     DIRECTION     TYPE     DESTINATION RULE",
      "demoappv10.default.svc.cluster.local     8080     -          outbound      EDS",
    ]);
    const endpoints = rows(await compat(`pc endpoints ${sleep} --port 8080`));
    assert.match(endpoints[0] ?? "", /^ENDPOINT +STATUS +OUTLIER CHECK +CLUSTER$/);
    const of = (name: string): number =>
      endpoints.filter(line => line.endsWith(`||${name}.svc.cluster.local`)).length;
    assert.deepEqual(
      [
        "demoappv10.default",
        "istio-egressgateway.istio-system",
        "istio-ingressgateway.istio-system",
      ].map(of),
      [3, 1, 1],
    );
    const admin = [
      "exec",
      demoapp,
      "-c",
      "demoapp",
      "--",
      "curl",
      "-s",
      "localhost:15000/listeners",
    ];
    const listeners = await cluster.must(admin);
    assert.match(listeners, /^virtualOutbound::0\.0\.0\.0:15001$/m);
    assert.match(listeners, /^virtualInbound::0\.0\.0\.0:15006$/m);
  });

  test("3.3.3 a Gateway, then a VirtualService, at the ingress gateway", async () => {
    assert.equal(
      await cluster.apply(GATEWAY),
      "gateway.networking.istio.io/demoapp-gateway created\n",
    );
    assert.match(
      await cluster.must(["get", "gw", ...SYSTEM]),
      /^NAME +AGE\ndemoapp-gateway +[\dms]+\n$/,
    );
    await cluster.until("404 as istio-envoy", async () => {
      const text = await via("demoapp.magedu.com");
      return (
        /^HTTP\/1\.1 404 Not Found\r\n(.*\r\n)*server: istio-envoy\r\n/.test(text) || undefined
      );
    });
    const listeners = rows(await compat(`pc listeners -n istio-system ${ingress}`));
    assert.equal(listeners[1], "0.0.0.0 8080  ALL   Route: http.8080");
    assert.equal(
      await cluster.apply(VIRTUAL_SERVICE),
      "virtualservice.networking.istio.io/demoapp created\n",
    );
    assert.match(
      await cluster.must(["get", "vs"]),
      /^NAME +GATEWAYS +HOSTS +AGE\ndemoapp +\["istio-system\/demoapp-gateway"\] +\["demoapp\.magedu\.com"\] +[\dms]+\n$/,
    );
    await cluster.until("200", async () => {
      const text = await via("demoapp.magedu.com");
      return /^HTTP\/1\.1 200 OK\r\n.*iKubernetes demoapp v1\.0 !!/s.test(text) || undefined;
    });
    assert.deepEqual(rows(await compat(`pc routes -n istio-system ${ingress} --name http.8080`)), [
      "NAME          DOMAINS                MATCH     VIRTUAL SERVICE",
      "http.8080     demoapp.magedu.com     /*        demoapp.default",
    ]);
  });

  test("3.3.5 a DestinationRule, and all three kinds by their short names", async () => {
    assert.equal(
      await cluster.apply(DESTINATION_RULE),
      "destinationrule.networking.istio.io/demoapp created\n",
    );
    assert.match(
      await cluster.must(["get", "dr"]),
      /^NAME +HOST +AGE\ndemoapp +demoappv10 +[\dms]+\n$/,
    );
    await cluster.until("the rule is at the cluster", async () => {
      const table = await compat(`pc clusters ${sleep} --port 8080`);
      return /outbound +EDS +demoapp\.default/.test(table) || undefined;
    });
    const all = await cluster.must(["get", "gw,vs,dr", "-A"]);
    assert.match(all, /^istio-system +gateway\.networking\.istio\.io\/demoapp-gateway +[\dms]+$/m);
    assert.match(
      all,
      /^default +destinationrule\.networking\.istio\.io\/demoapp +demoappv10 +[\dms]+$/m,
    );
  });

  test("the control plane may do what it does", async () => {
    const log = await cluster.must(["logs", ...SYSTEM, "deploy/istiod"]);
    // Not "cannot watch": an API server says 429 while it takes up CRDs that are seconds old.
    assert.doesNotMatch(log, /forbidden|code=40[13]/i);
  });

  test("the end: uninstalled, the label and the namespace gone, nothing is left", async () => {
    assert.match(await lateen("x uninstall -y --purge"), /✔ Uninstall complete\n$/);
    await cluster.must(["label", "namespace", "default", "istio-injection-"]);
    await cluster.must(["delete", "namespace", "istio-system"], { timeoutMs: TIMEOUT_MS });
    assert.deepEqual(await objectsNamed(cluster, /istio/), []);
    assert.equal(await lateen("version"), 'no running Istio pods in "istio-system"\n0.1.0\n');
  });
});
