/** `proxy-config listener`: features rows 17 and 18. */
import { compareText } from "../../base/compare.ts";
import { renderTable } from "../tabwriter.ts";
import type {
  FilterChain,
  FilterChainMatch,
  Listener,
  NetworkFilter,
  RouteConfiguration,
  VirtualHost,
} from "./config-dump.ts";

export interface ListenerFilter {
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly type: string | undefined;
}

export interface ListenerTableOptions {
  /** Istio 1.14 called the first column ADDRESS. */
  readonly compat: "1.12" | "1.14" | undefined;
  readonly verbose: boolean;
}

const HTTP = "envoy.filters.network.http_connection_manager";
const TCP = "envoy.filters.network.tcp_proxy";

export function selectListeners(all: readonly Listener[], filter: ListenerFilter): Listener[] {
  return all.filter(
    l =>
      (filter.address === undefined ||
        addressOf(l).toLowerCase() === filter.address.toLowerCase()) &&
      (filter.port === undefined || portOf(l) === filter.port) &&
      (filter.type === undefined || typeOf(l).toLowerCase() === filter.type.toLowerCase()),
  );
}

export function listenerTable(
  listeners: readonly Listener[],
  options: ListenerTableOptions,
): string {
  const first = options.compat === undefined ? "ADDRESSES" : "ADDRESS";
  const rows: string[][] = [
    options.verbose ? [first, "PORT", "MATCH", "DESTINATION"] : [first, "PORT", "TYPE"],
  ];
  for (const listener of [...listeners].sort(byPortAddressType)) {
    if (options.compat !== undefined && isAgentListener(listener)) continue;
    rows.push(...listenerRows(listener, options.verbose));
  }
  return renderTable(rows, { padding: 1 });
}

/** Where older meshes had an agent listen, which was in no table of Envoy's. */
const AGENT_PORT = 15020;

function isAgentListener(listener: Listener): boolean {
  return portOf(listener) === AGENT_PORT;
}

function listenerRows(listener: Listener, verbose: boolean): string[][] {
  const addresses = [addressOf(listener), ...additionalAddresses(listener)].join(",");
  const port = String(portOf(listener));
  if (!verbose) return [[addresses, port, typeOf(listener)]];
  return chainsOf(listener)
    .map(chain => ({
      match: describeMatch(chain.filter_chain_match ?? {}),
      destination: describeFilters(chain.filters ?? []),
    }))
    .sort((a, b) => (a.destination < b.destination ? 1 : a.destination > b.destination ? -1 : 0))
    .map(row => [addresses, port, row.match, row.destination]);
}

function byPortAddressType(a: Listener, b: Listener): number {
  return (
    portOf(a) - portOf(b) ||
    compareText(addressOf(a), addressOf(b)) ||
    compareText(typeOf(a), typeOf(b))
  );
}

function addressOf(listener: Listener): string {
  const address = listener.address;
  return (
    address?.socket_address?.address ??
    address?.pipe?.path ??
    address?.envoy_internal_address?.server_listener_name ??
    ""
  );
}

function additionalAddresses(listener: Listener): string[] {
  return (listener.additional_addresses ?? []).map(a => a.address?.socket_address?.address ?? "");
}

function portOf(listener: Listener): number {
  return listener.address?.socket_address?.port_value ?? 0;
}

function chainsOf(listener: Listener): FilterChain[] {
  const last = listener.default_filter_chain;
  return [...(listener.filter_chains ?? []), ...(last === undefined ? [] : [last])];
}

function typeOf(listener: Listener): string {
  const filters = chainsOf(listener).flatMap(chain => chain.filters ?? []);
  const http = filters.some(f => f.name === HTTP);
  const tcp = filters.some(f => f.name === TCP && !isBlackHole(f));
  if (http) return tcp ? "HTTP+TCP" : "HTTP";
  return tcp ? "TCP" : "UNKNOWN";
}

function isBlackHole(filter: NetworkFilter): boolean {
  return filter.typed_config?.cluster === "BlackHoleCluster";
}

function describeMatch(match: FilterChainMatch): string {
  const parts: string[] = [];
  if ((match.server_names ?? []).length > 0) parts.push(`SNI: ${match.server_names?.join(",")}`);
  if (match.transport_protocol) parts.push(`Trans: ${match.transport_protocol}`);
  const protocols = match.application_protocols ?? [];
  if (protocols.length > 0) parts.push(describeProtocols(protocols));
  const port = match.destination_port === undefined ? "" : `:${match.destination_port}`;
  const ranges = match.prefix_ranges ?? [];
  if (ranges.length > 0) {
    const shown = ranges.map(r => `${r.address_prefix}/${r.prefix_len ?? 0}`).join(",");
    parts.push(`Addr: ${shown}${port}`);
  } else if (port !== "") {
    parts.push(`Addr: *${port}`);
  }
  return parts.length === 0 ? "ALL" : parts.join("; ");
}

/** Lists that istioctl has a short name for. */
const PROTOCOL_NAMES: ReadonlyMap<string, string> = new Map([
  ["http/1.0,http/1.1,h2c,istio-http/1.0,istio-http/1.1,istio-h2", "App: HTTP TLS"],
  ["istio,istio-http/1.0,istio-http/1.1,istio-h2", "App: Istio HTTP Plain"],
  ["istio-peer-exchange,istio", "App: TCP TLS"],
  ["http/1.0,http/1.1,h2c", "App: HTTP"],
]);

function describeProtocols(protocols: readonly string[]): string {
  const joined = protocols.join(",");
  return PROTOCOL_NAMES.get(joined) ?? `App: ${joined}`;
}

function describeFilters(filters: readonly NetworkFilter[]): string {
  for (const filter of filters) {
    const config = filter.typed_config ?? {};
    if (filter.name === HTTP) {
      if (config.route_config !== undefined) return describeRouteConfig(config.route_config);
      const name = config.rds?.route_config_name;
      return name === undefined ? "HTTP" : `Route: ${name}`;
    }
    if (filter.name === TCP && !isBlackHole(filter)) return describeCluster(config.cluster ?? "");
  }
  return "Non-HTTP/Non-TCP";
}

function describeCluster(cluster: string): string {
  return cluster.includes("Cluster") ? cluster : `Cluster: ${cluster}`;
}

function describeRouteConfig(config: RouteConfiguration): string {
  const only = matchAllCluster(config);
  if (only !== undefined) return describeCluster(only);
  const hosts = (config.virtual_hosts ?? []).map(describeVirtualHost);
  return `Inline Route: ${hosts.join("; ")}`;
}

/** The cluster of a route configuration that sends everything to one place. */
function matchAllCluster(config: RouteConfiguration): string | undefined {
  const [host, ...others] = config.virtual_hosts ?? [];
  if (host === undefined || others.length > 0 || !isCatchAll(host)) return undefined;
  const [route, ...rest] = host.routes ?? [];
  if (route === undefined || rest.length > 0 || route.match?.prefix !== "/") return undefined;
  return route.route?.cluster;
}

function isCatchAll(host: VirtualHost): boolean {
  return host.domains?.length === 1 && host.domains[0] === "*";
}

function describeVirtualHost(host: VirtualHost): string {
  const routes = (host.routes ?? [])
    .map(route => {
      const match = route.match ?? {};
      const conditions: string[] = [];
      if (match.prefix) conditions.push(`${match.prefix}*`);
      if (match.path) conditions.push(match.path);
      if (match.safe_regex !== undefined) conditions.push(`regex ${match.safe_regex.regex ?? ""}`);
      return conditions.join(" ");
    })
    .join(", ");
  return isCatchAll(host) ? routes : `${(host.domains ?? []).join("/")} ${routes}`;
}
