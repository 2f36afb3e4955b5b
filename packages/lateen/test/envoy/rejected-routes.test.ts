/**
 * A route that only Envoy refuses, at a gateway whose route configuration is one resource: the
 * configuration is from objects, the traffic goes to two applications.
 */
import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { after, before, test } from "node:test";
import { MESH_KEY } from "../../src/model/inputs.ts";
import type { AdsServer } from "../../src/net/ads-server.ts";
import { systemClock } from "../../src/net/clock.ts";
import { newAdsServer } from "../support/ads-test-server.ts";
import { EnvoyProcess, eventually } from "../support/envoy-process.ts";
import { graphSource } from "../support/graph-source.ts";
import { MESH } from "../support/mesh-objects.ts";
import { adsBootstrap } from "../support/static-mesh.ts";
import { freePorts, listen } from "../support/traffic.ts";
import { core, istio, YamlMesh } from "../support/yaml-mesh.ts";

const NODE_ID = "router~127.0.0.1~gw.default~default.svc.cluster.local";
const KEY = "VirtualService.networking.istio.io/default/a";

/** Everything between objects and streams, as `lateen discovery` has it. */
function controlPlane() {
  const yaml = new YamlMesh();
  const { mesh } = yaml;
  const { source, rejected: rows } = graphSource(mesh, systemClock);
  mesh.graph.commit({ source: "test" }, w =>
    w.set(mesh.inputs.mesh, MESH_KEY, { ...MESH, enableAutoMtls: false }),
  );
  source.markReady();
  const rejected = () => [...rows.entries()].map(([key, list]) => `${key} ${list[0]?.type}`);
  return { yaml, source, rejected };
}

let plane: ReturnType<typeof controlPlane>;
let server: AdsServer;
let envoy: EnvoyProcess;
let xdsPort = 0;
let gatewayPort = 0;
const closers: (() => void)[] = [];

before(async () => {
  ({ gateway: gatewayPort } = await freePorts(["gateway"]));
  plane = controlPlane();
  for (const name of ["a", "b"]) plane.yaml.apply(await application(name));
  const servers = `[{port: {number: ${gatewayPort}, name: http, protocol: HTTP}, hosts: ["*"]}]`;
  plane.yaml.apply(istio("Gateway", "gw", `{selector: {istio: gw}, servers: ${servers}}`));
  server = newAdsServer(plane.source);
  xdsPort = await server.listenPlaintext({ port: 0 });
});
after(async () => {
  await envoy?.stop();
  await server?.close();
  for (const close of closers) close();
});

/** A Service with one endpoint: an application that answers with its name. */
async function application(name: string): Promise<string> {
  const app = createServer((_request, response) => response.end(name));
  closers.push(() => {
    app.closeAllConnections();
    app.close();
  });
  const port = await listen(app);
  return `${core("Service", name, "{clusterIP: 10.1.0.1, ports: [{name: http, port: 80}]}")}---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, namespace: default, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]
ports: [{name: http, port: ${port}, protocol: TCP}]
`;
}

function route(host: string, uri: string): string {
  const http = `[{match: [{uri: ${uri}}], route: [{destination: {host: ${host}}}]}]`;
  return istio("VirtualService", host, `{hosts: [${host}.test], gateways: [gw], http: ${http}}`);
}

/** Our validation takes it; the Envoy of this test takes smaller ones only. */
const TOO_LARGE = '{regex: "/[a-z]{500}"}';

function get(host: string, path = "/"): Promise<string> {
  return new Promise((done, fail) => {
    const headers = { host: `${host}.test` };
    request({ host: "127.0.0.1", port: gatewayPort, path, headers }, response => {
      let body = "";
      response.on("data", chunk => {
        body += chunk;
      });
      response.on("end", () => done(`${response.statusCode} ${body}`));
    })
      .on("error", fail)
      .end();
  });
}

async function startEnvoy(): Promise<void> {
  const bootstrap = adsBootstrap(NODE_ID, xdsPort, "delta");
  const { node, ...rest } = bootstrap;
  const runtime = { "re2.max_program_size.error_level": 100 };
  envoy = await EnvoyProcess.start({
    ...rest,
    node: { id: NODE_ID, cluster: "gw", metadata: { LABELS: { istio: "gw" } } },
    layered_runtime: { layers: [{ name: "small", static_layer: runtime }] },
  });
  assert.ok(node !== undefined);
  await eventually("Envoy is live", () => envoy.isLive());
}

/** Asks for `b` again and again until `body` is done; what went wrong meanwhile. */
async function whileAskingForB(body: () => Promise<void>): Promise<readonly string[]> {
  const wrong: string[] = [];
  let over = false;
  const asking = (async () => {
    while (!over) {
      const answer = await get("b").catch(error => String(error));
      if (answer !== "200 b") wrong.push(answer);
    }
  })();
  try {
    await body();
  } finally {
    over = true;
    await asking;
  }
  return wrong;
}

test("a proxy that starts has all hosts but the one that is refused", async () => {
  plane.yaml.apply(route("a", TOO_LARGE));
  plane.yaml.apply(route("b", "{prefix: /}"));
  await startEnvoy();
  await eventually("b", async () => (await get("b").catch(() => "")) === "200 b");
  assert.match(await get("a"), /^404/);
  await eventually("it is put down to its object", () => plane.rejected().includes(`${KEY} VHDS`));
});

test("the mended host is carried out, and nothing is held against it", async () => {
  plane.yaml.apply(route("a", "{prefix: /}"));
  await eventually("a", async () => (await get("a")) === "200 a");
  await eventually("nothing is rejected", () => plane.rejected().length === 0);
});

test("a proxy that has routes keeps all of them while some are refused", async () => {
  await envoy.stop();
  await startEnvoy();
  await eventually("both", async () => (await get("a").catch(() => "")) === "200 a");
  const wrong = await whileAskingForB(async () => {
    plane.yaml.apply(route("a", TOO_LARGE));
    await eventually("it is put down to its object", () => plane.rejected().includes(`${KEY} RDS`));
  });
  assert.deepEqual(wrong, []);
  assert.equal(await get("a"), "200 a");
});

test("one that came up with single hosts keeps them at another control plane", async () => {
  await envoy.stop();
  await startEnvoy();
  await eventually("b", async () => (await get("b").catch(() => "")) === "200 b");
  const wrong = await whileAskingForB(async () => {
    await server.close();
    await eventually("it is gone", () => plane.source.connectedPods().size === 0);
    server = newAdsServer(plane.source);
    await server.listenPlaintext({ port: xdsPort });
    await eventually("it is put down again", () => plane.rejected().includes(`${KEY} VHDS`));
  });
  assert.deepEqual(wrong, []);
  plane.yaml.apply(route("b", "{prefix: /only}"));
  await eventually("b has changed", async () => (await get("b")).startsWith("404"));
  assert.equal(await get("b", "/only"), "200 b");
});
