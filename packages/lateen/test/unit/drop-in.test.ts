/** What tools around Istio look for, each looked up in its source; see docs/integrations.md. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse, parseAllDocuments, stringify } from "yaml";
import type { JsonObject } from "../../src/api/kind.ts";
import { TODAY } from "../../src/bin/install-input.ts";
import { renderParts } from "../../src/bin/install-parts.ts";
import { kubeInjectCommand } from "../../src/bin/kube-inject-command.ts";
import { resourcesOf } from "../../src/bin/proxy-resources.ts";
import { describeProxy } from "../../src/bin/proxy-row.ts";
import { ControlPlaneMetrics } from "../../src/debug/metrics.ts";
import { nameOf } from "../../src/install/objects.ts";
import { resolveInstallation } from "../../src/install/operator.ts";
import { render } from "../../src/install/render.ts";
import { MESH_KEY } from "../../src/model/inputs.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { MESH } from "../support/mesh-objects.ts";
import { podTargets } from "../support/prometheus-targets.ts";
import { runCommand } from "../support/run-command.ts";
import { core, istio, YamlMesh } from "../support/yaml-mesh.ts";

function installed(revision?: string): (kind: string, name: string) => JsonObject {
  const named = revision === undefined ? {} : { revision };
  const resolved = resolveInstallation({ operators: [], sets: [], version: "1.2.3", ...named });
  assert.ok(resolved.ok);
  const makeDefault = revision === undefined;
  const result = render(resolved.value, renderParts("1.2.3", TODAY), { makeDefault });
  assert.ok(result.ok);
  return (kind, name) => {
    const found = result.value.find(({ object }) => {
      const own = nameOf(object);
      return own.kind === kind && own.name === name;
    });
    assert.ok(found, `${kind} ${name}`);
    return found.object;
  };
}

function labelsOf(object: JsonObject): JsonObject {
  return objectAt(objectAt(object, "metadata"), "labels");
}

describe("Kiali", () => {
  for (const revision of [undefined, "canary"])
    test(`finds the control plane of revision ${revision ?? "default"}`, () => {
      const find = installed(revision);
      const suffix = revision === undefined ? "" : `-${revision}`;
      const deployment = find("Deployment", `istiod${suffix}`);
      const service = find("Service", `istiod${suffix}`);
      for (const object of [deployment, service]) {
        assert.equal(labelsOf(object)["app"], "istiod");
        assert.equal(labelsOf(object)["istio.io/rev"], revision ?? "default");
      }
      const ports = arrayAt(objectAt(service, "spec"), "ports").filter(isObject);
      assert.equal(ports.find(each => each["name"] === "http-monitoring")?.["port"], 15014);
      const template = objectAt(objectAt(deployment, "spec"), "template");
      assert.equal(labelsOf(template)["app"], "istiod");
      assert.equal(labelsOf(template)["istio.io/rev"], revision ?? "default");
      const [container] = arrayAt(objectAt(template, "spec"), "containers").filter(isObject);
      assert.ok(container !== undefined);
      const env = arrayAt(container, "env").filter(isObject);
      assert.equal(env.find(each => each["name"] === "CLUSTER_ID")?.["value"], "Kubernetes");
      const mesh = objectAt(find("ConfigMap", `istio${suffix}`), "data");
      assert.deepEqual(Object.keys(mesh).sort(), ["mesh", "meshNetworks"]);
      const injector = objectAt(find("ConfigMap", `istio-sidecar-injector${suffix}`), "data");
      assert.deepEqual(Object.keys(injector).sort(), ["config", "values"]);
    });

  test("finds gateways by their labels", () => {
    const gateway = installed()("Deployment", "istio-ingressgateway");
    const { app, istio: type } = labelsOf(gateway);
    assert.deepEqual([app, type], ["istio-ingressgateway", "ingressgateway"]);
  });
});

test("webhooks have the names that Istio's tools look for", () => {
  const find = installed();
  find("MutatingWebhookConfiguration", "istio-sidecar-injector");
  find("ValidatingWebhookConfiguration", "istio-validator-istio-system");
  find("ValidatingWebhookConfiguration", "istiod-default-validator");
  installed("canary")("MutatingWebhookConfiguration", "istio-sidecar-injector-canary");
});

/** Istio's dashboards for its control plane, of 1.12 to 1.27, without those of Go's runtime. */
const DASHBOARD = [
  ...["galley_validation_failed", "galley_validation_passed", "istio_build"],
  ...["pilot_k8s_cfg_events", "pilot_k8s_reg_events", "pilot_proxy_convergence_time"],
  ...["pilot_push_triggers", "pilot_services", "pilot_total_xds_internal_errors"],
  ...["pilot_total_xds_rejects", "pilot_virt_services", "pilot_xds"],
  ...["pilot_xds_config_size_bytes", "pilot_xds_pushes", "process_cpu_seconds_total"],
  ...["process_resident_memory_bytes", "process_virtual_memory_bytes"],
  ...["sidecar_injection_failure_total", "sidecar_injection_success_total"],
];

test("Grafana's dashboard of the control plane has its metrics", async () => {
  const none = (): number => 0;
  const metrics = new ControlPlaneMetrics("1.2.3", {
    ...{ connected: none, services: none, virtualServices: none, endpoints: none },
    ...{ revision: none, now: none },
  });
  const text = await metrics.render();
  for (const name of DASHBOARD) assert.match(text, new RegExp(`^# TYPE ${name} `, "m"), name);
  assert.match(text, /^istio_build\{component="pilot",tag="1\.2\.3"\} 1$/m);
});

const HASH = "rollouts-pod-template-hash";

function pod(name: string, address: string, hash: string): string {
  const status = `{podIP: ${address}, podIPs: [{ip: ${address}}], phase: Running}`;
  const labels = `labels: {app: demo, ${HASH}: ${hash}}`;
  return `${core("Pod", name, "{containers: [{name: app}]}", labels)}status: ${status}\n`;
}

function slice(...pods: readonly [string, string][]): string {
  const endpoints = pods.map(([name, address]) => {
    const target = `targetRef: {kind: Pod, name: ${name}, namespace: default}`;
    return `{addresses: [${address}], conditions: {ready: true}, ${target}}`;
  });
  return `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: default, name: demo-1, labels: {kubernetes.io/service-name: demo}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [${endpoints.join(", ")}]
`;
}

/** As the Rollout's controller updates it: by name of the route, weights of both destinations. */
function weights(stable: number, canary: number): string {
  const to = (subset: string, weight: number): string =>
    `{destination: {host: demo, subset: ${subset}}, weight: ${weight}}`;
  const route = `[${to("stable", stable)}, ${to("canary", canary)}]`;
  return istio(
    "VirtualService",
    "demo",
    `{hosts: [demo], http: [{name: primary, route: ${route}}]}`,
  );
}

function subsets(stable: string, canary: string): string {
  const subset = (name: string, hash: string): string =>
    `{name: ${name}, labels: {app: demo, ${HASH}: ${hash}}}`;
  const both = `[${subset("stable", stable)}, ${subset("canary", canary)}]`;
  return istio("DestinationRule", "demo", `{host: demo, subsets: ${both}}`);
}

/** What a sidecar is sent: weights by cluster, and addresses of each subset. */
function seen(mesh: YamlMesh): string {
  const row = mesh.mesh.model.proxies.rows.get("sidecar");
  assert.ok(row !== undefined);
  const { rds, eds } = resourcesOf(mesh.mesh, row.class);
  const text = JSON.stringify(rds);
  const found = text.matchAll(/"name":"outbound\|80\|(\w+)\|[^"]*","weight":(\d+)/g);
  const shares = [...found].map(([, subset, weight]) => `${subset}=${weight}`);
  const addresses = eds.flatMap(each => {
    const name = /^outbound\|80\|(\w+)\|/.exec(stringAt(asObject(each), "clusterName"))?.[1];
    const ips = [...JSON.stringify(each).matchAll(/"address":"([\d.]+)"/g)].map(([, ip]) => ip);
    return name === undefined ? [] : [`${name}:${ips.join("+")}`];
  });
  return [...shares, ...addresses].join(" ");
}

function asObject(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value));
}

test("Argo Rollouts and Flagger move weights, and Rollouts the labels of subsets", () => {
  const mesh = new YamlMesh();
  mesh.apply(
    core(
      "Service",
      "demo",
      "{clusterIP: 10.0.0.1, selector: {app: demo}, ports: [{name: http, port: 80}]}",
    ) +
      pod("old", "10.1.0.1", "aaa") +
      pod("new", "10.1.0.2", "bbb") +
      slice(["old", "10.1.0.1"], ["new", "10.1.0.2"]) +
      subsets("aaa", "aaa") +
      weights(100, 0),
  );
  const id = "sidecar~10.0.0.9~client.default~default.svc.cluster.local";
  const node = { id, metadata: { NAMESPACE: "default", LABELS: {} } };
  mesh.mesh.graph.commit({ source: "test" }, writer => {
    writer.set(mesh.mesh.inputs.mesh, MESH_KEY, MESH);
    const proxy = describeProxy(node, { flavour: "upstream", vhds: "none" });
    assert.ok("row" in proxy);
    writer.set(mesh.mesh.inputs.proxies, "sidecar", proxy.row);
  });
  assert.match(seen(mesh), /canary:10\.1\.0\.1 stable:10\.1\.0\.1$/);
  mesh.apply(subsets("aaa", "bbb"));
  mesh.apply(weights(80, 20));
  assert.equal(seen(mesh), "stable=80 canary=20 canary:10.1.0.2 stable:10.1.0.1");
  mesh.apply(weights(0, 100));
  assert.doesNotMatch(seen(mesh), /stable=[1-9]/);
});

/** What the Prometheus Operator makes of a PodMonitor: the same rules, by Prometheus' own names. */
function scrapeConfig(monitor: JsonObject): string {
  const [endpoint] = arrayAt(objectAt(monitor, "spec"), "podMetricsEndpoints").filter(isObject);
  assert.ok(endpoint !== undefined);
  const rules = arrayAt(endpoint, "relabelings")
    .filter(isObject)
    .map(({ sourceLabels, targetLabel, ...rest }) => ({
      ...rest,
      ...(sourceLabels === undefined ? {} : { source_labels: sourceLabels }),
      ...(targetLabel === undefined ? {} : { target_label: targetLabel }),
    }));
  const path = { target_label: "__metrics_path__", replacement: stringAt(endpoint, "path") };
  return stringify({ scrape_configs: [{ job_name: "pods", relabel_configs: [path, ...rules] }] });
}

/** As it would run: `text` is a pod before injection. */
async function injected(text: string, podIP: string): Promise<JsonObject> {
  const folder = mkdtempSync(join(tmpdir(), "lateen-drop-in-"));
  try {
    const [app, operator] = [join(folder, "app.yaml"), join(folder, "operator.yaml")];
    writeFileSync(app, text);
    const spec = { hub: "registry.example", tag: "one" };
    const object = { apiVersion: "install.istio.io/v1alpha1", kind: "IstioOperator", spec };
    writeFileSync(operator, JSON.stringify(object));
    const words = ["-f", app, "--operatorFileName", operator];
    const { code, stdout, stderr } = await runCommand(kubeInjectCommand, words);
    assert.equal(code, 0, stderr);
    return { ...asObject(parse(stdout)), status: { podIP, phase: "Running" } };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the Prometheus Operator's monitors find sidecars, gateways and the control plane", async () => {
  const file = join(
    import.meta.dirname,
    "../../../../samples/addons/extras/prometheus-operator.yaml",
  );
  const monitors = parseAllDocuments(readFileSync(file, "utf8")).map(each => asObject(each.toJS()));
  const [pods, services] = monitors;
  assert.ok(pods !== undefined && services !== undefined);
  const metadata = "metadata: {name: web-1, namespace: shop, labels: {app: web}}";
  const port = "ports: [{containerPort: 8080}]";
  const pod = `apiVersion: v1\nkind: Pod\n${metadata}\nspec: {containers: [{name: web, image: web, ${port}}]}\n`;
  const plain = { ...asObject(parse(pod)), status: { podIP: "10.1.0.9", phase: "Running" } };
  const found = podTargets(scrapeConfig(pods), "pods", [
    await injected(pod, "10.1.0.7"),
    await injected(pod, "fd00::7"),
    plain,
  ]);
  assert.deepEqual(
    found.map(({ url }) => url),
    ["http://10.1.0.7:15020/stats/prometheus", "http://[fd00::7]:15020/stats/prometheus"],
    "once each, however many ports, and not the pod without a sidecar",
  );
  const { namespace, pod: name, app } = found[0]?.labels ?? {};
  assert.deepEqual([namespace, name, app], ["shop", "web-1", "web"]);

  const find = installed();
  const gateway = objectAt(find("Deployment", "istio-ingressgateway"), "spec");
  const template = objectAt(gateway, "template");
  const running = { ...template, status: { podIP: "10.1.0.8", phase: "Running" } };
  assert.deepEqual(
    podTargets(scrapeConfig(pods), "pods", [running]).map(({ url }) => url),
    ["http://10.1.0.8:15020/stats/prometheus"],
  );

  const spec = objectAt(services, "spec");
  const [expression] = arrayAt(objectAt(spec, "selector"), "matchExpressions").filter(isObject);
  assert.deepEqual(expression, { key: "istio", operator: "In", values: ["pilot"] });
  const istiod = find("Service", "istiod");
  assert.equal(labelsOf(istiod)["istio"], "pilot");
  const [endpoint] = arrayAt(spec, "endpoints").filter(isObject);
  const ports = arrayAt(objectAt(istiod, "spec"), "ports").filter(isObject);
  assert.equal(ports.find(each => each["name"] === endpoint?.["port"])?.["port"], 15014);
});

test("external-dns and Knative find the ingress gateway's Service by what Gateways select", () => {
  const service = installed()("Service", "istio-ingressgateway");
  assert.equal(objectAt(service, "metadata")["namespace"], "istio-system");
  const spec = objectAt(service, "spec");
  // external-dns: the Service whose selector has all labels of the Gateway's.
  assert.equal(objectAt(spec, "selector")["istio"], "ingressgateway");
  assert.equal(spec["type"], "LoadBalancer");
  // Knative's prober: ports of the gateway's pods by the names of the Service's.
  const ports = arrayAt(spec, "ports").filter(isObject);
  assert.deepEqual(
    ["http2", "https"].map(name => ports.find(each => each["name"] === name)?.["port"]),
    [80, 443],
  );
  // external-dns reads v1 today, v1beta1 and v1alpha3 before; Knative v1beta1.
  for (const plural of ["gateways", "virtualservices", "destinationrules"]) {
    const crd = installed()("CustomResourceDefinition", `${plural}.networking.istio.io`);
    const versions = arrayAt(objectAt(crd, "spec"), "versions").filter(isObject);
    const served = versions.filter(each => each["served"] === true).map(each => each["name"]);
    assert.deepEqual(served.sort(), ["v1", "v1alpha3", "v1beta1"], plural);
  }
});
