import assert from "node:assert/strict";
import { test } from "node:test";
import { DeltaDiscoveryRequest } from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { defaultStreamLimits, GrpcStatus } from "./limits.ts";
import type { Request } from "./request.ts";
import { SharedRequests } from "./shared-requests.ts";

const limits = defaultStreamLimits;
type Raw = Parameters<typeof DeltaDiscoveryRequest.encode>[0];

function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `outbound|80||svc-${i}.default.svc`);
}

function bytes(request: Raw): Uint8Array {
  return DeltaDiscoveryRequest.encode({ typeUrl: "type", ...request }).finish();
}

function decoded(requests: SharedRequests, message: Uint8Array, most = 10_000): Request {
  const result = requests.decode("delta", message, limits, () => most);
  assert.ok(result.ok);
  return result.request;
}

test("those that ask the same share one list, each name in it once and in order", () => {
  const requests = new SharedRequests();
  const asked = ["b", "a", "b", ...names(500)];
  const first = decoded(requests, bytes({ resourceNamesSubscribe: asked }));
  const second = decoded(requests, bytes({ resourceNamesSubscribe: asked }));
  assert.equal(second.subscribe, first.subscribe);
  assert.deepEqual(first.subscribe, [...new Set(asked)].sort());
});

test("one byte makes another request, also where the message lies in a buffer that is used again", () => {
  const requests = new SharedRequests();
  const buffer = Buffer.from(bytes({ resourceNamesSubscribe: names(500) }));
  const first = decoded(requests, buffer);
  buffer[buffer.length - 1] = "x".charCodeAt(0);
  const second = decoded(requests, buffer);
  assert.equal(first.subscribe.includes("outbound|80||svc-499.default.svc"), true);
  assert.equal(second.subscribe.includes("outbound|80||svc-499.default.svc"), false);
  assert.equal(second.subscribe.includes("outbound|80||svc-499.default.svx"), true);
});

test("the same bytes in the other form are another request", () => {
  const requests = new SharedRequests();
  const message = bytes({ resourceNamesSubscribe: names(500) });
  const delta = requests.decode("delta", message, limits, () => 10_000);
  const sotw = requests.decode("sotw", message, limits, () => 10_000);
  const fresh = new SharedRequests().decode("sotw", message, limits, () => 10_000);
  assert.deepEqual(sotw, fresh);
  assert.notDeepEqual(sotw, delta);
});

test("what one may ask another may not", () => {
  const requests = new SharedRequests();
  const few = { ...limits, namesPerTypeMax: 100 };
  const message = bytes({ resourceNamesSubscribe: names(500) });
  assert.ok(requests.decode("delta", message, few, () => 500).ok);
  const refused = requests.decode("delta", message, few, () => 499);
  assert.ok(!refused.ok);
  assert.equal(refused.end.code, GrpcStatus.resourceExhausted);
});

test("a request with a node is nobody else's", () => {
  const requests = new SharedRequests();
  const message = bytes({ resourceNamesSubscribe: names(500), node: { id: "a" } });
  const first = decoded(requests, message);
  const second = decoded(requests, message);
  assert.notEqual(first, second);
});
