/**
 * The parts of Envoy's `/config_dump` (envoy/admin/v3/config_dump_shared.proto) that tables show,
 * as Envoy writes them: JSON with proto field names.
 */
export interface SocketAddress {
  readonly address?: string;
  readonly port_value?: number;
}

export interface Address {
  readonly socket_address?: SocketAddress;
  readonly pipe?: { readonly path?: string };
  readonly envoy_internal_address?: { readonly server_listener_name?: string };
}

export interface Metadata {
  readonly filter_metadata?: { readonly istio?: { readonly config?: unknown } };
}

export interface RouteMatch {
  readonly prefix?: string;
  readonly path?: string;
  readonly path_separated_prefix?: string;
  readonly safe_regex?: { readonly regex?: string };
}

export interface Route {
  readonly match?: RouteMatch;
  readonly route?: { readonly cluster?: string };
  readonly metadata?: Metadata;
}

export interface VirtualHost {
  readonly name?: string;
  readonly domains?: readonly string[];
  readonly routes?: readonly Route[];
}

export interface RouteConfiguration {
  readonly name?: string;
  readonly virtual_hosts?: readonly VirtualHost[];
}

export interface NetworkFilter {
  readonly name?: string;
  readonly typed_config?: {
    readonly "@type"?: string;
    readonly cluster?: string;
    readonly route_config?: RouteConfiguration;
    readonly rds?: { readonly route_config_name?: string };
  };
}

export interface FilterChainMatch {
  readonly destination_port?: number;
  readonly server_names?: readonly string[];
  readonly transport_protocol?: string;
  readonly application_protocols?: readonly string[];
  readonly prefix_ranges?: readonly {
    readonly address_prefix?: string;
    readonly prefix_len?: number;
  }[];
}

export interface FilterChain {
  readonly name?: string;
  readonly filter_chain_match?: FilterChainMatch;
  readonly filters?: readonly NetworkFilter[];
}

export interface Listener {
  readonly name?: string;
  readonly address?: Address;
  readonly additional_addresses?: readonly { readonly address?: Address }[];
  readonly filter_chains?: readonly FilterChain[];
  readonly default_filter_chain?: FilterChain;
}

export interface Cluster {
  readonly name?: string;
  readonly type?: string;
  readonly cluster_type?: { readonly name?: string };
  readonly metadata?: Metadata;
}

export interface Secret {
  readonly name?: string;
  readonly tls_certificate?: { readonly certificate_chain?: DataSource };
  readonly validation_context?: { readonly trusted_ca?: DataSource };
}

export interface DataSource {
  /** Base64, as JSON carries bytes. */
  readonly inline_bytes?: string;
  readonly inline_string?: string;
}

export interface SecretEntry {
  readonly name?: string;
  readonly version_info?: string;
  readonly secret?: Secret;
}

/** envoy.config.core.v3.TypedExtensionConfig. */
export interface ExtensionConfig {
  readonly name?: string;
  readonly typed_config?: { readonly "@type"?: string };
}

/** envoy.config.endpoint.v3.ClusterLoadAssignment. */
export interface LoadAssignment {
  readonly cluster_name?: string;
  readonly endpoints?: readonly LocalityEndpoints[];
}

export interface LocalityEndpoints {
  readonly locality?: {
    readonly region?: string;
    readonly zone?: string;
    readonly sub_zone?: string;
  };
  readonly lb_endpoints?: readonly LbEndpoint[];
}

export interface LbEndpoint {
  readonly endpoint?: { readonly address?: Address };
  readonly health_status?: string;
}

export interface ConfigDump {
  /** BootstrapConfigDump; undefined where the dump has none. */
  readonly bootstrap: unknown;
  readonly listeners: readonly Listener[];
  readonly routes: readonly RouteConfiguration[];
  readonly clusters: readonly Cluster[];
  readonly activeSecrets: readonly SecretEntry[];
  readonly warmingSecrets: readonly SecretEntry[];
  /** Configuration that came by ECDS. */
  readonly extensions: readonly ExtensionConfig[];
  /** Only in a dump that was asked for with `include_eds`. */
  readonly assignments: readonly LoadAssignment[];
}

type Section = Readonly<Record<string, unknown>>;

/** Throws SyntaxError or TypeError on what is not a config dump. */
export function parseConfigDump(text: string): ConfigDump {
  const dump = JSON.parse(text) as { configs?: readonly Section[] };
  const sections = dump.configs ?? [];
  const section = (name: string): Section =>
    sections.find(s => String(s["@type"]).endsWith(`.${name}`)) ?? {};
  const listeners = section("ListenersConfigDump");
  const routes = section("RoutesConfigDump");
  const clusters = section("ClustersConfigDump");
  const secrets = section("SecretsConfigDump");
  const endpoints = section("EndpointsConfigDump");
  return {
    bootstrap: sections.find(s => String(s["@type"]).endsWith(".BootstrapConfigDump")),
    listeners: [
      ...list<{ active_state?: { listener?: Listener } }>(listeners["dynamic_listeners"]).flatMap(
        l => l.active_state?.listener ?? [],
      ),
      ...list<{ listener?: Listener }>(listeners["static_listeners"]).flatMap(
        l => l.listener ?? [],
      ),
    ],
    routes: [
      ...routesOf(routes["dynamic_route_configs"]),
      ...routesOf(routes["static_route_configs"]),
    ],
    clusters: [
      ...clustersOf(clusters["dynamic_active_clusters"]),
      ...clustersOf(clusters["static_clusters"]),
    ],
    activeSecrets: list<SecretEntry>(secrets["dynamic_active_secrets"]),
    warmingSecrets: list<SecretEntry>(secrets["dynamic_warming_secrets"]),
    extensions: list<{ ecds_filter?: ExtensionConfig }>(
      section("EcdsConfigDump")["ecds_filters"],
    ).flatMap(each => each.ecds_filter ?? []),
    assignments: [
      ...assignmentsOf(endpoints["static_endpoint_configs"]),
      ...assignmentsOf(endpoints["dynamic_endpoint_configs"]),
    ],
  };
}

function routesOf(section: unknown): RouteConfiguration[] {
  return list<{ route_config?: RouteConfiguration }>(section).flatMap(r => r.route_config ?? []);
}

function clustersOf(section: unknown): Cluster[] {
  return list<{ cluster?: Cluster }>(section).flatMap(c => c.cluster ?? []);
}

function assignmentsOf(section: unknown): LoadAssignment[] {
  return list<{ endpoint_config?: LoadAssignment }>(section).flatMap(e => e.endpoint_config ?? []);
}

function list<T>(value: unknown): T[] {
  return Array.isArray(value) ? (value as T[]) : [];
}

/** `default/demoapp` objects as `demoapp.default`, from `metadata.filter_metadata.istio.config`. */
export function managedBy(metadata: Metadata | undefined): string {
  const config = metadata?.filter_metadata?.istio?.config;
  if (typeof config !== "string") return "";
  const pieces = config.split("/");
  if (!config.startsWith("/apis/networking.istio.io/") || pieces.length !== 8) return "<unknown>";
  return `${pieces[7]}.${pieces[5]}`;
}
