/** What the control plane and gateways have in common: Deployment settings, PDB and HPA. */
import type { Json, JsonObject } from "../api/kind.ts";
import { arrayAt, isArray, isObject, objectAt, stringAt } from "../sources/json.ts";
import type { Installation } from "./operator.ts";
import { mergeObjects } from "./path.ts";

/** Settings of a workload, from the values or from `components.X.k8s`, which goes before them. */
export interface WorkloadSettings {
  readonly name: string;
  readonly namespace: string;
  readonly selector: JsonObject;
  readonly values: JsonObject;
  readonly k8s: JsonObject;
}

/** A field only where something is said. */
export function some(key: string, value: Json | undefined): JsonObject {
  if (value === undefined || value === "" || value === null) return {};
  if (isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0)
    return {};
  return { [key]: value };
}

/** Fields of a pod's spec that values and `k8s` decide. */
export function placement(settings: WorkloadSettings, { values }: Installation): JsonObject {
  const global = objectAt(values, "global");
  const either = (key: string): Json | undefined => settings.k8s[key] ?? settings.values[key];
  return {
    ...some("nodeSelector", either("nodeSelector") ?? global["defaultNodeSelector"]),
    ...some("tolerations", either("tolerations") ?? global["defaultTolerations"]),
    ...some("affinity", either("affinity")),
    ...some("topologySpreadConstraints", settings.values["topologySpreadConstraints"]),
    ...some("priorityClassName", settings.k8s["priorityClassName"] ?? global["priorityClassName"]),
    ...some("imagePullSecrets", pullSecrets(global)),
  };
}

function pullSecrets(global: JsonObject): Json[] {
  return arrayAt(global, "imagePullSecrets").map(name => ({ name }));
}

/** Fields of the main container that values and `k8s` decide; `env` beside it. */
export function containerSettings(
  settings: WorkloadSettings,
  { values }: Installation,
): JsonObject {
  const { k8s } = settings;
  const policy =
    stringAt(k8s, "imagePullPolicy") || stringAt(objectAt(values, "global"), "imagePullPolicy");
  return {
    ...some("imagePullPolicy", policy),
    ...some("resources", k8s["resources"] ?? settings.values["resources"]),
    ...some("readinessProbe", k8s["readinessProbe"]),
    ...some("volumeMounts", k8s["volumeMounts"]),
  };
}

/** Variables of values (a map) and of `k8s` (a list) behind those of ours. */
export function environment(settings: WorkloadSettings, own: readonly JsonObject[]): Json[] {
  const all = new Map<string, Json>(own.map(each => [stringAt(each, "name"), each]));
  for (const [name, value] of Object.entries(objectAt(settings.values, "env")))
    all.set(name, { name, value: typeof value === "string" ? value : JSON.stringify(value) });
  for (const each of arrayAt(settings.k8s, "env"))
    if (isObject(each)) all.set(stringAt(each, "name"), each);
  return [...all.values()];
}

export function podAnnotations(settings: WorkloadSettings, own: JsonObject): JsonObject {
  const { values, k8s } = settings;
  return mergeObjects(
    mergeObjects(own, objectAt(values, "podAnnotations")),
    objectAt(k8s, "podAnnotations"),
  );
}

/** A HorizontalPodAutoscaler decides about replicas where there is one. */
export function replicas(settings: WorkloadSettings): JsonObject {
  if (isAutoscaled(settings)) return {};
  const count = settings.k8s["replicaCount"] ?? settings.values["replicaCount"];
  return { replicas: typeof count === "number" ? count : 1 };
}

export function strategy(settings: WorkloadSettings): JsonObject {
  const { rollingMaxSurge, rollingMaxUnavailable } = settings.values;
  const rolling = {
    maxSurge: rollingMaxSurge ?? "100%",
    maxUnavailable: rollingMaxUnavailable ?? "25%",
  };
  const said = settings.k8s["strategy"];
  return { strategy: isObject(said) ? said : { rollingUpdate: rolling, type: "RollingUpdate" } };
}

function isAutoscaled({ values, k8s }: WorkloadSettings): boolean {
  return values["autoscaleEnabled"] === true && k8s["replicaCount"] === undefined;
}

export function scaling(settings: WorkloadSettings, installation: Installation): JsonObject[] {
  return [...disruptionBudget(settings, installation), ...autoscaler(settings)];
}

function disruptionBudget(settings: WorkloadSettings, { values }: Installation): JsonObject[] {
  const { name, namespace, selector, k8s } = settings;
  const said = k8s["podDisruptionBudget"];
  const global = objectAt(objectAt(values, "global"), "defaultPodDisruptionBudget");
  if (said === undefined && global["enabled"] !== true) return [];
  return [
    {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name, namespace },
      spec: {
        minAvailable: 1,
        ...(isObject(said) ? said : {}),
        selector: { matchLabels: selector },
      },
    },
  ];
}

function autoscaler(settings: WorkloadSettings): JsonObject[] {
  const { name, namespace, values, k8s } = settings;
  if (!isAutoscaled(settings)) return [];
  const { autoscaleMin, autoscaleMax } = values;
  const averageUtilization = objectAt(values, "cpu")["targetAverageUtilization"] ?? 80;
  const target = { type: "Utilization", averageUtilization };
  const spec: JsonObject = {
    minReplicas: autoscaleMin ?? 1,
    maxReplicas: autoscaleMax ?? 5,
    metrics: [{ type: "Resource", resource: { name: "cpu", target } }],
    scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
  };
  return [
    {
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name, namespace },
      spec: mergeObjects(spec, objectAt(k8s, "hpaSpec")),
    },
  ];
}

/** Annotations and `k8s.service` into a Service. */
export function withServiceSettings(service: JsonObject, settings: WorkloadSettings): JsonObject {
  const { values, k8s } = settings;
  const annotations = mergeObjects(
    objectAt(values, "serviceAnnotations"),
    objectAt(k8s, "serviceAnnotations"),
  );
  const metadata = { ...objectAt(service, "metadata"), ...some("annotations", annotations) };
  const spec = { ...objectAt(service, "spec"), ...objectAt(k8s, "service") };
  return { ...service, metadata, spec };
}
