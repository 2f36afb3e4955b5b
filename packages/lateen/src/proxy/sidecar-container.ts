import type { JsonObject } from "../api/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import { TCP_BYTES_KEY } from "../base/compact-metrics.ts";
import { bootstrapArgument } from "./bootstrap.ts";
import type { AppMetrics, IpFamily } from "./bootstrap-listeners.ts";
import { escapeReferences } from "./expansion.ts";
import { formatNodeId, type NodeType } from "./node-id.ts";
import { PROXY_UID, ProxyPort } from "./ports.ts";
import type { AppProbe } from "./probes.ts";
import { INSTANCE_IPS, proxyEnvironment } from "./proxy-environment.ts";
import { concurrencyOf, type ProxyOptions } from "./proxy-options.ts";
import { namespaceOrReference } from "./workload.ts";
import type { DiscoveryTarget } from "./xds-cluster.ts";

/** What is the same for all proxies of an installation. */
export interface ProxySettings {
  readonly discovery: DiscoveryTarget;
  /** e.g. `["/run/lateen/envoy"]`. */
  readonly command: readonly string[];
  /** Shown in the pod; run where images are run. */
  readonly image: string;
  /** Of the control plane: the VERSION that proxy-status shows. */
  readonly version: string;
  readonly domain: string;
  readonly clusterId: string;
  readonly meshId: string;
  readonly network: string;
  /** Where ejections are written (values' `outlierLogPath`); "" or undefined: nowhere. */
  readonly outlierLogPath?: string;
  readonly ipFamilies: readonly IpFamily[];
}

/** A workload as Istio names it. */
export interface Workload {
  readonly name: string;
  readonly owner: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
}

export interface ProxyContainerOptions {
  readonly pod: Pod;
  /** The labels that the pod ends up with. */
  readonly labels: Readonly<Record<string, string>>;
  readonly type: NodeType;
  readonly workload: Workload;
  readonly settings: ProxySettings;
  readonly proxy: ProxyOptions;
  readonly probes: readonly AppProbe[];
  readonly appMetrics: AppMetrics | undefined;
}

export const PROXY_CONTAINER = "istio-proxy";
/** Where the ConfigMap of `sidecar.istio.io/bootstrapOverride` is mounted. */
export const CUSTOM_BOOTSTRAP = "/etc/istio/custom-bootstrap";

const REFERENCES = [
  "POD_NAME",
  "POD_NAMESPACE",
  "INSTANCE_IP",
  INSTANCE_IPS,
  "SERVICE_ACCOUNT",
  "NODE_NAME",
];
const FLUSH_MS = 1000;
/** Longer than a pod's drain: a listener that is replaced finishes what it serves. */
const DRAIN_SECONDS = 45;

/** The container `istio-proxy`: Envoy itself, its whole bootstrap an argument. */
export function proxyContainer(options: ProxyContainerOptions): JsonObject {
  const { settings, proxy } = options;
  const ready = { httpGet: { path: "/healthz/ready", port: ProxyPort.health, scheme: "HTTP" } };
  return {
    name: PROXY_CONTAINER,
    image: proxy.image ?? settings.image,
    command: settings.command,
    args: envoyArguments(options),
    env: proxyEnvironment(options),
    ports: [{ name: "http-envoy-prom", containerPort: ProxyPort.prometheus, protocol: "TCP" }],
    ...resourcesOf(proxy),
    // Not ready before it is configured: the port is closed until then, for as long as it takes.
    startupProbe: { ...ready, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600 },
    ...(proxy.statusPort === 0 ? {} : { readinessProbe: readinessProbe(ready, proxy) }),
    securityContext: securityContext(options),
  };
}

function envoyArguments(options: ProxyContainerOptions): string[] {
  const { proxy, settings } = options;
  const concurrency = concurrencyOf(proxy);
  const drainMs = proxy.config.drainDuration;
  const [family] = settings.ipFamilies;
  return [
    ...(proxy.bootstrapOverride === undefined
      ? []
      : ["-c", `${CUSTOM_BOOTSTRAP}/custom_bootstrap.json`]),
    "--config-yaml",
    escapeReferences(bootstrapText(options), REFERENCES),
    "--disable-hot-restart",
    ...(concurrency === 0 ? [] : ["--concurrency", String(concurrency)]),
    "--drain-time-s",
    String(drainMs === undefined ? DRAIN_SECONDS : Math.ceil(drainMs / 1000)),
    "--drain-strategy",
    "immediate",
    "--local-address-ip-version",
    family === "IPv6" ? "v6" : "v4",
    "--file-flush-interval-msec",
    String(proxy.config.fileFlushInterval ?? FLUSH_MS),
    "-l",
    proxy.logLevel,
    "--component-log-level",
    proxy.componentLogLevel,
  ];
}

function resourcesOf(proxy: ProxyOptions): JsonObject {
  const { requests, limits } = proxy.resources;
  const resources: JsonObject = {
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(Object.keys(requests).length === 0 ? {} : { requests }),
  };
  return Object.keys(resources).length === 0 ? {} : { resources };
}

function readinessProbe(ready: JsonObject, { readiness }: ProxyOptions): JsonObject {
  const { initialDelaySeconds, periodSeconds, failureThreshold } = readiness;
  return {
    ...ready,
    ...(initialDelaySeconds === 0 ? {} : { initialDelaySeconds }),
    periodSeconds,
    timeoutSeconds: 3,
    failureThreshold,
  };
}

/** TPROXY needs CAP_NET_ADMIN, which only root gets from the kubelet; the group stays the proxy's. */
function securityContext({ type, proxy }: ProxyContainerOptions): JsonObject {
  const tproxy = type === "sidecar" && proxy.interceptionMode === "TPROXY";
  return {
    runAsUser: tproxy ? 0 : PROXY_UID,
    runAsGroup: PROXY_UID,
    runAsNonRoot: !tproxy,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { ...(tproxy ? { add: ["NET_ADMIN"] } : {}), drop: ["ALL"] },
  };
}

function bootstrapText(options: ProxyContainerOptions): string {
  const { pod, settings, type, workload, labels, proxy } = options;
  const namespace = namespaceOrReference(pod);
  const app = labels["app"] ?? workload.name;
  return bootstrapArgument({
    nodeId: formatNodeId({
      type,
      ip: "$(INSTANCE_IP)",
      pod: "$(POD_NAME)",
      namespace,
      domain: settings.domain,
    }),
    nodeCluster: `${app}.${namespace}`,
    metadata: nodeMetadata(options),
    discovery: settings.discovery,
    instanceIp: "$(INSTANCE_IP)",
    probes: options.probes,
    stats: proxy.stats,
    // It may send statistics somewhere, where nobody writes labels out.
    fullMetrics: proxy.bootstrapOverride !== undefined,
    runtimeValues: proxy.config.runtimeValues,
    outlierLogPath: settings.outlierLogPath ?? "",
    statusPort: proxy.statusPort,
    ipFamilies: settings.ipFamilies,
    ...(options.appMetrics === undefined ? {} : { appMetrics: options.appMetrics }),
  });
}

/** Istio's node metadata; ISTIO_META_X of proxyMetadata becomes X, as its agent does it. */
function nodeMetadata(options: ProxyContainerOptions): JsonObject {
  const { pod, settings, type, workload, labels, proxy } = options;
  return {
    ...extraMetadata(proxy.config.proxyMetadata),
    NAME: "$(POD_NAME)",
    NAMESPACE: namespaceOrReference(pod),
    LABELS: labels,
    SERVICE_ACCOUNT: "$(SERVICE_ACCOUNT)",
    WORKLOAD_NAME: workload.name,
    OWNER: workload.owner,
    CLUSTER_ID: settings.clusterId,
    MESH_ID: settings.meshId,
    ...(settings.network === "" ? {} : { NETWORK: settings.network }),
    ISTIO_VERSION: settings.version,
    ENVOY_STATUS_PORT: ProxyPort.health,
    ENVOY_PROMETHEUS_PORT: ProxyPort.prometheus,
    POD_PORTS: JSON.stringify(podPorts(pod)),
    ...(proxy.tcpBytes === undefined ? {} : { [TCP_BYTES_KEY]: proxy.tcpBytes }),
    INTERCEPTION_MODE: type === "router" ? "NONE" : proxy.interceptionMode,
    INSTANCE_IPS: settings.ipFamilies.length > 1 ? `$(${INSTANCE_IPS})` : "$(INSTANCE_IP)",
    APP_CONTAINERS: appContainers(pod).join(","),
    NODE_NAME: "$(NODE_NAME)",
    PROXY_CONFIG: {
      discoveryAddress: `${settings.discovery.host}:${settings.discovery.port}`,
      concurrency: concurrencyOf(proxy),
    },
  };
}

function extraMetadata(proxyMetadata: Readonly<Record<string, string>>): JsonObject {
  const prefix = "ISTIO_META_";
  return Object.fromEntries(
    Object.entries(proxyMetadata)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

export function podPorts(pod: Pod): JsonObject[] {
  return pod.spec.containers
    .flatMap(container => container.ports ?? [])
    .map(({ name, containerPort, protocol }) => ({
      ...(name === undefined ? {} : { name }),
      containerPort,
      protocol,
    }));
}

function appContainers(pod: Pod): string[] {
  return pod.spec.containers.map(c => c.name).filter(name => name !== PROXY_CONTAINER);
}
