import { assert } from "../base/assert.ts";
import { CAPABILITIES_KEY, COMPACT_METRICS } from "../base/compact-metrics.ts";
import {
  type AppMetrics,
  agentListener,
  firstOf,
  healthListener,
  type IpFamily,
  localClusters,
  prometheusListener,
} from "./bootstrap-listeners.ts";
import { noMoreStats, type StatsOptions, statsConfig } from "./bootstrap-stats.ts";
import { extension, type JsonOutObject, socketAddress } from "./json.ts";
import { ProxyPort } from "./ports.ts";
import { type AppProbe, probeClusters } from "./probes.ts";
import { type DiscoveryTarget, discoveryCluster } from "./xds-cluster.ts";

export interface BootstrapOptions {
  /** See formatNodeId; may hold `$(POD_IP)` and the like where the kubelet expands them. */
  readonly nodeId: string;
  /** Istio's service cluster: `app.namespace`. */
  readonly nodeCluster: string;
  /** Node metadata in Istio's form (NAMESPACE, NAME, LABELS, SERVICE_ACCOUNT, ...). */
  readonly metadata: JsonOutObject;
  readonly locality?: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly discovery: DiscoveryTarget;
  /** The pod's address: where the application's probes and metrics are. */
  readonly instanceIp: string;
  /** Application probes that are answered on 15020; see rewriteProbes. */
  readonly probes: readonly AppProbe[];
  /** The application's own Prometheus page, appended to Envoy's on 15020. */
  readonly appMetrics?: AppMetrics;
  /** What is counted beside the usual. */
  readonly stats?: StatsOptions;
  /** Where metrics, probes and quitquitquit are; default 15020, 0 for nowhere. */
  readonly statusPort?: number;
  /** The pod's address families; default IPv4. */
  readonly ipFamilies?: readonly IpFamily[];
  /** Envoy's runtime by name (`overload.x`, `envoy.reloadable_features.y`), as texts. */
  readonly runtimeValues?: Readonly<Record<string, string>>;
  /** Where Envoy writes what outlier detection ejects, such as /dev/stdout; "": nowhere. */
  readonly outlierLogPath?: string;
  /** Metrics go elsewhere than to who scrapes: every label must be a tag of its own. Default false. */
  readonly fullMetrics?: boolean;
  /** Downstream connections that are taken before new ones are refused. */
  readonly maxConnections?: number;
}

/** One argument of a Linux process can hold 128 KiB. */
const MAX_ARGUMENT = 131_000;
const DEFAULT_MAX_CONNECTIONS = 1_000_000;

/**
 * Envoy's bootstrap for a sidecar or a gateway: one delta ADS stream for everything, no listener
 * open before the first configuration came. Names of static clusters and listeners' routes are
 * Istio's. https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/bootstrap/v3/bootstrap.proto
 */
export function bootstrap(options: BootstrapOptions): JsonOutObject {
  const families = options.ipFamilies ?? ["IPv4"];
  const statusPort = options.statusPort ?? ProxyPort.agent;
  const stats = options.stats ?? noMoreStats;
  return {
    node: {
      id: options.nodeId,
      cluster: options.nodeCluster,
      metadata: { ...options.metadata, ...capabilities(options) },
      ...(options.locality === undefined ? {} : { locality: nodeLocality(options.locality) }),
    },
    admin: {
      address: socketAddress("127.0.0.1", ProxyPort.admin),
      // Without this the start is logged as a warning on each run.
      access_log: [],
    },
    layered_runtime: {
      layers: [
        {
          name: "global config",
          static_layer: {
            re2: { max_program_size: { error_level: 32768 } },
            ...runtimeLayer(options.runtimeValues ?? {}),
          },
        },
        { name: "admin", admin_layer: {} },
      ],
    },
    stats_config: statsConfig(stats),
    ...(stats.evictionSeconds === 0
      ? {}
      : { stats_eviction_interval: `${stats.evictionSeconds}s` }),
    deferred_stat_options: { enable_deferred_creation_stats: true },
    overload_manager: overloadManager(options.maxConnections ?? DEFAULT_MAX_CONNECTIONS),
    ...outlierLog(options.outlierLogPath ?? ""),
    dynamic_resources: dynamicResources(),
    static_resources: {
      clusters: [
        discoveryCluster(options.discovery),
        ...localClusters(families, options.instanceIp, options.appMetrics),
        ...probeClusters(options.probes, options.instanceIp, firstOf(families)),
      ],
      listeners: [
        prometheusListener(families),
        healthListener(families),
        ...(statusPort === 0
          ? []
          : [agentListener(families, statusPort, options.probes, options.appMetrics)]),
      ],
    },
  };
}

/** What this bootstrap can do beyond what every one could: the control plane sends nothing else for it. */
function capabilities({ fullMetrics = false }: BootstrapOptions): JsonOutObject {
  return { [CAPABILITIES_KEY]: fullMetrics ? "" : COMPACT_METRICS };
}

/** The value of `--config-yaml` (JSON is YAML). */
export function bootstrapArgument(options: BootstrapOptions): string {
  const text = JSON.stringify(bootstrap(options));
  assert(text.length < MAX_ARGUMENT, `bootstrap of ${options.nodeId} is ${text.length} characters`);
  return text;
}

function outlierLog(path: string): JsonOutObject {
  return path === "" ? {} : { cluster_manager: { outlier_detection: { event_log_path: path } } };
}

/** Envoy takes a truth value or a number in a text for neither. */
function runtimeLayer(values: Readonly<Record<string, string>>): JsonOutObject {
  const typed = (text: string): boolean | number | string => {
    if (text === "true" || text === "false") return text === "true";
    return /^-?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : text;
  };
  return Object.fromEntries(Object.entries(values).map(([name, text]) => [name, typed(text)]));
}

function nodeLocality(locality: NonNullable<BootstrapOptions["locality"]>): JsonOutObject {
  return {
    region: locality.region,
    zone: locality.zone,
    ...(locality.subZone === "" ? {} : { sub_zone: locality.subZone }),
  };
}

function dynamicResources(): JsonOutObject {
  // 0s: Envoy's default of 15 s would open listeners before there is configuration for them.
  const ads = { ads: {}, resource_api_version: "V3", initial_fetch_timeout: "0s" };
  const backOff = { base_interval: "0.25s", max_interval: "5s" };
  return {
    ads_config: {
      api_type: "DELTA_GRPC",
      transport_api_version: "V3",
      set_node_on_first_message_only: true,
      grpc_services: [
        { envoy_grpc: { cluster_name: "xds-grpc", retry_policy: { retry_back_off: backOff } } },
      ],
    },
    cds_config: ads,
    lds_config: ads,
  };
}

function overloadManager(maxConnections: number): JsonOutObject {
  return {
    resource_monitors: [
      extension(
        "envoy.resource_monitors.global_downstream_max_connections",
        "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        { max_active_downstream_connections: maxConnections },
      ),
    ],
  };
}
