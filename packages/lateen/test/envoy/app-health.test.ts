/** Probes on 15020 by the real Envoy, with an application that is there, gone, and there again. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer as createTcp, type Server } from "node:net";
import { test } from "node:test";
import { bootstrap } from "../../src/proxy/bootstrap.ts";
import { type ProbeCheck, rewriteProbe } from "../../src/proxy/probes.ts";
import { EnvoyProcess, eventually } from "../support/envoy-process.ts";
import { TestAuthority } from "../support/test-tls.ts";

interface Application {
  readonly port: number;
  stop(): Promise<void>;
}

async function listen(server: Server, port: number): Promise<Application> {
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", socket => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>(done => server.listen(port, "127.0.0.1", done));
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise(done => {
        server.close(() => done());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** grpc.health.v1's answer SERVING (field 1 = 1), as one gRPC message. */
const SERVING = Buffer.from([0, 0, 0, 0, 2, 8, 1]);

function grpcHealth(): Server {
  const server = createHttp2();
  server.on("stream", stream => {
    stream.respond(
      { ":status": 200, "content-type": "application/grpc" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.on("error", () => {});
    stream.end(SERVING);
  });
  return server;
}

const tls = new TestAuthority().server();
const request = {
  path: "/ready?deep=1",
  host: undefined,
  headers: [{ name: "x-probe", value: "1" }],
};

const kinds: Readonly<Record<string, { readonly check: ProbeCheck; readonly app: () => Server }>> =
  {
    http: {
      check: { kind: "http", request: { ...request, scheme: "HTTP" } },
      app: () => createServer((asked, answer) => answer.writeHead(statusFor(asked)).end()),
    },
    https: {
      check: { kind: "http", request: { ...request, scheme: "HTTPS" } },
      app: () =>
        createHttps({ cert: tls.certificateChain, key: tls.privateKey }, (asked, answer) =>
          answer.writeHead(statusFor(asked)).end(),
        ),
    },
    tcp: { check: { kind: "tcp" }, app: () => createTcp(socket => socket.on("error", () => {})) },
    grpc: { check: { kind: "grpc", service: "" }, app: grpcHealth },
  };

function statusFor(asked: { readonly url?: string | undefined; readonly headers: object }): number {
  return asked.url === request.path && "x-probe" in asked.headers ? 200 : 404;
}

for (const [kind, { check, app }] of Object.entries(kinds))
  test(`a probe by ${kind} says whether the application is there`, async () => {
    let application = await listen(app(), 0);
    const { port } = application;
    const probe = rewriteProbe({
      ...{ container: "app", type: "readinessProbe", check, port },
      ...{ periodSeconds: 1, timeoutSeconds: 1 },
    });
    const envoy = await EnvoyProcess.start(standalone([probe]));
    try {
      const url = `http://127.0.0.1:${await envoy.listenerPort("agent")}${probe.path}`;
      // Envoy names a listener before its workers listen: until then the connection is refused.
      const answers = (status: number) =>
        eventually(
          `${kind}: ${status}`,
          async () => (await fetch(url).catch(() => undefined))?.status === status,
        );
      await answers(200);
      await application.stop();
      await answers(503);
      application = await listen(app(), port);
      await answers(200);
      assert.equal((await fetch(url.replace("readyz", "livez"))).status, 404);
    } finally {
      await envoy.stop();
      await application.stop();
    }
  });

test("a lifecycle hook goes through to the application, and what it answers comes back", async () => {
  const asked: string[] = [];
  const app = createServer((question, answer) => {
    asked.push(`${question.method} ${question.url} ${question.headers["x-probe"]}`);
    answer.writeHead(202).end();
  });
  const application = await listen(app, 0);
  const check: ProbeCheck = { kind: "http", request: { ...request, scheme: "HTTP" } };
  const hooks = (["preStop", "postStart"] as const).map(type =>
    rewriteProbe({
      ...{ container: "app", type, check, port: application.port },
      ...{ periodSeconds: 1, timeoutSeconds: 0 },
    }),
  );
  const envoy = await EnvoyProcess.start(standalone(hooks));
  try {
    const url = `http://127.0.0.1:${await envoy.listenerPort("agent")}/app-lifecycle/app`;
    for (const hook of ["prestopz", "poststartz"])
      assert.equal((await fetch(`${url}/${hook}`)).status, 202);
    assert.deepEqual(asked, Array(2).fill("GET /ready?deep=1 1"));
  } finally {
    await envoy.stop();
    await application.stop();
  }
});

/** A sidecar's bootstrap without a control plane, its status listener on a free port. */
function standalone(probes: Parameters<typeof bootstrap>[0]["probes"]): Record<string, unknown> {
  const whole: Record<string, unknown> = JSON.parse(
    JSON.stringify(
      bootstrap({
        nodeId: "sidecar~127.0.0.1~app-1.default~default.svc.cluster.local",
        nodeCluster: "app.default",
        metadata: {},
        discovery: { host: "127.0.0.1", port: 1 },
        instanceIp: "127.0.0.1",
        probes,
      }),
    ).replaceAll('"port_value":15020', '"port_value":0'),
  );
  const { dynamic_resources: _none, static_resources, ...rest } = whole;
  const { clusters, listeners } = static_resources as { clusters: unknown[]; listeners: object[] };
  const agent = { name: "agent", ...listeners.at(-1) };
  return { ...rest, static_resources: { clusters, listeners: [agent] } };
}
