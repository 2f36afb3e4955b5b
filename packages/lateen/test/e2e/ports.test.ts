/**
 * Ports of Services, with real Envoys: a port that gets another name loses no request while its
 * EndpointSlices follow, and a gateway reaches a headless Service whose port number is UDP's, too.
 */
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { demoapp, rolledOut } from "../support/demoapp.ts";
import { assertNoLoss, startLoad, underLoad } from "../support/load-run.ts";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";

const skip = whyNoMesh() ?? false;
const SECONDS = 12;
/** A protocol that is named, and one that is sniffed, whose listener is another one. */
const NAMES = ["http-web", "http", "http-third", "web", "http"];

/** Without retries, which would hide a request that found no endpoint. */
const ROUTES = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: once}
spec:
  hosts: [once]
  http: [{route: [{destination: {host: once}}], retries: {attempts: 0}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [headless.example]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: headless}
spec:
  hosts: [headless.example]
  gateways: [edge]
  http: [{route: [{destination: {host: headless, port: {number: 8080}, subset: all}}]}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: headless}
spec:
  host: headless
  subsets: [{name: all, labels: {topology.istio.io/cluster: Kubernetes, app: once}}]
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec:
  clusterIP: None
  selector: {app: once}
  ports:
  - {name: udp, port: 8080, protocol: UDP}
  - {name: http, port: 8080, targetPort: 8080}
`;

const renamed = (name: string): string => `
apiVersion: v1
kind: Service
metadata: {name: once}
spec:
  selector: {app: once, version: v1.0}
  ports: [{name: ${name}, port: 8080, targetPort: 8080}]
`;

interface SliceList {
  readonly items: readonly { readonly ports?: readonly { readonly name: string }[] }[];
}

describe("ports of Services", { skip }, () => {
  let mesh: RunningMesh;
  let sleep = "";

  before(async () => {
    mesh = await RunningMesh.start();
    await mesh.ok("label namespace default istio-injection=enabled");
    await mesh.ok("apply -f samples/demoapp/sleep.yaml");
    await mesh.ok("apply -f -", demoapp({ name: "once", replicas: 2 }));
    await mesh.ok("apply -f -", ROUTES);
    for (const name of ["sleep", "once"]) await rolledOut(mesh, name);
    [sleep = ""] = await mesh.pods("sleep-");
    await mesh.until("the client reaches the Service", async () =>
      (await mesh.ok(["exec", sleep, "--", "curl", "-s", "http://once:8080/"])).includes("demoapp"),
    );
  });
  after(() => mesh?.stop());

  const fromGateway = (host: string): Promise<{ status: number; body: string }> =>
    new Promise((done, fail) => {
      const [address = "", port = "80"] = mesh.ingress.split(":");
      const options = { host: address, port: Number(port), headers: { host } };
      const asked = request({ ...options, path: "/", timeout: 5_000 }, answer => {
        let body = "";
        answer.setEncoding("utf8").on("data", chunk => {
          body += chunk;
        });
        answer.on("end", () => done({ status: answer.statusCode ?? 0, body }));
      });
      asked.on("timeout", () => asked.destroy(new Error("no answer")));
      asked.on("error", fail).end();
    });

  test("a port is renamed under load", async () => {
    const load = await startLoad(mesh, sleep, "http://once:8080/", SECONDS);
    for (const name of NAMES)
      await underLoad(`the name ${name}`, [load], async () => {
        await mesh.ok("apply -f -", renamed(name));
        await mesh.until(`slices list ${name}`, async () => {
          const { items } = await mesh.json<SliceList>("get endpointslices");
          return items.some(({ ports }) => ports?.some(port => port.name === name));
        });
      });
    const report = await load.end();
    await assertNoLoss(mesh, sleep, report);
    assert.ok(report.sent >= SECONDS * 50);
  });

  test("a headless Service behind the gateway answers, by a subset", async () => {
    await mesh.until("the gateway has the route", async () => {
      const { status, body } = await fromGateway("headless.example");
      assert.equal(
        `${status} ${body}`.includes("200 iKubernetes demoapp"),
        true,
        `${status} ${body}`,
      );
      return true;
    });
  });
});
