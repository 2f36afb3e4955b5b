import assert from "node:assert/strict";
import { test } from "node:test";
import { decideInjection, defaultPolicy, type InjectionQuestion } from "./inject.ts";

const question: InjectionQuestion = {
  namespace: "default",
  namespaceLabels: {},
  podLabels: {},
  podAnnotations: {},
  hostNetwork: false,
  revision: "default",
  enableByDefault: false,
  policy: defaultPolicy,
};
const enabled = { "istio-injection": "enabled" };
const inject = "sidecar.istio.io/inject";

/** Namespace labels, pod labels, pod annotations, other fields, whether it is injected. */
const cases: readonly (readonly [string, Partial<InjectionQuestion>, boolean])[] = [
  ["nothing is said", {}, false],
  ["nothing is said, on by default", { enableByDefault: true }, true],
  ["namespace enabled", { namespaceLabels: enabled }, true],
  ["namespace disabled", { namespaceLabels: { "istio-injection": "disabled" } }, false],
  [
    "namespace disabled wins over the pod",
    { namespaceLabels: { "istio-injection": "disabled" }, podLabels: { [inject]: "true" } },
    false,
  ],
  ["pod opts out", { namespaceLabels: enabled, podLabels: { [inject]: "false" } }, false],
  [
    "pod opts out by annotation",
    { namespaceLabels: enabled, podAnnotations: { [inject]: "no" } },
    false,
  ],
  [
    "the label wins over the annotation",
    {
      namespaceLabels: enabled,
      podLabels: { [inject]: "true" },
      podAnnotations: { [inject]: "false" },
    },
    true,
  ],
  ["pod opts in", { podLabels: { [inject]: "true" } }, true],
  [
    "pod opts in, another revision",
    { podLabels: { [inject]: "true", "istio.io/rev": "canary" } },
    false,
  ],
  ["pod names our revision", { podLabels: { "istio.io/rev": "default" } }, true],
  ["namespace names another revision", { namespaceLabels: { "istio.io/rev": "canary" } }, false],
  [
    "namespace names ours",
    { namespaceLabels: { "istio.io/rev": "canary" }, revision: "canary" },
    true,
  ],
  ["enabled means the default revision", { namespaceLabels: enabled, revision: "canary" }, false],
  ["the host's network", { namespaceLabels: enabled, hostNetwork: true }, false],
  ["kube-system", { namespaceLabels: enabled, namespace: "kube-system" }, false],
];

for (const [name, more, expected] of cases)
  test(`injection: ${name}`, () => {
    const answer = decideInjection({ ...question, ...more });
    assert.equal(answer.inject, expected, answer.reason);
    assert.notEqual(answer.reason, "");
  });
