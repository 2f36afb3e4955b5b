/**
 * The fields of IstioOperator and of the values below it that have a meaning. What is not here is
 * refused with what is near; what Istio knows and we do not carry out is accepted with a warning.
 * https://istio.io/latest/docs/reference/config/istio.operator.v1alpha1/
 */

import type { Json, JsonObject } from "../api/kind.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { nearest } from "../base/nearest.ts";
import { own } from "../base/own.ts";
import { parseQuantity } from "../base/quantity.ts";
import { arrayAt, isArray, isObject, objectAt, stringAt } from "../sources/json.ts";
import { FLAGS_IDLE, FLAGS_READ } from "./istiod-flags.ts";

/**
 * `used`: whatever stands below; `text`: a string; `texts`: strings by name; `word`: a string for which
 * Istio takes a number, too; `words`: those by name; `flag`: true or false; `count`: a number of
 * replicas; `resources`: of a container, by `requests` and `limits`; `one of A, B`: these words; `idle`:
 * known to Istio, without effect here; `unread`: known to nobody, and harmless; `*`: any other key.
 */
export type Known = Leaf | { readonly [key: string]: Known };
type Leaf =
  | "used"
  | "text"
  | "texts"
  | "word"
  | "words"
  | "flag"
  | "count"
  | "resources"
  | "idle"
  | "unread"
  | `${typeof ONE_OF}${string}`;

const ONE_OF = "one of ";

function all(value: Leaf, names: string): Record<string, Known> {
  return each(value, names.split(/\s+/));
}

function each(value: Leaf, names: readonly string[]): Record<string, Known> {
  return Object.fromEntries(names.map(name => [name, value]));
}

const k8s: Known = {
  ...all("used", "affinity env hpaSpec overlays podDisruptionBudget readinessProbe"),
  ...all("text", "imagePullPolicy priorityClassName"),
  ...all("texts", "nodeSelector podAnnotations serviceAnnotations"),
  replicaCount: "count",
  resources: "resources",
  ...all("used", "securityContext service strategy tolerations volumeMounts volumes"),
};
const component: Known = { enabled: "flag", hub: "text", tag: "word", k8s };
const NO_K8S: Known = each("idle", Object.keys(k8s));
/** Objects without a Deployment, so that only overlays change them. */
const objects: Known = {
  enabled: "flag",
  ...all("idle", "hub tag"),
  k8s: { ...NO_K8S, overlays: "used" },
};
/** Nothing is installed for them. */
const absent: Known = { enabled: "flag", ...all("idle", "hub tag"), k8s: NO_K8S };
const gateway: Known = {
  enabled: "flag",
  ...all("text", "name namespace hub"),
  label: "texts",
  tag: "word",
  k8s,
};

const pilot: Readonly<Record<string, Known>> = {
  ...all("flag", "autoscaleEnabled configMap enabled"),
  ...all("used", "affinity cpu"),
  env: { ...each("idle", FLAGS_IDLE), ...each("word", FLAGS_READ), "*": "unread" },
  ...all("count", "autoscaleMax autoscaleMin replicaCount"),
  ...all("used", "extraContainerArgs ipFamilies seccompProfile tolerations"),
  ...all("text", "hub image ipFamilyPolicy"),
  ...all("texts", "nodeSelector podAnnotations podLabels"),
  ...all("texts", "serviceAccountAnnotations serviceAnnotations"),
  tag: "word",
  cni: { enabled: "flag", ...all("idle", "chained provider") },
  resources: "resources",
  ...all("used", "topologySpreadConstraints traceSampling rollingMaxSurge rollingMaxUnavailable"),
  ...all("idle", "configSource deploymentLabels envVarFrom initContainers"),
  ...all("idle", "jwksResolverExtraRootCA keepaliveMaxServerConnectionAge memory"),
  ...all("idle", "autoscaleBehavior crlConfigMapName terminationGracePeriodSeconds"),
  ...all("idle", "taint trustedZtunnelNamespace trustedZtunnelName variant volumeMounts volumes"),
};

const proxy: Known = {
  ...all("flag", "holdApplicationUntilProxyStarts privileged"),
  startupProbe: { enabled: "flag", failureThreshold: "used" },
  resources: "resources",
  autoInject: `${ONE_OF}enabled, disabled`,
  ...all("text", "clusterDomain componentLogLevel excludeIPRanges excludeInterfaces image"),
  ...all("text", "includeIPRanges logLevel outlierLogPath"),
  ...all("word", "excludeInboundPorts excludeOutboundPorts"),
  ...all("word", "includeInboundPorts includeOutboundPorts"),
  ...all("used", "lifecycle readinessFailureThreshold readinessInitialDelaySeconds"),
  ...all("used", "readinessPeriodSeconds seccompProfile statusPort"),
  ...all("idle", "enableCoreDump tracer"),
};

const global: Known = {
  ...all("flag", "configValidation externalIstiod logAsJson nativeNftables"),
  defaultNodeSelector: "texts",
  ...all("used", "defaultTolerations imagePullSecrets logging meshNetworks"),
  podDNSSearchNamespaces: "used",
  ...all("text", "hub imagePullPolicy istioNamespace meshID network"),
  ...all("text", "priorityClassName remotePilotAddress"),
  tag: "word",
  // Warned of with what there is instead (operator.ts).
  ...all("text", "platform variant"),
  defaultPodDisruptionBudget: { enabled: "flag" },
  multiCluster: {
    clusterName: "text",
    ...all("idle", "enabled globalDomainSuffix includeEnvoyFilter"),
  },
  proxy,
  // The rules of istio-init are always applied.
  proxy_init: { forceApplyIptables: "flag", image: "text", resources: "resources" },
  ...all("idle", "agentgateway arch configCluster enableReaderRBAC"),
  ...all("idle", "autoscalingv2API caAddress caName certSigners defaultConfigVisibilitySettings"),
  ...all("idle", "defaultResources enableTracing ipFamilies ipFamilyPolicy istiod jwtPolicy"),
  ...all("idle", "mountMtlsCerts networkPolicy omitSidecarInjectorConfigMap"),
  ...all("idle", "operatorManageWebhooks pilotCertProvider resourceScope sds sts"),
  ...all("idle", "tracer trustBundleName useMCP waypoint"),
};

const gatewayValues: Known = {
  ...all("idle", "enabled seccompProfile securityContext"),
  "*": {
    autoscaleEnabled: "flag",
    resources: "resources",
    ...all("count", "autoscaleMax autoscaleMin replicaCount"),
    ...all("text", "externalTrafficPolicy ipFamilyPolicy loadBalancerIP type"),
    ...all("texts", "labels nodeSelector podAnnotations serviceAnnotations"),
    env: "words",
    ...all("used", "cpu ipFamilies loadBalancerSourceRanges ports rollingMaxSurge"),
    ...all("used", "rollingMaxUnavailable tolerations"),
    ...all("idle", "enabled ingressPorts"),
    ...all("idle", "additionalContainers configVolumes customService injectionTemplate memory"),
    // components.*Gateways[] say enabled, name and namespace.
    ...all("idle", "meshExpansionPorts name namespace podAntiAffinityLabelSelector runAsRoot"),
    ...all("idle", "podAntiAffinityTermLabelSelector secretVolumes serviceAccount zvpn"),
  },
};

/** What is below `values`. */
export const KNOWN_VALUES: Readonly<Record<string, Known>> = {
  revision: "text",
  // Of charts only.
  ...all("idle", "defaultRevision profile"),
  ...all("idle", "compatibilityVersion experimental ownerName platform telemetry ztunnel"),
  base: {
    enableCRDTemplates: "flag",
    validationURL: "text",
    ...all("idle", "enableIstioConfigCRDs excludedCRDs validateGateway validationCABundle"),
  },
  cni: "idle",
  gateways: gatewayValues,
  global,
  istio_cni: { enabled: "flag", ...all("idle", "chained provider") },
  istiodRemote: {
    ...all("text", "injectionURL injectionPath"),
    injectionCABundle: "idle",
    enabled: "idle",
    enabledLocalInjectorIstiod: "idle",
  },
  meshConfig: "used",
  pilot,
  sidecarInjectorWebhook: {
    ...all("flag", "enableNamespacesByDefault rewriteAppHTTPProbe"),
    ...all("used", "alwaysInjectSelector defaultTemplates neverInjectSelector templates"),
    injectedAnnotations: "texts",
    ...all("idle", "injectionURL objectSelector reinvocationPolicy"),
  },
};

/** What is below `values.pilot`. */
export const KNOWN_PILOT: Readonly<Record<string, Known>> = pilot;

/** What is below `spec`. */
export const KNOWN_SPEC: Known = {
  ...all("text", "profile hub revision namespace"),
  tag: "word",
  meshConfig: "used",
  ...all("idle", "installPackagePath compatibilityVersion addonComponents"),
  components: {
    base: objects,
    cni: absent,
    egressGateways: gateway,
    ingressGateways: gateway,
    istiodRemote: objects,
    pilot: component,
    ztunnel: absent,
  },
  values: KNOWN_VALUES,
};

/** Of a whole spec; one diagnostic for each field that is wrong, or without effect. */
export function checkPaths(spec: Json): Diagnostic[] {
  const found: Diagnostic[] = [];
  check(spec, KNOWN_SPEC, "spec", found);
  checkVariables(spec, found);
  return found;
}

/** What injection takes of the values, as ConfigMap istio-sidecar-injector has them. */
const INJECTION_VALUES = ["global", "istio_cni", "pilot", "sidecarInjectorWebhook"];

/** Of values that an installer let through, or nobody checked: warnings about what nothing knows. */
export function unknownValues(values: JsonObject): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const key of INJECTION_VALUES)
    check(values[key] ?? {}, own(KNOWN_VALUES, key) ?? "used", `values.${key}`, found);
  return found
    .filter(({ reason }) => reason === "UnknownField")
    .map(each => ({ ...each, severity: "warning" }));
}

function check(value: Json, schema: Known, path: string, found: Diagnostic[]): void {
  if (schema === "used") return;
  if (schema === "text" || schema === "word") {
    checkText(value, schema, path, found);
    return;
  }
  if (schema === "texts" || schema === "words") {
    if (value === null) return;
    if (isObject(value)) check(value, { "*": schema === "texts" ? "text" : "word" }, path, found);
    else found.push(wrongType(path, value, "an object"));
    return;
  }
  if (schema === "flag") {
    // Anything else would count as false, and what stands would be removed for a word like "yes".
    if (typeof value === "boolean" || value === null) return;
    found.push(wrongType(path, value, "true or false"));
    return;
  }
  if (schema === "count") {
    if (value === null || (Number.isInteger(value) && Number(value) >= 0)) return;
    found.push(wrongType(path, value, "a whole number from 0"));
    return;
  }
  if (schema === "resources") {
    checkResources(value, path, found);
    return;
  }
  if (schema === "idle") {
    if (value === "" || value === null) return;
    const message = "Istio's field is accepted, but not carried out: it has no effect";
    found.push({ severity: "warning", path, message, reason: "NotCarriedOut" });
    return;
  }
  if (typeof schema === "string") {
    const words = schema.slice(ONE_OF.length).split(", ");
    if (value !== null && !words.some(word => word === value))
      found.push(wrongType(path, value, words.join(" or ")));
    return;
  }
  if (isArray(value)) {
    for (const [index, item] of value.entries()) check(item, schema, `${path}[${index}]`, found);
    return;
  }
  if (!isObject(value)) {
    found.push(wrongType(path, value, "an object"));
    return;
  }
  for (const [key, child] of Object.entries(value)) {
    const below = Object.hasOwn(schema, key) ? schema[key] : schema["*"];
    if (below === undefined) found.push(unknownField(key, schema, path));
    else if (below === "unread") found.push(unread(key, schema, `${path}.${key}`));
    else check(child, below, `${path}.${key}`, found);
  }
}

/** A number is never dropped in silence: `revision: 18` would be the default revision. */
function checkText(value: Json, schema: "text" | "word", path: string, found: Diagnostic[]): void {
  if (value === null || typeof value === "string") return;
  const isWord = schema === "word" && !isObject(value) && !isArray(value);
  if (!isWord) {
    const quoted = isObject(value) || isArray(value) ? "" : `: put it in quotes, "${value}"`;
    found.push(wrongType(path, value, `text${quoted}`));
  } else if (typeof value === "number" && !Number.isSafeInteger(value)) {
    const message = `found the number ${value}, which may have been written otherwise (1.10 is read as 1.1): put it in quotes`;
    found.push({ severity: "warning", path, message, reason: "Number" });
  }
}

const QUANTITY = "a quantity such as 500m or 2Gi";

/** The API server would refuse a Deployment with others, after the objects before it were applied. */
function checkResources(value: Json, path: string, found: Diagnostic[]): void {
  if (value === null) return;
  if (!isObject(value)) {
    found.push(wrongType(path, value, "an object with requests and limits"));
    return;
  }
  const requests = objectAt(value, "requests");
  for (const field of ["requests", "limits"]) {
    const amounts = value[field] ?? {};
    if (!isObject(amounts)) found.push(wrongType(`${path}.${field}`, amounts, "an object"));
    for (const [name, amount] of Object.entries(objectAt(value, field))) {
      const at = `${path}.${field}.${name}`;
      if (amount === null) continue;
      const quantity = parseQuantity(amount);
      if (quantity === undefined) found.push(wrongType(at, amount, QUANTITY));
      else if (field === "limits" && quantity < (parseQuantity(requests[name]) ?? 0))
        found.push(wrongType(at, amount, `at least the request, ${requests[name]}`));
    }
  }
}

function wrongType(path: string, value: Json, expected: string): Diagnostic {
  const message = `found ${JSON.stringify(value)}; expected ${expected}`;
  return { severity: "error", path, message, reason: "WrongType" };
}

/** Of a variable that neither Istio nor anything here knows; other programs of the image may. */
function unread(key: string, schema: Exclude<Known, string>, path: string): Diagnostic {
  const names = Object.keys(schema).filter(name => name !== "*");
  const near = nearest(key, names);
  const hint = near === undefined ? "" : `; did you mean ${near}?`;
  const message = `nothing reads ${key}${hint}`;
  return { severity: "warning", path, message, reason: "NotRead" };
}

/** Variables of the control plane that are said the other way, by `components.pilot.k8s.env`. */
function checkVariables(spec: Json, found: Diagnostic[]): void {
  const components = objectAt(isObject(spec) ? spec : {}, "components");
  const k8s = objectAt(objectAt(components, "pilot"), "k8s");
  const names = arrayAt(k8s, "env").map(item => stringAt(isObject(item) ? item : {}, "name"));
  const values = Object.fromEntries(names.filter(name => name !== "").map(name => [name, true]));
  check(values, pilot["env"] ?? "used", "spec.components.pilot.k8s.env", found);
}

function unknownField(key: string, schema: Exclude<Known, string>, path: string): Diagnostic {
  const names = Object.keys(schema).sort();
  const near = nearest(key, names);
  const hint = near === undefined ? `expected one of ${names.join(", ")}` : `did you mean ${near}?`;
  const message = `unknown field "${key}": ${hint}`;
  return { severity: "error", path: `${path}.${key}`, message, reason: "UnknownField" };
}
