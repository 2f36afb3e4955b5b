/**
 * Every setting that the installer takes without a word changes what is installed, or the pods that are
 * injected by it. A new one has to be carried out, or to be on one of the lists of known-paths.ts that
 * are warned of.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "../../src/api/kind.ts";
import { TODAY } from "../../src/bin/install-input.ts";
import { renderParts } from "../../src/bin/install-parts.ts";
import { readInjectorConfig } from "../../src/inject/config.ts";
import { injectKubePod } from "../../src/inject/pod-injection.ts";
import { modern, older } from "../../src/inject/testdata/cases.ts";
import { KNOWN_SPEC, type Known } from "../../src/install/known-paths.ts";
import { resolveInstallation } from "../../src/install/operator.ts";
import { mergeObjects } from "../../src/install/path.ts";
import { render } from "../../src/install/render.ts";
import { configTexts } from "../../src/install/render-config.ts";
import { arrayAt, isArray, isObject, objectAt } from "../../src/sources/json.ts";

const INGRESS = "istio-ingressgateway";

/** They say what is there in any case, or what the installer reads before it renders. */
const NOTHING_TO_SEE: readonly RegExp[] = [
  /^values\.global\.externalIstiod$/,
  /^values\.global\.proxy_init\.forceApplyIptables$/,
  /^values\.pilot\.configMap$/,
  /^components\.(base|istiodRemote)\.k8s\.overlays$/,
  /^components\.(cni|istiodRemote|ztunnel)\.enabled$/,
  /^components\.\w+Gateways\.(name|enabled)$/,
];

/** By the end of the path; without one a sample by what is known of the field. */
const SAMPLES: Readonly<Record<string, Json>> = {
  "k8s.affinity": { nodeAffinity: {} },
  "pilot.affinity": { nodeAffinity: {} },
  "k8s.env": [{ name: "TZ", value: "UTC" }],
  "k8s.hpaSpec": { minReplicas: 3 },
  "k8s.overlays": [{ kind: "Deployment", name: "istiod", patches: [{ path: "spec.x", value: 1 }] }],
  "Gateways.k8s.overlays": [
    { kind: "Deployment", name: INGRESS, patches: [{ path: "spec.x", value: 1 }] },
  ],
  podDisruptionBudget: { minAvailable: 3 },
  readinessProbe: { httpGet: { path: "/r", port: 9 }, periodSeconds: 9 },
  securityContext: { runAsUser: 5 },
  "k8s.service": { externalIPs: ["192.0.2.1"] },
  strategy: { rollingUpdate: { maxSurge: 3 } },
  tolerations: [{ key: "a" }],
  defaultTolerations: [{ key: "a" }],
  topologySpreadConstraints: [{ maxSkew: 1 }],
  "k8s.volumeMounts": [{ name: "v", mountPath: "/v" }],
  "k8s.volumes": [{ name: "v", emptyDir: {} }],
  extraContainerArgs: ["--sample"],
  imagePullPolicy: "Always",
  imagePullSecrets: ["sample"],
  ipFamilies: ["IPv6"],
  "pilot.cpu": { targetAverageUtilization: 33 },
  [`${INGRESS}.cpu`]: { targetAverageUtilization: 33 },
  [`${INGRESS}.env`]: { SAMPLE: "1" },
  ports: [{ name: "one", port: 1 }],
  loadBalancerSourceRanges: ["192.0.2.0/24"],
  logging: { level: "default:debug" },
  meshConfig: { accessLogFile: "/dev/sample" },
  meshNetworks: { n1: { endpoints: [{ fromRegistry: "c1" }] } },
  podDNSSearchNamespaces: ["sample"],
  IPRanges: "192.0.2.0/24",
  excludeInterfaces: "eth9",
  Ports: "9",
  image: "sample",
  lifecycle: { preStop: { sleep: { seconds: 9 } } },
  readinessFailureThreshold: 9,
  readinessInitialDelaySeconds: 9,
  readinessPeriodSeconds: 9,
  failureThreshold: 9,
  statusPort: 15999,
  componentLogLevel: "http:debug",
  logLevel: "debug",
  seccompProfile: { type: "RuntimeDefault" },
  traceSampling: 5,
  alwaysInjectSelector: [{ matchLabels: { a: "b" } }],
  neverInjectSelector: [{ matchLabels: { a: "b" } }],
  defaultTemplates: ["sidecar", "more"],
  injectedAnnotations: { sample: "1" },
  templates: { more: "metadata: {annotations: {sample: x}}" },
  profile: "minimal",
  platform: "openshift",
  namespace: "sample",
};
const MAPS = /(nnotations|abels?|odeSelector)$/;

/** Where a setting only counts beside another. */
function beside(path: string): JsonObject {
  if (/eplicaCount$/.test(path))
    return {
      values: { pilot: still, gateways: { [INGRESS]: still, "istio-egressgateway": still } },
    };
  if (path.startsWith("values.istiodRemote.")) return { profile: "remote" };
  if (path === "values.sidecarInjectorWebhook.defaultTemplates")
    return { values: { sidecarInjectorWebhook: { templates: { more: "spec: {}" } } } };
  if (path === "values.sidecarInjectorWebhook.templates")
    return { values: { sidecarInjectorWebhook: { defaultTemplates: ["sidecar", "more"] } } };
  if (path.endsWith("pilot.k8s.volumeMounts")) return pilotWith({ volumes: [{ name: "v" }] });
  return {};
}
const still: JsonObject = { autoscaleEnabled: false };
const pilotWith = (k8s: JsonObject): JsonObject => ({ components: { pilot: { k8s } } });

function leaves(known: Known, path: readonly string[]): (readonly [string, Known])[] {
  if (typeof known === "string") return [[path.join("."), known]];
  const key = (name: string): string => (name === "*" ? INGRESS : name);
  return Object.entries(known).flatMap(([name, child]) => leaves(child, [...path, key(name)]));
}

function samplesOf(path: string, known: Known): readonly Json[] {
  const ends = Object.keys(SAMPLES).filter(end => path.endsWith(end));
  const [end] = ends.sort((a, b) => b.length - a.length);
  if (known === "flag") return [true, false];
  if (known === "count") return [7];
  if (known === "resources") return [{ limits: { cpu: "7", memory: "9Gi" } }];
  if (typeof known === "string" && known.startsWith("one of ")) return ["disabled"];
  if (end !== undefined) return [SAMPLES[end] ?? null];
  return [MAPS.test(path) ? { sample: "1" } : "sample"];
}

/** Objects, the pod that its injector makes in new and old clusters, and what is warned of. */
function outcome(spec: JsonObject): { readonly text: string; readonly warnings: string } {
  const input = { operators: [{ spec }], sets: [], version: "1" };
  const resolved = resolveInstallation(input);
  assert.ok(resolved.ok, JSON.stringify(resolved.diagnostics));
  const made = render(resolved.value, renderParts("1", TODAY), { makeDefault: true });
  assert.ok(made.ok, JSON.stringify(made.diagnostics));
  // The text of values shows everything that is said, read or not.
  const objects = made.value
    .map(({ object }) => object)
    .filter(({ kind }) => kind !== "CustomResourceDefinition" && kind !== "ConfigMap");
  const { values, ...texts } = configTexts(resolved.value);
  const config = readInjectorConfig({ values, ...texts });
  assert.ok(config.ok, JSON.stringify(config.diagnostics));
  const app = { name: "app", image: "app:1", livenessProbe: { httpGet: { path: "/", port: 80 } } };
  const pods = [modern, older].map(features =>
    injectKubePod({
      pod: { metadata: { name: "p" }, spec: { containers: [app] } },
      namespace: "web",
      config: config.value,
      features,
      version: "1",
    }),
  );
  const text = JSON.stringify([objects, texts, pods]);
  return { text, warnings: JSON.stringify([...resolved.diagnostics, ...made.diagnostics]) };
}

function nested(path: readonly string[], value: Json): JsonObject {
  return path.reduceRight<Json>((below, name) => {
    const object = { [name]: below };
    if (!name.endsWith("Gateways")) return object;
    const gateway = name.replace("Gateways", "gateway");
    const item = typeof below === "object" && below !== null ? below : {};
    return { [name]: [{ name: `istio-${gateway}`, enabled: true, ...item }] };
  }, value) as JsonObject;
}

/** Files take lists as a whole; here the one gateway of both is meant. */
function laidOver(basis: JsonObject, over: JsonObject): JsonObject {
  const components = objectAt(over, "components");
  const merged = Object.entries(components).map(([name, value]) => {
    const [before] = arrayAt(objectAt(basis, "components"), name).filter(isObject);
    const [item] = isArray(value) ? value.filter(isObject) : [];
    return [
      name,
      item === undefined || before === undefined ? value : [mergeObjects(before, item)],
    ];
  });
  return mergeObjects(basis, { ...over, components: Object.fromEntries(merged) });
}

const TALKS = new Set(["idle", "unread"]);

test("what the installer takes without a word has an effect", { timeout: 300_000 }, () => {
  const silent: string[] = [];
  const plain = new Map<string, string>();
  for (const [path, known] of leaves(KNOWN_SPEC, [])) {
    if (TALKS.has(String(known)) || path.startsWith("values.pilot.env.")) continue;
    if (NOTHING_TO_SEE.some(each => each.test(path))) continue;
    const keys = path.split(".");
    const others = beside(path);
    const gateways = /^components\.(\w+Gateways)\./.exec(path)?.[1];
    // A mount is of a volume that is there.
    const k8s = path.endsWith(".volumeMounts") ? { volumes: [{ name: "v", emptyDir: {} }] } : {};
    const at = gateways === undefined ? {} : nested(["components", gateways], { k8s });
    const basis = mergeObjects(others, at);
    const key = JSON.stringify(basis);
    const before = plain.get(key) ?? outcome(basis).text;
    plain.set(key, before);
    const changes = samplesOf(path, known).some(sample => {
      const { text, warnings } = outcome(laidOver(basis, nested(keys, sample)));
      return text !== before || warnings.includes(`spec.${path}`);
    });
    if (!changes) silent.push(path);
  }
  assert.deepEqual(silent, []);
});
