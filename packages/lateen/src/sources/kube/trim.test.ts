import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeKind } from "../../api/node/kind.ts";
import { trimObject } from "./trim.ts";

test("of a Node there are its labels and its addresses outside, whatever its kubelet reports", () => {
  const node = (heartbeat: string, addresses: { type: string; address: string }[]) =>
    trimObject(nodeKind, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "n", labels: { a: "b" }, resourceVersion: heartbeat },
      spec: { podCIDR: "10.0.0.0/24" },
      status: { addresses, conditions: [{ type: "Ready", lastHeartbeatTime: heartbeat }] },
    });
  const inside = { type: "InternalIP", address: "10.0.0.1" };
  const outside = { type: "ExternalIP", address: "192.0.2.1" };
  const bare = { apiVersion: "v1", kind: "Node", metadata: { name: "n", labels: { a: "b" } } };
  assert.deepEqual(node("1", [inside]), bare);
  assert.deepEqual(node("1", [inside, outside]), node("2", [inside, outside]));
  const status = { addresses: [outside] };
  assert.deepEqual(node("1", [inside, outside]), { ...bare, status });
});
