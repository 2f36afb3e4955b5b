/** The protocol, scenario by scenario, each in both forms. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeConfigSource } from "../../test/support/fake-config-source.ts";
import { type Form, ProtocolClient, type Received } from "../../test/support/protocol-client.ts";
import {
  clusterType,
  endpointType,
  listenerType,
  routeType,
  secretType,
  virtualHostType,
} from "./type-order.ts";

const both = ["delta", "sotw"] as const;

function source(tables: Record<string, Record<string, string>> = {}): FakeConfigSource {
  const made = new FakeConfigSource();
  for (const type of [endpointType, routeType, secretType]) made.namedOnly.add(type);
  made.commit(edit => {
    for (const [type, resources] of Object.entries(tables)) {
      for (const [name, version] of Object.entries(resources)) edit.set(type, name, version);
    }
  });
  return made;
}

function types(received: readonly Received[]): string[] {
  return received.map(({ type }) => type);
}

function eventsOf(mesh: FakeConfigSource, kind: string): number {
  return mesh.connections.flatMap(c => c.events).filter(event => event.kind === kind).length;
}

/** Plays a scenario once in each form. */
function inBothForms(name: string, scenario: (form: Form) => void): void {
  for (const form of both) test(`${name} (${form})`, () => scenario(form));
}

describe("subscriptions", () => {
  inBothForms("a wildcard gets everything, then changes, additions and removals", form => {
    const mesh = source({ [listenerType]: { a: "1", b: "1" } });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(listenerType);
    client.settle();
    assert.deepEqual(client.have(listenerType), ["a@1", "b@1"]);
    mesh.commit(edit => {
      edit.set(listenerType, "b", "2");
      edit.set(listenerType, "c", "1");
      edit.delete(listenerType, "a");
    });
    const [change, ...rest] = client.settle();
    assert.deepEqual(change?.resources, ["b@2", "c@1"]);
    assert.deepEqual(change?.removed, ["a"]);
    assert.deepEqual(rest, []);
    assert.deepEqual(client.have(listenerType), ["b@2", "c@1"]);
  });

  inBothForms("an empty wildcard is answered, once", form => {
    const client = new ProtocolClient(form, source());
    client.subscribe(clusterType);
    const [empty, ...rest] = client.settle();
    assert.deepEqual(empty?.resources, []);
    assert.deepEqual(rest, []);
  });

  inBothForms("names get their resources, and only theirs", form => {
    const mesh = source({ [endpointType]: { a: "1", b: "1", c: "1" } });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(endpointType, "a", "b");
    client.settle();
    assert.deepEqual(client.have(endpointType), ["a@1", "b@1"]);
    client.subscribe(endpointType, "c");
    assert.deepEqual(
      client.settle().map(r => r.resources),
      [["c@1"]],
    );
    mesh.commit(edit => {
      edit.set(endpointType, "b", "2");
    });
    assert.deepEqual(
      client.settle().map(r => r.resources),
      [["b@2"]],
    );
    client.unsubscribe(endpointType, "a");
    mesh.commit(edit => {
      edit.set(endpointType, "a", "2");
      edit.set(endpointType, "c", "2");
    });
    assert.deepEqual(
      client.settle().map(r => r.resources),
      [["c@2"]],
    );
    assert.deepEqual(client.have(endpointType), ["b@2", "c@2"]);
  });

  inBothForms("a name without a resource is answered, and gets it when it comes", form => {
    const mesh = source({ [routeType]: { r: "1" } });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(routeType, "none", "r");
    const [first, ...rest] = client.settle();
    assert.deepEqual(first?.resources, ["r@1"]);
    if (form === "delta") assert.deepEqual(first?.removed, ["none"]);
    assert.deepEqual(rest, []);
    mesh.commit(edit => edit.set(routeType, "none", "1"));
    client.settle();
    assert.deepEqual(client.have(routeType), ["none@1", "r@1"]);
  });

  inBothForms("only names without a resource: still one answer", form => {
    const client = new ProtocolClient(form, source());
    client.subscribe(secretType, "none");
    const answers = client.settle();
    assert.equal(answers.length, 1);
    assert.deepEqual(answers[0]?.resources, []);
    assert.deepEqual(answers[0]?.removed, form === "delta" ? ["none"] : []);
  });

  inBothForms("a type that nobody serves is answered with nothing", form => {
    const mesh = source();
    mesh.namedOnly.add("type.googleapis.com/x.Y");
    const client = new ProtocolClient(form, mesh);
    client.subscribe("type.googleapis.com/x.Y");
    assert.equal(client.settle().length, 1);
    assert.deepEqual(client.settle(), []);
  });

  test("delta: a name asked for again is sent again", () => {
    const client = new ProtocolClient("delta", source({ [endpointType]: { a: "1", b: "1" } }));
    client.subscribe(endpointType, "a", "b");
    client.settle();
    client.subscribe(endpointType, "a");
    assert.deepEqual(
      client.settle().map(r => r.resources),
      [["a@1"]],
    );
  });

  test("delta: names beside the wildcard are answered by name, unknown ones as removed", () => {
    const mesh = source({ [clusterType]: { a: "1", b: "1" } });
    const client = new ProtocolClient("delta", mesh);
    client.subscribe(clusterType);
    client.settle();
    client.subscribe(clusterType, "b", "unknown");
    const [answer, ...rest] = client.settle();
    assert.deepEqual(answer?.resources, ["b@1"]);
    assert.deepEqual(answer?.removed, ["unknown"]);
    assert.deepEqual(rest, []);
    mesh.commit(edit => edit.set(clusterType, "b", "2"));
    assert.deepEqual(
      client.settle().map(r => r.resources),
      [["b@2"]],
    );
    client.unsubscribe(clusterType, "b", "unknown");
    const [after] = client.settle();
    assert.deepEqual(after?.resources, ["b@2"], "the wildcard still covers it");
    assert.deepEqual(after?.removed, ["unknown"]);
  });

  test("delta: an unknown virtual host is answered by an empty resource, and comes later", () => {
    const mesh = source({ [virtualHostType]: { "r/a": "1" } });
    const client = new ProtocolClient("delta", mesh);
    client.subscribe(virtualHostType);
    client.settle();
    client.subscribe(virtualHostType, "r/b");
    const [answer, ...rest] = client.settle();
    assert.deepEqual(answer?.resources, ["r/b@absent"]);
    assert.deepEqual(answer?.removed, []);
    assert.deepEqual(rest, []);
    client.stream.close();
    const back = new ProtocolClient("delta", mesh, { resume: client });
    assert.deepEqual(back.settle(), []);
    mesh.commit(edit => edit.set(virtualHostType, "r/b", "1"));
    assert.deepEqual(
      back.settle().map(r => r.resources),
      [["r/b@1"]],
    );
    mesh.commit(edit => edit.delete(virtualHostType, "r/b"));
    assert.deepEqual(
      back.settle().map(r => r.removed),
      [["r/b"]],
    );
  });

  test("delta: leaving the wildcard keeps explicit names", () => {
    const mesh = source({ [clusterType]: { a: "1", b: "1" } });
    const client = new ProtocolClient("delta", mesh);
    client.subscribe(clusterType, "*", "a");
    client.settle();
    client.unsubscribe(clusterType, "*");
    client.settle();
    mesh.commit(edit => {
      edit.set(clusterType, "a", "2");
      edit.set(clusterType, "b", "2");
    });
    assert.deepEqual(
      client.settle().map(r => r.resources),
      [["a@2"]],
    );
  });
});

describe("flow", () => {
  inBothForms("one response in flight for a type, and none queued: revisions are skipped", form => {
    const mesh = source({ [endpointType]: { a: "1" } });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(endpointType, "a");
    const first = client.take();
    assert.ok(first);
    for (const version of ["2", "3", "4"]) mesh.commit(e => e.set(endpointType, "a", version));
    assert.equal(client.take(), undefined);
    client.ack(first);
    assert.deepEqual(
      client.settle().map(r => r.resources),
      [["a@4"]],
    );
  });

  inBothForms("types do not wait for one another's answers without need", form => {
    const mesh = source({ [endpointType]: { a: "1" }, [secretType]: { s: "1" } });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(endpointType, "a");
    client.subscribe(secretType, "s");
    assert.equal(client.take()?.type, endpointType);
    assert.equal(client.take()?.type, secretType);
  });

  inBothForms("nothing to say, nothing said", form => {
    const mesh = source({ [listenerType]: { a: "1" }, [clusterType]: { c: "1" } });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(listenerType);
    client.settle();
    mesh.commit(edit => edit.set(clusterType, "c", "2"));
    mesh.commit(edit => edit.set(listenerType, "a", "1"));
    assert.deepEqual(client.settle(), []);
  });

  inBothForms("an answer to an old nonce is ignored", form => {
    const mesh = source({ [endpointType]: { a: "1" } });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(endpointType, "a");
    const [first] = client.settle();
    assert.ok(first);
    mesh.commit(edit => edit.set(endpointType, "a", "2"));
    const second = client.take();
    assert.ok(second);
    client.nack(first, "late");
    assert.equal(eventsOf(mesh, "nacked"), 0);
    assert.equal(client.take(), undefined);
    client.ack(second);
    assert.equal(eventsOf(mesh, "acked"), 2);
  });

  inBothForms("a large set comes in parts, each resource once", form => {
    const wanted = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`e${i}`, "1"]));
    const mesh = source({ [endpointType]: wanted });
    const client = new ProtocolClient(form, mesh, { limits: { responseBytesSoft: 1000 } });
    client.subscribe(endpointType, ...Object.keys(wanted));
    const parts = client.settle();
    assert.ok(parts.length > 5, `${parts.length} parts`);
    assert.equal(parts.flatMap(part => part.resources).length, 100);
    assert.equal(client.have(endpointType).length, 100);
  });

  test("what is not built yet is pulled again, and later types wait for clusters", () => {
    const clusters = { c: "1", d: "1", e: "1" };
    const mesh = source({ [clusterType]: clusters, [listenerType]: { l: "1" } });
    const client = new ProtocolClient("delta", mesh);
    client.subscribe(clusterType);
    client.subscribe(listenerType);
    assert.equal(client.stream.pull(() => true).kind, "more");
    assert.equal(client.stream.pull(() => true).kind, "more");
    assert.deepEqual(types(client.settle()), [clusterType, listenerType]);
  });

  inBothForms("a closed stream holds nothing", form => {
    const mesh = source({ [clusterType]: { c: "1" }, [endpointType]: { c: "1" } });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(clusterType);
    client.subscribe(endpointType, "c");
    client.settle();
    client.subscribe(endpointType, "d");
    client.settle();
    client.unsubscribe(endpointType, "c");
    client.stream.close();
    assert.equal(mesh.liveSets, 0);
    assert.ok(mesh.connections[0]?.closed);
    client.stream.close();
  });
});

describe("rejections", () => {
  inBothForms("are not sent again until they change; others go on", form => {
    const mesh = source({ [endpointType]: { a: "1", b: "1" } });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(endpointType, "a", "b");
    client.settle();
    mesh.commit(edit => edit.set(endpointType, "a", "bad"));
    const bad = client.take();
    assert.ok(bad);
    client.nack(bad, "no such thing");
    assert.equal(client.take(), undefined);
    const event = mesh.connections[0]?.events.find(({ kind }) => kind === "nacked");
    assert.deepEqual(event?.kind === "nacked" && [event.message, event.names], [
      "no such thing",
      ["a"],
    ]);
    mesh.commit(edit => edit.set(endpointType, "b", "2"));
    assert.deepEqual(
      client.settle().map(r => r.resources),
      [["b@2"]],
    );
    mesh.commit(edit => edit.set(endpointType, "a", "3"));
    client.settle();
    assert.deepEqual(client.have(endpointType), ["a@3", "b@2"]);
  });

  inBothForms("the culprit in a response of many is found, the others get through", form => {
    const names = Array.from({ length: 20 }, (_, i) => `r${String(i).padStart(2, "0")}`);
    const mesh = source({ [routeType]: Object.fromEntries(names.map(name => [name, "1"])) });
    mesh.commit(edit => edit.set(routeType, "r07", "bad"));
    const client = new ProtocolClient(form, mesh);
    client.subscribe(routeType, ...names);
    let rounds = 0;
    for (let next = client.take(); next !== undefined; next = client.take()) {
      rounds++;
      if (next.resources.includes("r07@bad")) client.nack(next);
      else client.ack(next);
    }
    assert.ok(rounds < 20, `${rounds} rounds`);
    assert.equal(client.have(routeType).length, 19);
  });

  inBothForms("of clusters are taken one by one by the client: the rest is not repeated", form => {
    const mesh = source({ [clusterType]: { a: "1", b: "bad", c: "1" } });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(clusterType);
    const first = client.take();
    assert.ok(first);
    client.nack(first);
    assert.equal(client.take(), undefined);
    mesh.commit(edit => edit.set(clusterType, "c", "2"));
    const next = client.take();
    assert.deepEqual(next?.resources, form === "delta" ? ["c@2"] : ["a@1", "b@bad", "c@2"]);
  });
});

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

test("delta: virtual hosts of a route configuration follow it when it is new to the client", () => {
  const mesh = source({
    [routeType]: { r: "1", "a/b": "1" },
    [virtualHostType]: { "r/x": "1", "a/b/y": "1" },
  });
  const client = new ProtocolClient("delta", mesh);
  client.subscribe(routeType, "r");
  client.settle();
  client.subscribe(virtualHostType);
  client.settle();
  client.subscribe(routeType, "a/b");
  assert.deepEqual(
    client.settle().map(r => r.resources),
    [["a/b@1"], ["a/b/y@1"]],
  );
  mesh.commit(edit => edit.set(routeType, "r", "2"));
  assert.deepEqual(
    client.settle().map(r => r.resources),
    [["r@2"]],
  );
});

describe("reclassification", () => {
  inBothForms("sends what differs between the views, and nothing else", form => {
    const mesh = source({
      [clusterType]: { shared: "1", other: "1" },
      [`east|${clusterType}`]: { other: "2", added: "1" },
      [endpointType]: { shared: "1", other: "1" },
      [`east|${endpointType}`]: { other: "2" },
    });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(clusterType);
    client.subscribe(endpointType, "shared", "other");
    client.settle();
    mesh.connections[0]?.reclassify("east");
    const got = client.settle();
    const [clusters, endpoints] = got;
    if (form === "delta") assert.deepEqual(clusters?.resources, ["added@1", "other@2"]);
    assert.deepEqual(endpoints?.resources, ["other@2"]);
    assert.equal(got.length, 2);
    assert.deepEqual(client.have(clusterType), ["added@1", "other@2", "shared@1"]);
    mesh.connections[0]?.reclassify("");
    client.settle();
    assert.deepEqual(client.have(clusterType), ["other@1", "shared@1"]);
    assert.deepEqual(client.have(endpointType), ["other@1", "shared@1"]);
  });
});
