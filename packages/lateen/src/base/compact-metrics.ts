/**
 * Istio's metrics in few bytes: each statistic has one tag that holds all that a proxy must look at for
 * itself, with `|` between. The proxy's own listeners for scrapers (15090, 15020) write Istio's labels
 * out again. Both sides read these lists: the stats loggers (xds/) and the script (proxy/).
 *
 * A pod keeps the bootstrap that it was injected with. So its bootstrap says in the node metadata what it
 * can do, and the lists of a form never change: another list is another form, and another capability.
 */

/** Key of the node metadata: names of capabilities, with commas between. */
export const CAPABILITIES_KEY = "LATEEN_CAPABILITIES";
/** The proxy writes out the forms below. */
export const COMPACT_METRICS = "compact-metrics";

/** Key of the node metadata: whether bytes of TCP count while a connection lives, or when it ends. */
export const TCP_BYTES_KEY = "LATEEN_TCP_BYTES";
export const LIVE_TCP_BYTES = "live";
export const TCP_BYTES_AT_CLOSE = "at-close";
export type TcpBytes = typeof LIVE_TCP_BYTES | typeof TCP_BYTES_AT_CLOSE;

/** A gauge for each live connection, with this tag beside the form's. */
export const CONNECTION_TAG = "connection";
/** What the script adds to the counters, and takes off the page. */
export const LIVE_BYTES = {
  istio_tcp_live_sent: "istio_tcp_sent_bytes_total",
  istio_tcp_live_received: "istio_tcp_received_bytes_total",
} as const;

/** A label of Istio's, or one of three that are taken apart. */
export type CompactField =
  | "source_principal"
  | "source_workload"
  | "source_workload_namespace"
  | "source_app"
  | "source_version"
  | "source_canonical_service"
  | "source_canonical_revision"
  | "source_cluster"
  | "destination_principal"
  | "response_flags"
  | "response_code"
  | "grpc_response_status"
  | "request_protocol"
  /** Of the endpoint: `workload;namespace;canonical name;canonical revision;cluster`. */
  | "endpoint"
  /** Name of a cluster that is no service's. */
  | "cluster_name"
  /** JSON list of services, of which the first counts; or a host. */
  | "services";

export interface CompactForm {
  readonly reporter: "source" | "destination";
  readonly protocol: "tcp" | "http";
  readonly mutualTls: boolean;
  /**
   * In order. What strangers can choose comes last: a `|` in it shifts nothing that is proven. The last
   * field holds all that is left.
   */
  readonly fields: readonly CompactField[];
}

const OF_REQUEST = [
  "response_flags",
  "response_code",
  "grpc_response_status",
  "request_protocol",
] as const;

/** By the name of the tag. */
export const COMPACT_FORMS = {
  tcp_source: {
    reporter: "source",
    protocol: "tcp",
    mutualTls: false,
    fields: ["source_principal", "destination_principal", "response_flags", "endpoint", "services"],
  },
  tcp_mtls: {
    reporter: "destination",
    protocol: "tcp",
    mutualTls: true,
    fields: [
      "destination_principal",
      "response_flags",
      "services",
      "source_workload_namespace",
      "source_principal",
    ],
  },
  tcp_plain: {
    reporter: "destination",
    protocol: "tcp",
    mutualTls: false,
    fields: ["response_flags", "services"],
  },
  http_source: {
    reporter: "source",
    protocol: "http",
    mutualTls: false,
    fields: [
      "source_principal",
      "destination_principal",
      ...OF_REQUEST,
      "endpoint",
      "cluster_name",
      "services",
    ],
  },
  http_mtls: {
    reporter: "destination",
    protocol: "http",
    mutualTls: true,
    fields: [
      "destination_principal",
      ...OF_REQUEST,
      "cluster_name",
      "services",
      "source_principal",
      "source_workload_namespace",
      "source_cluster",
      "source_workload",
      "source_app",
      "source_version",
      "source_canonical_service",
      "source_canonical_revision",
    ],
  },
  http_plain: {
    reporter: "destination",
    protocol: "http",
    mutualTls: false,
    fields: [...OF_REQUEST, "cluster_name", "services"],
  },
} as const satisfies Record<string, CompactForm>;

export type CompactFormName = keyof typeof COMPACT_FORMS;
