import { SCRAPE_FAILURES } from "./bootstrap-stats.ts";
import { extension, type JsonOutObject, socketAddress } from "./json.ts";
import { METRICS_PAGE_LUA } from "./metrics-lua.ts";
import { ProxyPort } from "./ports.ts";
import { type AppProbe, probeFilters, probeRoutes } from "./probes.ts";
import { fromPassthrough, MAX_PAGE_BYTES, staticCluster } from "./static-cluster.ts";

/** A Prometheus page of the application (annotations prometheus.io/port and prometheus.io/path). */
export interface AppMetrics {
  readonly port: number;
  readonly path: string;
}

export type IpFamily = "IPv4" | "IPv6";

const HTTP = "envoy.extensions.filters.http";
const AGENT_STATUS = "agent_status";

/**
 * Runs before the response: Lua can not call out while it answers. Without the application's page
 * there still is Envoy's own; that it failed is counted and logged, as by istio-agent.
 */
function fetchLua(path: string): string {
  return `
function envoy_on_request(handle)
  local headers, page = handle:httpCall("app_metrics", {
    [":method"] = "GET", [":path"] = ${JSON.stringify(path)}, [":authority"] = "localhost",
    ["accept"] = "text/plain;version=0.0.4" }, "", 2000)
  if headers[":status"] == "200" then
    handle:streamInfo():dynamicMetadata():set("lateen.metrics", "page", page or "")
  else
    handle:stats():counter("${SCRAPE_FAILURES}"):inc()
    handle:logWarn("no metrics of the application: status " .. headers[":status"])
  end
end
`;
}

/**
 * The answer comes first: an Envoy that ends while it passes on what its admin interface answers
 * leaves a Job without one, and so with a failure.
 */
const QUIT_LUA = `
function envoy_on_request(handle)
  if handle:headers():get(":method") ~= "POST" then
    handle:respond({[":status"] = "405"}, "Method Not Allowed\\n")
    return
  end
  handle:httpCall("agent", {
    [":method"] = "POST", [":path"] = "/quitquitquit", [":authority"] = "localhost" }, "", 1000, true)
  handle:respond({[":status"] = "200"}, "OK")
end
`;

/** Static clusters on the pod itself; `agent` and `prometheus_stats` are Istio's names. */
export function localClusters(
  families: readonly IpFamily[],
  ip: string,
  metrics: AppMetrics | undefined,
): JsonOutObject[] {
  const clusters = [
    staticCluster("prometheus_stats", "127.0.0.1", ProxyPort.admin),
    staticCluster("agent", "127.0.0.1", ProxyPort.admin),
  ];
  if (metrics === undefined) return clusters;
  const app = staticCluster("app_metrics", ip, metrics.port);
  return [...clusters, { ...app, ...fromPassthrough(firstOf(families)) }];
}

/** 15090: `/stats/prometheus` under the names that Istio's dashboards use. */
export function prometheusListener(families: readonly IpFamily[]): JsonOutObject {
  return listener(
    families,
    ProxyPort.prometheus,
    "stats",
    [statsRoute()],
    [luaFilter(METRICS_PAGE_LUA)],
  );
}

/** 15021: `/healthz/ready`. Open only once the first configuration is in place. */
export function healthListener(families: readonly IpFamily[]): JsonOutObject {
  return listener(families, ProxyPort.health, "agent", [readyRoute()], []);
}

/** 15020: what istio-agent serves there: merged metrics, application probes, quitquitquit. */
export function agentListener(
  families: readonly IpFamily[],
  port: number,
  probes: readonly AppProbe[],
  metrics: AppMetrics | undefined,
): JsonOutObject {
  const quit = {
    match: { path: "/quitquitquit" },
    route: { cluster: "agent" },
    typed_per_filter_config: luaForRoute(QUIT_LUA),
  };
  const scripts =
    metrics === undefined ? METRICS_PAGE_LUA : fetchLua(metrics.path) + METRICS_PAGE_LUA;
  return listener(
    families,
    port,
    AGENT_STATUS,
    [quit, readyRoute(), statsRoute(scripts), ...probeRoutes(probes)],
    [loopbackOnly("/quitquitquit"), ...probeFilters(probes), luaFilter()],
  );
}

function statsRoute(code?: string): JsonOutObject {
  return {
    match: { prefix: "/stats/prometheus" },
    route: { cluster: "prometheus_stats" },
    // A compressed page could not be rewritten.
    request_headers_to_remove: ["accept-encoding"],
    ...(code === undefined ? {} : { typed_per_filter_config: luaForRoute(code) }),
  };
}

function readyRoute(): JsonOutObject {
  return {
    match: { prefix: "/healthz/ready" },
    route: { cluster: "agent", prefix_rewrite: "/ready" },
  };
}

function luaFilter(code?: string): JsonOutObject {
  return extension("envoy.filters.http.lua", `${HTTP}.lua.v3.Lua`, {
    ...(code === undefined ? {} : { default_source_code: { inline_string: code } }),
  });
}

function luaForRoute(code: string): JsonOutObject {
  return {
    "envoy.filters.http.lua": {
      "@type": `type.googleapis.com/${HTTP}.lua.v3.LuaPerRoute`,
      source_code: { inline_string: code },
    },
  };
}

function loopbackOnly(path: string): JsonOutObject {
  const loopback = [
    { address_prefix: "127.0.0.0", prefix_len: 8 },
    { address_prefix: "::1", prefix_len: 128 },
    // How a listener on :: names IPv4.
    { address_prefix: "::ffff:127.0.0.0", prefix_len: 104 },
  ];
  return extension("envoy.filters.http.rbac", `${HTTP}.rbac.v3.RBAC`, {
    rules: {
      action: "DENY",
      policies: {
        "not from this pod": {
          permissions: [{ url_path: { path: { exact: path } } }],
          principals: [
            { not_id: { or_ids: { ids: loopback.map(range => ({ direct_remote_ip: range })) } } },
          ],
        },
      },
    },
  });
}

function listener(
  families: readonly IpFamily[],
  port: number,
  statPrefix: string,
  routes: readonly JsonOutObject[],
  filters: readonly JsonOutObject[],
): JsonOutObject {
  const manager = extension(
    "envoy.filters.network.http_connection_manager",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    {
      stat_prefix: statPrefix,
      codec_type: "AUTO",
      // `..` is resolved before a route is chosen: only what is routed can be asked of admin.
      normalize_path: true,
      merge_slashes: true,
      path_with_escaped_slashes_action: "REJECT_REQUEST",
      // Named where istioctl's older tables have no row for it: there an agent listened.
      route_config: {
        ...(statPrefix === AGENT_STATUS ? { name: statPrefix } : {}),
        virtual_hosts: [{ name: "backend", domains: ["*"], routes }],
      },
      http_filters: [
        ...filters,
        extension("envoy.filters.http.router", `${HTTP}.router.v3.Router`),
      ],
    },
  );
  return {
    address: anyAddress(families, port),
    per_connection_buffer_limit_bytes: MAX_PAGE_BYTES,
    ignore_global_conn_limit: true,
    filter_chains: [{ filters: [manager] }],
  };
}

/** `::` takes IPv4, too, where the pod has both; a node without IPv6 would not have it. */
function anyAddress(families: readonly IpFamily[], port: number): JsonOutObject {
  if (!families.includes("IPv6")) return socketAddress("0.0.0.0", port);
  const compat = families.includes("IPv4") ? { ipv4_compat: true } : {};
  return { socket_address: { address: "::", port_value: port, ...compat } };
}

/** The family of the pod's first address. */
export function firstOf(families: readonly IpFamily[]): IpFamily {
  return families[0] ?? "IPv4";
}
