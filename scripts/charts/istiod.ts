/** The templates of chart istiod: what the installer renders for a control plane, with holes for values. */
import { parse } from "yaml";
import type { Json, JsonObject } from "../../packages/lateen/src/api/kind.ts";
import { TODAY } from "../../packages/lateen/src/bin/install-input.ts";
import { renderParts } from "../../packages/lateen/src/bin/install-parts.ts";
import { revisionTagWebhook } from "../../packages/lateen/src/inject/webhook-objects.ts";
import type { Installation } from "../../packages/lateen/src/install/operator.ts";
import { mergeObjects } from "../../packages/lateen/src/install/path.ts";
import { type RenderOptions, render } from "../../packages/lateen/src/install/render.ts";
import { configTexts } from "../../packages/lateen/src/install/render-config.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../packages/lateen/src/sources/json.ts";
import { chartObject, files, GENERATED, withPolicy } from "./objects.ts";
import { type Holes, hole, templateLines } from "./template.ts";
import { type Scalar, type Tree, treeOf, type Variation, vary } from "./tree.ts";

const REPLICAS = 770_001;
const SAMPLING = 770_002;
const VALUES = ".Values";
const WEBHOOK = `${VALUES}.sidecarInjectorWebhook`;

export const HOLES: Holes = {
  named: {
    autoscaleMax: { type: "json", expression: `${VALUES}.autoscaleMax` },
    autoscaleMin: { type: "json", expression: `${VALUES}.autoscaleMin` },
    utilization: { type: "json", expression: `${VALUES}.cpu.targetAverageUtilization` },
    maxSurge: { type: "json", expression: `${VALUES}.rollingMaxSurge` },
    maxUnavailable: { type: "json", expression: `${VALUES}.rollingMaxUnavailable` },
    "the/image": { type: "text", expression: 'include "istiod.image" .' },
    nodeSelector: {
      type: "optional",
      expression: `${VALUES}.nodeSelector | default ${VALUES}.global.defaultNodeSelector`,
    },
    tolerations: {
      type: "optional",
      expression: `${VALUES}.tolerations | default ${VALUES}.global.defaultTolerations`,
    },
    affinity: { type: "optional", expression: `${VALUES}.affinity` },
    spread: { type: "optional", expression: `${VALUES}.topologySpreadConstraints` },
    resources: { type: "optional", expression: `${VALUES}.resources` },
    seccomp: { type: "optional", expression: `${VALUES}.seccompProfile` },
    ipFamilies: { type: "optional", expression: `${VALUES}.ipFamilies` },
    ipFamilyPolicy: { type: "word", expression: `${VALUES}.ipFamilyPolicy` },
    pullPolicy: { type: "word", expression: `${VALUES}.global.imagePullPolicy` },
    priority: { type: "word", expression: `${VALUES}.global.priorityClassName` },
    pullSecret: {
      type: "lines",
      expression: `{{- range ${VALUES}.global.imagePullSecrets }}\n- name: {{ . }}\n{{- end }}`,
    },
    env: {
      type: "lines",
      expression: `{{- range $name, $value := ${VALUES}.env }}
- name: {{ $name }}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}`,
    },
    args: {
      type: "lines",
      expression: `{{- with include "istiod.logLevel" . }}
- --log-level
- {{ . }}
{{- end }}
{{- if ${VALUES}.global.logAsJson }}
- --log-format
- json
{{- end }}
{{- range ${VALUES}.extraContainerArgs }}
- {{ toJson . }}
{{- end }}`,
    },
    podAnnotations: { type: "merge", expression: `${VALUES}.podAnnotations` },
    podLabels: { type: "merge", expression: `${VALUES}.podLabels` },
    serviceAnnotations: { type: "merge", expression: `${VALUES}.serviceAnnotations` },
    accountAnnotations: { type: "merge", expression: `${VALUES}.serviceAccountAnnotations` },
    labels: {
      type: "lines",
      expression: `{{- include "lateen.labels" (dict "root" $ "component" "Pilot") | nindent 4 }}`,
    },
    remoteLabels: {
      type: "lines",
      expression: `{{- include "lateen.labels" (dict "root" $ "component" "IstiodRemote") | nindent 4 }}`,
    },
    injector: { type: "json", expression: 'include "istiod.injectorClient" . | fromYaml' },
    remoteAddress: { type: "text", expression: `${VALUES}.global.remotePilotAddress` },
    mesh: { type: "literal", expression: 'include "istiod.mesh" .' },
    meshNetworks: { type: "literal", expression: 'include "istiod.meshNetworks" .' },
    config: { type: "literal", expression: 'include "istiod.injectorConfig" .' },
    values: { type: "literal", expression: 'include "istiod.injectorValues" .' },
    autoInject: { type: "text", expression: `${VALUES}.global.proxy.autoInject` },
    always: { type: "json", expression: `${WEBHOOK}.alwaysInjectSelector | default list` },
    never: { type: "json", expression: `${WEBHOOK}.neverInjectSelector | default list` },
    annotations: { type: "json", expression: `${WEBHOOK}.injectedAnnotations | default dict` },
    templates: { type: "json", expression: `${WEBHOOK}.templates | default dict` },
    defaults: { type: "json", expression: `${WEBHOOK}.defaultTemplates | default list` },
    cluster: {
      type: "text",
      expression: `${VALUES}.global.multiCluster.clusterName | default "Kubernetes"`,
    },
    meshID: { type: "text", expression: `${VALUES}.global.meshID` },
    network: { type: "text", expression: `${VALUES}.global.network` },
    remotePilot: { type: "text", expression: `${VALUES}.global.remotePilotAddress` },
    policy: {
      type: "text",
      expression:
        'include "lateen.failurePolicy" (printf "istio-validator%s-%s" (include "istiod.suffix" .) .Release.Namespace)',
    },
    namespace: { type: "text", expression: ".Release.Namespace" },
    outside: { type: "text", expression: 'include "istiod.outside" .' },
    rev: { type: "text", expression: `${VALUES}.revision` },
    revision: { type: "text", expression: `${VALUES}.revision | default "default"` },
    suffix: { type: "text", expression: 'include "istiod.suffix" .' },
    podIstio: {
      type: "text",
      expression: `ternary "istiod" "pilot" (not (empty ${VALUES}.revision))`,
    },
    tag: { type: "text", expression: "$tag" },
  },
  numbers: new Map([
    [REPLICAS, { type: "json", expression: `${VALUES}.replicaCount` }],
    [SAMPLING, { type: "json", expression: `${VALUES}.traceSampling` }],
  ]),
};

export const BASIS: Installation = {
  profile: "default",
  revision: "default",
  namespace: hole("namespace"),
  version: "0",
  hub: "hub",
  tag: "tag",
  meshConfig: { defaultConfig: { proxyMetadata: {} } },
  components: { pilot: { enabled: true } },
  spec: {},
  values: {
    sidecarInjectorWebhook: {
      alwaysInjectSelector: hole("always"),
      neverInjectSelector: hole("never"),
      injectedAnnotations: hole("annotations"),
      templates: hole("templates"),
      defaultTemplates: hole("defaults"),
    },
    global: {
      configValidation: true,
      defaultPodDisruptionBudget: { enabled: true },
      imagePullPolicy: hole("pullPolicy"),
      multiCluster: { clusterName: hole("cluster") },
      priorityClassName: hole("priority"),
      proxy: { autoInject: hole("autoInject") },
    },
    pilot: {
      autoscaleEnabled: true,
      autoscaleMax: hole("autoscaleMax"),
      autoscaleMin: hole("autoscaleMin"),
      cpu: { targetAverageUtilization: hole("utilization") },
      replicaCount: REPLICAS,
      rollingMaxSurge: hole("maxSurge"),
      rollingMaxUnavailable: hole("maxUnavailable"),
      image: hole("the/image"),
      nodeSelector: hole("nodeSelector"),
      tolerations: hole("tolerations"),
      affinity: hole("affinity"),
      topologySpreadConstraints: hole("spread"),
      resources: hole("resources"),
      ipFamilies: hole("ipFamilies"),
      ipFamilyPolicy: hole("ipFamilyPolicy"),
      env: { [hole("env")]: "" },
      extraContainerArgs: [hole("args")],
      podAnnotations: { [hole("podAnnotations")]: "" },
      podLabels: { [hole("podLabels")]: "" },
      serviceAnnotations: { [hole("serviceAnnotations")]: "" },
      serviceAccountAnnotations: { [hole("accountAnnotations")]: "" },
    },
  },
};

/** With the values of the basis for what an earlier variation brought in. */
function plain(text: Scalar): Scalar {
  if (typeof text !== "string") return text;
  if (text === hole("podIstio")) return "pilot";
  return text.replaceAll(hole("suffix"), "").replaceAll(hole("revision"), "default");
}

function same(basis: Scalar, varied: Scalar): Scalar | undefined {
  return plain(basis) === varied ? basis : undefined;
}

/** Names end in the revision, or have none; else it is said where there is none, too. */
function byRevision(basis: Scalar, varied: Scalar): Scalar | undefined {
  if (basis === varied) return basis;
  if (typeof basis !== "string" || typeof varied !== "string") return undefined;
  if (basis === "pilot" && varied === "istiod") return hole("podIstio");
  const rev = hole("rev");
  if (varied.replaceAll(`-${rev}`, "") === basis)
    return varied.replaceAll(`-${rev}`, hole("suffix"));
  if (varied.replaceAll(rev, "default") === basis) return varied.replaceAll(rev, hole("revision"));
  return undefined;
}

export interface Change {
  readonly when: string;
  readonly both?: Variation["both"];
  readonly revision?: string;
  readonly values?: JsonObject;
  readonly options?: RenderOptions;
}

const PLAIN: RenderOptions = { makeDefault: false };
const TAGGED = `has "default" ${VALUES}.revisionTags`;
export const REVISION: Change = {
  when: `${VALUES}.revision`,
  both: byRevision,
  revision: hole("rev"),
};

const CHANGES: readonly Change[] = [
  REVISION,
  { when: `not ${VALUES}.autoscaleEnabled`, values: { pilot: { autoscaleEnabled: false } } },
  {
    when: `not ${VALUES}.global.defaultPodDisruptionBudget.enabled`,
    values: { global: { defaultPodDisruptionBudget: { enabled: false } } },
  },
  {
    when: `eq ${VALUES}.global.configValidation false`,
    values: { global: { configValidation: false } },
  },
  {
    when: `and (not ${VALUES}.revision) ${WEBHOOK}.enableNamespacesByDefault (not (${TAGGED}))`,
    values: { sidecarInjectorWebhook: { enableNamespacesByDefault: true } },
  },
  // Then the tag's webhook serves who names no revision.
  {
    when: `and (not ${VALUES}.revision) (${TAGGED})`,
    options: { makeDefault: true, defaultByTag: true },
  },
  {
    when: `${VALUES}.global.imagePullSecrets`,
    values: { global: { imagePullSecrets: [hole("pullSecret")] } },
  },
  { when: `${VALUES}.seccompProfile`, values: { pilot: { seccompProfile: hole("seccomp") } } },
];

/** Those that ConfigMap `istio` shows. */
const MESH_CHANGES: readonly Change[] = [
  REVISION,
  { when: `${VALUES}.global.meshID`, values: { global: { meshID: hole("meshID") } } },
  { when: `${VALUES}.global.network`, values: { global: { network: hole("network") } } },
  {
    when: `${VALUES}.global.remotePilotAddress`,
    values: { global: { remotePilotAddress: hole("remotePilot") } },
  },
  { when: `hasKey ${VALUES} "traceSampling"`, values: { pilot: { traceSampling: SAMPLING } } },
];

function changed(basis: Installation, { revision, values = {} }: Change): Installation {
  return {
    ...basis,
    ...(revision === undefined ? {} : { revision }),
    values: mergeObjects(basis.values, values),
  };
}

export function varied(
  from: (installation: Installation, options: RenderOptions) => Json,
  changes: readonly Change[],
  basis = BASIS,
): Tree {
  let tree = treeOf(from(basis, PLAIN));
  for (const change of changes) {
    const both = change.both ?? same;
    const next = vary(tree, from(changed(basis, change), change.options ?? PLAIN), {
      when: change.when,
      both,
    });
    if (next === undefined) throw new Error(`${change.when}: it is another kind of thing`);
    tree = next;
  }
  return tree;
}

function renderedObjects(installation: Installation, options: RenderOptions): Json {
  const result = render(installation, renderParts("0", TODAY), options);
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics));
  return result.value
    .map(each => each.object)
    .filter(object => object["kind"] !== "Namespace" && !isTag(object))
    .map(object => withTexts(chartObject(object, hole("labels"))))
    .map(object => withPolicy(object, hole("policy")));
}

function isTag(object: JsonObject): boolean {
  return stringAt(objectAt(object, "metadata"), "name").startsWith("istio-revision-tag-");
}

/** Texts in ConfigMaps are templates of their own. */
export function withTexts(object: JsonObject): JsonObject {
  const metadata = objectAt(object, "metadata");
  const name = stringAt(metadata, "name");
  if (object["kind"] === "ConfigMap") {
    const data = objectAt(object, "data");
    const keys = Object.keys(data).map(key => [key, hole(key)]);
    return { ...object, data: Object.fromEntries(keys) };
  }
  if (object["kind"] !== "MutatingWebhookConfiguration") return object;
  const shown = name.replace(`-${hole("namespace")}`, hole("outside"));
  return { ...object, metadata: { ...metadata, name: shown } };
}

/** By URL or by Service: two settings that change the same field are written by hand, in _helpers.tpl. */
export function withClient(object: JsonObject): JsonObject {
  if (object["kind"] !== "MutatingWebhookConfiguration") return object;
  const webhooks = arrayAt(object, "webhooks").map(each =>
    isObject(each) ? { ...each, clientConfig: hole("injector") } : each,
  );
  return { ...object, webhooks };
}

/** `istio-revision-tag-TAG` for each of `revisionTags`. */
function tagTemplate(): string {
  const of = (tag: string, enableNamespacesByDefault: boolean): JsonObject => {
    const facts = {
      revision: hole("rev"),
      namespace: hole("namespace"),
      enableNamespacesByDefault,
    };
    const object = withTexts(
      chartObject(withClient(revisionTagWebhook(facts, tag)), hole("labels")),
    );
    const text = JSON.stringify(object)
      .replaceAll(`-${hole("rev")}`, hole("suffix"))
      .replaceAll(hole("rev"), hole("revision"));
    return JSON.parse(text);
  };
  const tag = hole("tag");
  const isDefault = 'eq $tag "default"';
  let tree = treeOf(of(tag, false));
  const step = (other: Json, when: string, both: Variation["both"]): void => {
    const next = vary(tree, other, { when, both });
    if (next === undefined) throw new Error(`${when}: it is another kind of thing`);
    tree = next;
  };
  const both = (basis: Scalar, other: Scalar): Scalar | undefined =>
    typeof basis === "string" && basis.replaceAll(tag, "default") === other
      ? basis
      : same(basis, other);
  step(of("default", false), isDefault, both);
  const unlabelled = `and (${isDefault}) ${WEBHOOK}.enableNamespacesByDefault`;
  const auto = withoutThose(of("default", true), of("default", false), of(tag, false));
  step(auto, unlabelled, both);
  return [
    GENERATED,
    `{{- range $tag := ${VALUES}.revisionTags }}`,
    "{{- with $ }}",
    "---",
    ...templateLines(tree, 0, HOLES),
    "{{- end }}",
    "{{- end }}",
    "",
  ].join("\n");
}

/** The webhooks of the first that are new in it, or in the last. */
function withoutThose(object: JsonObject, known: JsonObject, basis: JsonObject): JsonObject {
  const names = (of: JsonObject): string[] =>
    arrayAt(of, "webhooks").map(each => (isObject(each) ? stringAt(each, "name") : ""));
  const dropped = new Set(names(known).filter(each => !names(basis).includes(each)));
  const webhooks = arrayAt(object, "webhooks").filter(
    each => isObject(each) && !dropped.has(stringAt(each, "name")),
  );
  return { ...object, webhooks };
}

function definition(name: string, tree: Tree): string[] {
  return [`{{- define "${name}" -}}`, ...templateLines(tree, 0, HOLES), "{{- end }}"];
}

/** Not in clusters whose control plane is elsewhere (istiod-remote.ts). */
function whereItRuns(text: string): string {
  return text
    .replace(`${GENERATED}\n`, `${GENERATED}\n{{- if not ${VALUES}.istiodRemote.enabled }}\n`)
    .concat("{{- end }}\n");
}

/** Text by path below the chart's folder. */
export function istiodTemplates(): ReadonlyMap<string, string> {
  const mesh = varied(each => parse(configTexts(each).mesh) as Json, MESH_CHANGES);
  const config = varied(each => parse(configTexts(each).config) as Json, []);
  const texts = [
    GENERATED,
    ...definition("istiod.meshDefaults", mesh),
    ...definition("istiod.injectorConfig", config),
    "",
  ];
  const objects = files(varied(renderedObjects, CHANGES), HOLES);
  return new Map([
    ...objects.map(([path, text]): [string, string] => [path, whereItRuns(text)]),
    ["templates/_texts.tpl", texts.join("\n")],
    ["templates/revision-tags.yaml", tagTemplate()],
  ]);
}
