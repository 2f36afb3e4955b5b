import assert from "node:assert/strict";
import { after, test } from "node:test";
import { DeltaClient, SotwClient } from "../../test/support/ads-client.ts";
import { FakeConfigSource } from "../../test/support/fake-config-source.ts";
import { silentLog } from "../base/log.ts";
import { clusterType, endpointType } from "../discovery/type-order.ts";
import { AdsServer, type AdsServerOptions } from "./ads-server.ts";
import { systemClock } from "./clock.ts";

const servers: AdsServer[] = [];
after(() => Promise.all(servers.map(server => server.close())));

async function serve(
  source: FakeConfigSource,
  more: Partial<AdsServerOptions> = {},
): Promise<{ server: AdsServer; url: string }> {
  const server = new AdsServer({
    source,
    authenticate: ({ transport, address }) => ({
      transport,
      address,
      identity: undefined,
      claims: {},
    }),
    clock: systemClock,
    log: silentLog,
    ...more,
  });
  servers.push(server);
  const port = await server.listenPlaintext({ port: 0 });
  return { server, url: `http://127.0.0.1:${port}` };
}

const node = { id: "sidecar~10.0.0.1~a.default~default.svc.cluster.local" };

test("delta: clusters, endpoints, one change", async () => {
  const source = new FakeConfigSource();
  source.commit(edit => {
    edit.set(clusterType, "a", "1");
    edit.set(endpointType, "a", "1");
  });
  const { url } = await serve(source);
  const client = new DeltaClient(url);
  client.send({ node, typeUrl: clusterType });
  const clusters = await client.response(1);
  assert.deepEqual(
    clusters.resources?.map(r => [r.name, r.version]),
    [["a", "1"]],
  );
  client.send({ typeUrl: endpointType, resourceNamesSubscribe: ["a"] });
  const endpoints = await client.response(2);
  assert.equal(endpoints.typeUrl, endpointType);
  client.ack(clusters);
  client.ack(endpoints);
  source.commit(edit => edit.set(endpointType, "a", "2"));
  const changed = await client.response(3);
  assert.deepEqual(
    changed.resources?.map(r => [r.name, r.version]),
    [["a", "2"]],
  );
  client.close();
});

test("state of the world: the same", async () => {
  const source = new FakeConfigSource();
  source.commit(edit => {
    edit.set(clusterType, "a", "1");
    edit.set(endpointType, "a", "1");
  });
  const { url } = await serve(source);
  const client = new SotwClient(url);
  client.send({ node, typeUrl: clusterType });
  const clusters = await client.response(1);
  assert.equal(clusters.resources?.length, 1);
  client.send({ typeUrl: endpointType, resourceNames: ["a"] });
  const endpoints = await client.response(2);
  assert.equal(endpoints.typeUrl, endpointType);
  assert.equal(endpoints.resources?.length, 1);
  client.close();
});
