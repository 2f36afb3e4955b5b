import assert from "node:assert/strict";
import { after, test } from "node:test";
import { SimFleet } from "../../bench/sim-proxy.ts";
import {
  clusterType,
  endpointType,
  listenerType,
  routeType,
  virtualHostType,
} from "../../src/discovery/type-order.ts";
import { newAdsServer } from "../support/ads-test-server.ts";
import { FakeConfigSource } from "../support/fake-config-source.ts";
import {
  clusterBytes,
  endpointBytes,
  listenerBytes,
  vhdsRouteBytes,
  virtualHostBytes,
} from "../support/static-mesh.ts";

const source = new FakeConfigSource();
const server = newAdsServer(source);
after(() => server.close());

test("simulated proxies subscribe as Envoy does, count, and come back quietly", async () => {
  source.namedOnly.add(endpointType).add(routeType);
  source.commit(edit => {
    edit.set(clusterType, "a", "1", clusterBytes("a"));
    edit.set(clusterType, "b", "1", clusterBytes("b"));
    edit.set(endpointType, "a", "1", endpointBytes("a", [1]));
    edit.set(listenerType, "l", "1", listenerBytes("l", "r"));
    edit.set(routeType, "r", "1", vhdsRouteBytes("r"));
    edit.set(virtualHostType, "r/x", "1", virtualHostBytes("x", "a"));
  });
  const port = await server.listenPlaintext({ port: 0 });
  const fleet = new SimFleet(
    Array.from({ length: 3 }, (_, i) => ({
      url: `http://127.0.0.1:${port}`,
      node: { id: `sidecar~10.0.0.${i}~p${i}.default~default.svc.cluster.local` },
      trackVersions: true,
    })),
  );
  fleet.connect();
  await fleet.configured(5000);
  await fleet.quiet(50);
  // Two clusters, one assignment (the other is missing), a listener, a route, a virtual host.
  assert.equal(fleet.total().resources, 3 * 6);
  assert.equal(fleet.total().removed, 3);

  const before = fleet.total();
  source.commit(edit => edit.set(endpointType, "a", "2", endpointBytes("a", [2])));
  await fleet.until("the change", () => fleet.total().pushes === before.pushes + 3, 5000);
  source.commit(edit => edit.set(listenerType, "l", "2", listenerBytes("l", "r2")));
  await fleet.until("the move", () => fleet.total().removed === before.removed + 3, 5000);

  const settled = fleet.total();
  for (const proxy of fleet.proxies) proxy.reconnect();
  await fleet.quiet(200);
  const resumed = fleet.total();
  assert.equal(resumed.resources, settled.resources);
  fleet.close();
});
