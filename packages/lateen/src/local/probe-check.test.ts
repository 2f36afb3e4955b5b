import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { type ProbeTarget, probeCheck } from "./probe-check.ts";

const target: ProbeTarget = {
  podIp: "127.0.0.1",
  port: port => (typeof port === "number" ? port : undefined),
  exec: () => Promise.reject(new Error("no such pod")),
};

test("a path is sent escaped, as the kubelet does", async t => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.end();
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  for (const path of ["/ready", "/is it ready?a=ä&b=%20", "ready"]) {
    const httpGet = { path, port, scheme: "HTTP", httpHeaders: [] } as const;
    const probe = { httpGet, timeoutSeconds: 5 };
    assert.equal(await probeCheck(probe, target)?.(), undefined);
  }
  assert.deepEqual(asked, ["/ready", "/is%20it%20ready?a=%C3%A4&b=%20", "/ready"]);
});

test("what can not be asked is a failure, and nothing that throws", async () => {
  const header = { name: "a", value: "b\nc" };
  const http = { path: "/", port: 1, scheme: "HTTP", httpHeaders: [header] } as const;
  const probes = [
    { httpGet: http, timeoutSeconds: 1 },
    { httpGet: { ...http, httpHeaders: [{ name: "no token", value: "" }] }, timeoutSeconds: 1 },
    { tcpSocket: { port: 70_000 }, timeoutSeconds: 1 },
    { tcpSocket: { port: "unknown" }, timeoutSeconds: 1 },
    { grpc: { port: 70_000, service: "" }, timeoutSeconds: 1 },
    { exec: { command: ["true"] }, timeoutSeconds: 1 },
  ];
  for (const probe of probes) {
    const wrong = await probeCheck(probe, target)?.();
    assert.equal(typeof wrong, "string", JSON.stringify(probe));
  }
});
