import { isObject } from "../api/decode.ts";
import type { JsonObject } from "../api/kind.ts";
import {
  decodeProxyConfig,
  mergeProxyConfig,
  type ProxyDefaults,
} from "../api/mesh-config/proxy-config.ts";
import type { ProxyConfig } from "../api/mesh-config/schema.ts";
import type { DecodeYaml } from "../api/yaml-text.ts";
import { LIVE_TCP_BYTES, TCP_BYTES_AT_CLOSE, type TcpBytes } from "../base/compact-metrics.ts";
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import { parseQuantity } from "../base/quantity.ts";
import { AnnotationReader } from "./annotation-reader.ts";
import { DEFAULT_EVICTION_SECONDS, histogramPrefix, type StatsOptions } from "./bootstrap-stats.ts";
import { annotationWarnings } from "./pod-annotations.ts";
import { ProxyPort } from "./ports.ts";
import { objectOf } from "./raw.ts";

export type InterceptionMode = "REDIRECT" | "TPROXY" | "NONE";

/** What the mesh and the pod's annotations say about one proxy. */
export interface ProxyOptions {
  readonly config: ProxyConfig;
  readonly stats: StatsOptions;
  readonly interceptionMode: InterceptionMode;
  /** When bytes of TCP count; undefined: as proxyMetadata says, else at the end of a connection. */
  readonly tcpBytes: TcpBytes | undefined;
  /** Where metrics, application probes and quitquitquit are; 0: nowhere. */
  readonly statusPort: number;
  readonly logLevel: string;
  readonly componentLogLevel: string;
  readonly resources: Resources;
  /** Of the container as it ends up, where others have had a say in it; undefined: of `resources`. */
  readonly cpuLimit?: string;
  /** Seconds, as in a Kubernetes probe. */
  readonly readiness: {
    readonly initialDelaySeconds: number;
    readonly periodSeconds: number;
    readonly failureThreshold: number;
  };
  readonly rewriteProbes: boolean;
  readonly mergeMetrics: boolean;
  /** undefined: the installation's image. */
  readonly image: string | undefined;
  /** ConfigMap with `custom_bootstrap.json`. */
  readonly bootstrapOverride: string | undefined;
  /** Volume name -> source, and mount name -> the rest of the mount. */
  readonly userVolumes: JsonObject;
  readonly userVolumeMounts: JsonObject;
}

export interface Resources {
  readonly requests: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, string>>;
}

/** What holds where a pod says nothing. */
export interface ProxyOptionDefaults {
  readonly mesh: ProxyDefaults;
  readonly logLevel: string;
  readonly componentLogLevel: string;
  readonly resources: Resources;
  readonly readiness: ProxyOptions["readiness"];
  readonly rewriteProbes: boolean;
}

/** Where an installation says nothing either. */
export const standardDefaults: ProxyOptionDefaults = {
  mesh: {
    trustDomain: "cluster.local",
    rootNamespace: "istio-system",
    enablePrometheusMerge: true,
    defaultConfig: {
      meshId: "",
      proxyMetadata: {},
      extraStatTags: [],
      caCertificatesPem: [],
      runtimeValues: {},
    },
  },
  logLevel: "warning",
  componentLogLevel: "misc:error",
  resources: { requests: {}, limits: {} },
  readiness: { initialDelaySeconds: 0, periodSeconds: 5, failureThreshold: 4 },
  rewriteProbes: true,
};

export interface AnnotatedPod {
  readonly annotations: Readonly<Record<string, string>>;
  /** Reads the YAML of `proxy.istio.io/config`; undefined: it is none. */
  readonly decodeYaml: DecodeYaml;
}

const LOG_LEVELS = ["trace", "debug", "info", "warning", "warn", "error", "critical", "off"];
const QUANTITY = /^\d+(\.\d+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/;
const COMPONENT_LEVELS = /^[\w.]+:\w+(,[\w.]+:\w+)*$/;
/** Envoy evicts what it has flushed a whole number of times. */
const FLUSH_SECONDS = 5;
const IMAGE = /^[\w.:/@-]{1,512}$/;

/**
 * Mesh defaults, then annotation `proxy.istio.io/config`, then the annotations of one thing each.
 * Istio's annotations that have no effect are warned of.
 * https://istio.io/latest/docs/reference/config/annotations/
 */
export function readProxyOptions(
  pod: AnnotatedPod,
  defaults: ProxyOptionDefaults,
): Result<ProxyOptions> {
  const diagnostics: Diagnostic[] = [];
  const read = new AnnotationReader(pod.annotations, diagnostics);
  const config = effectiveConfig(pod, defaults.mesh, diagnostics);
  const value: ProxyOptions = {
    config,
    stats: statsOf(read, config),
    interceptionMode:
      read.oneOf("sidecar.istio.io/interceptionMode", ["REDIRECT", "TPROXY", "NONE"]) ??
      config.interceptionMode ??
      "REDIRECT",
    tcpBytes: read.oneOf("metrics.lateen.dev/tcp-bytes", [LIVE_TCP_BYTES, TCP_BYTES_AT_CLOSE]),
    statusPort:
      read.integer("status.sidecar.istio.io/port", 0, 65535) ??
      config.statusPort ??
      ProxyPort.agent,
    logLevel: read.oneOf("sidecar.istio.io/logLevel", LOG_LEVELS) ?? defaults.logLevel,
    componentLogLevel:
      read.matching(
        "sidecar.istio.io/componentLogLevel",
        COMPONENT_LEVELS,
        "component:level pairs such as misc:error,http:debug",
      ) ?? defaults.componentLogLevel,
    resources: resourcesOf(read, defaults.resources),
    readiness: readinessOf(read, defaults.readiness),
    rewriteProbes: read.flag("sidecar.istio.io/rewriteAppHTTPProbers") ?? defaults.rewriteProbes,
    mergeMetrics:
      read.flag("prometheus.istio.io/merge-metrics") ?? defaults.mesh.enablePrometheusMerge,
    image: read.matching("sidecar.istio.io/proxyImage", IMAGE, "the name of an image"),
    bootstrapOverride: read.matching(
      "sidecar.istio.io/bootstrapOverride",
      /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
      "the name of a ConfigMap",
    ),
    userVolumes: read.objects("sidecar.istio.io/userVolume"),
    userVolumeMounts: read.objects("sidecar.istio.io/userVolumeMount"),
  };
  diagnostics.push(...annotationWarnings(pod.annotations));
  const failed = diagnostics.some(({ severity }) => severity === "error");
  return failed ? { ok: false, diagnostics } : { ok: true, value, diagnostics };
}

function effectiveConfig(
  pod: AnnotatedPod,
  mesh: ProxyDefaults,
  diagnostics: Diagnostic[],
): ProxyConfig {
  const name = "proxy.istio.io/config";
  const base = withAddress(pod.annotations, mesh.defaultConfig, diagnostics);
  const text = pod.annotations[name];
  if (text === undefined) return base;
  const path = `metadata.annotations[${name}]`;
  const own = pod.decodeYaml<ProxyConfig>(text, read => {
    if ("value" in read && isObject(read.value)) return decodeProxyConfig(read.value, path);
    const message = "found text that is no YAML object; expected fields of ProxyConfig";
    const diagnostic = { severity: "error", path, message, reason: "BadAnnotation" } as const;
    return { ok: false, diagnostics: [diagnostic] };
  });
  diagnostics.push(...own.diagnostics);
  return own.ok ? mergeProxyConfig(base, own.value) : base;
}

/** The older annotation of its own for what `proxy.istio.io/config` says, too. */
function withAddress(
  annotations: Readonly<Record<string, string>>,
  config: ProxyConfig,
  diagnostics: Diagnostic[],
): ProxyConfig {
  const name = "sidecar.istio.io/discoveryAddress";
  const discoveryAddress = annotations[name];
  if (discoveryAddress === undefined) return config;
  const read = decodeProxyConfig({ discoveryAddress }, `metadata.annotations[${name}]`);
  diagnostics.push(...read.diagnostics);
  return { ...config, discoveryAddress };
}

function statsOf(read: AnnotationReader, config: ProxyConfig): StatsOptions {
  const matcher = config.proxyStatsMatcher;
  return {
    prefixes:
      read.list("sidecar.istio.io/statsInclusionPrefixes") ?? matcher?.inclusionPrefixes ?? [],
    suffixes:
      read.list("sidecar.istio.io/statsInclusionSuffixes") ?? matcher?.inclusionSuffixes ?? [],
    regexes: read.list("sidecar.istio.io/statsInclusionRegexps") ?? matcher?.inclusionRegexps ?? [],
    buckets: Object.entries(read.bounds("sidecar.istio.io/statsHistogramBuckets")).map(
      ([name, bounds]) => ({ prefix: histogramPrefix(name), bounds }),
    ),
    evictionSeconds:
      read.seconds("sidecar.istio.io/statsEvictionInterval", FLUSH_SECONDS) ??
      DEFAULT_EVICTION_SECONDS,
  };
}

/** Any one of the four annotations replaces all that the installation says, as Istio has it. */
function resourcesOf(read: AnnotationReader, defaults: Resources): Resources {
  const quantity = (name: string): string | undefined =>
    read.matching(`sidecar.istio.io/${name}`, QUANTITY, "a quantity such as 100m or 128Mi");
  const pick = (cpu: string | undefined, memory: string | undefined): Record<string, string> => ({
    ...(cpu === undefined ? {} : { cpu }),
    ...(memory === undefined ? {} : { memory }),
  });
  const requests = pick(quantity("proxyCPU"), quantity("proxyMemory"));
  const limits = pick(quantity("proxyCPULimit"), quantity("proxyMemoryLimit"));
  const none = Object.keys(requests).length + Object.keys(limits).length === 0;
  return none ? defaults : { requests, limits };
}

function readinessOf(
  read: AnnotationReader,
  defaults: ProxyOptions["readiness"],
): ProxyOptions["readiness"] {
  const seconds = (name: string, min: number): number | undefined =>
    read.integer(`readiness.status.sidecar.istio.io/${name}`, min, 86_400);
  return {
    initialDelaySeconds: seconds("initialDelaySeconds", 0) ?? defaults.initialDelaySeconds,
    periodSeconds: seconds("periodSeconds", 1) ?? defaults.periodSeconds,
    failureThreshold: seconds("failureThreshold", 1) ?? defaults.failureThreshold,
  };
}

/**
 * Worker threads: what is said, else the CPU limit rounded up, else 2 (Istio: one a core of the
 * node). 0: one a core. CPU requests do not count, as in Istio.
 * https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig
 */
export function concurrencyOf(options: ProxyOptions): number {
  const { concurrency } = options.config;
  if (typeof concurrency === "number") return concurrency;
  const limit = parseQuantity(options.cpuLimit ?? options.resources.limits["cpu"]);
  return limit === undefined || limit === 0 ? 2 : Math.ceil(limit);
}

/** `resources.limits.cpu` of a container as Kubernetes has it; "": none. */
export function cpuLimitOf(container: JsonObject): string {
  const cpu = objectOf(objectOf(container["resources"])["limits"])["cpu"];
  return typeof cpu === "string" || typeof cpu === "number" ? String(cpu) : "";
}
