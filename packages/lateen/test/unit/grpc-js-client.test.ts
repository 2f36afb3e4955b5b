/** The xDS server against grpc-js. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import grpc from "@grpc/grpc-js";
import {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { clusterType, endpointType } from "../../src/discovery/type-order.ts";
import type { AdsServer } from "../../src/net/ads-server.ts";
import { newAdsServer } from "../support/ads-test-server.ts";
import { eventually } from "../support/envoy-process.ts";
import { FakeConfigSource } from "../support/fake-config-source.ts";
import { TestAuthority } from "../support/test-tls.ts";

const source = new FakeConfigSource();
const authority = new TestAuthority();
let server: AdsServer;
let plaintext = "";
let tls = "";
before(async () => {
  source.commit(edit => {
    for (let i = 0; i < 500; i++) edit.set(clusterType, `c${i}`, "1");
    edit.set(endpointType, "c0", "1");
  });
  server = newAdsServer(source, {
    authenticate: ({ transport, headers, address }) => {
      if (transport === "tls" && headers["authorization"] !== "Bearer token")
        return { refused: "no token", code: 16 };
      return { transport, address, identity: undefined, claims: {} };
    },
  });
  server.setTls(authority.server());
  plaintext = `127.0.0.1:${await server.listenPlaintext({ port: 0 })}`;
  tls = `localhost:${await server.listenTls({ port: 0 })}`;
});
after(() => server.close());

const service = "/envoy.service.discovery.v3.AggregatedDiscoveryService";
const deltaMethod = `${service}/DeltaAggregatedResources`;

function openDelta(
  client: grpc.Client,
  metadata = new grpc.Metadata(),
): grpc.ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse> {
  return client.makeBidiStreamRequest(
    deltaMethod,
    request => Buffer.from(DeltaDiscoveryRequest.encode(request).finish()),
    bytes => DeltaDiscoveryResponse.decode(bytes),
    metadata,
  );
}

const node = { id: "grpc-js" };

test("delta: wildcard, names, a change, the end", async () => {
  const client = new grpc.Client(plaintext, grpc.credentials.createInsecure());
  const call = openDelta(client);
  const got: DeltaDiscoveryResponse[] = [];
  call.on("data", (response: DeltaDiscoveryResponse) => {
    got.push(response);
    call.write({ typeUrl: response.typeUrl, responseNonce: response.nonce });
  });
  const status = new Promise<grpc.StatusObject>(done => call.once("status", done));
  call.on("error", () => {});
  call.write({ node, typeUrl: clusterType });
  call.write({ typeUrl: endpointType, resourceNamesSubscribe: ["c0"] });
  await eventually("both", () => got.length === 2);
  assert.equal(got[0]?.resources?.length, 500);
  source.commit(edit => edit.set(endpointType, "c0", "2"));
  await eventually("the change", () => got.length === 3);
  assert.equal(got[2]?.resources?.[0]?.version, "2");
  call.end();
  assert.equal((await status).code, grpc.status.OK);
  client.close();
});

test("state of the world over many calls of one channel", async () => {
  const client = new grpc.Client(plaintext, grpc.credentials.createInsecure());
  const calls = Array.from({ length: 10 }, () =>
    client.makeBidiStreamRequest<DiscoveryRequest, DiscoveryResponse>(
      `${service}/StreamAggregatedResources`,
      request => Buffer.from(DiscoveryRequest.encode(request).finish()),
      bytes => DiscoveryResponse.decode(bytes),
    ),
  );
  const answers = calls.map(
    call =>
      new Promise<DiscoveryResponse>((done, fail) => {
        call.once("data", done);
        call.once("error", fail);
        call.write({ node, typeUrl: clusterType });
      }),
  );
  for (const answer of await Promise.all(answers)) assert.equal(answer.resources?.length, 500);
  for (const call of calls) call.end();
  client.close();
});

test("over TLS: a token lets in, none is refused with its reason", async () => {
  const roots = Buffer.from(authority.roots.join(""));
  const client = new grpc.Client(tls, grpc.credentials.createSsl(roots));
  const refused = openDelta(client);
  refused.on("error", () => {});
  const status = await new Promise<grpc.StatusObject>(done => refused.once("status", done));
  assert.equal(status.code, grpc.status.UNAUTHENTICATED);
  assert.equal(status.details, "no token");
  const metadata = new grpc.Metadata();
  metadata.set("authorization", "Bearer token");
  const call = openDelta(client, metadata);
  call.on("error", () => {});
  const answer = new Promise<DeltaDiscoveryResponse>(done => call.once("data", done));
  call.write({ node, typeUrl: clusterType });
  assert.equal((await answer).resources?.length, 500);
  call.end();
  client.close();
});

test("an unknown method, and a cancelled call", async () => {
  const client = new grpc.Client(plaintext, grpc.credentials.createInsecure());
  const unknown = client.makeBidiStreamRequest<Buffer, Buffer>(
    `${service}/Nothing`,
    value => value,
    value => value,
  );
  unknown.on("error", () => {});
  const status = await new Promise<grpc.StatusObject>(done => unknown.once("status", done));
  assert.equal(status.code, grpc.status.UNIMPLEMENTED);
  const before = server.streams;
  const call = openDelta(client);
  call.on("error", () => {});
  call.write({ node, typeUrl: clusterType });
  await new Promise(done => call.once("data", done));
  assert.equal(server.streams, before + 1);
  call.cancel();
  await eventually("the stream is gone", () => server.streams === before);
  client.close();
});
