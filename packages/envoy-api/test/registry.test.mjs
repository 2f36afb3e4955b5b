// The generated codecs against reflection: what ts-proto encodes must decode, reflectively, to the JSON one would write
// by hand, and both must produce the same bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { pack, typeUrl, unpack } from "@lateen/envoy-api/any.js";
import { Bootstrap } from "@lateen/envoy-api/envoy/config/bootstrap/v3/bootstrap.js";
import {
  Cluster,
  Cluster_DiscoveryType,
} from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import { SocketOption } from "@lateen/envoy-api/envoy/config/core/v3/socket_option.js";
import { ClusterLoadAssignment } from "@lateen/envoy-api/envoy/config/endpoint/v3/endpoint.js";
import { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import { RouteConfiguration } from "@lateen/envoy-api/envoy/config/route/v3/route.js";
import { Router } from "@lateen/envoy-api/envoy/extensions/filters/http/router/v3/router.js";
import {
  HttpConnectionManager,
  HttpConnectionManager_CodecType,
} from "@lateen/envoy-api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.js";
import { UpstreamTlsContext } from "@lateen/envoy-api/envoy/extensions/transport_sockets/tls/v3/tls.js";
import { HttpProtocolOptions } from "@lateen/envoy-api/envoy/extensions/upstreams/http/v3/http_protocol_options.js";
import {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { StringMatcher } from "@lateen/envoy-api/envoy/type/matcher/v3/string.js";
import { Duration } from "@lateen/envoy-api/google/protobuf/duration.js";
import { Struct, Value } from "@lateen/envoy-api/google/protobuf/struct.js";
import { Int64Value, StringValue } from "@lateen/envoy-api/google/protobuf/wrappers.js";
import { fromCanonicalJson, loadRegistry, toCanonicalJson } from "@lateen/envoy-api/registry.js";

function check(codec, literal, json) {
  const bytes = codec.encode(literal).finish();
  assert.deepEqual(toCanonicalJson(codec.$type, bytes), json);
  assert.deepEqual(Buffer.from(fromCanonicalJson(codec.$type, json)), Buffer.from(bytes));
  // The generated decoder, seen through another encoding.
  assert.deepEqual(Buffer.from(codec.encode(codec.decode(bytes)).finish()), Buffer.from(bytes));
  // Our walk over the fields against the library's, which can do all but unknown types.
  const registry = loadRegistry();
  const desc = registry.getMessage(codec.$type);
  const message = fromBinary(desc, bytes);
  assert.deepEqual(toCanonicalJson(codec.$type, bytes), toJson(desc, message, { registry }));
  assert.deepEqual(
    toCanonicalJson(codec.$type, bytes, { protoFieldNames: true }),
    toJson(desc, message, { registry, useProtoFieldName: true }),
  );
  assert.deepEqual(Buffer.from(toBinary(desc, message)), Buffer.from(bytes));
  return bytes;
}

const hcm = pack(HttpConnectionManager, {
  codecType: HttpConnectionManager_CodecType.HTTP2,
  statPrefix: "inbound",
  rds: { configSource: { ads: {}, resourceApiVersion: 2 }, routeConfigName: "80" },
  useRemoteAddress: false,
  xffNumTrustedHops: 1,
  streamIdleTimeout: { seconds: 0, nanos: 0 },
  http2ProtocolOptions: { initialStreamWindowSize: 4294967295 },
  httpFilters: [
    { name: "envoy.filters.http.router", typedConfig: pack(Router, { dynamicStats: true }) },
  ],
});
const hcmJson = {
  "@type":
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
  codecType: "HTTP2",
  statPrefix: "inbound",
  rds: { configSource: { ads: {}, resourceApiVersion: "V3" }, routeConfigName: "80" },
  // A wrapper that is set to the zero value is not the same as one that is absent.
  useRemoteAddress: false,
  xffNumTrustedHops: 1,
  streamIdleTimeout: "0s",
  http2ProtocolOptions: { initialStreamWindowSize: 4294967295 },
  httpFilters: [
    {
      name: "envoy.filters.http.router",
      typedConfig: {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        dynamicStats: true,
      },
    },
  ],
};
const listener = {
  name: "0.0.0.0_80",
  address: { socketAddress: { address: "0.0.0.0", portValue: 0 } },
  useOriginalDst: true,
  perConnectionBufferLimitBytes: 0,
  trafficDirection: 1,
  filterChains: [
    {
      filterChainMatch: {
        destinationPort: 15006,
        prefixRanges: [{ addressPrefix: "10.0.0.0", prefixLen: 8 }],
      },
      filters: [{ name: "envoy.filters.network.http_connection_manager", typedConfig: hcm }],
    },
  ],
};
const listenerJson = {
  name: "0.0.0.0_80",
  // A member of a oneof is written even when it is zero.
  address: { socketAddress: { address: "0.0.0.0", portValue: 0 } },
  useOriginalDst: true,
  perConnectionBufferLimitBytes: 0,
  trafficDirection: "INBOUND",
  filterChains: [
    {
      filterChainMatch: {
        destinationPort: 15006,
        prefixRanges: [{ addressPrefix: "10.0.0.0", prefixLen: 8 }],
      },
      filters: [{ name: "envoy.filters.network.http_connection_manager", typedConfig: hcmJson }],
    },
  ],
};

test("Listener with an HTTP connection manager", () => {
  const bytes = check(Listener, listener, listenerJson);
  const decoded = Listener.decode(bytes);
  const any = decoded.filterChains[0].filters[0].typedConfig;
  const manager = unpack(HttpConnectionManager, any);
  assert.equal(manager.useRemoteAddress, false);
  assert.equal(manager.generateRequestId, undefined);
  assert.equal(manager.http2ProtocolOptions.initialStreamWindowSize, 4294967295);
  assert.deepEqual(unpack(Router, manager.httpFilters[0].typedConfig).dynamicStats, true);
  assert.equal(unpack(Router, any), undefined);
});

test("RouteConfiguration", () => {
  check(
    RouteConfiguration,
    {
      name: "80",
      validateClusters: false,
      virtualHosts: [
        {
          name: "reviews.default.svc.cluster.local:80",
          domains: ["reviews", "reviews.default"],
          routes: [
            {
              name: "canary",
              match: {
                prefix: "/",
                caseSensitive: true,
                headers: [{ name: "x-user", stringMatch: { exact: "" }, invertMatch: true }],
                runtimeFraction: {
                  defaultValue: { numerator: 50, denominator: 0 },
                  runtimeKey: "",
                },
              },
              route: {
                weightedClusters: {
                  clusters: [
                    { name: "outbound|80|v1|reviews", weight: 0 },
                    { name: "outbound|80|v2|reviews", weight: 100 },
                  ],
                },
                timeout: { seconds: 0, nanos: 500_000_000 },
                maxGrpcTimeout: {},
                retryPolicy: {
                  retryOn: "connect-failure",
                  numRetries: 2,
                  retriableStatusCodes: [503, 504],
                },
              },
              metadata: {
                filterMetadata: {
                  istio: { config: "/apis/networking/v1", weights: [1, 2.5, null] },
                },
              },
              decorator: { operation: "reviews:80/*" },
              typedPerFilterConfig: {
                "envoy.filters.http.router": pack(StringValue, { value: "x" }),
              },
            },
          ],
        },
      ],
    },
    {
      name: "80",
      validateClusters: false,
      virtualHosts: [
        {
          name: "reviews.default.svc.cluster.local:80",
          domains: ["reviews", "reviews.default"],
          routes: [
            {
              name: "canary",
              match: {
                prefix: "/",
                caseSensitive: true,
                headers: [{ name: "x-user", stringMatch: { exact: "" }, invertMatch: true }],
                runtimeFraction: { defaultValue: { numerator: 50 } },
              },
              route: {
                weightedClusters: {
                  clusters: [
                    { name: "outbound|80|v1|reviews", weight: 0 },
                    { name: "outbound|80|v2|reviews", weight: 100 },
                  ],
                },
                timeout: "0.500s",
                maxGrpcTimeout: "0s",
                retryPolicy: {
                  retryOn: "connect-failure",
                  numRetries: 2,
                  retriableStatusCodes: [503, 504],
                },
              },
              metadata: {
                filterMetadata: {
                  istio: { config: "/apis/networking/v1", weights: [1, 2.5, null] },
                },
              },
              decorator: { operation: "reviews:80/*" },
              typedPerFilterConfig: {
                "envoy.filters.http.router": {
                  "@type": "type.googleapis.com/google.protobuf.StringValue",
                  value: "x",
                },
              },
            },
          ],
        },
      ],
    },
  );
});

test("Cluster with transport socket matches and protocol options", () => {
  const bytes = check(
    Cluster,
    {
      name: "outbound|80||reviews.default.svc.cluster.local",
      type: Cluster_DiscoveryType.EDS,
      edsClusterConfig: {
        edsConfig: { ads: {}, initialFetchTimeout: { seconds: 0 } },
        serviceName: "reviews",
      },
      connectTimeout: { seconds: 10 },
      commonLbConfig: { healthyPanicThreshold: {}, localityWeightedLbConfig: {} },
      circuitBreakers: { thresholds: [{ maxConnections: 4294967295, trackRemaining: true }] },
      transportSocketMatches: [
        {
          name: "tlsMode-istio",
          match: {
            tlsMode: "istio",
            enabled: true,
            level: 0,
            nested: { list: ["a", false, {}], nothing: null },
          },
          transportSocket: {
            name: "envoy.transport_sockets.tls",
            typedConfig: pack(UpstreamTlsContext, {
              sni: "outbound_.80_._.reviews",
              commonTlsContext: {
                alpnProtocols: ["istio", "h2"],
                tlsParams: { tlsMinimumProtocolVersion: 3 },
              },
            }),
          },
        },
      ],
      typedExtensionProtocolOptions: {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": pack(HttpProtocolOptions, {
          explicitHttpConfig: { http2ProtocolOptions: { maxConcurrentStreams: 2147483647 } },
        }),
      },
    },
    {
      name: "outbound|80||reviews.default.svc.cluster.local",
      type: "EDS",
      edsClusterConfig: {
        edsConfig: { ads: {}, initialFetchTimeout: "0s" },
        serviceName: "reviews",
      },
      connectTimeout: "10s",
      commonLbConfig: { healthyPanicThreshold: {}, localityWeightedLbConfig: {} },
      circuitBreakers: { thresholds: [{ maxConnections: 4294967295, trackRemaining: true }] },
      transportSocketMatches: [
        {
          name: "tlsMode-istio",
          match: {
            tlsMode: "istio",
            enabled: true,
            level: 0,
            nested: { list: ["a", false, {}], nothing: null },
          },
          transportSocket: {
            name: "envoy.transport_sockets.tls",
            typedConfig: {
              "@type":
                "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
              sni: "outbound_.80_._.reviews",
              commonTlsContext: {
                alpnProtocols: ["istio", "h2"],
                tlsParams: { tlsMinimumProtocolVersion: "TLSv1_2" },
              },
            },
          },
        },
      ],
      typedExtensionProtocolOptions: {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
          "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
          explicitHttpConfig: { http2ProtocolOptions: { maxConcurrentStreams: 2147483647 } },
        },
      },
    },
  );
  const decoded = Cluster.decode(bytes);
  assert.deepEqual(decoded.transportSocketMatches[0].match.nested, {
    list: ["a", false, {}],
    nothing: null,
  });
  assert.equal(decoded.connectTimeout.seconds, 10);
});

test("ClusterLoadAssignment with metadata", () => {
  check(
    ClusterLoadAssignment,
    {
      clusterName: "outbound|80||reviews",
      endpoints: [
        {
          locality: { region: "r", zone: "z" },
          loadBalancingWeight: 3,
          priority: 1,
          lbEndpoints: [
            {
              endpoint: { address: { socketAddress: { address: "10.0.0.1", portValue: 9080 } } },
              metadata: {
                filterMetadata: { "envoy.transport_socket_match": { tlsMode: "istio" } },
              },
              loadBalancingWeight: 1,
              healthStatus: 1,
            },
          ],
        },
      ],
    },
    {
      clusterName: "outbound|80||reviews",
      endpoints: [
        {
          locality: { region: "r", zone: "z" },
          loadBalancingWeight: 3,
          priority: 1,
          lbEndpoints: [
            {
              endpoint: { address: { socketAddress: { address: "10.0.0.1", portValue: 9080 } } },
              metadata: {
                filterMetadata: { "envoy.transport_socket_match": { tlsMode: "istio" } },
              },
              loadBalancingWeight: 1,
              healthStatus: "HEALTHY",
            },
          ],
        },
      ],
    },
  );
});

test("DeltaDiscoveryResponse and request", () => {
  check(
    DeltaDiscoveryResponse,
    {
      systemVersionInfo: "7",
      typeUrl: typeUrl(Listener),
      nonce: "n1",
      removedResources: ["gone"],
      resources: [
        {
          name: "0.0.0.0_80",
          version: "7",
          ttl: { seconds: 1, nanos: 5 },
          resource: pack(Listener, listener),
        },
      ],
    },
    {
      systemVersionInfo: "7",
      typeUrl: "type.googleapis.com/envoy.config.listener.v3.Listener",
      nonce: "n1",
      removedResources: ["gone"],
      resources: [
        {
          name: "0.0.0.0_80",
          version: "7",
          ttl: "1.000000005s",
          resource: {
            "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
            ...listenerJson,
          },
        },
      ],
    },
  );
  const request = DeltaDiscoveryRequest.decode(
    fromCanonicalJson(DeltaDiscoveryRequest.$type, {
      node: {
        id: "sidecar~10.0.0.1~a.b~b.svc",
        metadata: { NAMESPACE: "b", LABELS: { app: "a" }, INTERCEPT: true },
      },
      initialResourceVersions: { a: "1", b: "" },
      errorDetail: { code: 13, message: "rejected" },
    }),
  );
  assert.deepEqual(request.node.metadata, {
    NAMESPACE: "b",
    LABELS: { app: "a" },
    INTERCEPT: true,
  });
  assert.deepEqual(request.initialResourceVersions, { a: "1", b: "" });
  assert.deepEqual({ ...request.errorDetail }, { code: 13, message: "rejected", details: [] });
});

test("Bootstrap with sockets and negative or large integers", () => {
  check(
    Bootstrap,
    {
      node: { id: "n", cluster: "c" },
      admin: { address: { pipe: { path: "@admin", mode: 384 } } },
      staticResources: { listeners: [listener] },
      statsFlushInterval: { seconds: -1, nanos: -500_000_000 },
    },
    {
      node: { id: "n", cluster: "c" },
      admin: { address: { pipe: { path: "@admin", mode: 384 } } },
      staticResources: { listeners: [listenerJson] },
      statsFlushInterval: "-1.500s",
    },
  );
  check(
    SocketOption,
    { level: -1, name: 2 ** 53 - 1, bufValue: Uint8Array.of(0, 255) },
    { level: "-1", name: "9007199254740991", bufValue: "AP8=" },
  );
  check(Duration, { seconds: 315_576_000_000 }, "315576000000s");
  // A number that a double cannot hold is refused, not rounded.
  assert.throws(
    () => Int64Value.decode(fromCanonicalJson(Int64Value.$type, "9007199254740993")),
    /MAX_SAFE_INTEGER/,
  );
});

test("a field that is left out or undefined is not on the wire", () => {
  const endpoint = {
    endpoint: { address: { socketAddress: { address: "10.0.0.1", portValue: 1 } } },
  };
  const bytes = check(
    ClusterLoadAssignment,
    {
      clusterName: undefined,
      endpoints: [{ locality: { region: undefined, zone: "z" }, lbEndpoints: [endpoint] }],
    },
    { endpoints: [{ locality: { zone: "z" }, lbEndpoints: [endpoint] }] },
  );
  assert.ok(!Buffer.from(bytes).includes("undefined"));
  check(Struct, { fields: { there: 1, not: undefined } }, { there: 1 });
  for (const json of [null, false, 0, "", [], {}]) {
    check(Value, Value.wrap(json), json);
  }
  for (const literal of [{ exact: "" }, { prefix: "a", ignoreCase: true }]) {
    check(StringMatcher, literal, literal);
  }
});

test("an Any that cannot be expanded is shown as base64", () => {
  const unknown = { typeUrl: "type.googleapis.com/example.Unknown", value: Uint8Array.of(1, 2, 3) };
  const broken = { typeUrl: typeUrl(Listener), value: Uint8Array.of(10, 255) };
  const bytes = DeltaDiscoveryResponse.encode({
    resources: [
      { name: "unknown", resource: unknown },
      { name: "broken", resource: broken },
      { name: "empty", resource: {} },
      {
        name: "fine",
        resource: pack(Listener, {
          name: "l",
          filterChains: [{ filters: [{ name: "f", typedConfig: unknown }] }],
        }),
      },
    ],
  }).finish();
  const unknownJson = { "@type": unknown.typeUrl, value: "AQID" };
  assert.deepEqual(toCanonicalJson(DeltaDiscoveryResponse.$type, bytes), {
    resources: [
      { name: "unknown", resource: unknownJson },
      { name: "broken", resource: { "@type": broken.typeUrl, value: "Cv8=" } },
      { name: "empty", resource: {} },
      {
        name: "fine",
        resource: {
          "@type": typeUrl(Listener),
          name: "l",
          filterChains: [{ filters: [{ name: "f", typedConfig: unknownJson }] }],
        },
      },
    ],
  });
  assert.throws(() => toCanonicalJson("example.Unknown", bytes), /no message example\.Unknown/);
  assert.throws(() => fromCanonicalJson("google.protobuf.Any", unknownJson), /example\.Unknown/);
});
