import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { test } from "node:test";
import { envoyPorts, takenPorts, takenPortsMessage } from "./envoy-ports.ts";

test("a port counts as taken where somebody else listens on it, and Envoy does not", async t => {
  const server = createServer().listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  assert.deepEqual(takenPorts(process.pid, undefined, [port, 1]), [port]);
  assert.deepEqual(takenPorts(process.pid, process.pid, [port]), [], "it is Envoy's own");
  const v6 = createServer().listen(0, "::1");
  t.after(() => v6.close());
  await once(v6, "listening");
  const other = (v6.address() as AddressInfo).port;
  assert.deepEqual(takenPorts(process.pid, undefined, [port, other]), [port, other]);
});

test("only a pod whose connections are redirected needs 15001 and 15006", () => {
  assert.deepEqual(envoyPorts(false), [15000, 15020, 15021, 15090]);
  assert.deepEqual(envoyPorts(true), [15000, 15020, 15021, 15090, 15001, 15006]);
  assert.match(takenPortsMessage([15001]), /^port 15001 is Envoy's, and a process of this pod/);
  assert.match(takenPortsMessage([15001, 15006]), /^ports 15001, 15006 are Envoy's/);
});
