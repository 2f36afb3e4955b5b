/** Rules that are younger than what may be stored: it is read as before, and new objects are refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { asNew, messageOf } from "../base/diagnostic.ts";
import { authorizationPolicyKind } from "./authorization-policy/kind.ts";
import { deploymentKind } from "./deployment/kind.ts";
import { destinationRuleKind } from "./destination-rule/kind.ts";
import { envoyFilterKind } from "./envoy-filter/kind.ts";
import { gatewayKind } from "./gateway/kind.ts";
import type { JsonObject, Kind } from "./kind.ts";
import { peerAuthenticationKind } from "./peer-authentication/kind.ts";
import { podKind } from "./pod/kind.ts";
import { partsOf, pathOf } from "./report.ts";
import { serviceEntryKind } from "./service-entry/kind.ts";
import { sidecarKind } from "./sidecar/kind.ts";
import { telemetryKind } from "./telemetry/kind.ts";
import { trafficExtensionKind } from "./traffic-extension/kind.ts";
import { virtualServiceKind } from "./virtual-service/kind.ts";
import { wasmPluginKind } from "./wasm-plugin/kind.ts";

const LONG = `*-${"a".repeat(62)}.example.com`;
const TOO_LONG = `found "${LONG}", want at most 63 characters up to the first dot (found 64)`;
const ENV = "env: [{name: a, valueFrom: HOST, value: secret}]";
const ENV_WANTED = "found valueFrom HOST with a value, want no value, or valueFrom INLINE";
const containers = (mount: string): string =>
  `volumes: [{name: v, emptyDir: {}}], containers: [{name: a, volumeMounts: [{name: v, ${mount}}]}]`;
const template = (podSpec: string): string =>
  `{selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {${podSpec}}}}`;

const cases: readonly (readonly [Kind, spec: string, path: string, message: string])[] = [
  [
    authorizationPolicyKind,
    "{rules: [{}, {from: [{source: {serviceAccounts: [a/b], notNamespaces: [a]}}]}]}",
    "spec.rules[1].from[0].source",
    "found serviceAccounts beside notNamespaces, want one or the other",
  ],
  [
    peerAuthenticationKind,
    "{portLevelMtls: {80: {mode: STRICT}}}",
    "spec",
    "found portLevelMtls without selector.matchLabels, want labels of workloads, or no portLevelMtls",
  ],
  [
    telemetryKind,
    "{metrics: [{overrides: [{tagOverrides: {a-b: {operation: REMOVE, value: x}}}]}]}",
    'spec.metrics[0].overrides[0].tagOverrides["a-b"]',
    "found operation REMOVE with a value, want no value, or operation UPSERT",
  ],
  [
    telemetryKind,
    "{metrics: [{overrides: [{tagOverrides: {a: {operation: UPSERT}}}]}]}",
    "spec.metrics[0].overrides[0].tagOverrides.a",
    "found operation UPSERT without a value, want a value, or operation REMOVE",
  ],
  [wasmPluginKind, `{url: oci://a/b, vmConfig: {${ENV}}}`, "spec.vmConfig.env[0]", ENV_WANTED],
  [
    trafficExtensionKind,
    `{wasm: {url: oci://a/b, vmConfig: {${ENV}}}}`,
    "spec.wasm.vmConfig.env[0]",
    ENV_WANTED,
  ],
  [
    envoyFilterKind,
    "{configPatches: [{applyTo: CLUSTER, match: {waypoint: {portNumber: 80}}}]}",
    "spec.configPatches[0].match",
    "found waypoint in context ANY, want context WAYPOINT, or no waypoint",
  ],
  [destinationRuleKind, `{host: "${LONG}"}`, "spec.host", TOO_LONG],
  [serviceEntryKind, `{hosts: [a.b, "${LONG}"]}`, "spec.hosts[1]", TOO_LONG],
  [
    virtualServiceKind,
    `{hosts: ["${LONG}"], http: [{route: [{destination: {host: a}}]}]}`,
    "spec.hosts[0]",
    TOO_LONG,
  ],
  [
    virtualServiceKind,
    `{hosts: [a], http: [{route: [{destination: {host: "${LONG}"}}]}]}`,
    "spec.http[0].route[0].destination.host",
    TOO_LONG,
  ],
  [
    gatewayKind,
    `{selector: {a: b}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["ns/${LONG}"]}]}`,
    "spec.servers[0].hosts[0]",
    TOO_LONG.replace("*", "ns/*"),
  ],
  [
    sidecarKind,
    `{egress: [{hosts: ["./${LONG}"]}]}`,
    "spec.egress[0].hosts[0]",
    TOO_LONG.replace("*", "./*"),
  ],
  [
    podKind,
    `{${containers("mountPath: /a")}, securityContext: {runAsNonRoot: "yes"}}`,
    "spec.securityContext.runAsNonRoot",
    'found a string ("yes"), want true or false',
  ],
  [
    deploymentKind,
    template(`${containers("mountPath: /a")}, securityContext: {runAsNonRoot: 1}`),
    "spec.template.spec.securityContext.runAsNonRoot",
    "found an integer (1), want true or false",
  ],
  [
    podKind,
    `{${containers("mountPath: /a, subPath: /b")}}`,
    "spec.containers[0].volumeMounts[0].subPath",
    'found "/b", want a path below the volume, without a slash at its beginning',
  ],
  [
    podKind,
    `{${containers("mountPath: '/a:b'")}}`,
    "spec.containers[0].volumeMounts[0].mountPath",
    'found "/a:b", want a path without a colon',
  ],
];

function decode(kind: Kind, spec: JsonObject) {
  return kind.decode({
    apiVersion: kind.group === "" ? "v1" : `${kind.group}/${kind.versions[0]}`,
    kind: kind.kind,
    metadata: { name: "x", namespace: "default" },
    spec,
  });
}

for (const [kind, text, path, message] of cases)
  test(`${kind.kind} ${path}: ${message}`, () => {
    const decoded = decode(kind, parse(text));
    assert.ok(decoded.ok, `what is stored is read: ${JSON.stringify(decoded.diagnostics)}`);
    const found = decoded.diagnostics.filter(({ newOnly }) => newOnly === true);
    assert.deepEqual(
      found.map(each => [each.severity, each.path, each.message]),
      [["warning", path, message]],
    );
    const errors = asNew(decoded.diagnostics).filter(({ severity }) => severity === "error");
    assert.deepEqual(
      errors.map(each => [each.path, each.message]),
      [[path, message]],
      "what is new is refused",
    );
    const [first] = found;
    assert.ok(first !== undefined);
    assert.equal(
      messageOf(first),
      `${message} (what is stored stays in force, new objects are refused)`,
    );
    assert.ok(!JSON.stringify(decoded.diagnostics).includes("secret"));
  });

test("a value that breaks such a rule is in the decoded object; what has the wrong type is not", () => {
  const rule = decode(destinationRuleKind, { host: LONG });
  assert.ok(rule.ok);
  assert.equal((rule.value as unknown as { spec: { host: string } }).spec.host, LONG);
  const pod = decode(podKind, {
    containers: [{ name: "a" }],
    securityContext: { runAsUser: 1, runAsNonRoot: "yes" },
  });
  assert.ok(pod.ok);
  const { spec } = pod.value as unknown as { spec: { securityContext: unknown } };
  assert.deepEqual(spec.securityContext, { runAsUser: 1 });
});

test("other faults in the same object are errors as before", () => {
  const decoded = decode(destinationRuleKind, { host: LONG, subsets: [{ name: "a b" }] });
  assert.equal(decoded.ok, false);
  assert.deepEqual(
    decoded.diagnostics.map(({ severity, path }) => [severity, path]),
    [
      ["error", "spec.subsets[0].name"],
      ["warning", "spec.host"],
    ],
  );
});

test("however many there are, they are bounded, and stand beside other warnings", () => {
  const hosts = Array.from({ length: 250 }, (_, i) => `*-${"a".repeat(62)}.${i}.example.com`);
  const decoded = decode(serviceEntryKind, { hosts });
  assert.ok(decoded.ok);
  const found = decoded.diagnostics.filter(({ newOnly }) => newOnly === true);
  assert.equal(found.length, 101);
  assert.equal(found.at(-1)?.message, "and 150 more warnings");
});

test("the parts of a path are those that it was made of", () => {
  const keys = ["spec", "a-b", 'q"\\]', 3, "x", "80", 80, "ü", "a.b", "[0]"];
  assert.deepEqual(partsOf(pathOf("", ...keys)), keys);
  assert.deepEqual(partsOf(""), []);
});
