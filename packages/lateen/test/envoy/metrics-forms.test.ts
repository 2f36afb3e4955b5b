/**
 * Metrics do not depend on the form that they are kept in, nor on which version a proxy's bootstrap and
 * which its control plane is of: the same traffic makes the same page.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, createServer as createTcpServer, type Server } from "node:net";
import { after, before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import type { MetricsForm } from "../../src/model/types.ts";
import { bootstrap } from "../../src/proxy/bootstrap.ts";
import type { JsonOutObject } from "../../src/proxy/json.ts";
import { sampleBootstraps } from "../../src/proxy/testdata/bootstraps.ts";
import * as cluster from "../../src/xds/cluster.ts";
import * as inbound from "../../src/xds/cluster-inbound.ts";
import * as encode from "../../src/xds/encode.ts";
import * as endpoint from "../../src/xds/endpoint.ts";
import * as listenerInbound from "../../src/xds/listener-inbound.ts";
import * as listenerOutbound from "../../src/xds/listener-outbound.ts";
import * as route from "../../src/xds/route.ts";
import {
  BEFORE_COMPACT_METRICS,
  type EarlierVersion,
  earlierVersion,
  whyNoEarlier,
} from "../support/earlier-version.ts";
import { eventually } from "../support/envoy-process.ts";
import {
  BUILDER_PATHS,
  type Builders,
  CLIENT_ID,
  closeAll,
  type Pair,
  startPair,
} from "../support/metrics-pair.ts";
import { listen, testAuthority } from "../support/traffic.ts";

const TODAY: Builders = {
  cluster,
  inbound,
  encode,
  endpoint,
  listenerInbound,
  listenerOutbound,
  route,
};

const apps = { http: 0, tcp: 0 };
const closers: Server[] = [];
const authority = testAuthority();

before(async () => {
  const web = createServer((incoming, answer) => {
    const grpc = incoming.headers["content-type"] === "application/grpc";
    answer.writeHead(200, grpc ? { "content-type": "application/grpc", "grpc-status": "0" } : {});
    answer.end("hello");
  });
  const echo = createTcpServer(socket => socket.pipe(socket));
  closers.push(web, echo);
  apps.http = await listen(web);
  apps.tcp = await listen(echo);
});
after(() => closeAll(closers));

/** Series without their values where these depend on time, and sizes that Envoy estimates. */
type Page = ReadonlyMap<string, string>;

function series(page: string): Page {
  const found = new Map<string, string>();
  for (const line of page.split("\n").filter(each => /^(# TYPE )?istio_/.test(each))) {
    const value = line.slice(line.lastIndexOf(" ") + 1);
    const key = line.slice(0, line.lastIndexOf(" "));
    assert.ok(!found.has(key), `twice: ${key}`);
    found.set(key, /_(bucket|sum)\{/.test(key) ? "" : value);
  }
  return found;
}

function total(page: Page, name: string): number {
  const counts = [...page].filter(([key]) => key.startsWith(`${name}{`)).map(each => each[1]);
  return counts.reduce((sum, each) => sum + Number(each), 0);
}

/** What a server's proxy counted of clients that proved nothing, before it left them out. */
function ofRefused(key: string): boolean {
  return key.includes('source_principal="unknown"') && key.includes('_policy="mutual_tls"');
}

function withoutRefused(page: Page): Page {
  return new Map([...page].filter(([key]) => !ofRefused(key)));
}

const WAYS = { client: { requests: 5, closed: 6 }, server: { requests: 4, closed: 4 } };

/** HTTP and TCP in every way that has labels of its own; resolves with both pages. */
async function traffic(pair: Pair): Promise<{ client: Page; server: Page }> {
  const { clientPorts, serverPorts } = pair;
  assert.equal(await call(clientPorts.http, "reviews"), "200 hello");
  assert.equal(await call(clientPorts.http, "legacy"), "200 hello");
  assert.match(await call(clientPorts.http, "elsewhere"), /^503 /);
  assert.equal(await call(clientPorts.sniffed, "reviews"), "200 hello");
  await callGrpc(clientPorts.h2);
  assert.equal(await call(serverPorts.http, "reviews"), "200 hello");
  for (const port of [clientPorts.tcp, clientPorts.tcp, serverPorts.tcp])
    assert.equal(await say(port, "ping pong"), "ping pong");
  assert.match(await say(clientPorts.sniffed, "\u0001\u0002\u0003\r\n\r\n"), /^HTTP\/1.1 400/);
  for (const port of [clientPorts.unproven, clientPorts.refused, clientPorts.empty])
    assert.equal(await say(port, "ping"), "");
  let pages = { client: series(""), server: series("") };
  await eventually("everything is counted", async () => {
    const { client, server } = await pair.pages();
    pages = { client: series(client), server: withoutRefused(series(server)) };
    return (["client", "server"] as const).every(side => {
      const { requests, closed } = WAYS[side];
      return (
        total(pages[side], "istio_request_bytes_count") >= requests &&
        total(pages[side], "istio_tcp_connections_closed_total") >= closed
      );
    });
  });
  return pages;
}

function call(port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, headers: { host }, agent: false }, answer => {
      let body = "";
      answer.on("data", chunk => {
        body += chunk;
      });
      answer.on("end", () => resolve(`${answer.statusCode} ${body}`));
    })
      .on("error", reject)
      .end();
  });
}

async function callGrpc(port: number): Promise<void> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  const headers = { ":authority": "reviews", "content-type": "application/grpc", te: "trailers" };
  const stream = session.request({ ":method": "POST", ":path": "/a.B/C", ...headers });
  stream.end();
  stream.resume();
  await once(stream, "end");
  session.close();
}

/** What comes back until the other side has enough, "" where nothing does. */
function say(port: number, text: string): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.once("data", data => {
      socket.end();
      resolve(data.toString("latin1"));
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(""));
  });
}

async function run<T>(
  what: { builders: Builders; metrics: MetricsForm; bootstrap: JsonOutObject },
  use: (pair: Pair) => Promise<T>,
): Promise<T> {
  const pair = await startPair({ ...what, authority, apps });
  try {
    return await use(pair);
  } finally {
    await pair.stop();
  }
}

const NEW_BOOTSTRAP = bootstrap(sampleBootstraps.sidecar);

const why = whyNoEarlier(BEFORE_COMPACT_METRICS);

describe("the same traffic makes the same page", () => {
  let full: { client: Page; server: Page };
  let earlier: EarlierVersion | undefined;
  before(async () => {
    full = await run({ builders: TODAY, metrics: "full", bootstrap: NEW_BOOTSTRAP }, traffic);
    if (why === undefined) earlier = earlierVersion(BEFORE_COMPACT_METRICS);
  });
  after(() => earlier?.remove());

  const same = async (what: Parameters<typeof run>[0]): Promise<void> => {
    const seen = await run(what, traffic);
    assert.deepEqual(sorted(seen.client), sorted(full.client));
    assert.deepEqual(sorted(seen.server), sorted(full.server));
  };

  test("of labels that stand in full, both reporters show what is to be seen", () => {
    const { client, server } = full;
    assert.equal(total(client, "istio_requests_total"), WAYS.client.requests);
    assert.equal(total(server, "istio_requests_total"), WAYS.server.requests);
    const failed = [...client.keys()].filter(key => /response_flags="UF/.test(key));
    assert.ok(failed.length > 0);
    // A certificate that the client did not accept names nobody.
    for (const key of failed) assert.match(key, /destination_principal="unknown"/);
    for (const page of [client, server])
      assert.equal(page.get("# TYPE istio_tcp_sent_bytes_total"), "counter");
    assert.equal(
      total(server, "istio_tcp_connections_opened_total"),
      total(server, "istio_tcp_connections_closed_total"),
    );
  });

  test("compact, written out by the proxy", () =>
    same({ builders: TODAY, metrics: "compact", bootstrap: NEW_BOOTSTRAP }));

  test("a proxy with an earlier bootstrap, under this control plane", { skip: why }, async () => {
    assert.ok(earlier);
    const bootstrap = await earlierBootstrap(earlier);
    await same({ builders: TODAY, metrics: "full", bootstrap });
  });

  test("a proxy with this bootstrap, under an earlier control plane", { skip: why }, async () => {
    assert.ok(earlier);
    const builders = await earlierBuilders(earlier);
    await same({ builders, metrics: "full", bootstrap: NEW_BOOTSTRAP });
  });
});

/** As Prometheus reads it: all labels of all series, without what is escaped. */
function labelsOf(page: string, name: string): Record<string, string>[] {
  return page
    .split("\n")
    .filter(line => line.startsWith(`${name}{`))
    .map(line => {
      assert.match(line, /^\w+\{(\w+="(\\.|[^"\\])*",?)*\} \d+$/);
      return Object.fromEntries(
        [...line.matchAll(/(\w+)="((?:\\.|[^"\\])*)"/g)].map(([, key = "", value = ""]) => [
          key,
          value.replaceAll(/\\(.)/g, (_, each) => (each === "n" ? "\n" : each)),
        ]),
      );
    });
}

test("what a peer says of itself shifts nothing that is proven, and breaks no line", async () => {
  const clientName = 'a|"} 5\n\\b",le="1"} 7';
  const what = { builders: TODAY, metrics: "compact", bootstrap: NEW_BOOTSTRAP } as const;
  const pair = await startPair({ ...what, authority, apps, clientName });
  try {
    assert.equal(await call(pair.clientPorts.http, "reviews"), "200 hello");
    const total = "istio_requests_total";
    let [seen, told]: Record<string, string>[] = [];
    await eventually("both have counted", async () => {
      const { client, server } = await pair.pages();
      [told] = labelsOf(client, total);
      [seen] = labelsOf(server, total);
      return told !== undefined && seen !== undefined;
    });
    const proven = {
      source_principal: CLIENT_ID,
      source_workload_namespace: "clients",
      destination_workload: "reviews-v1",
      destination_service_name: "reviews",
      response_code: "200",
    };
    for (const [label, value] of Object.entries(proven)) {
      assert.equal(seen?.[label], value);
      assert.equal(told?.[label], value);
    }
    // Its own proxy has it from the environment, whole.
    assert.equal(told?.["source_app"], clientName);
  } finally {
    await pair.stop();
  }
});

describe("what compact tags hold", () => {
  let pair: Pair;
  before(async () => {
    const bootstrap = NEW_BOOTSTRAP;
    pair = await startPair({ builders: TODAY, metrics: "live", bootstrap, authority, apps });
  });
  after(() => pair?.stop());

  test("a client whose certificate is refused is in no label, and opened nothing", async () => {
    const { serverPorts } = pair;
    const stranger = testAuthority();
    const id = "spiffe://cluster.local/ns/kube-system/sa/forged";
    for (const port of [serverPorts.tcp, serverPorts.http, serverPorts.sniffed])
      assert.equal(await mutualTls(port, stranger(id)), "refused");
    // Of the right CA, and of another trust domain.
    const foreign = "spiffe://elsewhere.example/ns/default/sa/forged";
    assert.equal(await mutualTls(serverPorts.tcp, authority(foreign)), "refused");
    assert.equal(await mutualTls(serverPorts.tcp, authority(CLIENT_ID)), "ping");
    await eventually("the good connection is counted", async () => {
      const page = series((await pair.pages()).server);
      return total(page, "istio_tcp_connections_closed_total") > 0;
    });
    const { server } = await pair.pages();
    assert.doesNotMatch(server, /forged/);
    const page = series(server);
    assert.equal(total(page, "istio_tcp_connections_opened_total"), 1);
    assert.equal(total(page, "istio_tcp_connections_closed_total"), 1);
  });

  test("bytes count while a connection lives, and not twice when it ends", async () => {
    const socket = connect(pair.clientPorts.tcp, "127.0.0.1");
    socket.write("0123456789");
    await once(socket, "data");
    const sent = async () => ({
      client: bytesOf(series((await pair.pages()).client)),
      server: bytesOf(series((await pair.pages()).server)),
    });
    await eventually("the live bytes", async () => (await sent()).client === 10, 40_000);
    await eventually("the server's", async () => (await sent()).server === 14, 40_000);
    const page = (await pair.pages()).client;
    assert.doesNotMatch(page, /istio_tcp_live/);
    assert.match(page, /^# TYPE istio_tcp_sent_bytes_total counter$/m);
    socket.end("abc");
    await once(socket, "close");
    await eventually(
      "all",
      async () => (await sent()).client === 13 && (await sent()).server === 17,
    );
    await eventually(
      "no more than all",
      async () => total(series((await pair.pages()).client), CLOSED) === 1,
    );
    assert.deepEqual(await sent(), { client: 13, server: 17 });
  });
});

const CLOSED = "istio_tcp_connections_closed_total";

function bytesOf(page: Page): number {
  return total(page, "istio_tcp_received_bytes_total");
}

/** `ping` where the echo came back. TLS 1.3 refuses a client after the client's handshake is done. */
function mutualTls(port: number, { identity }: ReturnType<typeof authority>): Promise<string> {
  return new Promise(resolve => {
    const socket = connectTls({
      port,
      host: "127.0.0.1",
      cert: identity.certificatePem,
      key: identity.privateKeyPem,
      rejectUnauthorized: false,
      ALPNProtocols: ["istio"],
    });
    socket.on("secureConnect", () => socket.write("ping"));
    socket.once("data", data => {
      socket.end();
      resolve(data.toString("latin1"));
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve("refused"));
  });
}

async function earlierBootstrap(earlier: EarlierVersion): Promise<JsonOutObject> {
  const module = await earlier.load<{ bootstrap: typeof bootstrap }>("src/proxy/bootstrap.ts");
  return module.bootstrap(sampleBootstraps.sidecar);
}

async function earlierBuilders(earlier: EarlierVersion): Promise<Builders> {
  return {
    cluster: await earlier.load(BUILDER_PATHS.cluster),
    inbound: await earlier.load(BUILDER_PATHS.inbound),
    encode: await earlier.load(BUILDER_PATHS.encode),
    endpoint: await earlier.load(BUILDER_PATHS.endpoint),
    listenerInbound: await earlier.load(BUILDER_PATHS.listenerInbound),
    listenerOutbound: await earlier.load(BUILDER_PATHS.listenerOutbound),
    route: await earlier.load(BUILDER_PATHS.route),
  };
}

function sorted(page: Page): string[] {
  return [...page].map(each => each.join(" ")).sort();
}
