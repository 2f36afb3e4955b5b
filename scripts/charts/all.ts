/** The Helm charts in manifests/charts: which of their files are made, and from what. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { Json, JsonObject } from "../../packages/lateen/src/api/kind.ts";
import {
  KNOWN_PILOT,
  KNOWN_VALUES,
  type Known,
} from "../../packages/lateen/src/install/known-paths.ts";
import { DEFAULT_HUB } from "../../packages/lateen/src/install/operator.ts";
import { PROFILES, profileSpec } from "../../packages/lateen/src/install/profiles.ts";
import { isObject, jsonEqual, objectAt } from "../../packages/lateen/src/sources/json.ts";
import { VERSION } from "../images/build.ts";
import { baseTemplates } from "./base.ts";
import { istiodTemplates } from "./istiod.ts";
import { remoteTemplate } from "./istiod-remote.ts";

/** From the root of the checkout. */
export const CHARTS = "manifests/charts";
const ISTIOD = "istio-control/istio-discovery";
/** Helm gives defaults and the user's values as one; a profile belongs between them. */
const DEFAULTS = "_internal_defaults_do_not_set";
/** `empty` installs nothing: so does no release. */
const CHART_PROFILES = PROFILES.filter(name => name !== "empty");

export interface Images {
  readonly hub: string;
  readonly tag: string;
}

const OWN_IMAGES: Images = { hub: DEFAULT_HUB, tag: VERSION };

const ABOUT = {
  base: "What all control planes of a cluster share: custom resource definitions and accounts",
  istiod: "Lateen's control plane, under Istio's names",
  gateway: "An ingress or egress gateway, which the control plane injects",
} as const;

/** Text by path below `CHARTS`. `images`: where nothing else is said. */
export function chartFiles(images: Images = OWN_IMAGES): ReadonlyMap<string, string> {
  const istiod = new Map([...istiodTemplates(), remoteTemplate()]);
  return new Map([
    ...chart("base", "base", baseValues(), knownOfBase(), baseTemplates()),
    ...chart("istiod", ISTIOD, istiodValues(images), knownOfIstiod(), istiod),
    ...profiles(),
    ...chart("gateway", "gateway", gatewayValues(), knownOfGateway(), new Map()),
  ]);
}

function chart(
  name: keyof typeof ABOUT,
  folder: string,
  values: JsonObject,
  known: Known,
  templates: ReadonlyMap<string, string>,
): [string, string][] {
  const described = {
    apiVersion: "v2",
    name,
    version: VERSION,
    appVersion: VERSION,
    description: ABOUT[name],
    type: "application",
  };
  const made: [string, string][] = [
    ["Chart.yaml", yaml(described)],
    ["values.yaml", `${VALUES_NOTE}${yaml({ [DEFAULTS]: values })}`],
    ["files/known-values.yaml", yaml(asCharts(known))],
    ["templates/_lateen.tpl", shared("_lateen.tpl")],
    ["templates/zzz_profile.yaml", shared("zzz_profile.yaml")],
    ...templates,
  ];
  return made.map(([path, text]) => [`${folder}/${path}`, text]);
}

const VALUES_NOTE = `# The defaults. Set values at the top, without "${DEFAULTS}" before them,
# e.g. --set global.hub=registry.example/mesh. What they mean is in docs/helm.md.
`;

function yaml(value: Json): string {
  const style = { indentSeq: false, lineWidth: 0, aliasDuplicateObjects: false } as const;
  return stringify(value, { ...style, compat: "yaml-1.1" });
}

function shared(name: string): string {
  return readFileSync(join(import.meta.dirname, "shared", name), "utf8");
}

/** Of a profile, as the chart of the control plane has them. */
function flattened(profile: string): JsonObject {
  const spec = profileSpec(profile) ?? {};
  const { pilot, gateways: _gateways, ...values } = objectAt(spec, "values");
  const meshConfig = objectAt(spec, "meshConfig");
  const { enabled = false } = objectAt(objectAt(spec, "components"), "istiodRemote");
  const istiodRemote = { enabled, injectionPath: "/inject", injectionURL: "" };
  return { ...values, ...(isObject(pilot) ? pilot : {}), istiodRemote, meshConfig };
}

function istiodValues({ hub, tag }: Images): JsonObject {
  const { global, defaultRevision: _revision, ...rest } = flattened("default");
  return {
    ...rest,
    revision: "",
    revisionTags: [],
    rollingMaxSurge: "100%",
    rollingMaxUnavailable: "25%",
    global: { ...(isObject(global) ? global : {}), hub, tag },
  };
}

/** What a profile has otherwise than the defaults; null takes away. */
function profiles(): [string, string][] {
  const basis = flattened("default");
  return CHART_PROFILES.map(name => [
    `${ISTIOD}/files/profile-${name}.yaml`,
    yaml(difference(basis, flattened(name))),
  ]);
}

function difference(basis: JsonObject, other: JsonObject): JsonObject {
  const found: Record<string, Json> = {};
  for (const key of new Set([...Object.keys(basis), ...Object.keys(other)])) {
    const [before, after] = [basis[key], other[key]];
    if (jsonEqual(before, after)) continue;
    if (isObject(before) && isObject(after)) found[key] = difference(before, after);
    else found[key] = after ?? null;
  }
  return found;
}

/** Helm reads `--set` by itself: what is text there is the template's matter. */
function asCharts(known: Known): Json {
  if (typeof known === "string") return /^(?:text|word)s?$/.test(known) ? "used" : known;
  return Object.fromEntries(Object.entries(known).map(([key, each]) => [key, asCharts(each)]));
}

/** By the installer in words of their own. */
const WARNED_OF: Readonly<Record<string, Known>> = {
  externalIstiod: "idle",
  nativeNftables: "idle",
  platform: "idle",
  variant: "idle",
};

function knownOfIstiod(): Known {
  const { gateways: _gateways, global = {}, ...rest } = KNOWN_VALUES;
  const pilot: Known = { ...KNOWN_PILOT };
  return {
    ...pilot,
    ...rest,
    ...SAID_ELSEWHERE,
    pilot,
    global: { ...(typeof global === "object" ? global : {}), ...WARNED_OF },
    istiodRemote: {
      enabled: "flag",
      ...{ injectionURL: "used", injectionPath: "used" },
      ...{ injectionCABundle: "idle", enabledLocalInjectorIstiod: "idle" },
    },
    revisionTags: "used",
    ownerName: "used",
  };
}

/** One file of values may serve all three charts. */
const SAID_ELSEWHERE: Readonly<Record<string, Known>> = {
  base: "used",
  gateways: "used",
  profile: "used",
  sidecarInjectorWebhookAnnotations: "idle",
  autoscaleBehavior: "idle",
};

function baseValues(): JsonObject {
  return {
    defaultRevision: "default",
    base: { enableCRDTemplates: true, excludedCRDs: [], validationURL: "" },
    global: { istioNamespace: "istio-system", configValidation: true },
  };
}

function knownOfBase(): Known {
  const everything = Object.keys({ ...KNOWN_PILOT, ...KNOWN_VALUES, ...SAID_ELSEWHERE });
  return {
    ...Object.fromEntries(everything.map(key => [key, "used" as const])),
    experimental: "idle",
    revisionTags: "used",
    base: {
      enableCRDTemplates: "flag",
      excludedCRDs: "used",
      validationURL: "used",
      enableIstioConfigCRDs: "flag",
      validationCABundle: "idle",
    },
    global: "used",
  };
}

/** As Istio's chart has them; what a proxy needs is that of the installer's ingress gateway. */
function gatewayValues(): JsonObject {
  const gateways = objectAt(objectAt(profileSpec("default") ?? {}, "values"), "gateways");
  const ingress = objectAt(gateways, "istio-ingressgateway");
  const port = (name: string, number: number): JsonObject => ({
    name,
    port: number,
    targetPort: number,
    protocol: "TCP",
  });
  return {
    name: "",
    revision: "",
    kind: "Deployment",
    replicaCount: 1,
    serviceAccount: { create: true, name: "", annotations: {} },
    // Other than in Istio's: the control plane reads certificates, and no proxy does.
    rbac: { enabled: false },
    podAnnotations: {
      "inject.istio.io/templates": "gateway",
      "prometheus.io/path": "/stats/prometheus",
      "prometheus.io/port": "15020",
      "prometheus.io/scrape": "true",
      "sidecar.istio.io/inject": "true",
    },
    service: {
      type: "LoadBalancer",
      ports: [port("status-port", 15021), port("http2", 80), port("https", 443)],
      annotations: {},
    },
    resources: objectAt(ingress, "resources"),
    autoscaling: {
      enabled: ingress["autoscaleEnabled"] === true,
      minReplicas: ingress["autoscaleMin"] ?? 1,
      maxReplicas: ingress["autoscaleMax"] ?? 5,
      targetCPUUtilizationPercentage: objectAt(ingress, "cpu")["targetAverageUtilization"] ?? 80,
    },
    terminationGracePeriodSeconds: 30,
  };
}

function knownOfGateway(): Known {
  const everything = Object.keys({ ...KNOWN_PILOT, ...KNOWN_VALUES, ...SAID_ELSEWHERE });
  const used = (names: string): Record<string, Known> =>
    Object.fromEntries(names.split(" ").map(key => [key, "used"]));
  return {
    ...used(everything.join(" ")),
    ...used("name kind replicaCount podAnnotations resources securityContext revisionTags"),
    ...used("containerSecurityContext env envVarFrom strategy minReadySeconds readinessProbe"),
    ...used("labels annotations nodeSelector tolerations topologySpreadConstraints affinity"),
    ...used("networkGateway imagePullPolicy imagePullSecrets podDisruptionBudget volumes"),
    ...used("terminationGracePeriodSeconds volumeMounts initContainers additionalContainers"),
    ...used("priorityClassName lifecycle"),
    service: used(
      "type ports annotations loadBalancerIP loadBalancerSourceRanges externalTrafficPolicy " +
        "externalIPs ipFamilyPolicy ipFamilies loadBalancerClass internalTrafficPolicy clusterIP " +
        "allocateLoadBalancerNodePorts",
    ),
    serviceAccount: { ...used("name annotations"), create: "flag" },
    autoscaling: {
      ...used("minReplicas maxReplicas targetCPUUtilizationPercentage autoscaleBehavior"),
      ...{ enabled: "flag", targetMemoryUtilizationPercentage: "used" },
    },
    rbac: { enabled: "flag" },
    // The proxy is always Envoy's, and never root.
    ...{ runAsRoot: "idle", unprivilegedPort: "idle", compatibilityVersion: "idle" },
    ...{ platform: "idle", networkGatewayPorts: "idle" },
  };
}
