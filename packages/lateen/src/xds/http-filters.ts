/** HTTP filters of connection managers, in the order in which requests pass them. */

import { HeaderValueOption_HeaderAppendAction } from "@lateen/envoy-api/envoy/config/core/v3/base.js";
import type { TypedExtensionConfig } from "@lateen/envoy-api/envoy/config/core/v3/extension.js";
import { FilterStateValue_SharedWithUpstream } from "@lateen/envoy-api/envoy/extensions/filters/common/set_filter_state/v3/value.js";
import { Cors } from "@lateen/envoy-api/envoy/extensions/filters/http/cors/v3/cors.js";
import { HTTPFault } from "@lateen/envoy-api/envoy/extensions/filters/http/fault/v3/fault.js";
import { FilterConfig as GrpcStats } from "@lateen/envoy-api/envoy/extensions/filters/http/grpc_stats/v3/config.js";
import { GrpcWeb } from "@lateen/envoy-api/envoy/extensions/filters/http/grpc_web/v3/grpc_web.js";
import { HeaderMutation } from "@lateen/envoy-api/envoy/extensions/filters/http/header_mutation/v3/header_mutation.js";
import {
  Config_ValueEncode,
  Config_ValueType,
  Config as HeaderToMetadata,
} from "@lateen/envoy-api/envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata.js";
import { Router } from "@lateen/envoy-api/envoy/extensions/filters/http/router/v3/router.js";
import { Config as SetFilterState } from "@lateen/envoy-api/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.js";
import { UpstreamCodec } from "@lateen/envoy-api/envoy/extensions/filters/http/upstream_codec/v3/upstream_codec.js";
import type { HttpFilter } from "@lateen/envoy-api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.js";
import { Cel } from "@lateen/envoy-api/envoy/extensions/formatter/cel/v3/cel.js";
import { ProxyEnvironment } from "../base/proxy-environment.ts";
import type { Protocol } from "../model/types.ts";
import { extension } from "./message.ts";
import { METADATA_NAMESPACE, PEER_HEADER, PEER_METADATA_NAMESPACE } from "./names.ts";

/** Sidecar outbound and gateways. */
export function outboundHttpFilters(grpcWeb: boolean): HttpFilter[] {
  return [...browsers(grpcWeb), GRPC_STATS, ALPN_OVERRIDE, FAULT, CORS, OUTBOUND_ROUTER];
}

/** `mutualTls`: the connection proved who the peer is, so what it says of itself may be read. */
export function inboundHttpFilters(protocol: Protocol, mutualTls: boolean): HttpFilter[] {
  const peer = mutualTls ? [PEER_DECODER] : [];
  return [
    ...peer,
    ...browsers(protocol === "GRPC-WEB"),
    GRPC_STATS,
    FAULT,
    CORS,
    extension(ROUTER, Router, {}),
  ];
}

/** Browsers' gRPC is turned into gRPC; requests of other kinds pass as they are. */
function browsers(grpcWeb: boolean): HttpFilter[] {
  return grpcWeb ? [GRPC_WEB] : [];
}

const GRPC_WEB = extension("envoy.filters.http.grpc_web", GrpcWeb, {});

const ROUTER = "envoy.filters.http.router";

const GRPC_STATS = extension("envoy.filters.http.grpc_stats", GrpcStats, {
  emitFilterState: true,
  statsForAllMethods: false,
});

const FAULT = extension("envoy.filters.http.fault", HTTPFault, {});
const CORS = extension("envoy.filters.http.cors", Cors, {});

/** Formats may use CEL's string functions. */
export const CEL_FORMATTER: TypedExtensionConfig = extension("envoy.formatter.cel", Cel, {
  celConfig: {
    enableStringFunctions: true,
    enableStringConversion: true,
    enableStringConcat: true,
  },
});

/**
 * Clusters of sniffed ports speak upstream what the client spoke to us, and must offer it by the
 * mesh's ALPN names; all other clusters have their offer in their own TLS context.
 */
const SNIFFED = [
  `'${METADATA_NAMESPACE}' in xds.cluster_metadata.filter_metadata`,
  `'sniffed' in xds.cluster_metadata.filter_metadata['${METADATA_NAMESPACE}']`,
].join(" && ");
const ALPN_OVERRIDE = extension("envoy.filters.http.set_filter_state", SetFilterState, {
  onRequestHeaders: [
    {
      objectKey: "envoy.network.application_protocols",
      sharedWithUpstream: FilterStateValue_SharedWithUpstream.ONCE,
      skipIfEmpty: true,
      formatString: {
        textFormatSource: {
          inlineString:
            `%CEL(${SNIFFED} ? (request.protocol == 'HTTP/2' ? ` +
            "'istio-h2,istio,h2' : 'istio-http/1.1,istio,http/1.1') : '')%",
        },
        formatters: [CEL_FORMATTER],
      },
    },
  ],
});

/**
 * Tells the peer who we are, if it is a proxy of the mesh: `tlsMode` in the metadata of the endpoint
 * that was chosen, or of a cluster that has only such, puts a header there, which then gets our
 * description; elsewhere there stays none. What the application itself put there goes in any case.
 */
const TLS_MODE = `%COALESCE(${JSON.stringify({
  operators: [
    { command: "UPSTREAM_METADATA", param: "envoy.transport_socket_match:tlsMode" },
    { command: "METADATA", param: `CLUSTER:${METADATA_NAMESPACE}:tlsMode` },
  ],
})})%`;
const PEER_SENDER = extension("envoy.filters.http.header_mutation", HeaderMutation, {
  mutations: {
    requestMutations: [
      { remove: PEER_HEADER },
      {
        append: {
          header: {
            key: PEER_HEADER,
            value: TLS_MODE,
          },
          appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
        },
      },
      {
        append: {
          header: {
            key: PEER_HEADER,
            value: `%ENVIRONMENT(${ProxyEnvironment.peerMetadata})%`,
          },
          appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS,
        },
      },
    ],
  },
});

/** A filter of the router, as only there the endpoint is known, again for each retry. */
const OUTBOUND_ROUTER = extension(ROUTER, Router, {
  upstreamHttpFilters: [
    PEER_SENDER,
    extension("envoy.filters.http.upstream_codec", UpstreamCodec, {}),
  ],
});

/** Puts the peer's description into dynamic metadata and takes it off the request. */
const PEER_DECODER = extension("envoy.filters.http.header_to_metadata", HeaderToMetadata, {
  requestRules: [
    {
      header: PEER_HEADER,
      onHeaderPresent: {
        metadataNamespace: PEER_METADATA_NAMESPACE,
        key: "peer",
        type: Config_ValueType.PROTOBUF_VALUE,
        encode: Config_ValueEncode.BASE64,
      },
      remove: true,
    },
  ],
});
