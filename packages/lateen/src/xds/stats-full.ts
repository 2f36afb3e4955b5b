/** The labels of Istio's standard metrics, each a tag of its own: what every scraper of Envoy understands. */
import type { Config_Tag } from "@lateen/envoy-api/envoy/extensions/access_loggers/stats/v3/stats.js";
import { ProxyEnvironment } from "../base/proxy-environment.ts";
import { PEER_LABEL_KEYS } from "./endpoint.ts";
import { METADATA_NAMESPACE, PEER_METADATA_NAMESPACE, PEER_NAMESPACE_STATE } from "./names.ts";
import { firstOf, type Operator, REQUEST_PROTOCOL, type Reporter, tag } from "./stats-logger.ts";

const UNKNOWN = "unknown";

/** Istio says `unknown` where Envoy would say nothing. */
const LITERAL_UNKNOWN: Operator = { command: "CEL", param: `'${UNKNOWN}'` };

export function httpLabels(reporter: Reporter): readonly Config_Tag[] {
  return [...commonTags(reporter, "http"), ...HTTP_TAGS];
}

export function tcpLabels(reporter: Reporter): readonly Config_Tag[] {
  return [...commonTags(reporter, "tcp"), tag("request_protocol", "tcp")];
}

const HTTP_TAGS: readonly Config_Tag[] = [
  tag("request_protocol", REQUEST_PROTOCOL),
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
