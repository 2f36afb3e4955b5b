/** What Istio's published validation cases say of kinds: who takes what, in our words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { asNew } from "../base/diagnostic.ts";
import { authorizationPolicyKind } from "./authorization-policy/kind.ts";
import { destinationRuleKind } from "./destination-rule/kind.ts";
import { envoyFilterKind } from "./envoy-filter/kind.ts";
import { gatewayKind } from "./gateway/kind.ts";
import type { Kind } from "./kind.ts";
import { peerAuthenticationKind } from "./peer-authentication/kind.ts";
import { serviceEntryKind } from "./service-entry/kind.ts";
import { sidecarKind } from "./sidecar/kind.ts";
import { telemetryKind } from "./telemetry/kind.ts";
import { virtualServiceKind } from "./virtual-service/kind.ts";
import { wasmPluginKind } from "./wasm-plugin/kind.ts";

function decoded(kind: Kind, spec: string) {
  return kind.decode({
    apiVersion: `${kind.group}/${kind.versions[0]}`,
    kind: kind.kind,
    metadata: { name: "x", namespace: "default" },
    spec: parse(spec),
  });
}

/** `path: message` of what a new object is refused for. */
function errors(kind: Kind, spec: string): readonly string[] {
  return asNew(decoded(kind, spec).diagnostics)
    .filter(({ severity }) => severity === "error")
    .map(({ path, message }) => `${path}: ${message}`);
}

const WILDCARDS: Readonly<Record<string, boolean>> = {
  "*x": true,
  "*foo.bar.com": true,
  "*-foo.bar.com": true,
  "*.bar.com": true,
  "foo.*.com": false,
  "foo*.bar.com": false,
  "**.bar.com": false,
  "*-": false,
  "*-.bar.com": false,
};

test("hosts may begin with a wildcard, in every kind that has hosts", () => {
  const kinds: readonly (readonly [Kind, (host: string) => string])[] = [
    [serviceEntryKind, host => `{hosts: ["${host}"]}`],
    [destinationRuleKind, host => `{host: "${host}"}`],
    [
      virtualServiceKind,
      host => `{hosts: ["${host}"], http: [{route: [{destination: {host: a}}]}]}`,
    ],
    [
      gatewayKind,
      host => `{servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["${host}"]}]}`,
    ],
    [sidecarKind, host => `{egress: [{hosts: ["./${host}"]}]}`],
  ];
  for (const [kind, spec] of kinds)
    for (const [host, isTaken] of Object.entries(WILDCARDS))
      assert.equal(errors(kind, spec(host)).length === 0, isTaken, `${kind.kind} ${host}`);
});

test("waypoint matches of EnvoyFilters go with context WAYPOINT", () => {
  const patch = (match: string): string => `{configPatches: [{applyTo: CLUSTER, match: ${match}}]}`;
  for (const match of [
    "{context: WAYPOINT, waypoint: {}}",
    "{context: WAYPOINT, waypoint: {portNumber: 80}}",
    "{context: GATEWAY, cluster: {name: a}}",
    "{listener: {}}",
    "{}",
  ])
    assert.deepEqual(errors(envoyFilterKind, patch(match)), [], match);
  const alone = "found context WAYPOINT without waypoint, want both or another context";
  const misplaced = (context: string): string =>
    `found waypoint in context ${context}, want context WAYPOINT, or no waypoint`;
  for (const [match, message] of [
    ["{context: SIDECAR_INBOUND, waypoint: {}}", misplaced("SIDECAR_INBOUND")],
    ["{waypoint: {filter: {name: a}}}", misplaced("ANY")],
    ["{context: WAYPOINT, listener: {}}", alone],
    ["{context: WAYPOINT}", alone],
  ] as const)
    assert.deepEqual(
      errors(envoyFilterKind, patch(match)),
      [`spec.configPatches[0].match: ${message}`],
      match,
    );
  assert.equal(
    errors(envoyFilterKind, patch("{context: WAYPOINT, waypoint: {portNumber: 65536}}")).length,
    1,
  );
});

test("rules over several fields hold here as in an API server", () => {
  const cases: readonly (readonly [Kind, string, boolean])[] = [
    [authorizationPolicyKind, "{rules: [{from: [{source: {serviceAccounts: [a/b]}}]}]}", true],
    [
      authorizationPolicyKind,
      "{rules: [{from: [{source: {serviceAccounts: [a/b], namespaces: [a]}}]}]}",
      false,
    ],
    [
      authorizationPolicyKind,
      "{rules: [{from: [{source: {notServiceAccounts: [a/b], principals: [a]}}]}]}",
      false,
    ],
    [peerAuthenticationKind, "{portLevelMtls: {80: {mode: STRICT}}}", false],
    [
      peerAuthenticationKind,
      "{selector: {matchLabels: {a: b}}, portLevelMtls: {80: {mode: STRICT}}}",
      true,
    ],
    [
      telemetryKind,
      "{metrics: [{overrides: [{tagOverrides: {a: {operation: REMOVE, value: x}}}]}]}",
      false,
    ],
    [telemetryKind, "{metrics: [{overrides: [{tagOverrides: {a: {operation: UPSERT}}}]}]}", false],
    [
      telemetryKind,
      "{metrics: [{overrides: [{tagOverrides: {a: {operation: UPSERT, value: x}}}]}]}",
      true,
    ],
    [wasmPluginKind, "{url: oci://a/b, vmConfig: {env: [{name: a, valueFrom: HOST}]}}", true],
    [
      wasmPluginKind,
      "{url: oci://a/b, vmConfig: {env: [{name: a, valueFrom: HOST, value: x}]}}",
      false,
    ],
  ];
  for (const [kind, spec, isTaken] of cases) {
    const found = errors(kind, spec);
    assert.equal(found.length === 0, isTaken, `${kind.kind} ${spec}: ${found}`);
  }
});
