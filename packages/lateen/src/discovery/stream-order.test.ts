/** Make before break, in both forms. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import type { FakeConfigSource } from "../../test/support/fake-config-source.ts";
import { type Form, ProtocolClient, type Received } from "../../test/support/protocol-client.ts";
import { inBothForms, source, types } from "../../test/support/protocol-scenarios.ts";
import { clusterType, endpointType, listenerType, routeType } from "./type-order.ts";

describe("make before break", () => {
  function meshed(form: Form): { mesh: FakeConfigSource; client: ProtocolClient } {
    const mesh = source({
      [clusterType]: { old: "1" },
      [endpointType]: { old: "1" },
      [listenerType]: { l: "1" },
      [routeType]: { r: "old" },
    });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(clusterType);
    client.subscribe(endpointType, "old");
    client.subscribe(listenerType);
    client.subscribe(routeType, "r");
    client.settle();
    return { mesh, client };
  }

  inBothForms("a route moves to a new cluster: add, accept, move, accept, remove", form => {
    const { mesh, client } = meshed(form);
    mesh.commit(edit => {
      edit.set(clusterType, "new", "1");
      edit.set(endpointType, "new", "1");
      edit.set(routeType, "r", "new");
      edit.delete(clusterType, "old");
      edit.delete(endpointType, "old");
    });
    const added = client.take();
    assert.equal(added?.type, clusterType);
    assert.deepEqual(added?.removed, []);
    assert.ok(added?.resources.includes("new@1"));
    // The new cluster warms: it asks for endpoints before the clusters are acknowledged.
    client.subscribe(endpointType, "new");
    const endpoints = client.take();
    assert.deepEqual(endpoints?.resources, ["new@1"]);
    client.ack(endpoints);
    assert.equal(client.take(), undefined, "routes wait for the clusters they name");
    client.ack(added);
    const moved = client.take();
    assert.deepEqual(moved?.resources, ["r@new"]);
    assert.equal(client.take(), undefined, "clusters go when no route names them");
    client.ack(moved);
    const removed = client.take();
    assert.equal(removed?.type, clusterType);
    assert.deepEqual(removed?.removed, ["old"]);
    client.ack(removed);
    assert.deepEqual(client.settle(), []);
    assert.deepEqual(client.have(clusterType), ["new@1"]);
  });

  inBothForms("a listener waits for endpoints that are still being built", form => {
    const mesh = source({
      [clusterType]: { a: "1" },
      [endpointType]: { a: "1", b: "1", c: "1" },
      [listenerType]: { l: "1" },
    });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(clusterType);
    client.settle();
    client.subscribe(endpointType, "a", "b", "c");
    client.subscribe(listenerType);
    const noTime = (): boolean => true;
    assert.equal(client.stream.pull(noTime).kind, "more");
    assert.deepEqual(types(client.settle()), [endpointType, listenerType]);
  });

  inBothForms("listeners and routes wait for endpoints that take several responses", form => {
    const mesh = source({
      [clusterType]: { a: "1" },
      [endpointType]: { a: "1", b: "1", c: "1" },
      [listenerType]: { l: "1" },
      [routeType]: { r: "1" },
    });
    const client = new ProtocolClient(form, mesh, { limits: { responseBytesSoft: 1 } });
    client.subscribe(clusterType);
    client.settle();
    client.subscribe(endpointType, "a", "b", "c");
    const first = client.take();
    assert.equal(first?.type, endpointType);
    client.subscribe(listenerType);
    client.subscribe(routeType, "r");
    assert.equal(client.take(), undefined, "two more are to come");
    client.ack(first);
    const second = client.take();
    assert.equal(second?.type, endpointType);
    assert.equal(client.take(), undefined, "one more is to come");
    client.tick(5000);
    assert.equal(client.take()?.type, endpointType, "silence does not hold up the last");
    assert.deepEqual(types(client.settle()), [listenerType, routeType]);
  });

  inBothForms("endpoints that change all the time hold up no routes", form => {
    const { mesh, client } = meshed(form);
    mesh.commit(edit => edit.set(endpointType, "old", "2"));
    const early = client.take();
    assert.equal(early?.type, endpointType);
    mesh.commit(edit => {
      edit.set(endpointType, "old", "3");
      edit.set(routeType, "r", "new");
    });
    assert.equal(client.take()?.type, routeType);
  });

  inBothForms("silence holds nothing up for ever", form => {
    const { mesh, client } = meshed(form);
    mesh.commit(edit => {
      edit.set(clusterType, "new", "1");
      edit.set(routeType, "r", "new");
      edit.delete(clusterType, "old");
    });
    const order: string[] = [];
    for (let second = 0; second < 30; second++) {
      for (let next = client.take(); next !== undefined; next = client.take()) {
        if (next.removed.length > 0) order.push("remove");
        else if (next.resources.includes("new@1")) order.push("new@1");
        else order.push(...next.resources);
      }
      client.tick(1000);
    }
    assert.deepEqual(order, ["new@1", "r@new", "remove"]);
  });

  inBothForms("a rejected route does not keep clusters from going", form => {
    const { mesh, client } = meshed(form);
    mesh.commit(edit => {
      edit.set(routeType, "r", "bad");
      edit.delete(clusterType, "old");
    });
    const route = client.take();
    assert.equal(route?.type, routeType);
    client.nack(route);
    assert.deepEqual(client.take()?.removed, ["old"]);
  });

  inBothForms("a rejected cluster does not keep routes from going", form => {
    const { mesh, client } = meshed(form);
    mesh.commit(edit => {
      edit.set(clusterType, "new", "bad");
      edit.set(routeType, "r", "new");
    });
    const clusters = client.take();
    assert.equal(clusters?.type, clusterType);
    client.nack(clusters);
    assert.equal(client.take()?.type, routeType);
  });

  inBothForms("a changed cluster gets its endpoints again: it warms anew", form => {
    const { mesh, client } = meshed(form);
    mesh.commit(edit => edit.set(clusterType, "old", "2"));
    assert.deepEqual(types(client.settle()), [clusterType, endpointType]);
  });

  inBothForms(
    "a cluster that changes while its endpoints are on the way gets them once more",
    form => {
      const { mesh, client } = meshed(form);
      mesh.commit(edit => edit.set(endpointType, "old", "2"));
      const early = client.take();
      assert.deepEqual(early?.resources, ["old@2"]);
      mesh.commit(edit => edit.set(clusterType, "old", "2"));
      const clusters = client.take();
      assert.equal(clusters?.type, clusterType);
      client.ack(clusters);
      client.ack(early);
      const late = client.take();
      assert.deepEqual(late?.resources, ["old@2"], "the early ones went to the cluster before");
      client.ack(late);
      assert.deepEqual(client.settle(), []);
    },
  );

  inBothForms("a stream that breaks while clusters warm: those sent on it get endpoints", form => {
    const { mesh, client } = meshed(form);
    client.stream.close();
    mesh.commit(edit => edit.set(clusterType, "old", "2"));
    const again = new ProtocolClient(form, mesh, { resume: client });
    assert.deepEqual(types(again.settle()), [clusterType, endpointType]);
  });

  inBothForms("a cluster that comes back before it went stays", form => {
    const { mesh, client } = meshed(form);
    mesh.commit(edit => {
      edit.set(routeType, "r", "none");
      edit.delete(clusterType, "old");
    });
    const route = client.take();
    assert.equal(route?.type, routeType);
    mesh.commit(edit => edit.set(clusterType, "old", "1"));
    client.ack(route);
    client.settle();
    assert.deepEqual(client.have(clusterType), ["old@1"]);
  });

  inBothForms("steady changes of routes do not keep clusters for ever", form => {
    const { mesh, client } = meshed(form);
    mesh.commit(edit => {
      edit.set(routeType, "r", "v0");
      edit.delete(clusterType, "old");
    });
    let removed = false;
    for (let i = 1; i < 10 && !removed; i++) {
      const inFlight: Received[] = [];
      for (let next = client.take(); next !== undefined; next = client.take()) inFlight.push(next);
      mesh.commit(edit => edit.set(routeType, "r", `v${i}`));
      removed = inFlight.some(next => next.removed.includes("old"));
      for (const next of inFlight) client.ack(next);
    }
    assert.ok(removed);
  });
});
