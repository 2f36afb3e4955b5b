import assert from "node:assert/strict";
import { test } from "node:test";
import { kubernetesPortProtocol, parseProtocol } from "./protocol.ts";
import type { Protocol } from "./types.ts";

const cases: readonly (readonly [
  name: string,
  appProtocol: string | undefined,
  port: number,
  want: Protocol,
])[] = [
  ["http", undefined, 80, "HTTP"],
  ["http-web", undefined, 80, "HTTP"],
  ["HTTP2-x", undefined, 80, "HTTP2"],
  ["grpc-web", undefined, 80, "GRPC-WEB"],
  ["grpc-web-x", undefined, 80, "GRPC-WEB"],
  ["grpc", undefined, 80, "GRPC"],
  ["tcp-db", undefined, 80, "TCP"],
  ["https-x", undefined, 443, "HTTPS"],
  ["tls", undefined, 443, "TLS"],
  ["mongo", undefined, 27017, "MONGO"],
  ["status-port", undefined, 15021, "AUTO"],
  ["", undefined, 5000, "AUTO"],
  ["", undefined, 3306, "TCP"],
  ["web", undefined, 53, "TCP"],
  ["tcp", "http", 80, "HTTP"],
  ["tcp", "kubernetes.io/h2c", 80, "HTTP2"],
  ["tcp", "kubernetes.io/wss", 80, "HTTPS"],
  ["http", "example.com/own", 80, "AUTO"],
];
for (const [name, appProtocol, port, want] of cases)
  test(`port ${port} named "${name}" with appProtocol ${appProtocol} is ${want}`, () => {
    assert.equal(kubernetesPortProtocol({ name, port, protocol: "TCP", appProtocol }), want);
  });

test("UDP is UDP whatever its name", () => {
  assert.equal(kubernetesPortProtocol({ name: "http", port: 80, protocol: "UDP" }), "UDP");
});

test("protocols in any case; no inherited property is one", () => {
  assert.equal(parseProtocol("Http"), "HTTP");
  assert.equal(parseProtocol("constructor"), "AUTO");
  assert.equal(parseProtocol(""), "AUTO");
});
