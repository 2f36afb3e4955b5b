import type { Json, JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { DecodeYaml } from "../api/yaml-text.ts";
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import { appScrape, withoutScrape } from "./app-scrape.ts";
import type { AppMetrics } from "./bootstrap-listeners.ts";
import { chooseDiscovery, type DiscoveryChoice } from "./discovery-choice.ts";
import { decideInjection, defaultPolicy } from "./inject.ts";
import { readInterception } from "./interception.ts";
import type { NodeType } from "./node-id.ts";
import {
  cpuLimitOf,
  type ProxyOptionDefaults,
  type ProxyOptions,
  readProxyOptions,
} from "./proxy-options.ts";
import { listOf, objectOf } from "./raw.ts";
import { type RewrittenProbe, rewrittenProbes, withProbes } from "./rewritten-probes.ts";
import {
  PROXY_CONTAINER,
  type ProxySettings,
  podPorts,
  proxyContainer,
  type Workload,
} from "./sidecar-container.ts";
import { workloadOf } from "./workload.ts";
import type { DiscoveryTarget } from "./xds-cluster.ts";

export interface InjectOptions {
  readonly settings: ProxySettings;
  readonly defaults: ProxyOptionDefaults;
  readonly decodeYaml: DecodeYaml;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly revision: string;
  readonly enableByDefault: boolean;
}

/** Everything about a pod's proxy, before it is put into the pod's JSON. */
export interface ProxyPlan {
  readonly type: NodeType;
  readonly proxy: ProxyOptions;
  readonly workload: Workload;
  readonly discovery: DiscoveryTarget;
  readonly labels: Readonly<Record<string, string>>;
  readonly probes: readonly RewrittenProbe[];
  readonly appMetrics: AppMetrics | undefined;
  /** The proxy's page is what is scraped of the pod. */
  readonly scraped: boolean;
  readonly container: JsonObject;
}

export const STATUS_ANNOTATION = "sidecar.istio.io/status";

/**
 * The pod of a local mesh with its proxy, or the very same object where it gets none. Labels,
 * annotations and the container's name are those of Istio's injector; what is there already is not
 * overwritten. A pod with `inject.istio.io/templates: gateway` becomes a gateway: its container
 * `istio-proxy` is filled in, nothing is intercepted. Fails where an annotation can not be read.
 */
export function injectPod(
  json: JsonObject,
  options: InjectOptions,
  warnings: readonly Diagnostic[] = [],
): Result<JsonObject> {
  const decoded = podKind.decode(json);
  if (!decoded.ok) return { ok: true, value: json, diagnostics: [] };
  const pod = decoded.value;
  const answer = decideInjection({
    namespace: pod.metadata.namespace,
    namespaceLabels: options.namespaceLabels,
    podLabels: pod.metadata.labels,
    podAnnotations: pod.metadata.annotations,
    hostNetwork: pod.spec.hostNetwork ?? false,
    revision: options.revision,
    enableByDefault: options.enableByDefault,
    policy: defaultPolicy,
  });
  const done = pod.metadata.annotations[STATUS_ANNOTATION] !== undefined;
  if (!answer.inject || done) return { ok: true, value: json, diagnostics: [] };
  const interception = readInterception(pod.metadata.annotations);
  if (!interception.ok) return interception;
  const gateway = templatesOf(pod.metadata.annotations).includes("gateway");
  const containers = listOf(objectOf(json["spec"])["containers"]).map(objectOf);
  const own = containers.find(({ name }) => name === PROXY_CONTAINER) ?? {};
  const cpuLimit = cpuLimitOf(own) || undefined;
  const more = { gateway, cpuLimit, onOneMachine: true };
  const planned = planProxy(pod, workloadOf(pod), { ...options, ...more });
  if (!planned.ok) return planned;
  const asked = planned.value.proxy.interceptionMode;
  if (asked === "TPROXY")
    return injectPod(withAnnotation(json, MODE, "REDIRECT"), options, NO_TPROXY);
  const plan = planned.value;
  const spec = objectOf(json["spec"]);
  const value = podKind.applyDefaults({
    ...json,
    metadata: {
      ...objectOf(json["metadata"]),
      labels: plan.labels,
      annotations: localAnnotations(pod, options.revision, plan),
    },
    spec: { ...spec, containers: withProxy(listOf(spec["containers"]), plan) },
  });
  // With its defaults, as the API server would store it: a later update may not seem to add them.
  return { ok: true, value, diagnostics: [...planned.diagnostics, ...warnings] };
}

const MODE = "sidecar.istio.io/interceptionMode";
/** Envoy is no root on the machine that runs the pods, and needs to be for this. */
const NO_TPROXY: readonly Diagnostic[] = [
  {
    severity: "warning",
    path: `metadata.annotations[${MODE}]`,
    message: "TPROXY is not carried out on one machine: REDIRECT is used",
    reason: "NotCarriedOut",
  },
];

function withAnnotation(json: JsonObject, name: string, value: string): JsonObject {
  const metadata = objectOf(json["metadata"]);
  const annotations = { ...objectOf(metadata["annotations"]), [name]: value };
  return { ...json, metadata: { ...metadata, annotations } };
}

/** What the pod's proxy is to be. Fails where an annotation can not be read. */
export function planProxy(
  pod: Pod,
  workload: Workload,
  options: Pick<InjectOptions, "settings" | "defaults" | "decodeYaml"> & {
    readonly gateway: boolean;
    /** There is one control plane, whatever `discoveryAddress` says. */
    readonly onOneMachine?: boolean;
    /** Of the container as it ends up; undefined: what the pod's annotations and defaults say. */
    readonly cpuLimit?: string | undefined;
  },
): Result<ProxyPlan> {
  const { annotations } = pod.metadata;
  const type: NodeType = options.gateway ? "router" : "sidecar";
  const read = readProxyOptions({ annotations, decodeYaml: options.decodeYaml }, options.defaults);
  if (!read.ok) return read;
  const { cpuLimit } = options;
  const proxy = cpuLimit === undefined ? read.value : { ...read.value, cpuLimit };
  const { target: discovery, diagnostics: found } =
    options.onOneMachine === true
      ? theOnlyControlPlane(options, proxy)
      : chooseDiscovery(options.settings.discovery, proxy.config);
  if (found.some(({ severity }) => severity === "error")) return { ok: false, diagnostics: found };
  const rewrites = type === "sidecar" && proxy.rewriteProbes && proxy.statusPort !== 0;
  const probes = rewrites ? rewrittenProbes(pod) : [];
  const merges = type === "sidecar" && proxy.mergeMetrics && proxy.statusPort !== 0;
  const scrape = merges ? appScrape(annotations, proxy.statusPort) : undefined;
  const appMetrics = scrape?.app;
  const labels = { ...meshLabels(workload, type), ...pod.metadata.labels };
  const { proxyMetadata, runtimeValues } = proxy.config;
  const own = [labels, proxy.stats, probes, proxyMetadata, runtimeValues, podPorts(pod)];
  const size = JSON.stringify(own).length;
  if (size > MAX_POD_CHARS) return tooLarge(size);
  const container = proxyContainer({
    pod,
    labels,
    type,
    workload,
    settings: { ...options.settings, discovery, ...ownMesh(proxy, options.defaults) },
    proxy,
    probes: probes.map(({ probe }) => probe),
    appMetrics,
  });
  const scraped = scrape?.merges === true;
  const parts = { type, proxy, workload, discovery, labels, probes };
  const value = { ...parts, appMetrics, scraped, container };
  const diagnostics = [...read.diagnostics, ...found, ...(scrape?.diagnostics ?? [])];
  return { ok: true, value, diagnostics };
}

/** A pod's own `meshId`; the installation's comes with the settings. */
function ownMesh(
  { config: { meshId } }: ProxyOptions,
  { mesh }: ProxyOptionDefaults,
): Partial<Pick<ProxySettings, "meshId">> {
  return meshId === "" || meshId === mesh.defaultConfig.meshId ? {} : { meshId };
}

function theOnlyControlPlane(
  { settings, defaults }: Pick<InjectOptions, "settings" | "defaults">,
  { config }: ProxyOptions,
): DiscoveryChoice {
  const target = settings.discovery;
  const said = config.discoveryAddress;
  if (said === defaults.mesh.defaultConfig.discoveryAddress) return { target, diagnostics: [] };
  const message = `discoveryAddress ${said} is not carried out on one machine, which has one control plane`;
  const path = "metadata.annotations[proxy.istio.io/config]";
  return { target, diagnostics: [{ severity: "warning", path, message, reason: "NotCarriedOut" }] };
}

/** A third of what one argument of a process holds: `$` is doubled in it, and UTF-8 takes more. */
const MAX_POD_CHARS = 40_000;

function tooLarge(size: number): Result<never> {
  const message =
    `labels, ports, probes, statistics, proxyMetadata and runtimeValues have ${size} characters in all; ` +
    `expected at most ${MAX_POD_CHARS}, as they are an argument of the proxy`;
  return { ok: false, diagnostics: [{ severity: "error", path: "", message, reason: "TooLarge" }] };
}

/** Names in `inject.istio.io/templates`; none: the installation's default. */
export function templatesOf(annotations: Readonly<Record<string, string>>): readonly string[] {
  return (annotations["inject.istio.io/templates"] ?? "")
    .split(",")
    .map(name => name.trim())
    .filter(name => name !== "");
}

/** A gateway's servers say themselves whether they speak TLS, so it does not promise mTLS. */
function meshLabels(workload: Workload, type: NodeType): Record<string, string> {
  return {
    ...(type === "sidecar" ? { "security.istio.io/tlsMode": "istio" } : {}),
    "service.istio.io/canonical-name": labelValue(workload.canonicalName),
    "service.istio.io/canonical-revision": labelValue(workload.canonicalRevision),
    "service.istio.io/workload-name": labelValue(workload.name),
  };
}

/** Names of workloads may be longer than a label's value. */
function labelValue(name: string): string {
  return name.slice(0, 63).replace(/[^A-Za-z0-9]+$/, "");
}

/** What every injected pod says of itself, under what it says already. */
export function meshAnnotations(
  annotations: Readonly<Record<string, string>>,
  containers: readonly string[],
  revision: string,
  { proxy, scraped }: ProxyPlan,
): Record<string, string> {
  const first = containers.find(name => name !== PROXY_CONTAINER) ?? PROXY_CONTAINER;
  return {
    "kubectl.kubernetes.io/default-container": first,
    "kubectl.kubernetes.io/default-logs-container": first,
    "istio.io/rev": revision,
    ...(scraped ? withoutScrape(annotations) : annotations),
    ...(scraped
      ? {
          "prometheus.io/scrape": "true",
          "prometheus.io/port": String(proxy.statusPort),
          "prometheus.io/path": "/stats/prometheus",
        }
      : {}),
  };
}

function localAnnotations(pod: Pod, revision: string, plan: ProxyPlan): JsonObject {
  const names = pod.spec.containers.map(({ name }) => name);
  const { annotations } = pod.metadata;
  const { appMetrics } = plan;
  const status = { initContainers: [], containers: [PROXY_CONTAINER], volumes: [], revision };
  return {
    ...meshAnnotations(annotations, names, revision, plan),
    ...(plan.type === "router" ? {} : { [MODE]: plan.proxy.interceptionMode }),
    ...(appMetrics === undefined
      ? {}
      : { "lateen.dev/app-metrics": `${appMetrics.port}${appMetrics.path}` }),
    [STATUS_ANNOTATION]: JSON.stringify(status),
  };
}

function withProxy(containers: readonly Json[], plan: ProxyPlan): Json[] {
  const own = containers.map(objectOf).find(container => container["name"] === PROXY_CONTAINER);
  const others = containers
    .map(objectOf)
    .filter(container => container["name"] !== PROXY_CONTAINER);
  const rest = others.map(container => withProbes(container, plan.probes, plan.proxy.statusPort));
  return [...rest, own === undefined ? plan.container : mergedProxy(own, plan.container)];
}

/** What a pod's own `istio-proxy` says stays: resources, further env and ports. */
function mergedProxy(own: JsonObject, proxy: JsonObject): JsonObject {
  const names = new Set(listOf(proxy["env"]).map(item => objectOf(item)["name"]));
  const env = listOf(own["env"]).filter(item => !names.has(objectOf(item)["name"]));
  const declared = new Set(listOf(own["ports"]).map(item => objectOf(item)["containerPort"]));
  const added = listOf(proxy["ports"]).filter(
    item => !declared.has(objectOf(item)["containerPort"]),
  );
  return {
    ...proxy,
    ...own,
    image: proxy["image"] ?? "",
    command: proxy["command"] ?? [],
    args: proxy["args"] ?? [],
    env: [...listOf(proxy["env"]), ...env],
    ports: [...listOf(own["ports"]), ...added],
    securityContext: { ...objectOf(proxy["securityContext"]), ...objectOf(own["securityContext"]) },
  };
}
