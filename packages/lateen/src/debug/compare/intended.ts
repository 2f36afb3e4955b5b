/**
 * Where configuration for upstream Envoy differs from what the reference control plane sends to
 * istio-proxy, and why. Rewrites turn ours into the reference's form wherever that can be said, so
 * that the reference is compared as it is; what istio-proxy has a filter for and Envoy has not is
 * taken out on both sides, and noted, so that one without the other is still a difference.
 */
import type { Json, JsonObject } from "./json.ts";
import type { Pattern } from "./pattern.ts";
import type { IntendedDifference, Rewrite } from "./rewrite.ts";

const TYPE = "type.googleapis.com";
const CLUSTER = "envoy.config.cluster.v3.Cluster";
const LISTENER = "envoy.config.listener.v3.Listener";
const FILTER_CHAIN = "envoy.config.listener.v3.FilterChain";
const ROUTES = "envoy.config.route.v3.RouteConfiguration";
const ACCESS_LOG = "envoy.config.accesslog.v3.AccessLog";
const FILE_LOG = "envoy.extensions.access_loggers.file.v3.FileAccessLog";
const STDOUT_LOG = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";
const MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const ROUTE_ACTION = "envoy.config.route.v3.RouteAction";
const VALIDATION = "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext";
const SDS = "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig";
const UPSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const DOWNSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";

const TCP_PROXY_FILTER = "filters[name=envoy.filters.network.tcp_proxy].typedConfig";
const MANAGER_FILTER = "filters[name=envoy.filters.network.http_connection_manager].typedConfig";

const ours = (message: string, field: string, from: Pattern, by: Json): Rewrite => ({
  side: "ours",
  message,
  field,
  from,
  action: { replaceBy: by },
});

const oursOnly = (message: string, field: string, from: Pattern): Rewrite => ({
  side: "ours",
  message,
  field,
  from,
  action: "remove",
});

const referenceOnly = (message: string, field: string, from: Pattern): Rewrite => ({
  side: "reference",
  message,
  field,
  from,
  action: "remove",
});

/** What upstream Envoy has under another name since the reference's was deprecated. */
const renamed = (message: string, field: string, from: Pattern, to: string, part: string) => ({
  side: "ours" as const,
  message,
  field,
  from,
  action: { renameTo: to, part },
});

/** Both sides have it, each in its own way. */
const noted = (
  noteAs: string,
  message: string,
  reference: { readonly field: string; readonly from: readonly Pattern[] },
  own: { readonly field: string; readonly from: Pattern },
): Rewrite[] => [
  ...reference.from.map(
    (from): Rewrite => ({
      side: "reference",
      message,
      field: reference.field,
      from,
      action: { noteAs },
    }),
  ),
  { side: "ours", message, field: own.field, from: own.from, action: { noteAs } },
];

const SDS_OVER_AGENT: JsonObject = {
  apiConfigSource: {
    apiType: "GRPC",
    transportApiVersion: "V3",
    grpcServices: [{ envoyGrpc: { clusterName: "sds-grpc" } }],
    setNodeOnFirstMessageOnly: true,
  },
  resourceApiVersion: "V3",
};
const SDS_OVER_ADS: JsonObject = { ads: {}, resourceApiVersion: "V3" };

const METADATA_EXCHANGE: JsonObject = {
  name: "istio.metadata_exchange",
  typedConfig: {
    "@type": `${TYPE}/udpa.type.v1.TypedStruct`,
    typeUrl: `${TYPE}/envoy.tcp.metadataexchange.config.MetadataExchange`,
    value: { enable_discovery: true, protocol: "istio-peer-exchange" },
  },
};

const peerMetadataFilter = (value: JsonObject): JsonObject => ({
  name: "istio.metadata_exchange",
  typedConfig: {
    "@type": `${TYPE}/udpa.type.v1.TypedStruct`,
    typeUrl: `${TYPE}/io.istio.http.peer_metadata.Config`,
    value,
  },
});
const READS_PEER: JsonObject = peerMetadataFilter({
  downstream_discovery: [{ istio_headers: {} }, { workload_discovery: {} }],
  downstream_propagation: [{ istio_headers: {} }],
});
const TELLS_PEER: JsonObject = peerMetadataFilter({
  upstream_discovery: [{ istio_headers: {} }, { workload_discovery: {} }],
  upstream_propagation: [{ istio_headers: {} }],
});

const ISTIO_STATS: JsonObject[] = [
  { name: "istio.stats", typedConfig: { "@type": `${TYPE}/stats.PluginConfig` } },
  {
    name: "istio.stats",
    typedConfig: { "@type": `${TYPE}/stats.PluginConfig`, disableHostHeaderFallback: true },
  },
];
const STATS_LOGGER: JsonObject = { name: "envoy.access_loggers.stats", $more: true };

const ISTIO_ALPN: JsonObject = {
  name: "istio.alpn",
  typedConfig: {
    "@type": `${TYPE}/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`,
    alpnOverride: [
      { alpnOverride: ["istio-http/1.0", "istio", "http/1.0"] },
      { upstreamProtocol: "HTTP11", alpnOverride: ["istio-http/1.1", "istio", "http/1.1"] },
      { upstreamProtocol: "HTTP2", alpnOverride: ["istio-h2", "istio", "h2"] },
    ],
  },
};

const tag = (name: string, variable: string, fact: string): Rewrite =>
  ours(
    MANAGER,
    "tracing.customTags",
    { tag: name, environment: { name: variable, defaultValue: "unknown" } },
    { tag: name, literal: { value: { $fact: fact } } },
  );

const toStdout = (field: string, from: Pattern, by: Json): Rewrite => ({
  ...ours(ACCESS_LOG, field, from, by),
  where: { typedConfig: { "@type": `${TYPE}/${STDOUT_LOG}`, $more: true }, $more: true },
});

export const intendedDifferences: readonly IntendedDifference[] = [
  {
    name: "certificates over ADS",
    reason: "there is no agent beside Envoy that would serve SDS",
    rewrites: [
      {
        ...ours(
          SDS,
          "sdsConfig",
          { ...SDS_OVER_ADS, initialFetchTimeout: "0s" },
          { ...SDS_OVER_AGENT, initialFetchTimeout: "0s" },
        ),
        where: { name: { $match: "default|ROOTCA" }, $more: true },
      },
      {
        ...ours(SDS, "sdsConfig", SDS_OVER_ADS, SDS_OVER_AGENT),
        where: { name: { $match: "file-(root|cert):.*" }, $more: true },
      },
    ],
  },
  {
    name: "ALPN of clients",
    reason:
      "istio.alpn is not in upstream Envoy, so clusters offer what it would; nobody offers " +
      "istio-peer-exchange, as its preamble needs istio.metadata_exchange",
    rewrites: [
      ours(
        UPSTREAM_TLS,
        "commonTlsContext.alpnProtocols",
        ["istio"],
        ["istio-peer-exchange", "istio"],
      ),
      ours(
        UPSTREAM_TLS,
        "commonTlsContext.alpnProtocols",
        ["istio-http/1.1", "istio", "http/1.1"],
        ["istio-peer-exchange", "istio"],
      ),
      ours(
        UPSTREAM_TLS,
        "commonTlsContext.alpnProtocols",
        ["istio-h2", "istio", "h2"],
        ["istio-peer-exchange", "istio", "h2"],
      ),
    ],
  },
  {
    name: "ALPN by request",
    reason: "what istio.alpn does for sniffed ports is done by Envoy's set_filter_state",
    rewrites: [
      ours(
        MANAGER,
        "httpFilters",
        {
          name: "envoy.filters.http.set_filter_state",
          typedConfig: {
            "@type": `${TYPE}/envoy.extensions.filters.http.set_filter_state.v3.Config`,
            onRequestHeaders: [{ objectKey: "envoy.network.application_protocols", $more: true }],
          },
        },
        ISTIO_ALPN,
      ),
    ],
  },
  {
    name: "ALPN of servers",
    reason: "see ALPN of clients: istio is what proxies negotiate for TCP",
    rewrites: [
      ours(
        DOWNSTREAM_TLS,
        "commonTlsContext.alpnProtocols",
        ["istio", "h2", "http/1.1"],
        ["istio-peer-exchange", "h2", "http/1.1"],
      ),
    ],
  },
  {
    name: "peer metadata of TCP",
    reason:
      "istio.metadata_exchange is not in upstream Envoy: the client knows its peer by endpoint " +
      "metadata, the server by the SPIFFE id",
    rewrites: [
      oursOnly(FILTER_CHAIN, "filters", {
        name: "envoy.filters.network.set_filter_state",
        $more: true,
      }),
      {
        ...ours(CLUSTER, "filters", { $absent: true }, [METADATA_EXCHANGE]),
        where: { name: { $match: "PassthroughCluster|outbound.*" }, $more: true },
      },
      {
        side: "ours",
        message: LISTENER,
        field: "filterChains.filters",
        where: { name: "virtualInbound", $more: true },
        from: { $any: true },
        action: { putFirst: METADATA_EXCHANGE },
      },
    ],
  },
  {
    name: "peer metadata of HTTP, told",
    reason: "the same, by a header that a filter of the router writes for proxies of the mesh",
    rewrites: noted(
      "tells its peer about itself",
      MANAGER,
      { field: "httpFilters", from: [TELLS_PEER] },
      {
        field: "httpFilters[name=envoy.filters.http.router].typedConfig.upstreamHttpFilters",
        from: [{ name: "envoy.filters.http.header_mutation", $more: true }, { $any: true }],
      },
    ),
  },
  {
    name: "peer metadata of HTTP, read",
    reason: "the same, and only from a peer that has proved its identity",
    rewrites: [
      ours(
        MANAGER,
        "httpFilters",
        { name: "envoy.filters.http.header_to_metadata", $more: true },
        READS_PEER,
      ),
      {
        ...referenceOnly(FILTER_CHAIN, `${MANAGER_FILTER}.httpFilters`, READS_PEER),
        where: { transportSocket: { $absent: true }, $more: true },
      },
      oursOnly(ROUTES, "requestHeadersToRemove", ["x-lateen-peer"]),
    ],
  },
  {
    name: "metrics of HTTP",
    reason: "istio.stats is not in upstream Envoy: the stats access logger makes the same metrics",
    rewrites: noted(
      "metrics",
      MANAGER,
      { field: "httpFilters", from: ISTIO_STATS },
      { field: "accessLog", from: STATS_LOGGER },
    ),
  },
  {
    name: "metrics of TCP",
    reason: "the same, for which connections are logged when they open, once their peer is known",
    rewrites: [
      ...noted(
        "metrics",
        FILTER_CHAIN,
        { field: "filters", from: ISTIO_STATS },
        { field: `${TCP_PROXY_FILTER}.accessLog`, from: STATS_LOGGER },
      ),
      oursOnly(TCP_PROXY, "accessLogOptions", { flushAccessLogOnConnected: true }),
      oursOnly(TCP_PROXY, "upstreamConnectMode", "ON_DOWNSTREAM_TLS_HANDSHAKE"),
      oursOnly(TCP_PROXY, "maxEarlyDataBytes", 16384),
      oursOnly(ACCESS_LOG, "filter", {
        logTypeFilter: { types: ["TcpUpstreamConnected"], exclude: true },
      }),
    ],
  },
  {
    name: "names for filters",
    reason: "the cluster's name for the metrics, and marks for filters, where Envoy can read them",
    rewrites: [
      oursOnly(CLUSTER, "metadata", { filterMetadata: { lateen: { $any: true } } }),
      oursOnly(CLUSTER, "metadata.filterMetadata.lateen", { $any: true }),
    ],
  },
  {
    name: "what Envoy does anyway",
    reason:
      "a fifth of a cluster's bytes: endpoints are asked for by the cluster's name where nothing else " +
      "is said, and are called in plaintext where nothing matches",
    rewrites: [
      {
        ...ours(CLUSTER, "edsClusterConfig.serviceName", { $absent: true }, null),
        action: { copyOf: "name" },
      },
      {
        side: "ours",
        message: CLUSTER,
        field: "transportSocketMatches",
        from: [{ name: "tlsMode-istio", $more: true }],
        action: {
          putLast: {
            name: "tlsMode-disabled",
            match: {},
            transportSocket: {
              name: "envoy.transport_sockets.raw_buffer",
              typedConfig: {
                "@type": `${TYPE}/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer`,
              },
            },
          },
        },
      },
    ],
  },
  {
    name: "tags of spans",
    reason: "from the proxy's environment, so that proxies can share the bytes",
    rewrites: [
      tag("istio.canonical_revision", "CANONICAL_REVISION", "canonicalRevision"),
      tag("istio.canonical_service", "CANONICAL_SERVICE", "canonicalService"),
      tag("istio.cluster_id", "ISTIO_META_CLUSTER_ID", "cluster"),
      tag("istio.namespace", "POD_NAMESPACE", "namespace"),
    ],
  },
  {
    name: "access log to standard output",
    reason: "/dev/stdout can not be opened where it is a socket, as under a supervisor",
    rewrites: [
      toStdout("name", "envoy.access_loggers.stdout", "envoy.access_loggers.file"),
      toStdout("typedConfig.path", { $absent: true }, "/dev/stdout"),
      toStdout("typedConfig.@type", `${TYPE}/${STDOUT_LOG}`, `${TYPE}/${FILE_LOG}`),
    ],
  },
  {
    name: "bounded sniffing",
    reason: "a server that speaks first would wait for ever behind a sniffed port",
    rewrites: [ours(LISTENER, "listenerFiltersTimeout", { $match: "5s|15s" }, "0s")],
  },
  {
    name: "endpoints that do not come again",
    reason: "a proxy that lost its stream takes those that it has; the reference sends all again",
    rewrites: [ours(CLUSTER, "edsClusterConfig.edsConfig.initialFetchTimeout", "15s", "0s")],
  },
  {
    name: "deadlines of gRPC",
    reason: "max_grpc_timeout is deprecated, and Envoy warns of each; this is its successor",
    rewrites: [
      renamed(
        ROUTE_ACTION,
        "maxStreamDuration",
        { grpcTimeoutHeaderMax: { $any: true } },
        "maxGrpcTimeout",
        "grpcTimeoutHeaderMax",
      ),
    ],
  },
  {
    name: "names in certificates",
    reason: "match_subject_alt_names is deprecated, and Envoy warns of each; this is its successor",
    rewrites: [
      renamed(
        VALIDATION,
        "matchTypedSubjectAltNames",
        { sanType: { $match: "URI|DNS|EMAIL|IP_ADDRESS" }, matcher: { $any: true } },
        "matchSubjectAltNames",
        "matcher",
      ),
    ],
  },
];
