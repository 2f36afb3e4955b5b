/** Outbound listeners are planned once a scope and port, and built once whoever wants them: counted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TestMesh } from "../../../test/support/mesh.ts";
import { proxy, service, sidecar } from "../../../test/support/mesh-objects.ts";
import { TypeUrl } from "../resource.ts";

const SERVICES = 200;
const NAMESPACES = ["a", "b", "c", "d", "e"];

function tcpService(index: number): ReturnType<typeof service> {
  const ports = [
    { name: "http", port: 80 },
    { name: "tcp", port: 9000 },
  ];
  return service({ at: `a/s${index}` }, { clusterIP: `10.1.0.${index}`, ports });
}

/** Every namespace has a client that has got its listeners. */
function meshOf(...more: readonly ((mesh: TestMesh) => void)[]): TestMesh {
  const mesh = new TestMesh();
  mesh.graph.commit({ source: "test" }, w => {
    for (let i = 0; i < SERVICES; i++) w.set(mesh.inputs.services, `a/s${i}`, tcpService(i));
  });
  for (const change of more) change(mesh);
  mesh.connect(...NAMESPACES.map(name => proxy(`${name}/client`)));
  return mesh;
}

function listenersOf(mesh: TestMesh, namespace: string): ReadonlyMap<string, unknown> {
  const client = `${namespace}/client`;
  const names = mesh.names(client, TypeUrl.listener);
  return new Map(names.map(name => [name, mesh.resource(client, TypeUrl.listener, name)]));
}

function sizeOf(mesh: TestMesh, family: string): number | undefined {
  return mesh.graph.describe().find(part => part.name === family)?.size;
}

test("what is on a port is found once for a scope, and a listener is built once for all scopes", () => {
  const mesh = meshOf();
  const [first, ...others] = NAMESPACES.map(name => listenersOf(mesh, name));
  assert.equal(first?.has("10.1.0.7_9000"), true);
  for (const other of others)
    for (const name of ["virtualOutbound", "0.0.0.0_80", "10.1.0.7_9000"])
      assert.equal(other.get(name), first?.get(name), name);
  assert.equal(sizeOf(mesh, "outbound claims"), NAMESPACES.length * 2);
  // The TCP ones, the one for HTTP, and virtualOutbound.
  assert.equal(sizeOf(mesh, "planned outbound listeners"), SERVICES + 2);
});

test("a scope with another policy shares what the policy does not reach", () => {
  const mesh = meshOf(each =>
    each.set(
      each.inputs.sidecars,
      sidecar({ at: "b/default" }, { outboundTrafficPolicy: { mode: "REGISTRY_ONLY" } }),
    ),
  );
  const [a, b] = ["a", "b"].map(name => listenersOf(mesh, name));
  assert.equal(b?.get("10.1.0.7_9000"), a?.get("10.1.0.7_9000"));
  for (const name of ["virtualOutbound", "0.0.0.0_80"])
    assert.notDeepEqual(b?.get(name), a?.get(name), name);
});

test("a new service builds its own listener and no other", () => {
  const mesh = meshOf();
  const before = NAMESPACES.map(name => listenersOf(mesh, name));
  mesh.set(mesh.inputs.services, tcpService(SERVICES));
  const after = NAMESPACES.map(name => listenersOf(mesh, name));
  for (const [i, now] of after.entries())
    for (const [name, listener] of now)
      assert.equal(listener === before[i]?.get(name), name !== `10.1.0.${SERVICES}_9000`, name);
});
