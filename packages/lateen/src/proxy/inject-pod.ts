import type { Json, JsonObject } from "../api/kind.ts";
import type { Container, Probe } from "../api/pod/container.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { Result } from "../base/diagnostic.ts";
import type { AppMetrics } from "./bootstrap-listeners.ts";
import { decideInjection } from "./inject.ts";
import { readInterception } from "./interception.ts";
import type { NodeType } from "./node-id.ts";
import { ProxyPort } from "./ports.ts";
import { type AppProbe, type ProbeCheck, probeHttpGet, rewriteProbe } from "./probes.ts";
import { type ProxySettings, proxyContainer, type Workload } from "./sidecar-container.ts";

export interface InjectOptions {
  readonly settings: ProxySettings;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly revision: string;
  readonly enableByDefault: boolean;
}

const PROXY = "istio-proxy";
const STATUS = "sidecar.istio.io/status";
const TEMPLATES = "inject.istio.io/templates";
const REWRITE = "sidecar.istio.io/rewriteAppHTTPProbers";
const PROBES = ["readinessProbe", "livenessProbe", "startupProbe"] as const;

/**
 * The pod with its proxy, or the very same object where it gets none. Labels, annotations and the
 * container's name are those of Istio's injector; what is there already is not overwritten. A pod
 * with `inject.istio.io/templates: gateway` becomes a gateway: its container `istio-proxy` is filled
 * in, nothing is intercepted. Fails where an annotation can not be read.
 */
export function injectPod(json: JsonObject, options: InjectOptions): Result<JsonObject> {
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
  });
  const done = pod.metadata.annotations[STATUS] !== undefined;
  if (!answer.inject || done) return { ok: true, value: json, diagnostics: [] };
  const interception = readInterception(pod.metadata.annotations);
  if (!interception.ok) return interception;
  // With its defaults, as the API server would store it: a later update may not seem to add them.
  const value = podKind.applyDefaults(injected(json, pod, options));
  return { ok: true, value, diagnostics: [] };
}

function injected(json: JsonObject, pod: Pod, options: InjectOptions): JsonObject {
  const gateway = (pod.metadata.annotations[TEMPLATES] ?? "").split(",").includes("gateway");
  const type: NodeType = gateway ? "router" : "sidecar";
  const workload = workloadOf(pod);
  const labels = { ...meshLabels(workload, type), ...pod.metadata.labels };
  const probes = gateway ? [] : rewrittenProbes(pod);
  const appMetrics = gateway ? undefined : appMetricsOf(pod);
  const container = proxyContainer({
    pod,
    labels,
    type,
    workload,
    settings: options.settings,
    probes: probes.map(({ probe }) => probe),
    appMetrics,
  });
  const spec = objectOf(json["spec"]);
  const metadata = objectOf(json["metadata"]);
  const annotations = annotationsFor(pod, options.revision, type, appMetrics);
  return {
    ...json,
    metadata: { ...metadata, labels, annotations },
    spec: { ...spec, containers: withProxy(arrayOf(spec["containers"]), container, probes) },
  };
}

/** A gateway's servers say themselves whether they speak TLS, so it does not promise mTLS. */
function meshLabels(workload: Workload, type: NodeType): Record<string, string> {
  return {
    ...(type === "sidecar" ? { "security.istio.io/tlsMode": "istio" } : {}),
    "service.istio.io/canonical-name": workload.canonicalName,
    "service.istio.io/canonical-revision": workload.canonicalRevision,
    "service.istio.io/workload-name": workload.name,
  };
}

/** Istio's rules: the owner names the workload, labels name the canonical service. */
export function workloadOf(pod: Pod): Workload {
  const { labels, namespace } = pod.metadata;
  const owner = (pod.metadata.ownerReferences ?? []).find(ref => ref.controller === true);
  const hash = labels["pod-template-hash"];
  const isReplicaSet = owner?.kind === "ReplicaSet" && hash !== undefined;
  const kind = isReplicaSet ? "Deployment" : (owner?.kind ?? "Pod");
  const generated = pod.metadata.generateName?.replace(/-$/, "");
  const own = pod.metadata.name === "" ? (generated ?? "") : pod.metadata.name;
  const name = isReplicaSet ? owner.name.slice(0, -hash.length - 1) : (owner?.name ?? own);
  const apiVersion = isReplicaSet ? "apps/v1" : (owner?.apiVersion ?? "v1");
  const canonical = labels["service.istio.io/canonical-name"] ?? labels["app.kubernetes.io/name"];
  const revision =
    labels["service.istio.io/canonical-revision"] ?? labels["app.kubernetes.io/version"];
  return {
    name,
    owner:
      `kubernetes://apis/${apiVersion}/namespaces/${namespace}/` + `${kind.toLowerCase()}s/${name}`,
    canonicalName: canonical ?? labels["app"] ?? name,
    canonicalRevision: revision ?? labels["version"] ?? "latest",
  };
}

interface RewrittenProbe {
  readonly container: string;
  readonly field: (typeof PROBES)[number];
  readonly probe: AppProbe;
}

function rewrittenProbes(pod: Pod): RewrittenProbe[] {
  if (pod.metadata.annotations[REWRITE] === "false") return [];
  return pod.spec.containers
    .filter(container => container.name !== PROXY)
    .flatMap(container =>
      PROBES.flatMap(field => {
        const found = container[field];
        const rewritten = found === undefined ? undefined : rewrite(container, field, found);
        return rewritten === undefined
          ? []
          : [{ container: container.name, field, probe: rewritten }];
      }),
    );
}

/** undefined: an exec probe, or one whose port has no number; it stays as it is. */
function rewrite(
  container: Container,
  type: (typeof PROBES)[number],
  probe: Probe,
): AppProbe | undefined {
  const found = checkOf(container, probe);
  if (found === undefined) return undefined;
  const { periodSeconds, timeoutSeconds } = probe;
  return rewriteProbe({ container: container.name, type, ...found, periodSeconds, timeoutSeconds });
}

function checkOf(
  container: Container,
  probe: Probe,
): { readonly check: ProbeCheck; readonly port: number } | undefined {
  const number = (port: number | string): number | undefined =>
    typeof port === "number"
      ? port
      : container.ports?.find(candidate => candidate.name === port)?.containerPort;
  const { httpGet, tcpSocket, grpc } = probe;
  // A probe of another host has nothing to do with interception.
  if (httpGet !== undefined && httpGet.host === undefined) {
    const port = number(httpGet.port);
    const headers = httpGet.httpHeaders ?? [];
    const host = headers.find(header => header.name.toLowerCase() === "host")?.value;
    const path = httpGet.path.startsWith("/") ? httpGet.path : `/${httpGet.path}`;
    const request = { path, scheme: httpGet.scheme, host, headers };
    return port === undefined ? undefined : { check: { kind: "http", request }, port };
  }
  if (tcpSocket !== undefined && tcpSocket.host === undefined) {
    const port = number(tcpSocket.port);
    return port === undefined ? undefined : { check: { kind: "tcp" }, port };
  }
  if (grpc !== undefined)
    return { check: { kind: "grpc", service: grpc.service }, port: grpc.port };
  return undefined;
}

/** Istio merges the application's metrics where the pod asks to be scraped. */
function appMetricsOf(pod: Pod): AppMetrics | undefined {
  const { annotations } = pod.metadata;
  if (annotations["prometheus.io/scrape"] !== "true") return undefined;
  const port = Number(annotations["prometheus.io/port"] ?? "80");
  if (!Number.isInteger(port) || port < 1 || port > 65535) return undefined;
  return { port, path: annotations["prometheus.io/path"] ?? "/metrics" };
}

function annotationsFor(
  pod: Pod,
  revision: string,
  type: NodeType,
  metrics: AppMetrics | undefined,
): JsonObject {
  const first = pod.spec.containers.find(container => container.name !== PROXY)?.name ?? PROXY;
  const status = { initContainers: [], containers: [PROXY], volumes: [], revision };
  const { annotations } = pod.metadata;
  return {
    "kubectl.kubernetes.io/default-container": first,
    "kubectl.kubernetes.io/default-logs-container": first,
    "istio.io/rev": revision,
    ...annotations,
    ...(type === "router"
      ? {}
      : {
          "sidecar.istio.io/interceptionMode":
            annotations["sidecar.istio.io/interceptionMode"] ?? "REDIRECT",
          "prometheus.io/scrape": annotations["prometheus.io/scrape"] ?? "true",
          "prometheus.io/port": String(ProxyPort.agent),
          "prometheus.io/path": "/stats/prometheus",
        }),
    ...(metrics === undefined
      ? {}
      : { "lateen.dev/app-metrics": `${metrics.port}${metrics.path}` }),
    [STATUS]: JSON.stringify(status),
  };
}

function withProxy(
  containers: readonly Json[],
  proxy: JsonObject,
  probes: readonly RewrittenProbe[],
): Json[] {
  const own = containers.map(objectOf).find(container => container["name"] === PROXY);
  const others = containers.map(objectOf).filter(container => container["name"] !== PROXY);
  const rest = others.map(container => withProbes(container, probes));
  return [...rest, own === undefined ? proxy : mergedProxy(own, proxy)];
}

/** What a gateway's own manifest says stays: resources, further env and ports. */
function mergedProxy(own: JsonObject, proxy: JsonObject): JsonObject {
  const names = new Set(arrayOf(proxy["env"]).map(item => objectOf(item)["name"]));
  const env = arrayOf(own["env"]).filter(item => !names.has(objectOf(item)["name"]));
  const declared = new Set(arrayOf(own["ports"]).map(item => objectOf(item)["containerPort"]));
  const added = arrayOf(proxy["ports"]).filter(
    item => !declared.has(objectOf(item)["containerPort"]),
  );
  return {
    ...proxy,
    ...own,
    image: proxy["image"] ?? "",
    command: proxy["command"] ?? [],
    args: proxy["args"] ?? [],
    env: [...arrayOf(proxy["env"]), ...env],
    ports: [...arrayOf(own["ports"]), ...added],
    securityContext: { ...objectOf(proxy["securityContext"]), ...objectOf(own["securityContext"]) },
  };
}

function withProbes(container: JsonObject, probes: readonly RewrittenProbe[]): JsonObject {
  const changed: Record<string, Json> = { ...container };
  for (const { field, probe, container: name } of probes) {
    if (name !== container["name"]) continue;
    const { httpGet: _http, tcpSocket: _tcp, grpc: _grpc, ...rest } = objectOf(container[field]);
    changed[field] = { ...rest, httpGet: probeHttpGet(probe) };
  }
  return changed;
}

function objectOf(json: Json | undefined): JsonObject {
  return typeof json === "object" && json !== null && !isArray(json) ? json : {};
}

function arrayOf(json: Json | undefined): readonly Json[] {
  return isArray(json) ? json : [];
}

function isArray(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json);
}
