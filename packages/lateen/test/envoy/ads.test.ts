/** The xDS server against a real Envoy, in both forms. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import {
  clusterType,
  endpointType,
  listenerType,
  routeType,
} from "../../src/discovery/type-order.ts";
import type { StreamEvent } from "../../src/discovery/types.ts";
import { newAdsServer } from "../support/ads-test-server.ts";
import { EnvoyProcess, eventually } from "../support/envoy-process.ts";
import { FakeConfigSource } from "../support/fake-config-source.ts";
import {
  adsBootstrap,
  clusterBytes,
  endpointBytes,
  listenerBytes,
  routeBytes,
} from "../support/static-mesh.ts";

let upstream: Server;
let upstreamPort = 0;
before(async () => {
  upstream = createServer((_request, response) => response.end("hello"));
  await new Promise<void>(done => upstream.listen(0, "127.0.0.1", done));
  upstreamPort = (upstream.address() as AddressInfo).port;
});
after(() => {
  upstream.closeAllConnections();
  upstream.close();
});

function meshSource(): FakeConfigSource {
  const source = new FakeConfigSource();
  source.namedOnly.add(endpointType).add(routeType);
  source.commit(edit => {
    edit.set(clusterType, "a", "1", clusterBytes("a"));
    edit.set(endpointType, "a", "1", endpointBytes("a", [upstreamPort]));
    edit.set(listenerType, "main", "1", listenerBytes("main", "r"));
    edit.set(routeType, "r", "1", routeBytes("r", "a"));
  });
  return source;
}

function summary(events: readonly StreamEvent[], kind: string): string[] {
  return events
    .filter(event => event.kind === kind)
    .map(event => event.type.slice(event.type.lastIndexOf(".") + 1));
}

const short = ["Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"];

for (const form of ["delta", "sotw"] as const) {
  describe(`Envoy, ${form}`, () => {
    test("one response of each type, a request through it, and nothing again on reconnect", async () => {
      const source = meshSource();
      let server = newAdsServer(source);
      const port = await server.listenPlaintext({ port: 0 });
      const envoy = await EnvoyProcess.start(adsBootstrap("proxy", port, form));
      try {
        await eventually("Envoy is live", () => envoy.isLive());
        const url = `http://127.0.0.1:${await envoy.listenerPort("main")}/`;
        assert.equal(await (await fetch(url)).text(), "hello");
        const events = source.connections[0]?.events ?? [];
        assert.deepEqual(summary(events, "sent"), short);
        await eventually("all acknowledged", () => summary(events, "acked").length === 4);

        await server.close();
        server = newAdsServer(source);
        await server.listenPlaintext({ port });
        await eventually("Envoy is back", () => source.connections.length === 2);
        const again = source.connections[1]?.events ?? [];
        await eventually("all subscribed", () => summary(again, "subscribed").length === 4);
        await new Promise(next => setTimeout(next, 300));
        assert.deepEqual(summary(again, "sent"), []);
        assert.equal(await (await fetch(url)).text(), "hello");

        source.commit(edit => edit.set(clusterType, "a", "2", clusterBytes("a", 2)));
        await eventually("cluster and endpoints", () => summary(again, "acked").length === 2);
        assert.deepEqual(summary(again, "sent"), ["Cluster", "ClusterLoadAssignment"]);
        assert.equal(await envoy.stat("cluster_manager.warming_clusters"), 0);
        assert.equal(await (await fetch(url)).text(), "hello");
      } finally {
        await envoy.stop();
        await server.close();
      }
    });

    test("an empty mesh is configuration too", async () => {
      const source = new FakeConfigSource();
      const server = newAdsServer(source);
      const port = await server.listenPlaintext({ port: 0 });
      const envoy = await EnvoyProcess.start(adsBootstrap("empty", port, form));
      try {
        await eventually("Envoy is live", () => envoy.isLive());
      } finally {
        await envoy.stop();
        await server.close();
      }
    });
  });
}
