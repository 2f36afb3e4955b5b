/** The TLS port: certificates exchanged while it runs, and what counts as a client's certificate. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { DeltaClient } from "../../test/support/ads-client.ts";
import { newAdsServer } from "../../test/support/ads-test-server.ts";
import { FakeConfigSource } from "../../test/support/fake-config-source.ts";
import { TestAuthority } from "../../test/support/test-tls.ts";
import { clusterType } from "../discovery/type-order.ts";
import type { Credentials } from "./ads-server.ts";

const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

const authority = new TestAuthority();
const seen: Credentials[] = [];
const source = new FakeConfigSource();
const server = newAdsServer(source, {
  authenticate: credentials => {
    seen.push(credentials);
    const { transport, address } = credentials;
    return { transport, address, identity: undefined, claims: {} };
  },
});
cleanups.push(() => server.close());
const identity = "spiffe://cluster.local/ns/default/sa/sleep";
const node = { id: "a" };

function fingerprint(client: DeltaClient): string {
  const socket = client.session.socket as TLSSocket;
  return socket.getPeerCertificate().fingerprint256;
}

async function call(
  port: number,
  more: Record<string, unknown> = {},
): Promise<{ client: DeltaClient; credentials: Credentials | undefined }> {
  const options = { ca: [...authority.roots], ...more };
  const client = new DeltaClient(`https://localhost:${port}`, options);
  cleanups.push(() => client.close());
  client.send({ node, typeUrl: clusterType });
  await client.response(1);
  return { client, credentials: seen.at(-1) };
}

test("listening without a certificate is a mistake of ours", async () => {
  await assert.rejects(server.listenTls({ port: 0 }), /setTls/);
});

test("a certificate is exchanged while streams stand", async () => {
  source.commit(edit => edit.set(clusterType, "c", "1"));
  server.setTls(authority.server());
  const port = await server.listenTls({ port: 0 });
  const { client: before } = await call(port);
  server.setTls(authority.server());
  const { client: later } = await call(port);
  assert.notEqual(fingerprint(before), fingerprint(later));
  const first = before.responses[0];
  assert.ok(first);
  before.ack(first);
  source.commit(edit => edit.set(clusterType, "c", "2"));
  await before.response(2);
  assert.throws(() => server.setTls({ certificateChain: "x", privateKey: "y", clientRoots: [] }));
  await call(port);
});

test("headers reach the authenticator; a client's certificate only when our roots bear it out", async () => {
  const port = await server.listenTls({ port: 0 });
  const withToken = await call(port, { headers: { authorization: "Bearer t" } });
  assert.equal(withToken.credentials?.headers["authorization"], "Bearer t");
  assert.equal(withToken.credentials?.certificate, undefined);
  assert.equal(withToken.credentials?.transport, "tls");

  const own = authority.issue({ uris: [identity] });
  const good = await call(port, { cert: own.certificatePem, key: own.privateKeyPem });
  assert.match(good.credentials?.certificate?.subjectAltName ?? "", /sa\/sleep/);

  const foreign = new TestAuthority().issue({ uris: [identity] });
  const bad = await call(port, { cert: foreign.certificatePem, key: foreign.privateKeyPem });
  assert.equal(bad.credentials?.certificate, undefined);
});

test("only HTTP/2 over TLS 1.2 or later", async () => {
  const port = await server.listenTls({ port: 0 });
  const options = { port, host: "127.0.0.1", ca: [...authority.roots], servername: "localhost" };
  const handshake = (more: object): Promise<string> =>
    new Promise(done => {
      const socket = connectTls({ ...options, ...more }, () => {
        done(`connected ${socket.alpnProtocol}`);
        socket.destroy();
      });
      socket.on("error", error => done(error.message));
    });
  assert.equal(await handshake({ ALPNProtocols: ["h2"] }), "connected h2");
  assert.match(await handshake({ ALPNProtocols: ["http/1.1"] }), /alert|disconnected/);
  assert.match(
    await handshake({ maxVersion: "TLSv1.1", ALPNProtocols: ["h2"] }),
    /alert|version|protocols/,
  );
});
