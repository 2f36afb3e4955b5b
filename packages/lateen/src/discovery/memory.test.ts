/** What one more stream costs at 1,000 services with three clusters each: design.md's 64 KB. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { FakeConfigSource } from "../../test/support/fake-config-source.ts";
import { testPeer } from "../../test/support/protocol-client.ts";
import { defaultStreamLimits } from "./limits.ts";
import { SnapshotCache } from "./snapshot.ts";
import { AdsStream } from "./stream.ts";
import { clusterType, endpointType, listenerType, routeType } from "./type-order.ts";

const BOUND_BYTES = 64 * 1024;
const STREAMS = 50;
const SERVICES = 1000;

const clusterNames = Array.from({ length: SERVICES * 3 }, (_, i) => `outbound|80|v${i % 3}|s${i}`);
const routeNames = Array.from({ length: SERVICES }, (_, i) => `s${i}.default.svc:80`);

function mesh(): FakeConfigSource {
  const source = new FakeConfigSource();
  source.keepEvents = false;
  source.commit(edit => {
    for (const name of clusterNames) {
      edit.set(clusterType, name, "1", Buffer.alloc(200));
      edit.set(endpointType, name, "1", Buffer.alloc(200));
    }
    for (const name of routeNames) edit.set(routeType, name, "1", Buffer.alloc(200));
    edit.set(listenerType, "virtualOutbound", "1");
  });
  return source;
}

/** Subscribes to everything and acknowledges everything, keeping nothing on the client's side. */
class Drain {
  readonly stream: AdsStream;
  readonly #form: "delta" | "sotw";

  constructor(form: "delta" | "sotw", source: FakeConfigSource, snapshots: SnapshotCache) {
    this.#form = form;
    const base = { form, source, peer: testPeer, limits: defaultStreamLimits, snapshots };
    this.stream = new AdsStream({ ...base, controlPlane: "", wake: () => {} }, 0);
    this.#ask(clusterType, []);
    this.#ask(endpointType, clusterNames);
    this.#ask(listenerType, []);
    this.#ask(routeType, routeNames);
    this.drain();
  }

  drain(): void {
    for (;;) {
      const pulled = this.stream.pull(() => false);
      if (pulled.kind !== "message") return;
      const bytes = Buffer.concat(pulled.message.parts);
      const decode = this.#form === "delta" ? DeltaDiscoveryResponse : DiscoveryResponse;
      const { typeUrl, nonce } = decode.decode(bytes);
      this.#ask(typeUrl ?? "", typeUrl === endpointType ? clusterNames : [], nonce);
    }
  }

  #ask(typeUrl: string, names: readonly string[], nonce = ""): void {
    const node = { id: "proxy" };
    const whole = typeUrl === routeType ? routeNames : names;
    const message =
      this.#form === "delta"
        ? DeltaDiscoveryRequest.encode({
            node,
            typeUrl,
            resourceNamesSubscribe: nonce === "" ? [...names] : [],
            responseNonce: nonce,
          })
        : DiscoveryRequest.encode({
            node,
            typeUrl,
            resourceNames: [...whole],
            responseNonce: nonce,
          });
    assert.equal(this.stream.receive(message.finish()), undefined);
  }
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** After a turn of the event loop: what weak references led to stays until the turn has ended. */
async function heapBytes(): Promise<number> {
  await nextTurn();
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

for (const form of ["delta", "sotw"] as const) {
  describe(`memory of a stream, ${form}`, () => {
    const source = mesh();
    const snapshots = new SnapshotCache();
    const first = new Drain(form, source, snapshots);
    const streams: Drain[] = [];

    test("at rest", async () => {
      const before = await heapBytes();
      for (let i = 0; i < STREAMS; i++) streams.push(new Drain(form, source, snapshots));
      const each = ((await heapBytes()) - before) / STREAMS;
      assert.ok(each < BOUND_BYTES, `${Math.round(each)} bytes a stream`);
      for (const { stream } of streams) assert.equal(stream.ownEntries, 0);
      assert.equal(source.liveSets, 4, "all streams share their sets");
    });

    test("after a thousand changes", async () => {
      const before = await heapBytes();
      for (let round = 2; round < 12; round++) {
        source.commit(edit => {
          for (const name of clusterNames.slice(0, 100))
            edit.set(endpointType, name, String(round), Buffer.alloc(200));
        });
        for (const each of [first, ...streams]) each.drain();
      }
      const each = ((await heapBytes()) - before) / STREAMS;
      assert.ok(each < BOUND_BYTES / 4, `${Math.round(each)} bytes more a stream`);
      for (const { stream } of streams) assert.equal(stream.ownEntries, 0);
    });

    test("nothing is left when they are gone", () => {
      for (const { stream } of [first, ...streams]) stream.close();
      assert.equal(source.liveSets, 0);
    });
  });
}
