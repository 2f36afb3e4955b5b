/**
 * One tag with all that is needed for Istio's labels, for proxies whose own listeners write the labels
 * out (base/compact-metrics.ts): a listener of a TCP service takes a tenth of the bytes, and endpoints
 * and clusters need no labels beside Istio's own metadata.
 */
import type { Config_Tag } from "@lateen/envoy-api/envoy/extensions/access_loggers/stats/v3/stats.js";
import { COMPACT_FORMS, type CompactField, type CompactFormName } from "../base/compact-metrics.ts";
import {
  isCatchAllCluster,
  METADATA_NAMESPACE,
  PEER_METADATA_NAMESPACE,
  PEER_NAMESPACE_STATE,
} from "./names.ts";
import { firstOf, type Operator, REQUEST_PROTOCOL, type Reporter, tag } from "./stats-logger.ts";

type Formats = Readonly<Partial<Record<CompactField, string>>>;

const SERVICES: Operator = { command: "METADATA", param: "CLUSTER:istio:services" };

export function httpTag(reporter: Reporter): Config_Tag {
  const byHeader = reporter.side === "source" && reporter.hostFallback;
  const services = byHeader
    ? firstOf([SERVICES, { command: "REQ", param: ":AUTHORITY" }])
    : CLUSTER_SERVICES;
  return formTag(formOf(reporter, "http"), { ...sideFormats(reporter), ...OF_REQUEST, services });
}

/** `cluster`: the only one that connections go to, if there is only one. */
export function tcpTag(reporter: Reporter, cluster: string): Config_Tag {
  // In the form of the metadata that the clusters of services have.
  const services = isCatchAllCluster(cluster)
    ? JSON.stringify([{ name: cluster }])
    : CLUSTER_SERVICES;
  return formTag(formOf(reporter, "tcp"), { ...sideFormats(reporter), ...OF_ANY, services });
}

/** For bytes that count while the connection lives: its flags are not known before its end. */
export function liveTcpTag(reporter: Reporter, cluster: string): Config_Tag {
  const { name, valueFormat = "" } = tcpTag(reporter, cluster);
  return { name, valueFormat: valueFormat.replace(FLAGS, "-") };
}

function formOf(reporter: Reporter, protocol: "http" | "tcp"): CompactFormName {
  if (reporter.side === "source") return `${protocol}_source`;
  return reporter.mutualTls ? `${protocol}_mtls` : `${protocol}_plain`;
}

function formTag(form: CompactFormName, formats: Formats): Config_Tag {
  return tag(form, COMPACT_FORMS[form].fields.map(field => formats[field] ?? "").join("|"));
}

const CLUSTER_SERVICES = "%METADATA(CLUSTER:istio:services)%";
const FLAGS = "%RESPONSE_FLAGS%";

const OF_ANY: Formats = { response_flags: FLAGS };

const OF_REQUEST: Formats = {
  ...OF_ANY,
  response_code: "%RESPONSE_CODE%",
  grpc_response_status: "%GRPC_STATUS_NUMBER%",
  request_protocol: REQUEST_PROTOCOL,
  cluster_name: `%METADATA(CLUSTER:${METADATA_NAMESPACE}:name)%`,
};

function sideFormats({ side }: Reporter): Formats {
  return side === "source" ? OF_CLIENT : OF_SERVER;
}

const OF_CLIENT: Formats = {
  source_principal: "%UPSTREAM_LOCAL_URI_SAN%",
  destination_principal: "%UPSTREAM_PEER_URI_SAN%",
  endpoint: "%UPSTREAM_METADATA(istio:workload)%",
};

const CERTIFICATE_NAMESPACE: Operator = {
  command: "FILTER_STATE",
  param: `${PEER_NAMESPACE_STATE}:PLAIN`,
};

/** What a peer says of itself: for HTTP alone, as TCP has no header. */
const OF_SERVER: Formats = {
  source_principal: "%DOWNSTREAM_PEER_URI_SAN%",
  destination_principal: "%DOWNSTREAM_LOCAL_URI_SAN%",
  // A peer may say whatever it likes; what its certificate says is proven.
  source_workload_namespace: firstOf([CERTIFICATE_NAMESPACE, claimed("NAMESPACE")]),
  source_cluster: claim("CLUSTER_ID"),
  source_workload: claim("WORKLOAD_NAME"),
  source_app: claim("LABELS:app"),
  source_version: claim("LABELS:version"),
  source_canonical_service: claim("LABELS:service.istio.io/canonical-name"),
  source_canonical_revision: claim("LABELS:service.istio.io/canonical-revision"),
};

function claimed(path: string): Operator {
  return { command: "DYNAMIC_METADATA", param: `${PEER_METADATA_NAMESPACE}:peer:${path}` };
}

function claim(path: string): string {
  return `%DYNAMIC_METADATA(${PEER_METADATA_NAMESPACE}:peer:${path})%`;
}
