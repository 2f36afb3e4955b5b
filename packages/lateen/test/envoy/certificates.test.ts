/** Certificates, tokens and restarts with real Envoys. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { eventually } from "../support/envoy-process.ts";
import {
  IdentityControlPlane,
  type IdentityEnvoy,
  newFixedResources,
  newTrust,
  setClient,
  setServer,
  startEnvoy,
  type Trust,
} from "../support/identity-mesh.ts";

const LOAD_MS = 60_000;
const LIFETIME_MS = 24 * 3600 * 1000;
const running: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each.stop();
});

function keep<T extends { stop(): Promise<void> }>(one: T): T {
  running.push(one);
  return one;
}

interface Mesh {
  readonly trust: Trust;
  readonly fixed: ReturnType<typeof newFixedResources>;
  readonly port: number;
  readonly server: IdentityEnvoy;
  readonly client: IdentityEnvoy;
  readonly url: string;
  readonly controlPlane: IdentityControlPlane;
}

async function startMesh(
  lifetimeMs: number,
  streamAgeMaxMs?: number,
  tokenLifetimeMs?: number,
): Promise<Mesh> {
  const trust = await newTrust();
  const fixed = newFixedResources();
  setServer(fixed);
  const controlPlane = keep(
    new IdentityControlPlane(
      trust,
      fixed,
      lifetimeMs,
      streamAgeMaxMs === undefined ? {} : { streamAgeMaxMs },
    ),
  );
  const port = await controlPlane.listen();
  const server = keep(await startEnvoy(trust, port, "server", "server", tokenLifetimeMs));
  setClient(fixed, await server.envoy.listenerPort("inbound"));
  const client = keep(await startEnvoy(trust, port, "client", "client", tokenLifetimeMs));
  const url = `http://127.0.0.1:${await client.envoy.listenerPort("outbound")}/`;
  await eventually("the client is live", () => client.envoy.isLive());
  return { trust, fixed, port, server, client, url, controlPlane };
}

/**
 * Requests one after the other for so long, and until there were at least so many, however slow the
 * machine is; returns how many there were, and the failures.
 */
async function load(
  url: string,
  forMs: number,
  least = 0,
): Promise<{ count: number; failed: string[] }> {
  const begunAt = Date.now();
  const isOver = (): boolean => {
    const ms = Date.now() - begunAt;
    return (ms >= forMs && count > least) || ms >= LOAD_MS;
  };
  const failed: string[] = [];
  let count = 0;
  while (!isOver()) {
    count++;
    const answer = await fetch(url).catch((error: unknown) => String(error));
    if (typeof answer === "string") failed.push(answer);
    else if (answer.status !== 200) failed.push(`${answer.status} ${await answer.text()}`);
    else await answer.arrayBuffer();
    await new Promise(next => setTimeout(next, 5));
  }
  return { count, failed };
}

test("certificates rotate at half their life, and no request notices", async () => {
  const mesh = await startMesh(4_000);
  const { count, failed } = await load(mesh.url, 10_000, 100);
  assert.deepEqual(failed, []);
  assert.ok(count > 100, `${count} requests`);
  const updates = "cluster.server.client_ssl_socket_factory.ssl_context_update_by_sds";
  assert.ok((await mesh.client.envoy.stat(updates)) >= 4);
  const handshakes = await mesh.client.envoy.stat("cluster.server.ssl.handshake");
  assert.ok(handshakes > 20, `${handshakes} handshakes`);
});

test("a control plane that restarts sends no secret again, and nothing fails meanwhile", async () => {
  const mesh = await startMesh(LIFETIME_MS);
  assert.ok(mesh.controlPlane.source.secretsSent >= 2);
  const loaded = load(mesh.url, 4_000, 50);
  await mesh.controlPlane.stop();
  running.splice(running.indexOf(mesh.controlPlane), 1);
  const next = keep(new IdentityControlPlane(mesh.trust, mesh.fixed, LIFETIME_MS));
  await next.listen(mesh.port);
  await eventually("both are back", () => next.source.connections.length === 2);
  const { failed, count } = await loaded;
  assert.deepEqual(failed, []);
  assert.ok(count > 50, `${count} requests`);
  assert.equal(next.source.secretsSent, 0);
});

test("a token that is replaced in its file is shown with the next stream, and nothing notices", async () => {
  const mesh = await startMesh(LIFETIME_MS, 2_000);
  const { credentials, source } = mesh.controlPlane;
  const { secretsSent } = source;
  assert.ok(secretsSent > 0);
  const tokens = [mesh.client.replaceToken(), mesh.server.replaceToken()];
  const shown = () => tokens.every(token => credentials.includes(`Bearer ${token}`));
  const loaded = load(mesh.url, 5_000, 20);
  await eventually("both have shown their new token", shown);
  const { failed, count } = await loaded;
  assert.deepEqual(failed, []);
  assert.ok(count > 20, `${count} requests`);
  assert.deepEqual(source.refusals, []);
  assert.equal(source.secretsSent, secretsSent, "no secret is sent again");
});

const TOKEN_MS = 6_000;

test("a stream that has to show its token again shows the one that is in the file, and not one that is over", async () => {
  const mesh = await startMesh(LIFETIME_MS, 1_000, TOKEN_MS);
  const over = Date.now() + TOKEN_MS;
  const { credentials, unauthenticated, source } = mesh.controlPlane;
  const proxies = [mesh.client, mesh.server];
  const tokens = proxies.map(each => each.replaceToken());
  await eventually("both have shown their new token", () =>
    tokens.every(token => credentials.includes(`Bearer ${token}`)),
  );
  const seen = credentials.length;
  const loaded = load(mesh.url, over - Date.now() + 2_000);
  await eventually("streams were opened after the first token's end", () => {
    const isLate = Date.now() > over + 1_000;
    return isLate && tokens.every(token => credentials.slice(seen).includes(`Bearer ${token}`));
  });
  const { failed } = await loaded;
  const old = proxies.map(each => `Bearer ${each.firstToken}`);
  assert.deepEqual(
    credentials.slice(seen).filter(each => old.includes(each)),
    [],
  );
  assert.deepEqual([failed, unauthenticated, source.refusals], [[], [], []]);
});

test("a proxy that stood still beyond its token's end comes back with the one that its file has by then", async () => {
  const mesh = await startMesh(LIFETIME_MS, 1_000, TOKEN_MS);
  const over = Date.now() + TOKEN_MS;
  const { credentials, source } = mesh.controlPlane;
  mesh.server.replaceToken();
  process.kill(mesh.client.envoy.pid, "SIGSTOP");
  let token = "";
  try {
    token = mesh.client.replaceToken();
    await eventually("the token that it had is over", () => Date.now() > over + 500);
    assert.equal(credentials.includes(`Bearer ${token}`), false);
  } finally {
    process.kill(mesh.client.envoy.pid, "SIGCONT");
  }
  await eventually("it has shown the new one", () => credentials.includes(`Bearer ${token}`));
  assert.deepEqual(source.refusals, []);
  const { failed, count } = await load(mesh.url, 1_000, 10);
  assert.deepEqual(failed, []);
  assert.ok(count > 10, `${count} requests`);
});

test("a proxy that claims another pod than its token gets nothing", async () => {
  const trust = await newTrust();
  const fixed = newFixedResources();
  setServer(fixed);
  const controlPlane = keep(new IdentityControlPlane(trust, fixed, LIFETIME_MS));
  const port = await controlPlane.listen();
  const thief = keep(await startEnvoy(trust, port, "server", "thief"));
  await eventually("it is refused", () => controlPlane.source.refusals.length > 0);
  assert.match(controlPlane.source.refusals[0] ?? "", /pod of the node id: found "server"/);
  assert.equal(controlPlane.source.connections.length, 0);
  assert.equal(await thief.envoy.isLive(), false);
});
