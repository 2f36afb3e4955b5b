/** Plain resources for protocol tests with real Envoys: clusters, endpoints, a listener, routes. */
import { pack } from "@lateen/envoy-api/any.js";
import {
  Cluster,
  Cluster_DiscoveryType,
} from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import {
  ApiVersion,
  type ConfigSource,
} from "@lateen/envoy-api/envoy/config/core/v3/config_source.js";
import { ClusterLoadAssignment } from "@lateen/envoy-api/envoy/config/endpoint/v3/endpoint.js";
import { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import { RouteConfiguration } from "@lateen/envoy-api/envoy/config/route/v3/route.js";
import { VirtualHost } from "@lateen/envoy-api/envoy/config/route/v3/route_components.js";
import { OnDemand } from "@lateen/envoy-api/envoy/extensions/filters/http/on_demand/v3/on_demand.js";
import { Router } from "@lateen/envoy-api/envoy/extensions/filters/http/router/v3/router.js";
import { HttpConnectionManager } from "@lateen/envoy-api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.js";

const ads = { ads: {}, resourceApiVersion: ApiVersion.V3 };

export function clusterBytes(
  name: string,
  connectTimeoutSeconds = 1,
  edsConfig: ConfigSource = { ...ads, initialFetchTimeout: { seconds: 0 } },
): Uint8Array {
  return Cluster.encode({
    name,
    type: Cluster_DiscoveryType.EDS,
    edsClusterConfig: { edsConfig },
    connectTimeout: { seconds: connectTimeoutSeconds },
  }).finish();
}

export function endpointBytes(clusterName: string, ports: readonly number[]): Uint8Array {
  return ClusterLoadAssignment.encode({
    clusterName,
    endpoints: [
      {
        lbEndpoints: ports.map(portValue => ({
          endpoint: { address: { socketAddress: { address: "127.0.0.1", portValue } } },
        })),
      },
    ],
  }).finish();
}

/** An HTTP listener on a free port whose virtual hosts may also be asked for by name. */
export function listenerBytes(name: string, routeName: string): Uint8Array {
  const manager = pack(HttpConnectionManager, {
    statPrefix: name,
    rds: { routeConfigName: routeName, configSource: ads },
    httpFilters: [
      { name: "envoy.filters.http.on_demand", typedConfig: pack(OnDemand, {}) },
      { name: "envoy.filters.http.router", typedConfig: pack(Router, {}) },
    ],
  });
  return Listener.encode({
    name,
    address: { socketAddress: { address: "127.0.0.1", portValue: 0 } },
    filterChains: [
      {
        filters: [{ name: "envoy.filters.network.http_connection_manager", typedConfig: manager }],
      },
    ],
  }).finish();
}

/** A listener that Envoy refuses: it says nothing of what to do with a connection. */
export function badListenerBytes(name: string): Uint8Array {
  return Listener.encode({
    name,
    address: { socketAddress: { address: "127.0.0.1", portValue: 0 } },
    filterChains: [{ filters: [{ name: "no.such.filter" }] }],
  }).finish();
}

/** Routes that Envoy refuses: two virtual hosts for one domain. */
export function badRouteBytes(name: string): Uint8Array {
  const virtualHosts = ["one", "two"].map(each => ({ name: each, domains: ["*"] }));
  return RouteConfiguration.encode({ name, virtualHosts }).finish();
}

/** All requests go to `cluster`. */
export function routeBytes(name: string, cluster: string): Uint8Array {
  return RouteConfiguration.encode({
    name,
    virtualHosts: [
      {
        name: "all",
        domains: ["*"],
        routes: [{ match: { prefix: "/" }, route: { cluster } }],
      },
    ],
  }).finish();
}

/** Virtual hosts come one at a time. `internal`: a header name that changes nothing else. */
export function vhdsRouteBytes(name: string, internal = "x-one"): Uint8Array {
  const vhds = { configSource: ads };
  return RouteConfiguration.encode({ name, vhds, internalOnlyHeaders: [internal] }).finish();
}

export function virtualHostBytes(domain: string, cluster: string): Uint8Array {
  return VirtualHost.encode({
    name: domain,
    domains: [domain],
    routes: [{ match: { prefix: "/" }, route: { cluster } }],
  }).finish();
}

/** A bootstrap that takes everything from the xDS server on `port`. */
export function adsBootstrap(
  nodeId: string,
  port: number,
  form: "delta" | "sotw",
): Record<string, unknown> {
  const socket = { socket_address: { address: "127.0.0.1", port_value: port } };
  return {
    node: { id: nodeId, cluster: "test" },
    static_resources: {
      clusters: [
        {
          name: "xds-grpc",
          type: "STATIC",
          connect_timeout: "1s",
          load_assignment: {
            cluster_name: "xds-grpc",
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socket } }] }],
          },
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
              "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        },
      ],
    },
    dynamic_resources: {
      ads_config: {
        api_type: form === "delta" ? "DELTA_GRPC" : "GRPC",
        transport_api_version: "V3",
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: "xds-grpc" } }],
      },
      cds_config: { ads: {}, resource_api_version: "V3", initial_fetch_timeout: "0s" },
      lds_config: { ads: {}, resource_api_version: "V3", initial_fetch_timeout: "0s" },
    },
  };
}
