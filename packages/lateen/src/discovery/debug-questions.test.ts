import assert from "node:assert/strict";
import { test } from "node:test";
import { DiscoveryRequest } from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { FakeConfigSource } from "../../test/support/fake-config-source.ts";
import { defaultStreamLimits } from "./limits.ts";
import { SnapshotCache } from "./snapshot.ts";
import { AdsStream } from "./stream.ts";
import { clusterType } from "./type-order.ts";
import type { ConfigSource, DebugQuestion } from "./types.ts";

const PAGE = "istio.io/debug";

function rig(isAnswered = true) {
  const asked: DebugQuestion[] = [];
  let woken = 0;
  const fake = new FakeConfigSource();
  const source: ConfigSource = {
    ready: true,
    onReady: listener => fake.onReady(listener),
    connect: (node, peer, form) => fake.connect(node, peer, form),
    ...(isAnswered && {
      debug: question => {
        asked.push(question);
        const [name = ""] = question.names;
        return [{ name, typeUrl: PAGE, value: new Uint8Array(3) }];
      },
    }),
  };
  const peer = { transport: "tls", identity: "a", claims: {}, address: "" } as const;
  const wake = (): void => {
    woken++;
  };
  const options = { form: "sotw", source, peer, limits: defaultStreamLimits, wake } as const;
  const stream = new AdsStream({ ...options, snapshots: new SnapshotCache(), controlPlane: "" }, 0);
  const send = (typeUrl: string, resourceNames: string[] = [], responseNonce = "") =>
    stream.receive(
      DiscoveryRequest.encode({
        node: { id: "n" },
        typeUrl,
        resourceNames,
        responseNonce,
      }).finish(),
    );
  return { asked, fake, stream, send, woken: () => woken };
}

test("a question registers nobody, is answered when there is room, and once", () => {
  const { asked, fake, stream, send, woken } = rig();
  assert.equal(stream.hasBegun, false);
  assert.equal(send(PAGE, ["syncz"], "a nonce of the client's own"), undefined);
  assert.deepEqual([stream.hasBegun, woken(), asked.length], [true, 1, 0]);
  assert.equal(stream.pull(() => false).kind, "message");
  assert.equal(stream.pull(() => false).kind, "idle");
  assert.equal(send(PAGE, ["syncz"], "debug-1"), undefined);
  assert.equal(stream.pull(() => false).kind, "idle", "an acknowledgement asks nothing");
  assert.deepEqual(asked, [{ type: PAGE, names: ["syncz"] }]);
  assert.equal(fake.connections.length, 0);
});

test("who only asks is not kept for long, whether it reads the answers or not", () => {
  const { stream, send } = rig();
  send(PAGE, ["syncz"]);
  assert.equal(stream.isOver(60_000), false);
  assert.equal(stream.isOver(60_001), true);
  stream.tick(59_000);
  send(PAGE, ["list"]);
  assert.equal(stream.isOver(61_000), false);
  // One that has configuration, too, is a proxy's.
  send(clusterType);
  assert.equal(stream.isOver(600_000), false);
});

test("what is not answered here ends the stream", () => {
  const { send, stream } = rig(false);
  assert.equal(send(PAGE, ["syncz"])?.code, 3);
  assert.equal(send(`${PAGE}/syncz`)?.code, 3);
  assert.equal(stream.hasBegun, false);
});

test("types that only look like it are types like any other", () => {
  const { send, fake, asked } = rig();
  assert.equal(send("istio.io/debugger"), undefined);
  assert.deepEqual([fake.connections.length, asked.length], [1, 0]);
});
