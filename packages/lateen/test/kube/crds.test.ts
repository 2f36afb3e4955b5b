/** Our CustomResourceDefinitions on a real API server: it takes them, and what it then says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { customResourceDefinitions } from "../../src/api/custom-resources.ts";
import { needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";

const skip = needsKubernetes("control-plane");

/** One of each kind, in the versions and spellings that people have in their files. */
const OBJECTS = `
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata: {name: entry}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: routes}
spec:
  hosts: ["web"]
  gateways: [entry]
  http: [{match: [{uri: {prefix: /a}}], timeout: 2s, route: [{destination: {host: web, subset: v1}}]}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  trafficPolicy: {loadBalancer: {simple: LEAST_CONN}, connectionPool: {tcp: {connectTimeout: 30ms}}}
  subsets: [{name: v1, labels: {version: v1}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside}
spec:
  hosts: [example.com]
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: DNS
  location: MESH_EXTERNAL
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm}
spec: {address: 10.1.2.3, labels: {app: vm}, ports: {http: 8080}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: vms}
spec: {template: {serviceAccount: vm}, probe: {httpGet: {port: 80, scheme: HTTP}}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec: {egress: [{hosts: ["./*"]}]}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: patch}
spec:
  workloadSelector: {labels: {app: web}}
  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: SIDECAR_INBOUND, listener: {filterChain: {filter: {name: a, subFilter: {name: b}}}}}
    patch: {operation: INSERT_BEFORE, value: {name: x, typed_config: {"@type": t, nested: [{deep: 1}]}}}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: small}
spec: {concurrency: 0, image: {imageType: distroless}}
---
apiVersion: security.istio.io/v1beta1
kind: AuthorizationPolicy
metadata: {name: nothing}
spec: {}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: some}
spec:
  selector: {matchLabels: {app: web}}
  action: ALLOW
  rules:
  - from: [{source: {principals: ["cluster.local/ns/a/sa/b"]}}]
    to: [{operation: {methods: [GET], paths: ["/a*"]}}]
    when: [{key: "request.headers[x]", values: [z]}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict}
spec: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {"8080": {mode: DISABLE}}}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens}
spec: {jwtRules: [{issuer: me, jwksUri: "https://example.com/keys", fromHeaders: [{name: x}]}]}
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: logs}
spec: {accessLogging: [{providers: [{name: envoy}]}], metrics: [{overrides: [{match: {metric: ALL_METRICS}, tagOverrides: {a: {operation: REMOVE}}}]}]}
---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: auth}
spec: {url: "oci://ghcr.io/a/b:1", phase: AUTHN, pluginConfig: {any: [thing]}, priority: null}
---
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata: {name: script}
spec: {lua: {inlineCode: "x"}, phase: STATS}
`;

/** What is wrong, and what the API server says of it. */
const REFUSED: readonly (readonly [string, string, string, RegExp])[] = [
  ["networking.istio.io/v1", "ServiceEntry", '{hosts: ["*"]}', /\* alone is no host/],
  [
    "networking.istio.io/v1",
    "ServiceEntry",
    "{hosts: [a.b], endpoints: [{address: 1.2.3.4}]}",
    /resolution NONE has no endpoints/,
  ],
  [
    "networking.istio.io/v1",
    "DestinationRule",
    "{host: a, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 1us}}}}",
    /connectTimeout: .*at least 1ms/,
  ],
  ["networking.istio.io/v1", "WorkloadEntry", "{labels: {a: b}}", /needs an address/],
  [
    "networking.istio.io/v1",
    "Gateway",
    "{servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: 7}]}",
    /hosts in body must be of type array/,
  ],
  [
    "security.istio.io/v1",
    "AuthorizationPolicy",
    '{selector: {matchLabels: {a: "*"}}}',
    /values of labels hold no \*/,
  ],
  [
    "security.istio.io/v1",
    "AuthorizationPolicy",
    "{selector: {}, targetRefs: [{kind: Service, name: a}]}",
    /at most one of selector, targetRef, targetRefs may be set/,
  ],
  [
    "security.istio.io/v1",
    "PeerAuthentication",
    '{portLevelMtls: {"80": {mode: STRICT}}}',
    /portLevelMtls needs a selector with labels/,
  ],
  [
    "security.istio.io/v1",
    "RequestAuthentication",
    '{jwtRules: [{issuer: a, jwksUri: "ftp://x"}]}',
    /begins with http:\/\/ or https:\/\//,
  ],
  ["extensions.istio.io/v1alpha1", "WasmPlugin", '{url: "gopher://x"}', /want a URL/],
  ["extensions.istio.io/v1alpha1", "TrafficExtension", "{}", /needs one of wasm and lua/],
  ["networking.istio.io/v1", "VirtualService", "{hots: [a]}", /unknown field "spec.hots"/],
];

test("CRDs", { skip, timeout: 300_000 }, async t => {
  const cluster = await ownKubeCluster({ mode: "control-plane" });
  const items = customResourceDefinitions();
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  await cluster.must(["apply", "--server-side", "-f", "-"], { input: list });
  await cluster.must(["wait", "--for=condition=Established", "crd", "--all", "--timeout=120s"]);

  await t.test("existing YAML applies, in every version and kind", async () => {
    await cluster.apply(OBJECTS, "--validate=strict");
    for (const name of ["vs", "gw", "dr", "se", "we", "wg", "ap", "pa", "ra", "telemetry"])
      assert.match(await cluster.must(["get", name]), /^NAME/);
    const stored = await cluster.must([
      "get",
      "envoyfilters.v1alpha3.networking.istio.io",
      "patch",
      "-o",
      "json",
    ]);
    assert.match(stored, /"deep": 1/);
  });

  await t.test("rows 36 to 39, 41 and 42 of what kubectl prints", async () => {
    const first = async (...args: string[]): Promise<string[]> =>
      ((await cluster.must(args)).split("\n")[0] ?? "").trim().split(/\s+/);
    assert.deepEqual(await first("get", "gw"), ["NAME", "AGE"]);
    assert.deepEqual(await first("get", "vs"), ["NAME", "GATEWAYS", "HOSTS", "AGE"]);
    assert.deepEqual(await first("get", "dr"), ["NAME", "HOST", "AGE"]);
    assert.match(await cluster.must(["get", "vs"]), /routes +\["entry"\] +\["web"\]/);
    const all = await cluster.must(["get", "gw,vs,dr", "-A"]);
    assert.match(all, /^NAMESPACE +NAME +AGE\ndefault +gateway\.networking\.istio\.io\/entry /);
    assert.match(all, /default +virtualservice\.networking\.istio\.io\/routes /);
    assert.match(all, /default +destinationrule\.networking\.istio\.io\/web +web /);
    const crds = (await cluster.must(["get", "crd"])).split("\n");
    assert.equal(crds.filter(line => line.includes("istio")).length, 15);
    const group = ["api-resources", "--api-group=networking.istio.io", "--no-headers"];
    const resources = (await cluster.must(group)).trim().split("\n");
    assert.deepEqual(
      resources.map(line => line.trim().split(/\s+/)),
      [
        ["destinationrules", "dr", "networking.istio.io/v1", "true", "DestinationRule"],
        ["envoyfilters", "networking.istio.io/v1alpha3", "true", "EnvoyFilter"],
        ["gateways", "gw", "networking.istio.io/v1", "true", "Gateway"],
        ["proxyconfigs", "networking.istio.io/v1beta1", "true", "ProxyConfig"],
        ["serviceentries", "se", "networking.istio.io/v1", "true", "ServiceEntry"],
        ["sidecars", "networking.istio.io/v1", "true", "Sidecar"],
        ["virtualservices", "vs", "networking.istio.io/v1", "true", "VirtualService"],
        ["workloadentries", "we", "networking.istio.io/v1", "true", "WorkloadEntry"],
        ["workloadgroups", "wg", "networking.istio.io/v1", "true", "WorkloadGroup"],
      ],
    );
  });

  await t.test("what is wrong is refused with our words, without a webhook", async () => {
    for (const [apiVersion, kind, spec, expected] of REFUSED) {
      const object = `{apiVersion: ${apiVersion}, kind: ${kind}, metadata: {name: bad}, spec: ${spec}}`;
      const flags = ["apply", "--validate=strict", "--dry-run=server", "-f", "-"];
      const { code, stderr } = await cluster.kubectl(flags, { input: object });
      assert.notEqual(code, 0, `${kind} ${spec} was taken`);
      assert.match(stderr, expected);
    }
  });

  await t.test("applying them again changes nothing", async () => {
    const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const generations = async (): Promise<string> =>
      cluster.must(["get", "crd", "-o", "jsonpath={range .items[*]}{.metadata.generation} {end}"]);
    const before = await generations();
    for (const crd of customResourceDefinitions()) {
      const name = String((crd["metadata"] as { name: string }).name);
      const answer = await cluster.api({
        method: "PATCH",
        path: `${path}/${name}?fieldManager=kubectl`,
        body: crd,
        contentType: "application/apply-patch+yaml",
      });
      assert.equal(answer.status, 200, answer.text);
    }
    assert.equal(await generations(), before);
  });
});
