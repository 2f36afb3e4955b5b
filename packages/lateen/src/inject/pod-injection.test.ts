import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { Json, JsonObject } from "../api/kind.ts";
import { expandReferences } from "../proxy/expansion.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { type InjectedPod, injectKubePod } from "./pod-injection.ts";
import { configOf, modern, older } from "./testdata/cases.ts";

const app: JsonObject = { name: "app", image: "app:1" };

interface Asked {
  readonly spec?: JsonObject;
  readonly metadata?: JsonObject;
  readonly values?: object;
  readonly config?: string;
  readonly mesh?: string;
  readonly native?: boolean;
  readonly namespace?: string;
}

function inject(asked: Asked): InjectedPod {
  const { spec, metadata, values = {}, config = "", mesh = "", namespace = "web" } = asked;
  return injectKubePod({
    pod: { metadata: { name: "p", ...metadata }, spec: { containers: [app], ...spec } },
    namespace,
    config: configOf({ config, values: JSON.stringify(values), mesh }),
    features: asked.native === false ? older : modern,
    version: "1.0",
  });
}

function injected(asked: Asked): { readonly spec: JsonObject; readonly warnings: string[] } {
  const result = inject(asked);
  assert.ok(result.ok, JSON.stringify(result));
  assert.ok(result.injected, result.reason);
  const warnings = result.warnings.map(({ reason }) => reason);
  return { spec: objectAt(result.pod, "spec"), warnings };
}

function proxyOf(spec: JsonObject): JsonObject {
  const all = [...arrayAt(spec, "initContainers"), ...arrayAt(spec, "containers")].filter(isObject);
  const found = all.find(container => container["name"] === "istio-proxy");
  assert.ok(found !== undefined);
  return found;
}

function names(spec: JsonObject, field: string): string[] {
  return arrayAt(spec, field)
    .filter(isObject)
    .map(item => stringAt(item, "name"));
}

test("IP families: the values' list, else Istio's own switch for both", () => {
  const families = (asked: Asked): string => {
    const { spec } = injected(asked);
    const said = JSON.stringify(arrayAt(spec, "initContainers")[0]);
    return /TCP is intercepted \(REDIRECT, ([^)]+)\)/.exec(said)?.[1] ?? said;
  };
  const both = { env: { ISTIO_DUAL_STACK: true } };
  assert.equal(families({}), "IPv4");
  assert.equal(families({ values: { pilot: both } }), "IPv4 and IPv6");
  assert.equal(families({ values: { pilot: { ...both, ipFamilies: ["IPv6"] } } }), "IPv6");
  const mesh = 'defaultConfig: {proxyMetadata: {ISTIO_DUAL_STACK: "true"}}';
  assert.equal(families({ mesh }), "IPv4 and IPv6");
});

/** Labels, annotations, and what else decides; whether it is injected. */
const decisions: readonly (readonly [string, Asked, boolean])[] = [
  ["nothing is said", {}, true],
  ["label false", { metadata: { labels: { "sidecar.istio.io/inject": "false" } } }, false],
  ["annotation no", { metadata: { annotations: { "sidecar.istio.io/inject": "no" } } }, false],
  [
    "the label wins",
    {
      metadata: {
        labels: { "sidecar.istio.io/inject": "true" },
        annotations: { "sidecar.istio.io/inject": "false" },
      },
    },
    true,
  ],
  [
    "a strange value counts as nothing",
    { metadata: { labels: { "sidecar.istio.io/inject": "x" } } },
    true,
  ],
  ["policy disabled", { config: "policy: disabled" }, false],
  [
    "policy disabled, the pod asks",
    { config: "policy: disabled", metadata: { labels: { "sidecar.istio.io/inject": "true" } } },
    true,
  ],
  [
    "neverInjectSelector",
    { config: "neverInjectSelector: [{matchLabels: {a: b}}]", metadata: { labels: { a: "b" } } },
    false,
  ],
  [
    "the pod asks in spite of neverInjectSelector",
    {
      config: "neverInjectSelector: [{matchLabels: {a: b}}]",
      metadata: { labels: { a: "b", "sidecar.istio.io/inject": "true" } },
    },
    true,
  ],
  [
    "alwaysInjectSelector",
    {
      config:
        "policy: disabled\nalwaysInjectSelector: [{matchExpressions: [{key: a, operator: Exists}]}]",
      metadata: { labels: { a: "b" } },
    },
    true,
  ],
  [
    "never before always",
    {
      config:
        "neverInjectSelector: [{matchLabels: {a: b}}]\nalwaysInjectSelector: [{matchLabels: {a: b}}]",
      metadata: { labels: { a: "b" } },
    },
    false,
  ],
  ["an empty selector is none", { config: "neverInjectSelector: [{}]" }, true],
  ["the host's network", { spec: { hostNetwork: true } }, false],
  ["kube-system", { namespace: "kube-system" }, false],
];

for (const [name, asked, expected] of decisions)
  test(`decision: ${name}`, () => {
    const result = inject(asked);
    assert.ok(result.ok);
    assert.equal(result.injected, expected, result.reason);
    assert.notEqual(result.reason, "");
  });

test("an own istio-proxy changes ours; auto, and what the API server made of it, do not", () => {
  const own = {
    name: "istio-proxy",
    image: "auto",
    imagePullPolicy: "Always",
    command: ["other"],
    env: [{ name: "OWN", value: "1" }],
    resources: { limits: { cpu: "3" } },
  };
  const { spec, warnings } = injected({ spec: { containers: [app, own] } });
  const proxy = proxyOf(spec);
  assert.equal(proxy["image"], "localhost/lateen/proxyv2:1.0");
  assert.equal(proxy["imagePullPolicy"], undefined);
  assert.deepEqual(proxy["command"], ["/usr/local/bin/envoy"]);
  assert.match(JSON.stringify(proxy["env"]), /"name":"OWN"/);
  assert.deepEqual(objectAt(proxy, "resources"), { limits: { cpu: "3" } });
  assert.equal(concurrencyIn(proxy), "3");
  assert.deepEqual(warnings, ["Ignored"]);
  const other = { ...own, image: "mine:2", imagePullPolicy: "Always" };
  const kept = proxyOf(injected({ spec: { containers: [app, other] } }).spec);
  assert.deepEqual([kept["image"], kept["imagePullPolicy"]], ["mine:2", "Always"]);
});

function concurrencyIn(proxy: JsonObject): string | undefined {
  const args = arrayAt(proxy, "args").map(String);
  assert.deepEqual(args.filter(arg => arg === "--concurrency").length, 1);
  return args[args.indexOf("--concurrency") + 1];
}

test("worker threads come from the CPU limit that the container ends up with", () => {
  const values = { global: { proxy: { resources: { limits: { cpu: "2000m" } } } } };
  const threads = (asked: Asked): string | undefined =>
    concurrencyIn(proxyOf(injected({ values, ...asked }).spec));
  const own = (resources: JsonObject): JsonObject => ({
    containers: [app, { name: "istio-proxy", image: "auto", resources }],
  });
  assert.equal(threads({}), "2");
  assert.equal(threads({ spec: own({ limits: { cpu: 5 } }) }), "5");
  assert.equal(threads({ spec: own({ limits: { cpu: "2500m" } }), native: false }), "3");
  assert.equal(threads({ spec: own({ requests: { cpu: "7" } }) }), "2", "requests do not count");
  const annotations = { "proxy.istio.io/config": "concurrency: 1" };
  assert.equal(threads({ spec: own({ limits: { cpu: "5" } }), metadata: { annotations } }), "1");
  const template = "spec: {containers: [{name: istio-proxy, resources: {limits: {cpu: 6}}}]}";
  const config = `templates: {big: '${template}'}\ndefaultTemplates: [sidecar, big]`;
  assert.equal(threads({ config, native: false }), "6");
  const gateway = { "inject.istio.io/templates": "gateway" };
  assert.equal(
    threads({
      spec: { containers: own({ limits: { cpu: "4" } })["containers"] ?? [] },
      metadata: { annotations: gateway },
    }),
    "4",
  );
});

test("where a CNI plugin programs the rules there is no init container", () => {
  for (const values of [{ istio_cni: { enabled: true } }, { pilot: { cni: { enabled: true } } }])
    assert.deepEqual(names(injected({ values, native: false }).spec, "initContainers"), []);
  const annotations = { "sidecar.istio.io/interceptionMode": "NONE" };
  const { spec } = injected({ metadata: { annotations }, native: false });
  assert.deepEqual(names(spec, "initContainers"), []);
});

test("order: before the pod's own init containers where native, after them in the older form", () => {
  const spec = { initContainers: [{ name: "own", image: "x" }] };
  const mesh = "defaultConfig: {holdApplicationUntilProxyStarts: true}";
  assert.deepEqual(names(injected({ spec, mesh }).spec, "initContainers"), [
    ...["istio-init", "istio-proxy", "own"],
  ]);
  const old = injected({ spec, mesh, native: false });
  assert.deepEqual(names(old.spec, "initContainers"), ["own", "istio-init"]);
  assert.deepEqual(names(old.spec, "containers"), ["istio-proxy", "app"]);
  assert.deepEqual(old.warnings, ["NotHeld"]);
});

test("draining never takes longer than the pod may live", () => {
  const sleep = (spec: JsonObject, mesh = ""): unknown =>
    proxyOf(injected({ spec, mesh }).spec)["lifecycle"];
  assert.deepEqual(sleep({}), { preStop: { sleep: { seconds: 5 } } });
  assert.deepEqual(sleep({ terminationGracePeriodSeconds: 4 }), {
    preStop: { sleep: { seconds: 3 } },
  });
  assert.equal(sleep({ terminationGracePeriodSeconds: 0 }), undefined);
  assert.equal(sleep({}, "defaultConfig: {terminationDrainDuration: 0s}"), undefined);
  const old = proxyOf(injected({ native: false }).spec);
  assert.deepEqual(old["lifecycle"], { preStop: { exec: { command: ["sleep", "5"] } } });
  const mesh = "defaultConfig: {terminationDrainDuration: 60s}";
  assert.deepEqual(injected({ mesh }).warnings, ["DrainTooLong"]);
});

test("pull secrets and search domains of the installation are added to the pod's", () => {
  const values = { global: { imagePullSecrets: ["a", "b"], podDNSSearchNamespaces: ["global"] } };
  const spec = { imagePullSecrets: [{ name: "a" }], dnsConfig: { searches: ["mine"] } };
  const result = injected({ spec, values }).spec;
  assert.deepEqual(result["imagePullSecrets"], [{ name: "a" }, { name: "b" }]);
  assert.deepEqual(result["dnsConfig"], { searches: ["mine", "global"] });
});

test("aliases and default templates; an unknown name is refused with those that there are", () => {
  const config =
    "templates: {note: 'metadata: {annotations: {note: x}}'}\naliases: {both: [sidecar, note]}";
  const annotations = { "inject.istio.io/templates": "both" };
  const result = inject({ config, metadata: { annotations } });
  assert.ok(result.ok && result.injected);
  assert.equal(objectAt(objectAt(result.pod, "metadata"), "annotations")["note"], "x");
  const wrong = inject({
    config,
    metadata: { annotations: { "inject.istio.io/templates": "nope" } },
  });
  assert.ok(!wrong.ok);
  assert.match(
    wrong.diagnostics[0]?.message ?? "",
    /found "nope"; expected one of sidecar, gateway, note/,
  );
  const many = inject({
    config,
    metadata: { annotations: { "inject.istio.io/templates": `sidecar${",note".repeat(16)}` } },
  });
  assert.ok(!many.ok);
  assert.match(many.diagnostics[0]?.message ?? "", /found 17 templates; expected at most 16/);
  // As an earlier version read them; Kubernetes takes `on` for a truth value, which no variable has.
  const asBefore = inject({
    config:
      "templates: {note: 'spec: {containers: [{name: app, env: [{name: A, value: on}]}]}'}\n" +
      "defaultTemplates: [sidecar, note]",
    metadata: { annotations: { "proxy.istio.io/config": "proxyMetadata: {B: off}" } },
  });
  assert.ok(asBefore.ok && asBefore.injected);
  assert.match(JSON.stringify(asBefore.pod), /\{"name":"A","value":"on"\}/);
  assert.deepEqual(
    asBefore.warnings.map(({ path, message }) => `${path}: ${message}`),
    [
      '["metadata.annotations[proxy.istio.io/config]"].proxyMetadata.B: found a boolean (false), want a string',
      "the pod with its custom templates: spec.containers[0].env[0].value: found a boolean (true), want a string",
    ],
  );
  const broken = inject({
    config: "templates: {note: 'spec: {containers: 7}'}\ndefaultTemplates: [sidecar, note]",
  });
  assert.ok(!broken.ok);
  assert.match(broken.diagnostics[0]?.path ?? "", /custom templates: spec\.containers/);
});

test("a gateway may listen on low ports, unless its pod says otherwise", () => {
  const sysctlsOf = (spec: JsonObject): Json | undefined => {
    const metadata = { annotations: { "inject.istio.io/templates": "gateway" } };
    const result = inject({ metadata, spec });
    assert.ok(result.ok && result.injected);
    return objectAt(objectAt(result.pod, "spec"), "securityContext")["sysctls"];
  };
  const low = { name: "net.ipv4.ip_unprivileged_port_start", value: "0" };
  assert.deepEqual(sysctlsOf({}), [low]);
  assert.deepEqual(sysctlsOf({ securityContext: { sysctls: [] } }), []);
});

test("the same pod gives the same bytes", () => {
  assert.equal(JSON.stringify(inject({})), JSON.stringify(inject({})));
});

test("a namespace that is not known yet is the one the pod runs in", () => {
  const known = injected({ namespace: "other" }).spec;
  const { spec, warnings } = injected({ namespace: "" });
  assert.deepEqual(warnings, []);
  const here = new Map([["POD_NAMESPACE", "other"]]);
  const args = (proxy: JsonObject): string[] =>
    arrayAt(proxy, "args").map(arg => expandReferences(String(arg), name => here.get(name)));
  assert.deepEqual(args(proxyOf(spec)), args(proxyOf(known)));
  assert.match(
    JSON.stringify(proxyOf(known)),
    /sidecar~\$\(INSTANCE_IP\)~\$\(POD_NAME\)\.other~other\.svc/,
  );
  const peer = (proxy: JsonObject): string => {
    const entry = arrayAt(proxy, "env")
      .filter(isObject)
      .find(item => item["name"] === "ISTIO_META_PEER_METADATA");
    return Buffer.from(stringAt(entry ?? {}, "value"), "base64").toString("latin1");
  };
  assert.match(peer(proxyOf(known)), /NAMESPACE/);
  assert.doesNotMatch(peer(proxyOf(spec)), /NAMESPACE|OWNER|default|POD_/);
  assert.match(peer(proxyOf(spec)), /WORKLOAD_NAME/);
});

test("a search domain of a namespace that is not known is that of default, and says so", () => {
  const search = '[[ valueOrDefault .DeploymentMeta.Namespace "default" ]].global';
  const values = { global: { podDNSSearchNamespaces: [search] } };
  const { spec, warnings } = injected({ namespace: "", values });
  assert.deepEqual(warnings, ["UnknownNamespace"]);
  assert.deepEqual(objectAt(spec, "dnsConfig"), { searches: ["default.global"] });
  assert.deepEqual(injected({ namespace: "web", values }).warnings, []);
});

test("discoveryAddress: the mesh's, then the pod's, in bootstrap and certificate check", () => {
  const dialled = (asked: Asked): { readonly warnings: string[]; readonly found: string[] } => {
    const result = inject(asked);
    assert.ok(result.ok, JSON.stringify(result));
    const args = JSON.stringify(proxyOf(objectAt(result.pod, "spec"))["args"]).replaceAll("\\", "");
    const annotations = objectAt(objectAt(result.pod, "metadata"), "annotations");
    const root = stringAt(annotations, "lateen.dev/xds-root");
    const found = [
      /"name":"xds-grpc".*?"socket_address":\{"address":"([^"]+)","port_value":(\d+)\}/.exec(args),
      /"sni":"([^"]+)"/.exec(args),
      /"discoveryAddress":"([^"]+)"/.exec(args),
      /"exact":"([^"]+)"/.exec(root),
    ].map(match => match?.slice(1).join(":") ?? "none");
    return { found, warnings: result.warnings.map(({ reason }) => reason) };
  };
  const annotated = (config: object): JsonObject => ({
    annotations: { "proxy.istio.io/config": JSON.stringify(config) },
  });
  const own = "istiod.istio-system.svc";
  assert.deepEqual(dialled({}).found, [`${own}:15012`, own, `${own}:15012`, own]);
  const mesh = "defaultConfig: {discoveryAddress: 'cp.example.com:443'}";
  const ofMesh = ["cp.example.com:443", "cp.example.com", "cp.example.com:443", "cp.example.com"];
  assert.deepEqual(dialled({ mesh }).found, ofMesh);
  const metadata = annotated({ discoveryAddress: "istiod-canary.a.svc:15012" });
  const canary = "istiod-canary.a.svc";
  const ofPod = [`${canary}:15012`, canary, `${canary}:15012`, canary];
  assert.deepEqual(dialled({ mesh, metadata }), { found: ofPod, warnings: [] });
  const plaintext = annotated({ discoveryAddress: `${own}:15010` });
  assert.deepEqual(dialled({ metadata: plaintext }).warnings, ["PlaintextPort"]);
  const bad = inject({ metadata: annotated({ discoveryAddress: "istiod" }) });
  assert.ok(!bad.ok);
  assert.match(JSON.stringify(bad), /discoveryAddress.*HOST:PORT/);
});

test("templates are told of the mesh, the proxy and the values, with what holds where nothing is said", () => {
  const told = (text: string, asked: Asked = {}): string => {
    const template = JSON.stringify(`metadata: {annotations: {told: '${text}'}}`);
    const config = `templates: {t: ${template}}\ndefaultTemplates: [sidecar, t]`;
    const result = inject({ ...asked, config });
    if (!result.ok) return result.diagnostics.map(({ message }) => message).join();
    return stringAt(objectAt(objectAt(result.pod, "metadata"), "annotations"), "told");
  };
  const own = "istiod.istio-system.svc:15012";
  assert.equal(told("{{ .MeshConfig.defaultConfig.discoveryAddress }}"), own);
  assert.equal(told("{{ .MeshConfig.DefaultConfig.DiscoveryAddress }}"), own);
  const mesh = "accessLogFile: /dev/stdout\ndefaultConfig: {proxyMetadata: {A: '1'}}";
  const text = "{{ .MeshConfig.accessLogFile }} {{ .MeshConfig.connectTimeout }}";
  assert.equal(told(text, { mesh }), "/dev/stdout 10s");
  const annotations = { "proxy.istio.io/config": "{concurrency: 3, proxyMetadata: {B: '2'}}" };
  assert.equal(
    told(
      "{{ .ProxyConfig.concurrency }}{{ range $k, $v := .ProxyConfig.proxyMetadata }} {{ $k }}{{ $v }}{{ end }}",
      {
        mesh,
        metadata: { annotations },
      },
    ),
    "3 A1 B2",
  );
  assert.equal(told("{{ .Values.global.hub }}", { values: { global: { hub: "h" } } }), "h");
  const containers = "{{ range .Spec.Containers }}{{ .name }} {{ end }}";
  assert.equal(told(containers, { native: false }), "app ");
  assert.match(
    told("{{ .MeshConfig.trustDomian }}"),
    /no field trustDomian: did you mean trustDomain\?/,
  );
  assert.match(
    told("{{ .MeshConf.trustDomain }}"),
    /no field MeshConf: did you mean MeshConfig\?|there are/,
  );
});
