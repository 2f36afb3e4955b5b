/** A gateway's settings as values of chart gateway. */
import type { Json, JsonObject } from "../api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt, valueAt, withoutKey } from "../sources/json.ts";
import {
  changes,
  leftOver,
  mergedAt,
  some,
  utilizations,
  variablesOf,
} from "./chart-values-parts.ts";
import type { Installation } from "./operator.ts";
import { DEFAULT_PROFILE, profileSpec } from "./profiles.ts";
import { type GatewayType, gatewaySettings } from "./render-gateway.ts";
import { placement, replicas, strategy, type WorkloadSettings } from "./workload.ts";

export interface GatewayChartValues {
  readonly values: JsonObject;
  readonly untranslated: readonly string[];
}

/** What `k8s` has under the same name. */
const SAME = ["readinessProbe", "volumeMounts", "volumes"];
const TRANSLATED = [
  ...["affinity", "env", "hpaSpec", "imagePullPolicy", "nodeSelector", "podAnnotations"],
  ...["podDisruptionBudget", "priorityClassName", "replicaCount", "resources", "securityContext"],
  ...["service", "serviceAnnotations", "strategy", "tolerations", ...SAME],
];
const SERVICE = [
  ...["allocateLoadBalancerNodePorts", "clusterIP", "externalIPs", "externalTrafficPolicy"],
  ...["internalTrafficPolicy", "ipFamilies", "ipFamilyPolicy", "loadBalancerClass"],
  ...["loadBalancerIP", "loadBalancerSourceRanges", "ports", "type"],
];
/** So that any user may listen on 80 and 443: the chart has it where no securityContext is said. */
const LOW_PORTS = [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }];

export function gatewayChartValues(
  installation: Installation,
  component: JsonObject,
  type: GatewayType,
): GatewayChartValues {
  const settings = gatewaySettings(installation, component, type);
  const { name, values, k8s } = settings;
  const place = `${type}Gateways[name:${name}]`;
  const { env, sources } = variablesOf(values, k8s, place);
  const global = objectAt(installation.values, "global");
  const policy =
    stringAt(k8s, "imagePullPolicy") || stringAt(global, "imagePullPolicy") || undefined;
  const security = objectAt(k8s, "securityContext");
  const resources = objectAt("resources" in k8s ? k8s : values, "resources");
  const { revision } = installation;
  return {
    values: {
      ...some({
        labels: labels(settings),
        revision: revision === "default" ? "" : revision,
        env,
        envVarFrom: sources.length === 0 ? undefined : sources,
        imagePullPolicy: policy,
        podAnnotations: mergedAt("podAnnotations", values, k8s),
        podDisruptionBudget: budget(settings, global),
        resources: changes(defaultResources(type), resources),
      }),
      ...Object.fromEntries(SAME.flatMap(key => (key in k8s ? [[key, k8s[key] ?? null]] : []))),
      ...(Object.keys(security).length === 0
        ? {}
        : { securityContext: { sysctls: LOW_PORTS, ...security } }),
      ...placement(settings, installation),
      ...strategy(settings),
      ...replicaCount(settings),
      autoscaling: autoscaling(settings),
      service: service(settings),
      serviceAccount: { name: `${name}-service-account` },
    },
    untranslated: untranslated(settings, component, place),
  };
}

/** Those that do not come from the release's name. */
function labels({ name, selector }: WorkloadSettings): JsonObject {
  const own: JsonObject = { app: name, istio: name.replace(/^istio-/, "") };
  const said = Object.entries(selector).filter(([key, value]) => own[key] !== value);
  return Object.fromEntries(said);
}

function defaultResources(type: GatewayType): JsonObject {
  const path = `values.gateways.istio-${type}gateway`;
  const defaults = valueAt(profileSpec(DEFAULT_PROFILE) ?? {}, path);
  return isObject(defaults) ? objectAt(defaults, "resources") : {};
}

function budget({ k8s }: WorkloadSettings, global: JsonObject): JsonObject | undefined {
  const said = objectAt(k8s, "podDisruptionBudget");
  const isUsual = objectAt(global, "defaultPodDisruptionBudget")["enabled"] === true;
  if (k8s["podDisruptionBudget"] === undefined && !isUsual) return undefined;
  return { minAvailable: 1, ...withoutKey(said, "selector") };
}

function replicaCount(settings: WorkloadSettings): JsonObject {
  const count = replicas(settings)["replicas"];
  return count === undefined ? {} : { replicaCount: count };
}

function autoscaling(settings: WorkloadSettings): JsonObject {
  if (replicas(settings)["replicas"] !== undefined) return { enabled: false };
  const { values, k8s } = settings;
  const { minReplicas, maxReplicas, metrics, behavior } = objectAt(k8s, "hpaSpec");
  const { cpu, memory } = utilizations(metrics);
  const percent = cpu ?? objectAt(values, "cpu")["targetAverageUtilization"] ?? 80;
  return {
    enabled: true,
    minReplicas: minReplicas ?? values["autoscaleMin"] ?? 1,
    maxReplicas: maxReplicas ?? values["autoscaleMax"] ?? 5,
    targetCPUUtilizationPercentage: metrics !== undefined && cpu === undefined ? null : percent,
    ...(memory === undefined ? {} : { targetMemoryUtilizationPercentage: memory }),
    ...(behavior === undefined ? {} : { autoscaleBehavior: behavior }),
  };
}

function service(settings: WorkloadSettings): JsonObject {
  const { values, k8s } = settings;
  const all: Record<string, Json> = {};
  for (const from of [values, objectAt(k8s, "service")])
    for (const key of SERVICE) {
      const value = from[key];
      if (value !== undefined && value !== "") all[key] = value;
    }
  return {
    ...all,
    type: all["type"] ?? "ClusterIP",
    ports: arrayAt(all, "ports"),
    ...some({ annotations: mergedAt("serviceAnnotations", values, k8s) }),
  };
}

function untranslated(
  { k8s }: WorkloadSettings,
  component: JsonObject,
  place: string,
): readonly string[] {
  const HPA = ["behavior", "maxReplicas", "metrics", "minReplicas", "scaleTargetRef"];
  const hpa = objectAt(k8s, "hpaSpec");
  const metrics = utilizations(hpa["metrics"]).rest.length > 0;
  const images = ["hub", "tag"].filter(key => component[key] !== undefined);
  return [
    ...images.map(
      key =>
        `components.${place}.${key}: a gateway of the chart has the image that injection names`,
    ),
    ...leftOver(k8s, TRANSLATED, place, "gateway"),
    ...leftOver(objectAt(k8s, "service"), SERVICE, place, "gateway", "k8s.service"),
    ...leftOver(hpa, HPA, place, "gateway", "k8s.hpaSpec"),
    ...(metrics
      ? [`components.${place}.k8s.hpaSpec.metrics: only utilization of cpu and memory has a value`]
      : []),
  ];
}
