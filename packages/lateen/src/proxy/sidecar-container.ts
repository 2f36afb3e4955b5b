import type { JsonObject } from "../api/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import { ProxyEnvironment } from "../base/proxy-environment.ts";
import { bootstrapArgument } from "./bootstrap.ts";
import type { AppMetrics } from "./bootstrap-listeners.ts";
import { escapeReferences } from "./expansion.ts";
import { formatNodeId, type NodeType } from "./node-id.ts";
import { encodePeerMetadata } from "./peer-metadata.ts";
import { PROXY_UID, ProxyPort } from "./ports.ts";
import type { AppProbe } from "./probes.ts";
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
  /** Envoy's worker threads. */
  readonly concurrency: number;
  readonly logLevel: string;
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
  readonly probes: readonly AppProbe[];
  readonly appMetrics: AppMetrics | undefined;
}

const REFERENCES = ["POD_NAME", "POD_NAMESPACE", "INSTANCE_IP", "SERVICE_ACCOUNT", "NODE_NAME"];
/** Longer than a pod's drain: a listener that is replaced finishes what it serves. */
const DRAIN_SECONDS = 45;

/** The container `istio-proxy`: Envoy itself, its whole bootstrap an argument. */
export function proxyContainer(options: ProxyContainerOptions): JsonObject {
  const { settings, type } = options;
  const bootstrap = escapeReferences(bootstrapText(options), REFERENCES);
  const args = [
    "--config-yaml",
    bootstrap,
    "--disable-hot-restart",
    "--concurrency",
    String(settings.concurrency),
    "--drain-time-s",
    String(DRAIN_SECONDS),
    "--drain-strategy",
    "immediate",
    "--local-address-ip-version",
    "v4",
    "--file-flush-interval-msec",
    "1000",
    "-l",
    settings.logLevel,
    "--component-log-level",
    "misc:error",
  ];
  const ready = { httpGet: { path: "/healthz/ready", port: ProxyPort.health, scheme: "HTTP" } };
  return {
    name: "istio-proxy",
    image: settings.image,
    command: settings.command,
    args,
    env: environment(options),
    ports: [{ name: "http-envoy-prom", containerPort: ProxyPort.prometheus, protocol: "TCP" }],
    // Not ready before it is configured: the port is closed until then, for as long as it takes.
    startupProbe: { ...ready, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600 },
    readinessProbe: { ...ready, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 4 },
    securityContext: {
      runAsUser: PROXY_UID,
      runAsGroup: PROXY_UID,
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      ...(type === "router" ? {} : { capabilities: { drop: ["ALL"] } }),
    },
  };
}

function bootstrapText(options: ProxyContainerOptions): string {
  const { pod, settings, type, workload, labels } = options;
  const namespace = pod.metadata.namespace;
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
    metadata: {
      NAME: "$(POD_NAME)",
      NAMESPACE: namespace,
      LABELS: labels,
      SERVICE_ACCOUNT: "$(SERVICE_ACCOUNT)",
      WORKLOAD_NAME: workload.name,
      OWNER: workload.owner,
      CLUSTER_ID: settings.clusterId,
      MESH_ID: settings.meshId,
      ISTIO_VERSION: settings.version,
      ENVOY_STATUS_PORT: ProxyPort.health,
      ENVOY_PROMETHEUS_PORT: ProxyPort.prometheus,
      POD_PORTS: JSON.stringify(podPorts(pod)),
      INTERCEPTION_MODE: type === "router" ? "NONE" : "REDIRECT",
      INSTANCE_IPS: "$(INSTANCE_IP)",
      APP_CONTAINERS: appContainers(pod).join(","),
      NODE_NAME: "$(NODE_NAME)",
      PROXY_CONFIG: {
        discoveryAddress: `${settings.discovery.host}:${settings.discovery.port}`,
        concurrency: settings.concurrency,
      },
    },
    discovery: settings.discovery,
    instanceIp: "$(INSTANCE_IP)",
    probes: options.probes,
    ...(options.appMetrics === undefined ? {} : { appMetrics: options.appMetrics }),
  });
}

function podPorts(pod: Pod): JsonObject[] {
  return pod.spec.containers
    .flatMap(container => container.ports ?? [])
    .map(({ name, containerPort, protocol }) => ({
      ...(name === undefined ? {} : { name }),
      containerPort,
      protocol,
    }));
}

function appContainers(pod: Pod): string[] {
  return pod.spec.containers.map(c => c.name).filter(name => name !== "istio-proxy");
}

function environment(options: ProxyContainerOptions): JsonObject[] {
  const field = (name: string, fieldPath: string): JsonObject => ({
    name,
    valueFrom: { fieldRef: { apiVersion: "v1", fieldPath } },
  });
  return [
    field("POD_NAME", "metadata.name"),
    field("POD_NAMESPACE", "metadata.namespace"),
    field("INSTANCE_IP", "status.podIP"),
    field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
    field("NODE_NAME", "spec.nodeName"),
    ...Object.entries(sharedEnvironment(options)).map(([name, value]) => ({
      name,
      value: escapeReferences(value, []),
    })),
  ];
}

/** The variables that shared configuration refers to as `%ENVIRONMENT(X)%`. */
function sharedEnvironment(options: ProxyContainerOptions): Readonly<Record<string, string>> {
  const { settings, workload, labels, pod } = options;
  const { namespace } = pod.metadata;
  const { app, version } = labels;
  return {
    [ProxyEnvironment.workload]: workload.name,
    [ProxyEnvironment.app]: app ?? "unknown",
    [ProxyEnvironment.version]: version ?? "unknown",
    [ProxyEnvironment.canonicalService]: workload.canonicalName,
    [ProxyEnvironment.canonicalRevision]: workload.canonicalRevision,
    [ProxyEnvironment.cluster]: settings.clusterId,
    [ProxyEnvironment.peerMetadata]: encodePeerMetadata({
      NAMESPACE: namespace,
      WORKLOAD_NAME: workload.name,
      CLUSTER_ID: settings.clusterId,
      MESH_ID: settings.meshId,
      OWNER: workload.owner,
      LABELS: {
        // What is not there is "unknown" in the peer's metrics, as it is in our own.
        ...(app === undefined ? {} : { app }),
        ...(version === undefined ? {} : { version }),
        "service.istio.io/canonical-name": workload.canonicalName,
        "service.istio.io/canonical-revision": workload.canonicalRevision,
      },
    }),
  };
}
