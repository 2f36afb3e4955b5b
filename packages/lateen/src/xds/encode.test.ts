import assert from "node:assert/strict";
import { test } from "node:test";
import type { Codec } from "@lateen/envoy-api/any.js";
import { Cluster } from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import { ClusterLoadAssignment } from "@lateen/envoy-api/envoy/config/endpoint/v3/endpoint.js";
import { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import { RouteConfiguration } from "@lateen/envoy-api/envoy/config/route/v3/route.js";
import {
  DeltaDiscoveryResponse,
  DiscoveryResponse,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import fc from "fast-check";
import { budget } from "../../test/support/budget.ts";
import {
  cluster,
  endpoints,
  inbound,
  routes,
  sidecarInbound,
  sidecarOutbound,
} from "../../test/support/xds-arbitraries.ts";
import { SAMPLES } from "../../test/support/xds-samples.ts";
import { contentVersion, encodeCluster, encodeSecret } from "./encode.ts";
import type { EncodedResource } from "./resource.ts";

test("a resource is the same in both forms of the protocol", () => {
  for (const resource of Object.values(SAMPLES).flatMap(sample => sample())) {
    const { name, version, type, body } = resource;
    const delta = DeltaDiscoveryResponse.decode(resource.deltaField).resources ?? [];
    assert.equal(delta.length, 1);
    assert.equal(delta[0]?.name, name);
    assert.equal(delta[0]?.version, version);
    assert.equal(delta[0]?.resource?.typeUrl, type);
    assert.deepEqual(delta[0]?.resource?.value, body);
    const sotw = DiscoveryResponse.decode(resource.sotwField).resources ?? [];
    assert.deepEqual(sotw, [delta[0]?.resource]);
  }
});

test("all forms of a resource share one buffer", () => {
  const resource = encodeCluster({ name: "a" });
  assert.equal(resource.body.buffer, resource.deltaField.buffer);
  assert.equal(resource.sotwField.buffer, resource.deltaField.buffer);
});

test("the version changes with the content and with nothing else", () => {
  const first = encodeCluster({ name: "a", altStatName: "x" });
  assert.equal(encodeCluster({ name: "a", altStatName: "x" }).version, first.version);
  assert.notEqual(encodeCluster({ name: "a", altStatName: "y" }).version, first.version);
  assert.match(contentVersion(new Uint8Array()), /^[0-9a-f]{16}$/);
});

test("a resource without a name is a bug of ours", () => {
  assert.throws(() => encodeCluster({}), /has no name/);
  assert.throws(() => encodeSecret({}, "1"), /has no name/);
});

function nothingLost<T>(
  name: string,
  arbitrary: fc.Arbitrary<EncodedResource>,
  codec: Codec<T>,
): void {
  test(`property: nothing of ${name} is lost on the way`, () => {
    fc.assert(
      fc.property(arbitrary, resource => unchanged(resource, codec)),
      budget(100),
    );
  });
}

nothingLost("clusters", fc.oneof(cluster, inbound), Cluster);
nothingLost("endpoints", endpoints, ClusterLoadAssignment);
nothingLost("routes", routes, RouteConfiguration);
nothingLost("inbound listeners", sidecarInbound, Listener);
nothingLost("outbound listeners", sidecarOutbound, Listener);

/** Decoded and encoded again it is the same bytes, and every map is in order. */
function unchanged<T>(resource: EncodedResource, codec: Codec<T>): void {
  const message = codec.decode(resource.body);
  assert.deepEqual(Buffer.from(codec.encode(message).finish()), Buffer.from(resource.body));
  assertSorted(message);
}

const MAPS = new Set(["filterMetadata", "typedExtensionProtocolOptions", "typedPerFilterConfig"]);

function assertSorted(value: unknown, inMap = false): void {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  const keys = Object.keys(value);
  if (inMap && !Array.isArray(value)) assert.deepEqual(keys, [...keys].sort());
  for (const [key, inner] of Object.entries(value)) assertSorted(inner, inMap || MAPS.has(key));
}
