import { extension, isIpAddress, type JsonOutObject, socketAddress } from "./json.ts";

/** Where and how Envoy reaches its control plane. */
export interface DiscoveryTarget {
  readonly host: string;
  readonly port: number;
  /** Absent: plaintext, for 15010 (files mode and tests). */
  readonly tls?: DiscoveryTls;
}

export interface DiscoveryTls {
  /** SNI, and the DNS name (or IP address) that the control plane's certificate must have. */
  readonly serverName: string;
  /** Folder of the two SDS files; watched for renames. */
  readonly sdsDirectory: string;
  readonly rootCertFile: string;
  readonly tokenFile: string;
}

const ROOT_SDS_FILE = "xds-root.json";
const TOKEN_SDS_FILE = "xds-token.json";
const ROOT_SECRET = "xds-root";
const TOKEN_SECRET = "xds-token";
/** Names of the secrets that Envoy reads from these files: its own, not the workload's. */
export const DISCOVERY_SECRETS: readonly string[] = [ROOT_SECRET, TOKEN_SECRET];
const SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
const HTTP = "envoy.extensions.filters.http";
const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/**
 * The SDS files (name -> content) that make Envoy reread root and token when they change. They name
 * the real files and never change themselves. Envoy rereads a root or token when a file in its
 * folder is replaced by rename.
 */
export function discoverySdsFiles(tls: DiscoveryTls): Readonly<Record<string, string>> {
  const root = {
    "@type": SECRET,
    name: ROOT_SECRET,
    validation_context: {
      trusted_ca: { filename: tls.rootCertFile },
      watched_directory: { path: directoryOf(tls.rootCertFile) },
      match_typed_subject_alt_names: [
        {
          san_type: isIpAddress(tls.serverName) ? "IP_ADDRESS" : "DNS",
          matcher: { exact: tls.serverName },
        },
      ],
    },
  };
  const token = {
    "@type": SECRET,
    name: TOKEN_SECRET,
    generic_secret: { secret: { filename: tls.tokenFile } },
  };
  return {
    [ROOT_SDS_FILE]: `${JSON.stringify({ resources: [root] })}\n`,
    [TOKEN_SDS_FILE]: `${JSON.stringify({ resources: [token] })}\n`,
  };
}

/** Static cluster `xds-grpc`. */
export function discoveryCluster(target: DiscoveryTarget): JsonOutObject {
  const limits = { max_connections: 100000, max_pending_requests: 100000, max_requests: 100000 };
  return {
    name: "xds-grpc",
    type: isIpAddress(target.host) ? "STATIC" : "STRICT_DNS",
    connect_timeout: "5s",
    lb_policy: "ROUND_ROBIN",
    ...(isIpAddress(target.host)
      ? {}
      : { dns_lookup_family: "V4_PREFERRED", respect_dns_ttl: true, dns_refresh_rate: "5s" }),
    load_assignment: {
      cluster_name: "xds-grpc",
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: socketAddress(target.host, target.port) } }] },
      ],
    },
    circuit_breakers: {
      thresholds: [
        { priority: "DEFAULT", ...limits },
        { priority: "HIGH", ...limits },
      ],
    },
    upstream_connection_options: { tcp_keepalive: { keepalive_time: 30 } },
    typed_extension_protocol_options: { [HTTP_OPTIONS]: httpOptions(target.tls) },
    ...(target.tls === undefined ? {} : { transport_socket: tlsSocket(target.tls) }),
  };
}

function httpOptions(tls: DiscoveryTls | undefined): JsonOutObject {
  return {
    "@type": `type.googleapis.com/${HTTP_OPTIONS}`,
    explicit_http_config: {
      http2_protocol_options: {
        // A dead control plane is noticed, and another one tried, within this time.
        connection_keepalive: { interval: "15s", timeout: "10s" },
        max_concurrent_streams: 100,
      },
    },
    ...(tls === undefined ? {} : { http_filters: [tokenFilter(tls), upstreamCodec()] }),
  };
}

function tokenFilter(tls: DiscoveryTls): JsonOutObject {
  const credential = extension(
    "envoy.http.injected_credentials.generic",
    "envoy.extensions.http.injected_credentials.generic.v3.Generic",
    {
      credential: { name: TOKEN_SECRET, sds_config: fileSds(tls, TOKEN_SDS_FILE, tls.tokenFile) },
      header: "authorization",
      header_value_prefix: "Bearer ",
    },
  );
  return extension(
    "envoy.filters.http.credential_injector",
    `${HTTP}.credential_injector.v3.CredentialInjector`,
    { overwrite: true, credential },
  );
}

function upstreamCodec(): JsonOutObject {
  return extension("envoy.filters.http.upstream_codec", `${HTTP}.upstream_codec.v3.UpstreamCodec`);
}

function tlsSocket(tls: DiscoveryTls): JsonOutObject {
  return extension(
    "envoy.transport_sockets.tls",
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    {
      // There is no SNI for an address.
      ...(isIpAddress(tls.serverName) ? {} : { sni: tls.serverName }),
      common_tls_context: {
        alpn_protocols: ["h2"],
        tls_params: {
          tls_minimum_protocol_version: "TLSv1_2",
          tls_maximum_protocol_version: "TLSv1_3",
        },
        validation_context_sds_secret_config: {
          name: ROOT_SECRET,
          sds_config: fileSds(tls, ROOT_SDS_FILE, tls.rootCertFile),
        },
      },
    },
  );
}

/** The SDS file is read again when anything is renamed into the folder of the file it names. */
function fileSds(tls: DiscoveryTls, sdsFile: string, named: string): JsonOutObject {
  return {
    resource_api_version: "V3",
    initial_fetch_timeout: "0s",
    path_config_source: {
      path: `${tls.sdsDirectory}/${sdsFile}`,
      watched_directory: { path: directoryOf(named) },
    },
  };
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}
