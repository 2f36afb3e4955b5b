/** Istio's sidecar injection of one pod: upstream Envoy, an init container, volumes; no agent. */
import type { Json, JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Owner } from "../api/pod/owner.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import { injectionRequired } from "../proxy/inject.ts";
import {
  meshAnnotations,
  type ProxyPlan,
  planProxy,
  STATUS_ANNOTATION,
} from "../proxy/inject-pod.ts";
import { type Interception, readInterception } from "../proxy/interception.ts";
import { DEFAULT_PROXY_USER, type ProxyUser } from "../proxy/interception-rules.ts";
import { cpuLimitOf } from "../proxy/proxy-options.ts";
import { withProbes } from "../proxy/rewritten-probes.ts";
import { PROXY_CONTAINER } from "../proxy/sidecar-container.ts";
import { workloadOf } from "../proxy/workload.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { decodeYaml, orAsBefore, readEarlierYamlValue, readYamlValue } from "../sources/yaml.ts";
import type { ClusterFeatures } from "./cluster-features.ts";
import type { InjectorConfig } from "./config.ts";
import { holdsApplication, INIT_CONTAINER, initContainer, kubeContainer } from "./containers.ts";
import { applyOwnContainers, applyTemplates, chosenTemplates } from "./overlay.ts";
import { proxyUserOf, sameUserWarnings } from "./proxy-user.ts";
import { defaultsOf, interceptionDefaults, settingsOf } from "./settings.ts";
import { podVolumes, sdsAnnotations } from "./volumes.ts";

export interface PodInjection {
  /** A whole Pod; its namespace may be missing. */
  readonly pod: JsonObject;
  /** "": not known, so that the proxy learns it where it runs. */
  readonly namespace: string;
  /** Where it is known (kube-inject); else the pod's owner names it. */
  readonly workload?: Owner;
  readonly config: InjectorConfig;
  readonly features: ClusterFeatures;
  /** As a person wrote it: the API server has not put its defaults into it. */
  readonly asWritten?: boolean;
  /** Names of volumes that pods of this template get from their controller. */
  readonly claims?: readonly string[];
  /** Of the control plane, and the tag of the images where the values have none. */
  readonly version: string;
}

export type InjectedPod =
  | {
      readonly ok: true;
      /** False: the pod is the one that was given. */
      readonly injected: boolean;
      readonly pod: JsonObject;
      /** Why, for a person. */
      readonly reason: string;
      readonly warnings: readonly Diagnostic[];
    }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

/**
 * Same input, same output; a pod that is injected already stays as it is. What the pod says itself
 * is never overwritten, also not in a container `istio-proxy` of its own.
 * https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/
 */
export function injectKubePod(request: PodInjection): InjectedPod {
  const decoded = decodePod(request);
  if (!decoded.ok) return decoded;
  const { pod } = decoded;
  const { annotations } = pod.metadata;
  const answer = injectionRequired({
    namespace: request.namespace,
    podLabels: pod.metadata.labels,
    podAnnotations: annotations,
    hostNetwork: pod.spec.hostNetwork ?? false,
    policy: request.config.policy,
  });
  if (!answer.inject) return unchanged(request, answer.reason);
  if (annotations[STATUS_ANNOTATION] !== undefined)
    return unchanged(request, `the pod is injected already (annotation ${STATUS_ANNOTATION})`);
  return inject(request, pod, answer.reason);
}

function proxyContainerOf(pod: JsonObject): JsonObject {
  const spec = objectAt(pod, "spec");
  const all = [...arrayAt(spec, "initContainers"), ...arrayAt(spec, "containers")].filter(isObject);
  return all.find(item => item["name"] === PROXY_CONTAINER) ?? {};
}

function unchanged({ pod }: PodInjection, reason: string): InjectedPod {
  return { ok: true, injected: false, pod, reason, warnings: [] };
}

function decodePod(
  request: PodInjection,
): { readonly ok: true; readonly pod: Pod } | { ok: false; diagnostics: readonly Diagnostic[] } {
  const { pod, namespace, claims = [] } = request;
  const metadata = objectAt(pod, "metadata");
  const decoded = podKind.decode({
    ...pod,
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...metadata,
      namespace,
      ...(stringAt(metadata, "name") === "" && stringAt(metadata, "generateName") === ""
        ? { generateName: `${request.workload?.name ?? "pod"}-` }
        : {}),
    },
    ...(claims.length === 0 ? {} : { spec: withClaims(objectAt(pod, "spec"), claims) }),
  });
  if (decoded.ok) return { ok: true, pod: decoded.value };
  const diagnostics = decoded.diagnostics.filter(({ severity }) => severity === "error");
  return { ok: false, diagnostics };
}

/** As the controller makes the pod: a claim stands in place of a volume of its name. */
function withClaims(spec: JsonObject, claims: readonly string[]): JsonObject {
  const others = arrayAt(spec, "volumes").filter(
    volume => !isObject(volume) || !claims.includes(stringAt(volume, "name")),
  );
  const claimed = claims.map(name => ({ name, persistentVolumeClaim: { claimName: name } }));
  return { ...spec, volumes: [...others, ...claimed] };
}

/** What istio-proxy is in the end, where a first turn has shown something else than was planned. */
interface Outcome {
  readonly cpuLimit: string | undefined;
  readonly user: ProxyUser;
}

function inject(request: PodInjection, pod: Pod, reason: string, outcome?: Outcome): InjectedPod {
  const { config } = request;
  const workload = workloadOf(pod, request.workload);
  const templates = chosenTemplates(config, pod.metadata.annotations);
  if (!templates.ok) return templates;
  const interception = readInterception({
    ...interceptionDefaults(config.values),
    ...pod.metadata.annotations,
  });
  const planned = planProxy(pod, workload, {
    settings: settingsOf(config, request.version),
    defaults: defaultsOf(config),
    decodeYaml,
    gateway: templates.value.includes("gateway"),
    cpuLimit: outcome?.cpuLimit,
  });
  if (!interception.ok || !planned.ok)
    return { ok: false, diagnostics: [...interception.diagnostics, ...planned.diagnostics] };
  const plan = planned.value;
  const user = outcome?.user ?? DEFAULT_PROXY_USER;
  const assembled = assemble(request, pod, plan, interception.value, user);
  const templated = (readYaml: typeof readYamlValue): Result<JsonObject> => {
    const overlaid = applyTemplates(assembled.pod, templates.value, request, workload, readYaml);
    if (!overlaid.ok || overlaid.value === assembled.pod) return overlaid;
    const decoded = decodePod({ ...request, pod: overlaid.value });
    return decoded.ok ? overlaid : { ok: false, diagnostics: decoded.diagnostics.map(ofTemplates) };
  };
  const overlaid = orAsBefore(templated(readYamlValue), () => templated(readEarlierYamlValue));
  if (!overlaid.ok) return overlaid;
  const own = applyOwnContainers(overlaid.value, request);
  if (!own.ok) return own;
  const value = withStatus(own.value, request.pod, config.revision);
  const warnings = [
    ...planned.diagnostics,
    ...assembled.warnings,
    ...overlaid.diagnostics,
    ...own.diagnostics,
    ...sameUserWarnings(value),
  ];
  // Templates and the pod's own istio-proxy may have changed what the worker threads come from, and
  // the user whose traffic is not intercepted.
  const ended: Outcome = {
    cpuLimit: cpuLimitOf(proxyContainerOf(value)),
    user: proxyUserOf(proxyContainerOf(value)),
  };
  const changed =
    ended.cpuLimit !== cpuLimitOf(plan.container) ||
    ended.user.uid !== user.uid ||
    ended.user.gid !== user.gid;
  if (outcome === undefined && changed) return inject(request, pod, reason, ended);
  return { ok: true, injected: true, pod: value, reason, warnings };
}

function ofTemplates(found: Diagnostic): Diagnostic {
  return { ...found, path: `the pod with its custom templates: ${found.path}` };
}

function assemble(
  request: PodInjection,
  pod: Pod,
  plan: ProxyPlan,
  interception: Interception,
  user: ProxyUser,
): { readonly pod: JsonObject; readonly warnings: readonly Diagnostic[] } {
  const { config } = request;
  const spec = objectAt(request.pod, "spec");
  const { container, native, warnings } = kubeContainer(request, pod, plan);
  const hold = holdsApplication(config, plan);
  const init = initContainer(config, plan, interception, request.version, user);
  const rest = (field: "containers" | "initContainers"): JsonObject[] =>
    arrayAt(spec, field)
      .filter(isObject)
      .filter(item => item["name"] !== PROXY_CONTAINER && item["name"] !== INIT_CONTAINER)
      .map(item => withProbes(item, plan.probes, plan.proxy.statusPort));
  const inits = rest("initContainers");
  // A native sidecar comes before the pod's own init containers: they are in the mesh, too. In the
  // older form Envoy starts after them, so nothing may be redirected before.
  const initContainers = native ? [...init, container, ...inits] : [...inits, ...init];
  const containers = native
    ? rest("containers")
    : hold
      ? [container, ...rest("containers")]
      : [...rest("containers"), container];
  const names = pod.spec.containers.map(({ name }) => name);
  const annotations = {
    ...config.injectedAnnotations,
    ...meshAnnotations(pod.metadata.annotations, names, config.revision, plan),
    ...(plan.discovery.tls === undefined ? {} : sdsAnnotations(plan.discovery.tls)),
  };
  return {
    pod: {
      ...request.pod,
      metadata: { ...objectAt(request.pod, "metadata"), labels: plan.labels, annotations },
      spec: {
        ...spec,
        ...(initContainers.length === 0 ? {} : { initContainers }),
        containers,
        volumes: podVolumes(plan, spec),
        ...pullSecrets(config, spec),
        ...dnsConfig(config, spec, request.namespace),
        ...(plan.type === "router" ? lowPorts(spec) : {}),
      },
    },
    warnings: [...warnings, ...searchWarnings(request)],
  };
}

/**
 * A gateway's proxy is not root and listens on 80 and 443, as in Istio's template. A sysctl of the
 * pod's network, which Kubernetes counts among the safe ones.
 */
function lowPorts(spec: JsonObject): JsonObject {
  const own = objectAt(spec, "securityContext");
  if (own["sysctls"] !== undefined) return {};
  const sysctls = [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }];
  return { securityContext: { ...own, sysctls } };
}

function pullSecrets(config: InjectorConfig, spec: JsonObject): JsonObject {
  const wanted = config.values.global.imagePullSecrets;
  if (wanted.length === 0) return {};
  const present = arrayAt(spec, "imagePullSecrets");
  const names = new Set(present.filter(isObject).map(item => item["name"]));
  const added = wanted.filter(name => !names.has(name)).map((name): Json => ({ name }));
  return { imagePullSecrets: [...present, ...added] };
}

const NAMESPACE_IN_SEARCH =
  /\[\[\s*valueOrDefault\s+\.DeploymentMeta\.Namespace\s+"default"\s*\]\]/g;

function searchWarnings({ config, namespace }: PodInjection): Diagnostic[] {
  const wanted = config.values.global.podDNSSearchNamespaces;
  if (namespace !== "" || !wanted.some(text => text.search(NAMESPACE_IN_SEARCH) >= 0)) return [];
  const message =
    "podDNSSearchNamespaces names the pod's namespace, which is not known: found none in the " +
    "object, so the search domain is that of default; say -n NAMESPACE for another";
  return [{ severity: "warning", path: "spec.dnsConfig", message, reason: "UnknownNamespace" }];
}

/** Values `podDNSSearchNamespaces`: further search domains; `[[ .ObjectMeta.Namespace ]]` in them. */
function dnsConfig(config: InjectorConfig, spec: JsonObject, namespace: string): JsonObject {
  const wanted = config.values.global.podDNSSearchNamespaces;
  if (wanted.length === 0) return {};
  const own = objectAt(spec, "dnsConfig");
  const searches = wanted.map(text => text.replaceAll(NAMESPACE_IN_SEARCH, namespace || "default"));
  const known = arrayAt(own, "searches");
  const added = searches.filter(search => !known.includes(search));
  return { dnsConfig: { ...own, searches: [...known, ...added] } };
}

/** Annotation `sidecar.istio.io/status`: what injection added. */
function withStatus(pod: JsonObject, before: JsonObject, revision: string): JsonObject {
  const namesAdded = (field: "initContainers" | "containers" | "volumes"): string[] => {
    const names = (object: JsonObject): string[] =>
      arrayAt(objectAt(object, "spec"), field)
        .filter(isObject)
        .map(item => stringAt(item, "name"));
    const old = new Set(names(before));
    return names(pod).filter(name => !old.has(name) || name === PROXY_CONTAINER);
  };
  const status = {
    initContainers: namesAdded("initContainers"),
    containers: namesAdded("containers"),
    volumes: namesAdded("volumes"),
    imagePullSecrets: null,
    revision,
  };
  const metadata = objectAt(pod, "metadata");
  const annotations = {
    ...objectAt(metadata, "annotations"),
    [STATUS_ANNOTATION]: JSON.stringify(status),
  };
  return { ...pod, metadata: { ...metadata, annotations } };
}
