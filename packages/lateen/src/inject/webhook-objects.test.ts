import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "../api/kind.ts";
import { selects } from "../api/label-selector.ts";
import { IGNORED_NAMESPACES, webhookSelects } from "../proxy/inject.ts";
import { arrayAt, isObject, objectAt } from "../sources/json.ts";
import {
  defaultValidator,
  mutatingWebhookConfiguration,
  revisionTagWebhook,
  validatingWebhookConfiguration,
} from "./webhook-objects.ts";

const install = {
  revision: "default",
  namespace: "istio-system",
  enableNamespacesByDefault: false,
};

type Labels = Readonly<Record<string, string>>;

/** The webhooks that the API server would call. */
function called(configuration: JsonObject, namespaceLabels: Labels, podLabels: Labels): string[] {
  return arrayAt(configuration, "webhooks")
    .filter(isObject)
    .filter(webhook => {
      const holds = (field: string, labels: Labels): boolean => {
        const { matchExpressions } = objectAt(webhook, field);
        const selector = { matchLabels: {}, matchExpressions } as unknown;
        return selects(selector as Parameters<typeof selects>[0], labels);
      };
      return holds("namespaceSelector", namespaceLabels) && holds("objectSelector", podLabels);
    })
    .map(webhook => String(webhook["name"]));
}

const label = (...values: string[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
const question = fc.record({
  injection: label("enabled", "disabled", "other"),
  namespaceRevision: label("default", "canary", "prod"),
  inject: label("true", "false", "maybe"),
  podRevision: label("default", "canary"),
  ignored: fc.boolean(),
});

function some(labels: Readonly<Record<string, string | undefined>>): Labels {
  const entries = Object.entries(labels).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : [[key, value]],
  );
  return Object.fromEntries(entries);
}

for (const revision of ["default", "canary"])
  for (const enableNamespacesByDefault of [false, true])
    test(`selectors and check-inject agree: ${revision}, by default ${enableNamespacesByDefault}`, () => {
      const configuration = mutatingWebhookConfiguration({
        ...install,
        revision,
        enableNamespacesByDefault,
      });
      fc.assert(
        fc.property(question, ({ injection, namespaceRevision, inject, podRevision }) => {
          const namespaceLabels = some({
            "kubernetes.io/metadata.name": "web",
            "istio-injection": injection,
            "istio.io/rev": namespaceRevision,
          });
          const podLabels = some({
            "sidecar.istio.io/inject": inject,
            "istio.io/rev": podRevision,
          });
          const hooks = called(configuration, namespaceLabels, podLabels);
          assert.ok(hooks.length <= 1, hooks.join());
          const answer = webhookSelects({
            namespaceLabels,
            podLabels,
            revision,
            enableByDefault: enableNamespacesByDefault && revision === "default",
          });
          assert.equal(answer.inject, hooks.length === 1, `${answer.reason}; ${hooks.join()}`);
        }),
      );
    });

test("namespaces of Kubernetes itself are left out where everything is injected", () => {
  const all = mutatingWebhookConfiguration({ ...install, enableNamespacesByDefault: true });
  for (const name of IGNORED_NAMESPACES)
    assert.deepEqual(called(all, { "kubernetes.io/metadata.name": name }, {}), []);
  assert.deepEqual(called(all, { "kubernetes.io/metadata.name": "web" }, {}), [
    "auto.sidecar-injector.istio.io",
  ]);
});

test("names, services and paths are Istio's", () => {
  const text = (object: JsonObject): string => JSON.stringify(object);
  const canary = { ...install, revision: "canary", namespace: "mesh" };
  const named = (object: JsonObject): unknown => objectAt(object, "metadata")["name"];
  assert.equal(named(mutatingWebhookConfiguration(install)), "istio-sidecar-injector");
  assert.equal(named(mutatingWebhookConfiguration(canary)), "istio-sidecar-injector-canary-mesh");
  assert.equal(named(validatingWebhookConfiguration(install)), "istio-validator-istio-system");
  assert.equal(named(validatingWebhookConfiguration(canary)), "istio-validator-canary-mesh");
  assert.equal(named(defaultValidator(install)), "istiod-default-validator");
  assert.equal(named(revisionTagWebhook(canary, "prod")), "istio-revision-tag-prod-mesh");
  assert.match(
    text(mutatingWebhookConfiguration(canary)),
    /"service":\{"name":"istiod-canary","namespace":"mesh","path":"\/inject","port":443\}/,
  );
  const remote = { ...install, url: "https://mesh.example", pathSuffix: "/cluster/c2/net/n2" };
  assert.match(
    text(mutatingWebhookConfiguration(remote)),
    /"url":"https:\/\/mesh\.example\/inject\/cluster\/c2\/net\/n2"/,
  );
  assert.match(text(revisionTagWebhook(install, "prod")), /"values":\["prod"\]/);
});
