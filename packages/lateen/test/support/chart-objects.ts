/** Objects of the Helm charts beside those of the installer. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { MARKS } from "../../../../scripts/charts/objects.ts";
import { VERSION } from "../../../../scripts/images/build.ts";
import type { Json, JsonObject } from "../../src/api/kind.ts";
import { TODAY } from "../../src/bin/install-input.ts";
import { renderParts } from "../../src/bin/install-parts.ts";
import type { ComponentName } from "../../src/install/objects.ts";
import { resolveInstallation } from "../../src/install/operator.ts";
import { type RenderOptions, render } from "../../src/install/render.ts";
import { configTexts } from "../../src/install/render-config.ts";
import {
  arrayAt,
  isArray,
  isObject,
  objectAt,
  stringAt,
  withoutKey,
} from "../../src/sources/json.ts";

/** An IstioOperator's spec, as far as chart istiod has the same. */
export interface Settings {
  readonly profile?: string;
  readonly revision?: string;
  readonly meshConfig?: JsonObject;
  readonly values?: JsonObject;
}

export function installed(
  settings: Settings,
  component: ComponentName,
  options?: RenderOptions,
): readonly JsonObject[] {
  const operators = [{ spec: settings as JsonObject }];
  const resolved = resolveInstallation({ operators, sets: [], version: VERSION });
  assert.ok(resolved.ok, JSON.stringify(resolved.diagnostics));
  const makeDefault = resolved.value.revision === "default";
  const parts = renderParts(VERSION, TODAY);
  const result = render(resolved.value, parts, options ?? { makeDefault });
  assert.ok(result.ok, JSON.stringify(result.diagnostics));
  return result.value
    .filter(each => each.component === component && each.object["kind"] !== "Namespace")
    .map(each => each.object);
}

const RELEASE_LABELS = new Set([...MARKS, "app.kubernetes.io/instance", "helm.sh/chart"]);

/** By kind and name; without what says who installed it, texts as what they mean. */
export function comparable(objects: readonly JsonObject[]): Record<string, Json> {
  const pairs = objects.map((object): [string, Json] => {
    const metadata = objectAt(object, "metadata");
    const own = Object.entries(objectAt(metadata, "labels"));
    const labels = Object.fromEntries(own.filter(([key]) => !RELEASE_LABELS.has(key)));
    const plain = { ...object, metadata: { ...metadata, labels } };
    const key = `${stringAt(object, "kind")}/${stringAt(metadata, "name")}`;
    return [key, object["kind"] === "ConfigMap" ? withMeaning(plain) : plain];
  });
  assert.equal(new Set(pairs.map(([key]) => key)).size, pairs.length);
  return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function withMeaning(object: JsonObject): JsonObject {
  const texts = Object.entries(objectAt(object, "data"));
  const data = Object.fromEntries(texts.map(([key, text]) => [key, parse(String(text)) as Json]));
  return { ...object, data };
}

/** What the objects do: accounts and pods' labels have other names, and mean the same. */
export function specs(objects: readonly JsonObject[], settings: Settings): Record<string, Json> {
  const found = objects
    .filter(({ kind }) => kind !== "ServiceAccount")
    .map((object): [string, Json] => {
      const spec = objectAt(object, "spec");
      const isDeployment = object["kind"] === "Deployment";
      return [stringAt(object, "kind"), isDeployment ? deployed(object, settings) : spec];
    });
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** With the proxy, which the installer has put in already and injection puts in otherwise. */
function deployed(deployment: JsonObject, settings: Settings): JsonObject {
  const operators = [{ spec: settings as JsonObject }];
  const resolved = resolveInstallation({ operators, sets: [], version: VERSION });
  assert.ok(resolved.ok);
  const { injectGateway } = renderParts(VERSION, TODAY);
  const injected = injectGateway(deployment, configTexts(resolved.value));
  assert.ok(injected.ok, JSON.stringify(injected.diagnostics));
  const spec = objectAt(injected.value, "spec");
  const template = objectAt(spec, "template");
  const pod = objectAt(template, "spec");
  const [container] = arrayAt(pod, "containers").filter(isObject);
  assert.ok(container);
  const { ports: _ports, env, securityContext, ...rest } = container;
  // It holds the labels.
  const variables = isArray(env) ? env.filter(each => !JSON.stringify(each).includes("PEER")) : [];
  const {
    serviceAccountName: _account,
    securityContext: context,
    terminationGracePeriodSeconds: _grace,
    ...others
  } = pod;
  const args = arrayAt(rest, "args").map(each => withoutPodFacts(String(each)));
  const annotations = Object.keys(objectAt(objectAt(template, "metadata"), "annotations"));
  return {
    ...spec,
    template: {
      annotations: annotations.filter(each => each !== "sidecar.istio.io/inject").sort(),
      spec: { ...others, containers: [{ ...rest, args }] },
      sysctls: isObject(context) ? (context["sysctls"] ?? null) : null,
      security: isObject(securityContext) ? withoutKey(securityContext, "privileged") : null,
      variables: variables.map(each => JSON.stringify(each)).sort(),
    },
  };
}

/** The bootstrap's metadata repeats the pod's labels (the chart's version) and declared ports. */
function withoutPodFacts(argument: string): string {
  return argument
    .replace(/"LABELS":\{[^}]*\}/, '"LABELS":{}')
    .replace(/"POD_PORTS":"(?:\\.|[^"\\])*"/, '"POD_PORTS":""');
}

/** CRDs outlive the release: that is said in an annotation. */
export function withoutKeep(objects: Record<string, Json>): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(objects).map(([key, object]) => {
      if (!key.startsWith("CustomResourceDefinition/") || !isObject(object)) return [key, object];
      const metadata = objectAt(object, "metadata");
      const annotations = objectAt(metadata, "annotations");
      assert.equal(annotations["helm.sh/resource-policy"], "keep");
      return [key, { ...object, metadata: withoutKey(metadata, "annotations") }];
    }),
  );
}
