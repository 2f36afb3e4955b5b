import assert from "node:assert/strict";
import { test } from "node:test";
import { decoded, objectOf, problems } from "../../../test/support/api.ts";
import { selects } from "../label-selector.ts";
import { deploymentKind as kind } from "./kind.ts";

const template =
  "template: {metadata: {labels: {app: a, version: v1}}, spec: {containers: [{name: a}]}}";

test("defaults", () => {
  const yaml = `{selector: {matchLabels: {app: a}}, ${template}}`;
  assert.deepEqual(problems(kind, yaml), []);
  const { spec } = decoded(kind, yaml);
  assert.deepEqual([spec.replicas, spec.strategy.type, spec.paused], [1, "RollingUpdate", false]);
  const stored = kind.applyDefaults(objectOf(kind, yaml))["spec"];
  assert.deepEqual(JSON.parse(JSON.stringify(stored)).strategy, {
    type: "RollingUpdate",
    rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" },
  });
  const recreate = kind.applyDefaults(objectOf(kind, `{strategy: {type: Recreate}, ${template}}`));
  assert.deepEqual(JSON.parse(JSON.stringify(recreate)).spec.strategy, { type: "Recreate" });
});

test("rules", () => {
  const selector = "selector: {matchLabels: {app: a}}";
  const cases: [string, string[]][] = [
    [`{${template}}`, ["error spec.selector: is required; want an object"]],
    [`{selector: {}, ${template}}`, ["error spec.selector: found no labels, want at least one"]],
    [
      `{selector: {matchLabels: {app: b}}, ${template}}`,
      [
        "error spec.template.metadata.labels: does not match spec.selector; want all of the labels that the selector names",
      ],
    ],
    [
      `{${selector}, replicas: -1, ${template}}`,
      ["error spec.replicas: found -1, want at least 0"],
    ],
    [
      `{${selector}, strategy: {type: Recreate, rollingUpdate: {}}, ${template}}`,
      ["error spec.strategy.rollingUpdate: may not be set with type Recreate"],
    ],
    [
      `{${selector}, strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}, ${template}}`,
      ["error spec.strategy.rollingUpdate.maxUnavailable: may not be 0 when maxSurge is 0"],
    ],
    [
      `{${selector}, strategy: {rollingUpdate: {maxSurge: many}}, ${template}}`,
      [
        'error spec.strategy.rollingUpdate.maxSurge: found "many", want a count, or a percentage such as "25%"',
      ],
    ],
    [
      `{${selector}, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: a}], restartPolicy: Never}}}`,
      ["error spec.template.spec.restartPolicy: found Never, want Always"],
    ],
    [
      "{selector: {matchExpressions: [{key: app, operator: In}]}, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: a}]}}}",
      [
        "error spec.selector.matchExpressions[0].values: is required for In",
        "error spec.template.metadata.labels: does not match spec.selector; want all of the labels that the selector names",
      ],
    ],
  ];
  for (const [yaml, expected] of cases) assert.deepEqual(problems(kind, yaml), expected, yaml);
});

test("label selectors", () => {
  const labels = { app: "a", version: "v1" };
  const one = (
    operator: "In" | "NotIn" | "Exists" | "DoesNotExist",
    key: string,
    values: string[] = [],
  ) => selects({ matchLabels: {}, matchExpressions: [{ key, operator, values }] }, labels);
  assert.ok(selects({ matchLabels: { app: "a" }, matchExpressions: [] }, labels));
  assert.ok(!selects({ matchLabels: { app: "b" }, matchExpressions: [] }, labels));
  assert.ok(!selects({ matchLabels: { toString: "x" }, matchExpressions: [] }, labels));
  assert.ok(one("In", "app", ["a", "b"]) && !one("In", "app", ["b"]) && !one("In", "x", ["b"]));
  assert.ok(one("NotIn", "app", ["b"]) && one("NotIn", "x", ["b"]) && !one("NotIn", "app", ["a"]));
  assert.ok(one("Exists", "app") && !one("Exists", "x"));
  assert.ok(one("DoesNotExist", "x") && !one("DoesNotExist", "app"));
});
