import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import { expandReferences } from "./expansion.ts";
import { type InjectOptions, injectPod } from "./inject-pod.ts";
import { standardDefaults } from "./proxy-options.ts";
import { sampleBootstraps } from "./testdata/bootstraps.ts";
import { workloadOf } from "./workload.ts";

const options: InjectOptions = {
  settings: {
    discovery: sampleBootstraps.sidecar.discovery,
    command: ["/run/lateen/envoy"],
    image: "envoy-server:1.40.0",
    version: "0.1.0",
    domain: "cluster.local",
    clusterId: "Kubernetes",
    meshId: "cluster.local",
    network: "",
    ipFamilies: ["IPv4"],
  },
  defaults: standardDefaults,
  decodeYaml: (text, decode) => decode({ value: JSON.parse(text) }),
  namespaceLabels: { "istio-injection": "enabled" },
  revision: "default",
  enableByDefault: false,
};

function pod(spec: JsonObject, metadata: JsonObject = {}): JsonObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web-1", namespace: "default", labels: { app: "web" }, ...metadata },
    spec,
  };
}

const app: JsonObject = { name: "app", image: "app", command: ["app"] };

function inject(json: JsonObject, more: Partial<InjectOptions> = {}): Pod {
  const result = injectPod(json, { ...options, ...more });
  assert.ok(result.ok, JSON.stringify(result.diagnostics));
  const decoded = podKind.decode(result.value);
  assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
  return decoded.value;
}

/** The proxy's bootstrap with its references expanded as the kubelet would. */
function bootstrapOf(injected: Pod): JsonObject {
  const proxy = injected.spec.containers.find(container => container.name === "istio-proxy");
  const args = proxy?.args ?? [];
  const env = new Map([
    ["POD_NAME", "web-1"],
    ["INSTANCE_IP", "10.244.0.7"],
    ["SERVICE_ACCOUNT", "default"],
    ["NODE_NAME", "node-1"],
  ]);
  return JSON.parse(expandReferences(args[1] ?? "", name => env.get(name)));
}

test("a sidecar: labels, annotations, container and bootstrap are those of Istio's injector", () => {
  const injected = inject(pod({ containers: [app] }));
  assert.deepEqual(
    injected.spec.containers.map(container => container.name),
    ["app", "istio-proxy"],
  );
  const { labels, annotations } = injected.metadata;
  assert.equal(labels["security.istio.io/tlsMode"], "istio");
  assert.equal(labels["service.istio.io/canonical-name"], "web");
  assert.equal(labels["service.istio.io/canonical-revision"], "latest");
  assert.equal(labels["service.istio.io/workload-name"], "web-1");
  assert.equal(annotations["sidecar.istio.io/interceptionMode"], "REDIRECT");
  assert.match(annotations["sidecar.istio.io/status"] ?? "", /"containers":\["istio-proxy"\]/);
  const { node } = JSON.parse(JSON.stringify(bootstrapOf(injected)));
  assert.equal(node.id, "sidecar~10.244.0.7~web-1.default~default.svc.cluster.local");
  assert.equal(node.cluster, "web.default");
  assert.equal(node.metadata.INSTANCE_IPS, "10.244.0.7");
  assert.equal(node.metadata.SERVICE_ACCOUNT, "default");
  assert.equal(node.metadata.LABELS.app, "web");
  assert.equal(node.metadata.APP_CONTAINERS, "app");
});

test("injecting twice changes nothing, and without a reason nothing is changed", () => {
  const once = injectPod(pod({ containers: [app] }), options);
  assert.ok(once.ok);
  const twice = injectPod(once.value, options);
  assert.ok(twice.ok);
  assert.equal(twice.value, once.value);
  const plain = pod({ containers: [app] });
  const none = injectPod(plain, { ...options, namespaceLabels: {} });
  assert.ok(none.ok);
  assert.equal(none.value, plain);
});

test("a bootstrap keeps its regular expressions through the kubelet's expansion", () => {
  const text = JSON.stringify(bootstrapOf(inject(pod({ containers: [app] }))));
  assert.ok(text.includes('"regex":"_rq(_(\\\\d{3}))$"'));
});

test("probes go through the proxy, with the application's own kept in the bootstrap", () => {
  const probed = {
    ...app,
    ports: [{ name: "web", containerPort: 8080 }],
    readinessProbe: { httpGet: { port: "web", path: "ready" }, periodSeconds: 3 },
    livenessProbe: { tcpSocket: { port: 8080 } },
    startupProbe: { exec: { command: ["true"] } },
  };
  const injected = inject(pod({ containers: [probed] }));
  const [container] = injected.spec.containers;
  assert.deepEqual(
    { ...container?.readinessProbe?.httpGet },
    {
      httpHeaders: [],
      path: "/app-health/app/readyz",
      port: 15020,
      scheme: "HTTP",
    },
  );
  assert.equal(container?.readinessProbe?.periodSeconds, 3);
  assert.equal(container?.livenessProbe?.tcpSocket, undefined);
  assert.equal(container?.livenessProbe?.httpGet?.path, "/app-health/app/livez");
  assert.deepEqual(container?.startupProbe?.exec?.command, ["true"]);
  const text = JSON.stringify(bootstrapOf(injected));
  assert.match(text, /"prefix_rewrite":"\/ready"/);
  assert.match(text, /"name":"probe\|app\/livez"/);
  const off = { "sidecar.istio.io/rewriteAppHTTPProbers": "false" };
  const kept = inject(pod({ containers: [probed] }, { annotations: off })).spec.containers[0];
  assert.equal(kept?.readinessProbe?.httpGet?.path, "ready");
});

test("lifecycle hooks by HTTP go through the proxy, as Istio's agent has them; others stay", () => {
  const hooked = {
    ...app,
    ports: [{ name: "web", containerPort: 8080 }],
    lifecycle: {
      postStart: { httpGet: { port: 9000, path: "started", scheme: "HTTPS" } },
      preStop: { httpGet: { port: "web", httpHeaders: [{ name: "x-why", value: "ends" }] } },
    },
  };
  const injected = inject(pod({ containers: [hooked] }));
  const lifecycle = injected.spec.containers[0]?.lifecycle;
  const asked = { httpHeaders: [], port: 15020, scheme: "HTTP" };
  assert.deepEqual(
    { ...lifecycle?.preStop?.httpGet },
    { ...asked, path: "/app-lifecycle/app/prestopz" },
  );
  assert.deepEqual(
    { ...lifecycle?.postStart?.httpGet },
    { ...asked, path: "/app-lifecycle/app/poststartz" },
  );
  const text = JSON.stringify(bootstrapOf(injected));
  assert.match(text, /"name":"probe\|app\/poststartz".*"port_value":9000.*UpstreamTlsContext/);
  // A hook has the time that Kubernetes gives it: 0 is no limit.
  assert.match(
    text,
    /"path":"\/app-lifecycle\/app\/poststartz"[^}]*},"route":{"cluster":"probe\|app\/poststartz","timeout":"0s","idle_timeout":"0s","prefix_rewrite":"\/started"/,
  );
  assert.match(text, /"key":"x-why"/);
  const others = {
    postStart: { exec: { command: ["true"] } },
    preStop: { sleep: { seconds: 3 } },
  };
  const kept = inject(pod({ containers: [{ ...app, lifecycle: others }] })).spec.containers[0];
  assert.deepEqual(JSON.parse(JSON.stringify(kept?.lifecycle)), others);
  const elsewhere = { preStop: { httpGet: { host: "192.0.2.1", port: 80, path: "/" } } };
  const away = inject(pod({ containers: [{ ...app, lifecycle: elsewhere }] })).spec.containers[0];
  assert.equal(away?.lifecycle?.preStop?.httpGet?.path, "/");
});

test("an application that is scraped is scraped through the proxy", () => {
  const annotations = {
    "prometheus.io/scrape": "true",
    "prometheus.io/port": "9100",
    "prometheus.io/path": "/own",
  };
  const injected = inject(pod({ containers: [app] }, { annotations }));
  assert.equal(injected.metadata.annotations["prometheus.io/port"], "15020");
  assert.equal(injected.metadata.annotations["prometheus.io/path"], "/stats/prometheus");
  assert.match(JSON.stringify(bootstrapOf(injected)), /"name":"app_metrics".*"port_value":9100/);
});

test("a gateway: its container is filled in, nothing is intercepted", () => {
  const metadata = {
    name: "istio-ingressgateway-1",
    namespace: "istio-system",
    labels: { istio: "ingressgateway", "sidecar.istio.io/inject": "true" },
    annotations: { "inject.istio.io/templates": "gateway" },
  };
  const own = {
    name: "istio-proxy",
    image: "auto",
    ports: [{ containerPort: 8080 }],
    env: [{ name: "OWN", value: "1" }],
  };
  const injected = inject(pod({ containers: [own] }, metadata), { namespaceLabels: {} });
  const [container, ...others] = injected.spec.containers;
  assert.equal(others.length, 0);
  assert.equal(container?.image, "envoy-server:1.40.0");
  assert.deepEqual(
    container?.ports?.map(port => port.containerPort),
    [8080, 15090],
  );
  assert.ok(container?.env?.some(({ name }) => name === "OWN"));
  assert.equal(injected.metadata.annotations["sidecar.istio.io/interceptionMode"], undefined);
  assert.match(JSON.stringify(bootstrapOf(injected)), /"id":"router~/);
});

test("a bad annotation is an error that names it", () => {
  const annotations = { "traffic.sidecar.istio.io/excludeInboundPorts": "x" };
  const result = injectPod(pod({ containers: [app] }, { annotations }), options);
  assert.ok(!result.ok);
  assert.match(result.diagnostics[0]?.path ?? "", /excludeInboundPorts/);
});

test("workloads are named by their owners", () => {
  const owner = (kind: string, name: string): JsonObject => ({
    apiVersion: "apps/v1",
    kind,
    name,
    uid: "1",
    controller: true,
  });
  const named = (metadata: JsonObject): string => {
    const decoded = podKind.decode(pod({ containers: [app] }, metadata));
    assert.ok(decoded.ok);
    return workloadOf(decoded.value).name;
  };
  const hashed = { app: "web", "pod-template-hash": "abc123" };
  assert.equal(named({ ownerReferences: [owner("Deployment", "web")] }), "web");
  assert.equal(
    named({ labels: hashed, ownerReferences: [owner("ReplicaSet", "web-abc123")] }),
    "web",
  );
  assert.equal(named({ ownerReferences: [owner("StatefulSet", "db")] }), "db");
  assert.equal(named({}), "web-1");
});

test("on one machine TPROXY becomes REDIRECT, with a warning", () => {
  const annotations = { "sidecar.istio.io/interceptionMode": "TPROXY" };
  const result = injectPod(pod({ containers: [app] }, { annotations }), options);
  assert.ok(result.ok);
  assert.match(JSON.stringify(result.value), /"sidecar\.istio\.io\/interceptionMode":"REDIRECT"/);
  assert.match(JSON.stringify(result.value), /\\"INTERCEPTION_MODE\\":\\"REDIRECT\\"/);
  assert.match(result.diagnostics[0]?.message ?? "", /TPROXY is not carried out on one machine/);
});

test("on one machine there is one control plane, whatever discoveryAddress says", () => {
  const discoveryAddress = "istiod.elsewhere.svc:15012";
  const annotations = { "proxy.istio.io/config": JSON.stringify({ discoveryAddress }) };
  const result = injectPod(pod({ containers: [app] }, { annotations }), options);
  assert.ok(result.ok);
  assert.match(result.diagnostics[0]?.message ?? "", /elsewhere\.svc:15012 is not carried out/);
  const { discovery } = options.settings;
  assert.match(JSON.stringify(result.value), new RegExp(`"address\\\\":\\\\"${discovery.host}`));
});

test("a pod that says more than an argument can hold is refused, and the most it may say fits", () => {
  const annotated = (count: number): JsonObject => {
    const prefixes = Array.from({ length: count }, (_, i) => `$${"ü".repeat(299)}${i}`).join(",");
    return { annotations: { "sidecar.istio.io/statsInclusionPrefixes": prefixes } };
  };
  const most = inject(pod({ containers: [app] }, annotated(128)));
  const args = most.spec.containers.find(({ name }) => name === "istio-proxy")?.args ?? [];
  for (const argument of args) assert.ok(Buffer.byteLength(argument) < 131_072);
  const big = { "sidecar.istio.io/statsInclusionPrefixes": "x".repeat(50_000) };
  const refused = injectPod(pod({ containers: [app] }, { annotations: big }), options);
  assert.ok(!refused.ok);
  assert.match(refused.diagnostics[0]?.message ?? "", /characters in all; expected at most 40000/);
});
