/**
 * The fields of IstioOperator and of the values below it that have a meaning. What is not here is
 * refused with what is near; what Istio knows and we do not carry out is accepted with a warning.
 * https://istio.io/latest/docs/reference/config/istio.operator.v1alpha1/
 */
import type { Json } from "../api/kind.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { nearest } from "../base/nearest.ts";
import { isArray, isObject } from "../sources/json.ts";

/**
 * `used`: whatever stands below; `flag`: true or false; `idle`: known to Istio, without effect here;
 * `*`: any key.
 */
export type Known = "used" | "flag" | "idle" | { readonly [key: string]: Known };

function all(value: "used" | "idle", names: string): Record<string, Known> {
  return Object.fromEntries(names.split(/\s+/).map(name => [name, value]));
}

const k8s: Known = {
  ...all("used", "affinity env hpaSpec imagePullPolicy nodeSelector overlays podAnnotations"),
  ...all("used", "podDisruptionBudget priorityClassName readinessProbe replicaCount resources"),
  ...all("used", "securityContext service serviceAnnotations strategy tolerations volumeMounts"),
  ...all("used", "volumes"),
};
const component: Known = { enabled: "flag", hub: "used", tag: "used", k8s };
const gateway: Known = {
  enabled: "flag",
  ...all("used", "name namespace label hub tag"),
  k8s,
};

const pilot: Readonly<Record<string, Known>> = {
  ...all("used", "affinity autoscaleEnabled autoscaleMax autoscaleMin configMap cpu enabled env"),
  ...all("used", "extraContainerArgs hub image ipFamilies ipFamilyPolicy nodeSelector"),
  ...all("used", "podAnnotations podLabels replicaCount resources seccompProfile"),
  ...all("used", "serviceAccountAnnotations serviceAnnotations tag tolerations cni"),
  ...all("used", "topologySpreadConstraints traceSampling rollingMaxSurge rollingMaxUnavailable"),
  ...all("idle", "configSource deploymentLabels envVarFrom initContainers"),
  ...all("idle", "jwksResolverExtraRootCA keepaliveMaxServerConnectionAge memory"),
  ...all("idle", "taint trustedZtunnelNamespace trustedZtunnelName variant volumeMounts volumes"),
};

const global: Known = {
  ...all("used", "configValidation defaultNodeSelector defaultPodDisruptionBudget"),
  ...all("used", "defaultTolerations externalIstiod hub imagePullPolicy imagePullSecrets"),
  ...all("used", "istioNamespace logAsJson logging meshID meshNetworks multiCluster"),
  ...all("used", "nativeNftables network podDNSSearchNamespaces priorityClassName proxy"),
  ...all("used", "proxy_init remotePilotAddress tag variant"),
  ...all("idle", "autoscalingv2API caAddress caName certSigners defaultConfigVisibilitySettings"),
  ...all("idle", "defaultResources enableTracing ipFamilies ipFamilyPolicy istiod jwtPolicy"),
  ...all("idle", "mountMtlsCerts networkPolicy omitSidecarInjectorConfigMap"),
  ...all("idle", "operatorManageWebhooks pilotCertProvider platform resourceScope sds sts"),
  ...all("idle", "tracer trustBundleName useMCP waypoint"),
};

const gatewayValues: Known = {
  "*": {
    ...all("used", "autoscaleEnabled autoscaleMax autoscaleMin cpu env labels loadBalancerIP"),
    ...all("used", "externalTrafficPolicy ipFamilies ipFamilyPolicy loadBalancerSourceRanges"),
    ...all("used", "name nodeSelector"),
    ...all("used", "podAnnotations ports resources rollingMaxSurge rollingMaxUnavailable"),
    ...all("used", "serviceAnnotations tolerations type replicaCount"),
    ...all("idle", "additionalContainers configVolumes customService injectionTemplate memory"),
    ...all("idle", "meshExpansionPorts namespace podAntiAffinityLabelSelector runAsRoot"),
    ...all("idle", "podAntiAffinityTermLabelSelector secretVolumes serviceAccount zvpn"),
  },
};

/** What is below `values`. */
export const KNOWN_VALUES: Readonly<Record<string, Known>> = {
  ...all("used", "defaultRevision revision profile"),
  ...all("idle", "compatibilityVersion experimental ownerName platform telemetry ztunnel"),
  base: {
    ...all("used", "enableCRDTemplates validationURL"),
    ...all("idle", "enableIstioConfigCRDs excludedCRDs validationCABundle"),
  },
  cni: "idle",
  gateways: gatewayValues,
  global,
  istio_cni: "used",
  istiodRemote: {
    ...all("used", "injectionURL injectionPath"),
    injectionCABundle: "idle",
    enabled: "idle",
    enabledLocalInjectorIstiod: "idle",
  },
  meshConfig: "used",
  pilot,
  sidecarInjectorWebhook: "used",
};

/** What is below `values.pilot`. */
export const KNOWN_PILOT: Readonly<Record<string, Known>> = pilot;

const known: Known = {
  ...all("used", "profile hub tag revision namespace meshConfig"),
  ...all("idle", "installPackagePath compatibilityVersion addonComponents"),
  components: {
    base: component,
    cni: component,
    egressGateways: gateway,
    ingressGateways: gateway,
    istiodRemote: component,
    pilot: component,
    ztunnel: component,
  },
  values: KNOWN_VALUES,
};

/** Of a whole spec; one diagnostic for each field that is wrong, or without effect. */
export function checkPaths(spec: Json): Diagnostic[] {
  const found: Diagnostic[] = [];
  check(spec, known, "spec", found);
  return found;
}

function check(value: Json, schema: Known, path: string, found: Diagnostic[]): void {
  if (schema === "used") return;
  if (schema === "flag") {
    // Anything else would count as false, and what stands would be removed for a word like "yes".
    if (typeof value === "boolean" || value === null) return;
    found.push(wrongType(path, value, "true or false"));
    return;
  }
  if (schema === "idle") {
    const message = "Istio's field is accepted, but not carried out: it has no effect";
    found.push({ severity: "warning", path, message, reason: "NotCarriedOut" });
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
    else check(child, below, `${path}.${key}`, found);
  }
}

function wrongType(path: string, value: Json, expected: string): Diagnostic {
  const message = `found ${JSON.stringify(value)}; expected ${expected}`;
  return { severity: "error", path, message, reason: "WrongType" };
}

function unknownField(key: string, schema: Exclude<Known, string>, path: string): Diagnostic {
  const names = Object.keys(schema).sort();
  const near = nearest(key, names);
  const hint = near === undefined ? `expected one of ${names.join(", ")}` : `did you mean ${near}?`;
  const message = `unknown field "${key}": ${hint}`;
  return { severity: "error", path: `${path}.${key}`, message, reason: "UnknownField" };
}
