/** Clients that come back or fall behind, each in both forms. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { FakeConfigSource } from "../../test/support/fake-config-source.ts";
import { type Form, ProtocolClient } from "../../test/support/protocol-client.ts";
import { inBothForms, source } from "../../test/support/protocol-scenarios.ts";
import { GrpcStatus } from "./limits.ts";
import { clusterType, endpointType, listenerType, routeType } from "./type-order.ts";

describe("coming back", () => {
  inBothForms("with everything: nothing is sent", form => {
    const mesh = source({
      [clusterType]: { c: "1" },
      [endpointType]: { c: "1" },
      [listenerType]: { l: "1" },
      [routeType]: { r: "1" },
    });
    const first = new ProtocolClient(form, mesh);
    first.subscribe(clusterType);
    first.subscribe(endpointType, "c");
    first.subscribe(listenerType);
    first.subscribe(routeType, "r");
    assert.equal(first.settle().length, 4);
    first.stream.close();
    const second = new ProtocolClient(form, mesh, { resume: first });
    assert.deepEqual(second.settle(), []);
    const current = mesh.connections[1]?.events.filter(event => event.kind === "current");
    assert.deepEqual(
      current?.map(({ type }) => type).sort(),
      [clusterType, endpointType, listenerType, routeType].sort(),
      "that it has everything is told",
    );
    mesh.commit(edit => edit.set(endpointType, "c", "2"));
    assert.deepEqual(
      second.settle().map(r => r.resources),
      [["c@2"]],
    );
  });

  inBothForms("with old state: what differs is sent, what is gone is removed", form => {
    const mesh = source({
      [clusterType]: { same: "1", changed: "1", gone: "1" },
      [endpointType]: { same: "1", changed: "1" },
      [listenerType]: { l: "1" },
    });
    const first = new ProtocolClient(form, mesh);
    first.subscribe(clusterType);
    first.subscribe(endpointType, "same", "changed");
    first.subscribe(listenerType);
    first.settle();
    first.stream.close();
    mesh.commit(edit => {
      edit.set(clusterType, "changed", "2");
      edit.set(clusterType, "new", "1");
      edit.delete(clusterType, "gone");
    });
    const second = new ProtocolClient(form, mesh, { resume: first });
    const got = second.settle();
    const clusters = got.filter(({ type }) => type === clusterType);
    if (form === "delta") {
      assert.deepEqual(clusters[0]?.resources, ["changed@2", "new@1"]);
      assert.deepEqual(clusters[0]?.removed, []);
      assert.deepEqual(clusters[1]?.removed, ["gone"]);
      const endpoints = got.filter(({ type }) => type === endpointType);
      assert.deepEqual(endpoints[0]?.resources, ["changed@1"], "a changed cluster warms again");
    }
    assert.deepEqual(second.have(clusterType), ["changed@2", "new@1", "same@1"]);
  });
});

describe("what moved while the client was away", () => {
  function away(form: Form): ProtocolClient {
    const mesh = source({
      [clusterType]: { old: "1" },
      [endpointType]: { old: "1" },
      [listenerType]: { l: "1" },
      [routeType]: { r: "old" },
    });
    const first = new ProtocolClient(form, mesh);
    first.subscribe(clusterType);
    first.subscribe(endpointType, "old");
    first.subscribe(listenerType);
    first.subscribe(routeType, "r");
    first.settle();
    first.stream.close();
    mesh.commit(edit => {
      edit.set(clusterType, "new", "1");
      edit.set(endpointType, "new", "1");
      edit.set(routeType, "r", "new");
      edit.delete(clusterType, "old");
      edit.delete(endpointType, "old");
    });
    return new ProtocolClient(form, mesh, { resume: first });
  }

  test("delta: is added, moved, and only then removed", () => {
    const client = away("delta");
    const added = client.take();
    assert.deepEqual(added?.resources, ["new@1"]);
    assert.deepEqual(added?.removed, []);
    client.subscribe(endpointType, "new");
    const endpoints = client.take();
    assert.equal(endpoints?.type, endpointType);
    client.ack(endpoints);
    assert.equal(client.take(), undefined, "routes wait for the clusters they name");
    client.ack(added);
    const moved = client.take();
    assert.deepEqual(moved?.resources, ["r@new"]);
    assert.equal(client.take(), undefined, "clusters go when no route names them");
    client.ack(moved);
    assert.deepEqual(client.take()?.removed, ["old"]);
  });

  // Such a client says a version and no names, so nobody knows what would have to be kept for it.
  test("sotw: new clusters still come before the routes that name them", () => {
    const client = away("sotw");
    const clusters = client.take();
    assert.deepEqual(clusters?.resources, ["new@1"]);
    client.subscribe(endpointType, "new");
    const endpoints = client.take();
    assert.deepEqual(endpoints?.resources, ["new@1"], "before the clusters are accepted");
    client.ack(endpoints);
    assert.equal(client.take(), undefined, "routes wait for the clusters they name");
    client.ack(clusters);
    assert.deepEqual(client.take()?.resources, ["r@new"]);
  });
});

test("delta: a client that comes back keeps what can not be built", () => {
  const mesh = source({ [clusterType]: { a: "1", b: "1" } });
  const first = new ProtocolClient("delta", mesh);
  first.subscribe(clusterType);
  first.settle();
  first.stream.close();
  mesh.failing.add("b");
  const second = new ProtocolClient("delta", mesh, { resume: first });
  assert.deepEqual(second.settle(), []);
});

describe("far behind", () => {
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`c${i}`, "1"]));

  function configured(form: Form): { mesh: FakeConfigSource; client: ProtocolClient } {
    const mesh = source({ [clusterType]: { ...many, stays: "1" }, [routeType]: { r: "1" } });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(clusterType);
    client.subscribe(routeType, "r");
    client.settle();
    return { mesh, client };
  }

  function removeAll(mesh: FakeConfigSource): void {
    mesh.commit(edit => {
      for (const name of Object.keys(many)) edit.delete(clusterType, name);
    });
  }

  inBothForms("one large removal is told to all who are up to date", form => {
    const { mesh, client } = configured(form);
    removeAll(mesh);
    client.settle();
    assert.deepEqual(client.have(clusterType), ["stays@1"]);
  });

  inBothForms("what is forgotten ends the stream; the next one puts things right", form => {
    const { mesh, client } = configured(form);
    mesh.commit(edit => edit.set(clusterType, "stays", "2"));
    const unanswered = client.take();
    assert.equal(unanswered?.type, clusterType);
    const other = new ProtocolClient(form, mesh);
    other.subscribe(clusterType);
    removeAll(mesh);
    other.settle();
    for (const name of ["x", "y"]) {
      mesh.commit(edit => edit.set(clusterType, name, "1"));
      other.settle();
      mesh.commit(edit => edit.delete(clusterType, name));
      other.settle();
    }
    client.ack(unanswered);
    const pulled = client.stream.pull(() => false);
    assert.equal(pulled.kind, "end");
    assert.equal(pulled.kind === "end" && pulled.end.code, GrpcStatus.unavailable);
    client.stream.close();
    const again = new ProtocolClient(form, mesh, { resume: client });
    again.settle();
    assert.deepEqual(again.have(clusterType), ["stays@2"]);
    assert.deepEqual(again.have(routeType), ["r@1"]);
  });
});
