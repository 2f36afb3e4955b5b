/**
 * Two real Envoys on loopback with our clusters, routes and listeners: what goes between them, who
 * they say they are, and what they count.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, request, type ServerResponse } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, createServer as createTcpServer, type Server } from "node:net";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { ProxyEnvironment } from "../../src/base/proxy-environment.ts";
import { PEER_HEADER } from "../../src/xds/names.ts";
import { EnvoyProcess, eventually } from "../support/envoy-process.ts";
import { loopbackBootstrap } from "../support/standalone.ts";
import {
  counted,
  environment,
  freePorts,
  listen,
  metric,
  testAuthority,
} from "../support/traffic.ts";
import {
  CLIENT_ID,
  clientEndpoints,
  clientResources,
  gatewayRoutes,
  KINDS,
  type Kind,
  PORTS,
  routes,
  SERVER_ID,
  SERVICE,
  serverResources,
} from "../support/xds-pair.ts";

let server: EnvoyProcess;
let client: EnvoyProcess;
/** Injected without a namespace: it does not tell its peers which is its own. */
let untold: { proxy?: EnvoyProcess; ports: Record<Kind, number> } | undefined;
let clientPorts: Record<Kind, number> & { gateway?: number };
let serverPorts: Record<Kind, number>;
let stalled: Promise<string>;
const seen: IncomingHttpHeaders[] = [];
const closers: (() => void)[] = [];

before(async () => {
  const web = createServer((incoming, answer) => {
    seen.push(incoming.headers);
    if (incoming.headers["content-type"] === "application/grpc") answerGrpc(answer);
    else answer.end("hello");
  });
  web.on("upgrade", (incoming, socket) => {
    seen.push(incoming.headers);
    socket.write("HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    socket.pipe(socket);
  });
  const app = await application(web);
  const echo = await application(createTcpServer(socket => socket.pipe(socket)));
  const greeting = await application(createTcpServer(socket => socket.end("welcome")));
  const apps = { http: app, h2: app, sniffed: app, strict: app, tcp: echo, greeting };
  serverPorts = await freePorts(KINDS);
  clientPorts = await freePorts(KINDS);
  const authority = testAuthority();
  server = await EnvoyProcess.start(
    loopbackBootstrap(serverResources(serverPorts), {
      endpoints: Object.fromEntries(
        KINDS.map(kind => [
          `inbound|${serverPorts[kind]}||`,
          { address: "127.0.0.1", port: apps[kind] },
        ]),
      ),
      routes: [],
      ports: { virtualInbound: KINDS.map(kind => serverPorts[kind]) },
      ...authority(SERVER_ID),
    }),
    [],
    environment("reviews", "default"),
  );
  const start = (ports: Record<Kind, number>, env: Record<string, string>): Promise<EnvoyProcess> =>
    EnvoyProcess.start(
      loopbackBootstrap(clientResources(), {
        endpoints: clientEndpoints(serverPorts, app),
        routes: [...KINDS.map(routes), gatewayRoutes()],
        ports: {
          ...Object.fromEntries(KINDS.map(kind => [`10.0.0.1_${PORTS[kind]}`, [ports[kind]]])),
          "0.0.0.0_8080": [0],
        },
        ...authority(CLIENT_ID),
      }),
      [],
      env,
    );
  client = await start(clientPorts, environment("sleep", "clients"));
  untold = { ports: await freePorts(KINDS) };
  untold.proxy = await start(untold.ports, environment("untold", "clients", {}));
  const all = [server, client, untold.proxy];
  await eventually("the proxies", async () =>
    (await Promise.all(all.map(each => each.isLive()))).every(Boolean),
  );
  stalled = echoAfterStall(serverPorts.tcp, "late", authority(CLIENT_ID));
  stalled.catch(() => {});
});

after(async () => {
  await untold?.proxy?.stop();
  await client?.stop();
  await server?.stop();
  for (const close of closers) close();
});

async function application(server: Server): Promise<number> {
  closers.push(() => server.close());
  return listen(server);
}

/** A request of the client's application; returns status and body. */
function call(
  kind: Kind | "gateway",
  host: string,
  headers: Record<string, string> = {},
  port = clientPorts[kind],
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, headers: { host, ...headers } };
    request(options, answer => {
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

/** So many gRPC messages, each a length and that many bytes. */
function grpcMessages(count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => Buffer.from([0, 0, 0, 0, 2, 8, 1])));
}

/** Two messages; the status among the headers, as this server speaks HTTP/1. */
function answerGrpc(answer: ServerResponse): void {
  answer.writeHead(200, { "content-type": "application/grpc", "grpc-status": "0" });
  answer.end(grpcMessages(2));
}

/** Sends three messages; returns the status of gRPC. */
async function callGrpc(kind: Kind, authority: string): Promise<string> {
  const session = connectHttp2(`http://127.0.0.1:${clientPorts[kind]}`);
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": "/a.B/C",
      ":authority": authority,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.end(grpcMessages(3));
    const [headers] = await once(stream, "response");
    stream.resume();
    await once(stream, "end");
    return String(headers["grpc-status"]);
  } finally {
    session.close();
  }
}

const SOURCE = {
  source_workload: "sleep-v1",
  source_workload_namespace: "clients",
  source_app: "sleep",
  source_version: "v1",
  source_canonical_service: "sleep",
  source_canonical_revision: "v1",
  source_cluster: "Kubernetes",
  source_principal: CLIENT_ID,
};
const DESTINATION = {
  destination_workload: "reviews-v1",
  destination_workload_namespace: "default",
  destination_app: "reviews",
  destination_version: "v1",
  destination_canonical_service: "reviews",
  destination_canonical_revision: "v1",
  destination_cluster: "Kubernetes",
  destination_principal: SERVER_ID,
  destination_service: SERVICE.hostname,
  destination_service_name: "reviews",
  destination_service_namespace: "default",
};
const HTTP_METRICS = [
  "istio_requests_total",
  "istio_request_duration_milliseconds_count",
  "istio_request_bytes_count",
  "istio_response_bytes_count",
];
const OK = { request_protocol: "http", response_code: "200", response_flags: "-" };

for (const kind of ["http", "h2", "sniffed", "strict"] as const) {
  test(`HTTP over mutual TLS: ${kind}`, async () => {
    seen.length = 0;
    assert.equal(await call(kind, "reviews", { [PEER_HEADER]: "forged" }), "200 hello");
    const [headers] = seen;
    assert.equal(headers?.[PEER_HEADER], undefined);
    assert.match(String(headers?.["x-forwarded-client-cert"]), new RegExp(`URI=${CLIENT_ID}`));
  });
}

test("HTTP metrics of both reporters have all labels", async () => {
  for (const name of HTTP_METRICS) {
    await counted(client, name, {
      reporter: "source",
      ...SOURCE,
      ...DESTINATION,
      ...OK,
      connection_security_policy: "unknown",
    });
    await counted(server, name, {
      reporter: "destination",
      ...SOURCE,
      ...DESTINATION,
      ...OK,
      connection_security_policy: "mutual_tls",
    });
  }
});

test("a client that does not say its namespace is in that of its certificate", async () => {
  assert.equal(await call("http", "reviews", {}, untold?.ports.http), "200 hello");
  await counted(server, "istio_requests_total", {
    reporter: "destination",
    ...SOURCE,
    source_workload: "untold-v1",
    source_app: "untold",
    source_canonical_service: "untold",
  });
});

test("requests of gRPC are counted as such, with gRPC's own status, on both sides", async () => {
  assert.equal(await callGrpc("h2", "reviews"), "0");
  const grpc = { ...SOURCE, ...DESTINATION, request_protocol: "grpc", grpc_response_status: "0" };
  await counted(client, "istio_requests_total", { reporter: "source", ...grpc });
  await counted(server, "istio_requests_total", { reporter: "destination", ...grpc });
});

test("a cluster that is all mesh is told who calls, whatever its endpoints say", async () => {
  const labels = { reporter: "destination", ...SOURCE, ...OK };
  const before = await metric(server, "istio_requests_total", labels);
  assert.equal(await call("http", "ruled"), "200 hello");
  await eventually(
    "one more request from the same source",
    async () => (await metric(server, "istio_requests_total", labels)) === before + 1,
    5000,
  );
});

test("a WebSocket goes through both proxies", async () => {
  seen.length = 0;
  const answer = await new Promise<string>((resolve, reject) => {
    const headers = { host: "reviews", connection: "upgrade", upgrade: "websocket" };
    request({ host: "127.0.0.1", port: clientPorts.http, headers })
      .on("upgrade", (_, socket) => {
        socket.write("ping");
        socket.once("data", data => {
          socket.destroy();
          resolve(data.toString());
        });
      })
      .on("response", other => reject(new Error(`no upgrade: ${other.statusCode}`)))
      .on("error", reject)
      .end();
  });
  assert.equal(answer, "ping");
  assert.equal(seen[0]?.[PEER_HEADER], undefined);
});

test("a gateway routes by host, and answers 404 to others", async () => {
  clientPorts.gateway = await client.listenerPort("0.0.0.0_8080");
  seen.length = 0;
  assert.equal(await call("gateway", "shop.example"), "200 hello");
  assert.match(String(seen[0]?.["x-forwarded-client-cert"]), new RegExp(`URI=${CLIENT_ID}`));
  assert.match(String(seen[0]?.["x-forwarded-for"]), /^[0-9a-f.:]+$/);
  const other = await fetch(`http://127.0.0.1:${clientPorts.gateway}/`);
  assert.equal(other.status, 404);
  assert.equal(other.headers.get("server"), "istio-envoy");
});

test("an endpoint outside of the mesh is not told who calls", async () => {
  seen.length = 0;
  assert.equal(await call("http", "legacy", { [PEER_HEADER]: "forged" }), "200 hello");
  assert.equal(seen[0]?.[PEER_HEADER], undefined);
  await counted(client, "istio_requests_total", {
    destination_workload: "legacy",
    destination_principal: "unknown",
    source_principal: "unknown",
  });
});

test("TCP over mutual TLS", async () => {
  assert.equal(await echo(clientPorts.tcp, "ping"), "ping");
  const tcp = { request_protocol: "tcp" };
  const bytes = ["istio_tcp_received_bytes_total", "istio_tcp_sent_bytes_total"];
  const ends = ["istio_tcp_connections_opened_total", "istio_tcp_connections_closed_total"];
  for (const name of [...ends, ...bytes]) {
    await counted(client, name, { reporter: "source", ...SOURCE, ...DESTINATION, ...tcp });
    await counted(server, name, {
      reporter: "destination",
      source_principal: CLIENT_ID,
      source_workload: "unknown",
      source_workload_namespace: "clients",
      ...DESTINATION,
      ...tcp,
      connection_security_policy: "mutual_tls",
    });
  }
  for (const name of bytes) assert.equal(await metric(server, name, tcp), 4);
});

test("a client of the mesh that stalls before its handshake is not taken for plaintext", async () => {
  assert.equal(await stalled, "late");
});

test("bytes that are no HTTP reach a sniffed port as TCP", async () => {
  // The application there speaks HTTP and says so; what counts is that it was asked.
  assert.match(
    await echo(clientPorts.sniffed, "\u0001\u0002\u0003\u0004\u0005\r\n\r\n"),
    /^HTTP\/1.1 400/,
  );
});

test("a server that speaks first is heard, through two sniffed ports", async () => {
  const greeting = await new Promise((resolve, reject) => {
    const socket = connect(clientPorts.greeting, "127.0.0.1");
    socket.once("data", data => resolve(data.toString()));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed without a greeting")));
  });
  assert.equal(greeting, "welcome");
});

test("a port with STRICT mutual TLS refuses plaintext", async () => {
  await assert.rejects(fetch(`http://127.0.0.1:${serverPorts.strict}/`), /fetch failed/);
});

test("a host that no service has goes where it wanted to go", async () => {
  // Nothing was intercepted here, so it is not known where that is; the counter tells the way.
  await call("http", "elsewhere");
  await counted(client, "istio_requests_total", {
    destination_service: "elsewhere",
    destination_service_name: "PassthroughCluster",
    destination_service_namespace: "unknown",
    destination_workload: "unknown",
  });
});

test("a plaintext client can not say who it is", async () => {
  seen.length = 0;
  const forged = environment("admin", "kube-system")[ProxyEnvironment.peerMetadata] ?? "";
  const headers = { [PEER_HEADER]: forged };
  const answer = await fetch(`http://127.0.0.1:${serverPorts.http}/`, { headers });
  assert.equal(answer.status, 200);
  assert.equal(seen[0]?.[PEER_HEADER], undefined);
  await counted(server, "istio_requests_total", {
    source_workload: "unknown",
    source_principal: "unknown",
    connection_security_policy: "none",
  });
});

function echo(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.once("data", data => {
      socket.end();
      resolve(data.toString("latin1"));
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed without an answer")));
  });
}

/** Longer than a guess of HTTP waits, shorter than what a proxy has for its handshake. */
const STALL_MS = 6000;

/** The echo of a proxy of the mesh that was stopped between connecting and its first bytes. */
async function echoAfterStall(
  port: number,
  text: string,
  { identity, rootPem }: ReturnType<ReturnType<typeof testAuthority>>,
): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  await new Promise(next => setTimeout(next, STALL_MS));
  const secure = connectTls({
    socket,
    cert: identity.certificatePem,
    key: identity.privateKeyPem,
    ca: rootPem,
    ALPNProtocols: ["istio"],
    checkServerIdentity: () => undefined,
  });
  await once(secure, "secureConnect");
  secure.write(text);
  const [data] = await once(secure, "data");
  secure.end();
  return data.toString("latin1");
}
