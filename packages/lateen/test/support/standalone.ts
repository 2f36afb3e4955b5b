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

/** What a proxy on loopback gets beside its resources. */
export interface LoopbackSettings {
  /** By cluster: the one endpoint that it has, instead of whatever it says. */
  readonly endpoints: Readonly<Record<string, { address: string; port: number } | JsonObject>>;
  /** By route configuration: put in place of the request for it. */
  readonly routes: readonly JsonObject[];
  /** By listener: the loopback ports that it listens on. */
  readonly ports: Readonly<Record<string, readonly number[]>>;
  readonly identity: { readonly certificatePem: string; readonly privateKeyPem: string };
  readonly rootPem: string;
}

/**
 * A proxy that runs on loopback with the resources as they are, but for what needs a control plane
 * or interception: where endpoints, routes and secrets come from, and what listeners bind to.
 */
export function loopbackBootstrap(
  resources: readonly EncodedResource[],
  settings: LoopbackSettings,
): JsonObject {
  const json = resources.map(resourceJson);
  const of = (type: string): JsonObject[] =>
    json.filter(each => String(each["@type"]).endsWith(`.${type}`)).map(withoutType);
  const inline = { identity: settings.identity, root: settings.rootPem };
  return {
    node: { id: "sidecar~127.0.0.1~a.b~b.svc.cluster.local", cluster: "a.b" },
    // Histograms show what they counted at the next flush only.
    statsFlushInterval: "0.1s",
    staticResources: {
      clusters: of("Cluster").map(each => staticCluster(localSecrets(each), settings)),
      listeners: of("Listener").map(each =>
        boundListener(inlineRoutes(localSecrets(each), settings.routes), settings),
      ),
      secrets: [
        {
          name: "default",
          tlsCertificate: {
            certificateChain: { inlineString: inline.identity.certificatePem },
            privateKey: { inlineString: inline.identity.privateKeyPem },
          },
        },
        { name: "ROOTCA", validationContext: { trustedCa: { inlineString: inline.root } } },
      ],
    },
  };
}

function localSecrets(resource: JsonObject): JsonObject {
  return mapObjects(resource, ({ sdsConfig: _, ...rest }) => rest);
}

function staticCluster(cluster: JsonObject, settings: LoopbackSettings): JsonObject {
  const name = String(cluster["name"]);
  const endpoint = settings.endpoints[name];
  if (endpoint === undefined) return cluster;
  const { edsClusterConfig: _, lbPolicy: __, cleanupInterval: ___, ...rest } = cluster;
  const lbEndpoint =
    "port" in endpoint
      ? { endpoint: { address: { socketAddress: { ...endpointAddress(endpoint) } } } }
      : endpoint;
  const endpoints = [{ lbEndpoints: [lbEndpoint] }];
  return { ...rest, type: "STATIC", loadAssignment: { clusterName: name, endpoints } };
}

function endpointAddress(endpoint: JsonObject | { address: string; port: number }): JsonObject {
  return { address: endpoint["address"] ?? "", portValue: endpoint["port"] ?? 0 };
}

function inlineRoutes(listener: JsonObject, routes: readonly JsonObject[]): JsonObject {
  return mapObjects(listener, object => {
    const { rds, ...rest } = object;
    if (rds === undefined) return object;
    const wanted = Object(rds)["routeConfigName"];
    return { ...rest, routeConfig: routes.find(each => each["name"] === wanted) ?? null };
  });
}

function boundListener(listener: JsonObject, settings: LoopbackSettings): JsonObject {
  const ports = settings.ports[String(listener["name"])] ?? [];
  const addresses = ports.map(portValue => ({
    address: { socketAddress: { address: "127.0.0.1", portValue } },
  }));
  const { bindToPort: _, ...rest } = listener;
  return { ...rest, ...addresses[0], additionalAddresses: addresses.slice(1) };
}

function mapObjects(tree: JsonObject, change: (object: JsonObject) => JsonObject): JsonObject {
  const visit = (value: JsonTree): JsonTree => {
    if (Array.isArray(value)) return value.map(visit);
    if (typeof value !== "object" || value === null) return value;
    return mapObjects(Object.fromEntries(Object.entries(value)), change);
  };
  return Object.fromEntries(
    Object.entries(change(tree)).map(([key, value]) => [key, visit(value)]),
  );
}
