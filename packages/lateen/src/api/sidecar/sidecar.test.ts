import assert from "node:assert/strict";
import { test } from "node:test";
import { decoded, problems } from "../../../test/support/api.ts";
import { sidecarKind as kind } from "./kind.ts";

test("scope of a namespace", () => {
  const yaml = `
    workloadSelector: {labels: {app: sleep}}
    egress: [{hosts: ["./*", istio-system/*, "*/shop.example.com"]}]
    outboundTrafficPolicy: {mode: REGISTRY_ONLY}`;
  assert.deepEqual(problems(kind, yaml), []);
  assert.equal(decoded(kind, yaml).spec.outboundTrafficPolicy?.mode, "REGISTRY_ONLY");
  assert.equal(
    decoded(kind, "{outboundTrafficPolicy: {}}").spec.outboundTrafficPolicy?.mode,
    "REGISTRY_ONLY",
  );
  assert.equal(decoded(kind, "{outboundTrafficPolicy: {mode: ALLOW_ANY}}").spec.egress, undefined);
});

test("rules and what is not carried out", () => {
  const host =
    'want namespace/host, where namespace may be ".", "*" or "~" and host may begin with "*"';
  const cases: [string, string[]][] = [
    ["{}", ["error spec: found no settings, want egress or outboundTrafficPolicy"]],
    ["{egress: [{hosts: []}]}", ["error spec.egress[0].hosts: found no hosts, want at least one"]],
    ["{egress: [{hosts: [reviews]}]}", [`error spec.egress[0].hosts[0]: found "reviews", ${host}`]],
    [
      "{egress: [{hosts: ['./*']}, {hosts: ['./*']}]}",
      ["error spec.egress[0].port: is required; only the last listener may be without port"],
    ],
    ["{egress: [{port: {number: 80, protocol: HTTP}, hosts: ['./*']}]}", []],
    [
      "{egress: [{hosts: ['./*'], captureMode: NONE, bind: 1.2.3.4}]}",
      [
        "warning spec.egress[0].bind: bind is accepted but not carried out yet; it has no effect",
        "warning spec.egress[0].captureMode: captureMode is accepted but not carried out yet; it has no effect",
      ],
    ],
    [
      "{ingress: [{port: {number: 80}, captureMode: NONE}]}",
      [
        "warning spec.ingress[0].captureMode: captureMode is accepted but not carried out yet; it has no effect",
      ],
    ],
    [
      "{workloadSelector: {}, egress: [{hosts: ['./*']}]}",
      ["warning spec.workloadSelector: found no labels: this is for all workloads"],
    ],
  ];
  for (const [yaml, expected] of cases) assert.deepEqual(problems(kind, yaml), expected, yaml);
});
