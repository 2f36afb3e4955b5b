/**
 * Istio's standard metrics, made by Envoy's own stats access logger: `istio_requests_total`, its
 * durations and sizes, and the TCP metrics, each with the labels of Istio's documentation
 * (reference/config/metrics). The listener on 15090 takes Envoy's prefix `envoy_` off the names.
 */
import type { AccessLog } from "@lateen/envoy-api/envoy/config/accesslog/v3/accesslog.js";
import { AccessLogType } from "@lateen/envoy-api/envoy/data/accesslog/v3/accesslog.js";
import {
  Config,
  type Config_Counter,
  type Config_Histogram,
  Config_Histogram_Unit,
  type Config_Tag,
} from "@lateen/envoy-api/envoy/extensions/access_loggers/stats/v3/stats.js";
import { ProxyEnvironment } from "../base/proxy-environment.ts";
import { PEER_LABEL_KEYS } from "./endpoint.ts";
import { extension } from "./message.ts";
import { METADATA_NAMESPACE, PEER_METADATA_NAMESPACE, PEER_NAMESPACE_STATE } from "./names.ts";

const UNKNOWN = "unknown";

/** A command of the log format, by itself or with what would stand in its parentheses. */
type Operator = string | { readonly command: string; readonly param: string };

/** Istio says `unknown` where Envoy would say nothing. */
const LITERAL_UNKNOWN: Operator = { command: "CEL", param: `'${UNKNOWN}'` };

/** Which side of a connection reports, and what it can know of the other. */
export type Reporter =
  /** Knows the server by its endpoint's metadata. `hostFallback`: by the Host header, if need be. */
  | { readonly side: "source"; readonly hostFallback: boolean }
  /** Knows the client only if it proved who it is. */
  | { readonly side: "destination"; readonly mutualTls: boolean };

/** For the connection manager: one record for each request. */
export function httpStats(reporter: Reporter): readonly AccessLog[] {
  return once(`http ${JSON.stringify(reporter)}`, () => makeHttpStats(reporter));
}

function makeHttpStats(reporter: Reporter): AccessLog[] {
  const tags = [...commonTags(reporter, "http"), ...HTTP_TAGS];
  return [
    stats(undefined, {
      counters: [counter("istio_requests_total", tags)],
      histograms: [
        histogram("istio_request_duration_milliseconds", tags, MILLISECONDS, "%DURATION%"),
        histogram("istio_request_bytes", tags, BYTES, "%DOWNSTREAM_WIRE_BYTES_RECEIVED%"),
        histogram("istio_response_bytes", tags, BYTES, "%DOWNSTREAM_WIRE_BYTES_SENT%"),
      ],
    }),
  ];
}

/**
 * For TCP proxies that also log when a connection is established. Bytes count at the end of a
 * connection: what is logged before is the sum so far, and would count again and again.
 */
export function tcpStats(reporter: Reporter): readonly AccessLog[] {
  return once(`tcp ${JSON.stringify(reporter)}`, () => makeTcpStats(reporter));
}

function makeTcpStats(reporter: Reporter): AccessLog[] {
  const tags = [...commonTags(reporter, "tcp"), tag("request_protocol", "tcp")];
  const end = [
    counter("istio_tcp_connections_closed_total", tags),
    counter("istio_tcp_received_bytes_total", tags, "%BYTES_RECEIVED%"),
    counter("istio_tcp_sent_bytes_total", tags, "%BYTES_SENT%"),
  ];
  return [
    stats(AccessLogType.TcpUpstreamConnected, {
      counters: [counter("istio_tcp_connections_opened_total", tags)],
    }),
    stats(AccessLogType.TcpConnectionEnd, { counters: end }),
  ];
}

/** Long, and the same for every filter chain of a kind: each is made and encoded once. */
const made = new Map<string, readonly AccessLog[]>();

function once(key: string, make: () => AccessLog[]): readonly AccessLog[] {
  const known = made.get(key);
  if (known !== undefined) return known;
  const loggers = make();
  made.set(key, loggers);
  return loggers;
}

const MILLISECONDS = Config_Histogram_Unit.Milliseconds;
const BYTES = Config_Histogram_Unit.Bytes;

/**
 * Bounded, as labels come from peers, and evicted when idle (bootstrap: stats_eviction_interval).
 * The scopes of several filter chains are not shared by name: a series is one series anyway, as
 * its name and labels are the same, and Envoy 1.40 crashes at exit where a scope is shared.
 */
const SCOPE: Config["statsScope"] = {
  enableEviction: true,
  maxCounters: 2000,
  maxHistograms: 6000,
};

function stats(type: AccessLogType | undefined, config: Config): AccessLog {
  return {
    ...extension("envoy.access_loggers.stats", Config, { ...config, statsScope: SCOPE }),
    filter: type === undefined ? undefined : { logTypeFilter: { types: [type] } },
  };
}

function counter(name: string, tags: readonly Config_Tag[], value?: string): Config_Counter {
  const stat = { name, tags: [...tags] };
  return value === undefined ? { stat, valueFixed: 1 } : { stat, valueFormat: value };
}

function histogram(
  name: string,
  tags: readonly Config_Tag[],
  unit: Config_Histogram_Unit,
  valueFormat: string,
): Config_Histogram {
  return { stat: { name, tags: [...tags] }, unit, valueFormat };
}

function tag(name: string, valueFormat: string): Config_Tag {
  return { name, valueFormat };
}

const HTTP_TAGS: readonly Config_Tag[] = [
  tag(
    "request_protocol",
    "%CEL('content-type' in request.headers && " +
      "request.headers['content-type'].startsWith('application/grpc') ? 'grpc' : 'http')%",
  ),
  tag("response_code", "%RESPONSE_CODE%"),
  tag("grpc_response_status", "%GRPC_STATUS_NUMBER%"),
];

function commonTags(reporter: Reporter, protocol: "http" | "tcp"): readonly Config_Tag[] {
  return [
    tag("reporter", reporter.side),
    ...workloadTags("source", sourceLabels(reporter, protocol)),
    ...workloadTags("destination", destinationLabels(reporter)),
    ...serviceTags(reporter, protocol),
    tag("response_flags", "%RESPONSE_FLAGS%"),
    tag("connection_security_policy", securityPolicy(reporter)),
  ];
}

function securityPolicy(reporter: Reporter): string {
  if (reporter.side === "source") return UNKNOWN;
  return reporter.mutualTls ? "mutual_tls" : "none";
}

/** Formats for the labels of one side. */
interface WorkloadLabels {
  readonly workload: string;
  readonly namespace: string;
  readonly app: string;
  readonly version: string;
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  readonly cluster: string;
  readonly principal: string;
}

function workloadTags(side: "source" | "destination", labels: WorkloadLabels): Config_Tag[] {
  return [
    tag(`${side}_workload`, labels.workload),
    tag(`${side}_workload_namespace`, labels.namespace),
    tag(`${side}_principal`, labels.principal),
    tag(`${side}_app`, labels.app),
    tag(`${side}_version`, labels.version),
    tag(`${side}_canonical_service`, labels.canonicalService),
    tag(`${side}_canonical_revision`, labels.canonicalRevision),
    tag(`${side}_cluster`, labels.cluster),
  ];
}

/** The proxy's own labels: from its environment, so that the bytes are the same for all proxies. */
function ownLabels(principal: string): WorkloadLabels {
  return {
    workload: environment(ProxyEnvironment.workload),
    namespace: environment(ProxyEnvironment.namespace),
    app: environment(ProxyEnvironment.app),
    version: environment(ProxyEnvironment.version),
    canonicalService: environment(ProxyEnvironment.canonicalService),
    canonicalRevision: environment(ProxyEnvironment.canonicalRevision),
    cluster: environment(ProxyEnvironment.cluster),
    principal,
  };
}

function environment(variable: string): string {
  return `%ENVIRONMENT(${variable})%`;
}

function sourceLabels(reporter: Reporter, protocol: "http" | "tcp"): WorkloadLabels {
  if (reporter.side === "source") return ownLabels(orUnknown("UPSTREAM_LOCAL_URI_SAN"));
  if (!reporter.mutualTls) return NOBODY;
  return protocol === "http" ? HEADER_PEER : CERTIFICATE_PEER;
}

const CERTIFICATE_NAMESPACE: Operator = {
  command: "FILTER_STATE",
  param: `${PEER_NAMESPACE_STATE}:PLAIN`,
};

/** What the peer said of itself in its header, decoded by the filter in http-filters.ts. */
const HEADER_PEER: WorkloadLabels = {
  workload: peer("WORKLOAD_NAME"),
  // A peer may say whatever it likes; what its certificate says is proven.
  namespace: firstOf([CERTIFICATE_NAMESPACE, peerField("NAMESPACE"), LITERAL_UNKNOWN]),
  app: peer("LABELS:app"),
  version: peer("LABELS:version"),
  canonicalService: peer("LABELS:service.istio.io/canonical-name"),
  canonicalRevision: peer("LABELS:service.istio.io/canonical-revision"),
  cluster: peer("CLUSTER_ID"),
  principal: orUnknown("DOWNSTREAM_PEER_URI_SAN"),
};

function peer(path: string): string {
  return firstOf([peerField(path), LITERAL_UNKNOWN]);
}

function peerField(path: string): Operator {
  return { command: "DYNAMIC_METADATA", param: `${PEER_METADATA_NAMESPACE}:peer:${path}` };
}

/** TCP has no header: there is the SPIFFE id, and the namespace in it. */
const CERTIFICATE_PEER: WorkloadLabels = {
  workload: UNKNOWN,
  namespace: firstOf([CERTIFICATE_NAMESPACE, LITERAL_UNKNOWN]),
  app: UNKNOWN,
  version: UNKNOWN,
  canonicalService: UNKNOWN,
  canonicalRevision: UNKNOWN,
  cluster: UNKNOWN,
  principal: orUnknown("DOWNSTREAM_PEER_URI_SAN"),
};

const NOBODY: WorkloadLabels = {
  workload: UNKNOWN,
  namespace: UNKNOWN,
  app: UNKNOWN,
  version: UNKNOWN,
  canonicalService: UNKNOWN,
  canonicalRevision: UNKNOWN,
  cluster: UNKNOWN,
  principal: UNKNOWN,
};

function destinationLabels(reporter: Reporter): WorkloadLabels {
  if (reporter.side === "source") return ENDPOINT_LABELS;
  return ownLabels(reporter.mutualTls ? orUnknown("DOWNSTREAM_LOCAL_URI_SAN") : UNKNOWN);
}

/** From the metadata of the endpoint that was chosen. */
const ENDPOINT_LABELS: WorkloadLabels = {
  workload: endpointLabel(PEER_LABEL_KEYS.workload),
  namespace: endpointLabel(PEER_LABEL_KEYS.namespace),
  app: endpointLabel(PEER_LABEL_KEYS.canonicalName),
  version: endpointLabel(PEER_LABEL_KEYS.canonicalRevision),
  canonicalService: endpointLabel(PEER_LABEL_KEYS.canonicalName),
  canonicalRevision: endpointLabel(PEER_LABEL_KEYS.canonicalRevision),
  cluster: endpointLabel(PEER_LABEL_KEYS.cluster),
  principal: orUnknown("UPSTREAM_PEER_URI_SAN"),
};

function endpointLabel(key: string): string {
  return orUnknown("UPSTREAM_METADATA", `${METADATA_NAMESPACE}:${key}`);
}

/** From the metadata of the cluster. */
function serviceTags(reporter: Reporter, protocol: "http" | "tcp"): Config_Tag[] {
  const host: Operator = { command: "METADATA", param: `CLUSTER:${METADATA_NAMESPACE}:host` };
  const byHeader = protocol === "http" && reporter.side === "source" && reporter.hostFallback;
  const fallback: Operator[] = byHeader ? [{ command: "REQ", param: ":AUTHORITY" }] : [];
  return [
    tag("destination_service", firstOf([host, ...fallback, LITERAL_UNKNOWN])),
    tag("destination_service_name", orUnknown("METADATA", `CLUSTER:${METADATA_NAMESPACE}:name`)),
    tag(
      "destination_service_namespace",
      orUnknown("METADATA", `CLUSTER:${METADATA_NAMESPACE}:namespace`),
    ),
  ];
}

function orUnknown(command: string, param?: string): string {
  return firstOf([param === undefined ? command : { command, param }, LITERAL_UNKNOWN]);
}

/** Envoy's COALESCE: the first operator that has a value. */
function firstOf(operators: readonly Operator[]): string {
  return `%COALESCE(${JSON.stringify({ operators })})%`;
}
