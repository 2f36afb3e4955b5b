/**
 * Bootstraps that hold resources without a control plane: to have Envoy judge them, and to run
 * them on loopback with traffic.
 */
import { toCanonicalJson } from "@lateen/envoy-api/registry.js";
import type { EncodedResource } from "../../src/xds/resource.ts";
import type { JsonTree } from "./golden.ts";

export interface JsonObject {
  readonly [key: string]: JsonTree;
}

export function resourceJson(resource: EncodedResource): JsonObject {
  const json = toCanonicalJson(resource.type, resource.body);
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new Error(`${resource.name} is no object`);
  return { "@type": resource.type, ...json };
}

const HTTP2 = {
  "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    explicitHttpConfig: { http2ProtocolOptions: {} },
  },
};

/**
 * For `envoy --mode validate`: every resource in a place where Envoy reads it as it would read it
 * from the stream. Routes go into a connection manager, endpoints into a static cluster.
 */
export function judgedBootstrap(resources: readonly JsonObject[]): JsonObject {
  const of = (type: string): JsonObject[] =>
    resources.filter(each => String(each["@type"]).endsWith(`.${type}`)).map(withoutType);
  return {
    node: { id: "sidecar~10.0.0.1~a.b~b.svc.cluster.local", cluster: "a.b" },
    dynamicResources: {
      adsConfig: {
        apiType: "DELTA_GRPC",
        transportApiVersion: "V3",
        grpcServices: [{ envoyGrpc: { clusterName: "xds-grpc" } }],
      },
    },
    staticResources: {
      clusters: [
        {
          name: "xds-grpc",
          type: "STATIC",
          connectTimeout: "1s",
          typedExtensionProtocolOptions: HTTP2,
        },
        ...of("Cluster").map(primary),
        ...of("ClusterLoadAssignment").map(endpointsCluster),
      ],
      listeners: [...of("Listener"), ...of("RouteConfiguration").map(routesListener)],
      secrets: of("Secret"),
    },
  };
}

function withoutType(resource: JsonObject): JsonObject {
  const { "@type": _, ...rest } = resource;
  return rest;
}

/**
 * Clusters of a bootstrap, other than EDS ones, are made before the stream is, and Envoy 1.40
 * crashes where one wants a secret from it. Sent over CDS, as ours are, they are made after it.
 */
function primary(cluster: JsonObject): JsonObject {
  if (cluster["type"] === "EDS") return cluster;
  return JSON.parse(
    JSON.stringify(cluster).replaceAll('"ads":{}', '"pathConfigSource":{"path":"/dev/null"}'),
  );
}

function endpointsCluster(loadAssignment: JsonObject, index: number): JsonObject {
  return { name: `endpoints-${index}`, type: "STATIC", connectTimeout: "1s", loadAssignment };
}

const HCM =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

function routesListener(routeConfig: JsonObject, index: number): JsonObject {
  const router = {
    name: "envoy.filters.http.router",
    typedConfig: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
    },
  };
  const typedConfig = { "@type": HCM, statPrefix: "routes", httpFilters: [router], routeConfig };
  const filter = { name: "envoy.filters.network.http_connection_manager", typedConfig };
  return {
    name: `routes-${index}`,
    address: { socketAddress: { address: "127.0.0.1", portValue: 20_000 + index } },
    filterChains: [{ filters: [filter] }],
  };
}
