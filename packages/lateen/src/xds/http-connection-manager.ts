/** HTTP connection managers of sidecars (both directions) and gateways. */
import type { Filter } from "@lateen/envoy-api/envoy/config/listener/v3/listener_components.js";
import type { RouteConfiguration } from "@lateen/envoy-api/envoy/config/route/v3/route.js";
import {
  HttpConnectionManager,
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  type HttpConnectionManager_Tracing,
} from "@lateen/envoy-api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.js";
import { UuidRequestIdConfig } from "@lateen/envoy-api/envoy/extensions/request_id/uuid/v3/uuid.js";
import type { CustomTag } from "@lateen/envoy-api/envoy/type/tracing/v3/custom_tag.js";
import { ProxyEnvironment } from "../base/proxy-environment.ts";
import { isHttp2 } from "../model/protocol.ts";
import type { MeshView, Protocol } from "../model/types.ts";
import { requestLog } from "./access-log.ts";
import { inboundHttpFilters, outboundHttpFilters } from "./http-filters.ts";
import { ADS, extension, seconds } from "./message.ts";
import { httpStatPrefix } from "./names.ts";
import { httpStats } from "./stats.ts";

/** What responses say in `server`. */
const SERVER_NAME = "istio-envoy";

/** Whose requests a connection manager towards services takes, and where their routes come from. */
export interface RoutesOverRds {
  readonly routeName: string;
  /** The service port, or the Gateway's server, that was there first says that browsers come. */
  readonly grpcWeb: boolean;
}

/** Sidecar, towards services: routes come over RDS. `listener` is its name, as `0.0.0.0_80`. */
export function outboundConnectionManager(
  mesh: MeshView,
  listener: string,
  { routeName: routeConfigName, grpcWeb }: RoutesOverRds,
): Filter {
  return connectionManager({
    ...common(mesh),
    statPrefix: httpStatPrefix("outbound", listener),
    rds: { configSource: ADS, routeConfigName },
    httpFilters: outboundHttpFilters(grpcWeb),
    accessLog: [
      ...requestLog(mesh),
      ...httpStats({ side: "source", hostFallback: true }, mesh.metrics),
    ],
    useRemoteAddress: false,
  });
}

/** What an application's port takes: `statPrefix` names its connections in statistics. */
export interface InboundHttp {
  readonly statPrefix: string;
  readonly protocol: Protocol;
  readonly routes: RouteConfiguration;
}

/** Sidecar, towards its application. */
export function inboundConnectionManager(
  mesh: MeshView,
  { statPrefix, protocol, routes: routeConfig }: InboundHttp,
  mutualTls: boolean,
): Filter {
  return connectionManager({
    ...common(mesh),
    statPrefix,
    routeConfig,
    http2ProtocolOptions: isHttp2(protocol) ? {} : undefined,
    httpFilters: inboundHttpFilters(protocol, mutualTls),
    accessLog: [
      ...requestLog(mesh),
      ...httpStats({ side: "destination", mutualTls }, mesh.metrics),
    ],
    serverName: SERVER_NAME,
    useRemoteAddress: false,
    forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.APPEND_FORWARD,
    setCurrentClientCertDetails: { subject: true, dns: true, uri: true },
  });
}

/**
 * Gateway, towards services. It is the first to see the client, so it says what the client's
 * address is, and lets nobody else say who the client is.
 */
export function gatewayConnectionManager(
  mesh: MeshView,
  listener: string,
  { routeName: routeConfigName, grpcWeb }: RoutesOverRds,
): Filter {
  return connectionManager({
    ...common(mesh),
    statPrefix: httpStatPrefix("outbound", listener),
    rds: { configSource: ADS, routeConfigName },
    httpFilters: outboundHttpFilters(grpcWeb),
    accessLog: [
      ...requestLog(mesh),
      ...httpStats({ side: "source", hostFallback: false }, mesh.metrics),
    ],
    httpProtocolOptions: {},
    serverName: SERVER_NAME,
    useRemoteAddress: true,
    forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.SANITIZE_SET,
    setCurrentClientCertDetails: { subject: true, cert: true, dns: true, uri: true },
  });
}

function connectionManager(message: HttpConnectionManager): Filter {
  return extension("envoy.filters.network.http_connection_manager", HttpConnectionManager, message);
}

function common(mesh: MeshView): HttpConnectionManager {
  return {
    tracing: tracing(mesh),
    streamIdleTimeout: seconds(0),
    proxy100Continue: true,
    upgradeConfigs: [{ upgradeType: "websocket" }],
    normalizePath: true,
    pathWithEscapedSlashesAction: HttpConnectionManager_PathWithEscapedSlashesAction.KEEP_UNCHANGED,
    requestIdExtension: REQUEST_ID,
  };
}

const REQUEST_ID = {
  typedConfig: extension("", UuidRequestIdConfig, { useRequestIdForTraceSampling: true })
    .typedConfig,
};

/** Without a provider there are no spans; sampling and tags hold once there is one. */
function tracing(mesh: MeshView): HttpConnectionManager_Tracing {
  return {
    clientSampling: { value: 100 },
    randomSampling: { value: 1 },
    overallSampling: { value: 100 },
    customTags: [
      dryRunTag("allow", "name", "effective_policy_id"),
      dryRunTag("allow", "result", "engine_result"),
      dryRunTag("deny", "name", "effective_policy_id"),
      dryRunTag("deny", "result", "engine_result"),
      environmentTag("istio.canonical_revision", ProxyEnvironment.canonicalRevision),
      environmentTag("istio.canonical_service", ProxyEnvironment.canonicalService),
      environmentTag("istio.cluster_id", ProxyEnvironment.cluster),
      { tag: "istio.mesh_id", literal: { value: mesh.meshId } },
      environmentTag("istio.namespace", ProxyEnvironment.namespace),
    ],
  };
}

function dryRunTag(action: "allow" | "deny", tag: "name" | "result", key: string): CustomTag {
  return {
    tag: `istio.authorization.dry_run.${action}_policy.${tag}`,
    metadata: {
      kind: { request: {} },
      metadataKey: {
        key: "envoy.filters.http.rbac",
        path: [{ key: `istio_dry_run_${action}_shadow_${key}` }],
      },
    },
  };
}

/** Not a literal: the bytes would differ from proxy to proxy. */
function environmentTag(tag: string, name: string): CustomTag {
  return { tag, environment: { name, defaultValue: "unknown" } };
}
