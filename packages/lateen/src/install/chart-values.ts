/** From an installation to values of the Helm charts, for `manifest translate`. Pure. */
import type { JsonObject } from "../api/kind.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { gatewayChartValues } from "./chart-values-gateway.ts";
import {
  changes,
  leftOver,
  mergedAt,
  some,
  utilizations,
  variablesOf,
} from "./chart-values-parts.ts";
import type { ComponentName } from "./objects.ts";
import { gatewaysOf, type Installation, isEnabled, revisionSuffix, textAt } from "./operator.ts";
import { DEFAULT_PROFILE, profileSpec } from "./profiles.ts";

/** One release of a chart. */
export interface ChartRelease {
  /** Of component and release. */
  readonly name: string;
  readonly component: ComponentName;
  /** undefined: no chart installs it. */
  readonly chart: "base" | "istiod" | "gateway" | undefined;
  readonly namespace: string;
  readonly values: JsonObject;
  /** Settings that the chart has no value for, each as `path: why`. */
  readonly untranslated: readonly string[];
}

/** A release for each component that is installed, in the order in which Helm has to install them. */
export function chartReleases(installation: Installation): readonly ChartRelease[] {
  const { namespace } = installation;
  const releases: ChartRelease[] = [];
  if (isEnabled(installation, "base")) releases.push(baseRelease(installation));
  if (isEnabled(installation, "pilot")) releases.push(istiodRelease(installation));
  if (isEnabled(installation, "istiodRemote")) {
    const none = { chart: undefined, namespace, values: {}, untranslated: [] };
    releases.push({ name: "istiodRemote", component: "IstiodRemote", ...none });
  }
  for (const type of ["ingress", "egress"] as const)
    for (const gateway of gatewaysOf(installation, `${type}Gateways`))
      releases.push({
        name: stringAt(gateway, "name"),
        component: type === "ingress" ? "IngressGateways" : "EgressGateways",
        chart: "gateway",
        namespace: stringAt(gateway, "namespace") || namespace,
        ...gatewayChartValues(installation, gateway, type),
      });
  return releases;
}

function baseRelease(installation: Installation): ChartRelease {
  const { namespace, values, revision, components } = installation;
  const url = stringAt(objectAt(values, "base"), "validationURL");
  const validates = objectAt(values, "global")["configValidation"] !== false;
  const serves = revision === "default" && isEnabled(installation, "pilot");
  return {
    name: "base",
    component: "Base",
    chart: "base",
    namespace,
    values: {
      defaultRevision: serves ? "default" : "",
      ...(url === "" ? {} : { base: { validationURL: url } }),
      global: { istioNamespace: namespace, configValidation: validates },
    },
    untranslated: leftOver(objectAt(objectAt(components, "base"), "k8s"), [], "base", "base"),
  };
}

function istiodRelease(installation: Installation): ChartRelease {
  const { namespace, values, meshConfig, revision, hub, tag, components } = installation;
  const component = objectAt(components, "pilot");
  const k8s = objectAt(component, "k8s");
  const untranslated: string[] = [];
  const own = istiodOwn(objectAt(values, "pilot"), k8s, untranslated);
  const priority = stringAt(k8s, "priorityClassName");
  const { pilot: _pilot, gateways: _gateways, base: _base, profile: _profile, ...rest } = values;
  const wanted: JsonObject = {
    ...rest,
    ...own,
    ...some({ hub: textAt(component, "hub"), tag: textAt(component, "tag") }),
    meshConfig,
    global: {
      ...objectAt(values, "global"),
      hub,
      tag,
      istioNamespace: namespace,
      ...some({ priorityClassName: priority }),
    },
    ...(revision === "default" ? {} : { revision }),
  };
  return {
    name: `pilot${revisionSuffix(installation)}`,
    component: "Pilot",
    chart: "istiod",
    namespace,
    values: changes(istiodDefaults(), wanted),
    untranslated,
  };
}

/** What chart istiod has in its values: those of profile default, of `pilot` at the top. */
function istiodDefaults(): JsonObject {
  const spec = profileSpec(DEFAULT_PROFILE) ?? {};
  const { pilot: _pilot, gateways: _gateways, ...rest } = objectAt(spec, "values");
  const pilot = objectAt(objectAt(spec, "values"), "pilot");
  return { ...rest, ...pilot, meshConfig: objectAt(spec, "meshConfig") };
}

const SAME = ["affinity", "nodeSelector", "resources", "tolerations"];

/** `values.pilot` with what `components.pilot.k8s` says over it. */
function istiodOwn(pilot: JsonObject, k8s: JsonObject, untranslated: string[]): JsonObject {
  const { env, untranslated: variables } = variablesOf(pilot, k8s, "components.pilot");
  const rolling = objectAt(objectAt(k8s, "strategy"), "rollingUpdate");
  const { minReplicas, maxReplicas, metrics, ...hpa } = objectAt(k8s, "hpaSpec");
  const { cpu, rest } = utilizations(metrics);
  untranslated.push(...variables);
  const done = [...SAME, "env", "hpaSpec", "podAnnotations", "priorityClassName"];
  done.push("replicaCount", "serviceAnnotations");
  if (stringAt(objectAt(k8s, "strategy"), "type") !== "Recreate") done.push("strategy");
  untranslated.push(...leftOver(k8s, done, "pilot", "istiod"));
  const more = rest.length === 0 ? hpa : { ...hpa, metrics: rest };
  untranslated.push(...leftOver(more, ["scaleTargetRef"], "pilot", "istiod", "k8s.hpaSpec"));
  return {
    ...pilot,
    ...Object.fromEntries(SAME.flatMap(key => (key in k8s ? [[key, k8s[key] ?? null]] : []))),
    ...some({
      env,
      podAnnotations: mergedAt("podAnnotations", pilot, k8s),
      serviceAnnotations: mergedAt("serviceAnnotations", pilot, k8s),
      rollingMaxSurge: rolling["maxSurge"],
      rollingMaxUnavailable: rolling["maxUnavailable"],
      autoscaleMin: minReplicas,
      autoscaleMax: maxReplicas,
    }),
    ...(cpu === undefined ? {} : { cpu: { targetAverageUtilization: cpu } }),
    ...(k8s["replicaCount"] === undefined
      ? {}
      : { autoscaleEnabled: false, replicaCount: k8s["replicaCount"] }),
  };
}
