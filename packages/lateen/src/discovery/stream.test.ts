/** The protocol, scenario by scenario, each in both forms. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ProtocolClient } from "../../test/support/protocol-client.ts";
import { eventsOf, inBothForms, source, types } from "../../test/support/protocol-scenarios.ts";
import type { WatchSet } from "../flow/watch-types.ts";
import {
  clusterType,
  endpointType,
  listenerType,
  routeType,
  secretType,
  virtualHostType,
} from "./type-order.ts";
import type { Resource } from "./types.ts";

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

  inBothForms("a change asks only the sets that it touched", form => {
    const mesh = source({
      [clusterType]: { c: "1" },
      [endpointType]: { c: "1" },
      [listenerType]: { l: "1" },
      [routeType]: { r: "1" },
    });
    const client = new ProtocolClient(form, mesh);
    client.subscribe(clusterType);
    client.subscribe(endpointType, "c");
    client.subscribe(listenerType);
    client.subscribe(routeType, "r");
    client.settle();
    const asked: string[] = [];
    const watch = (type: string, set: WatchSet<Resource | undefined>): void => {
      const settle = set.settle.bind(set);
      set.settle = stop => {
        asked.push(type);
        return settle(stop);
      };
    };
    for (const type of [clusterType, listenerType]) watch(type, mesh.sets.following(type, type));
    watch(endpointType, mesh.sets.explicit(endpointType, ["c"]));
    watch(routeType, mesh.sets.explicit(routeType, ["r"]));
    for (const version of ["2", "3", "4"]) {
      mesh.commit(edit => edit.set(endpointType, "c", version));
      client.settle();
    }
    assert.deepEqual(asked, [endpointType, endpointType, endpointType]);
    mesh.commit(edit => edit.set(secretType, "s", "1"));
    assert.deepEqual(client.settle(), []);
    assert.equal(asked.length, 3, "nothing that was asked for changed");
    assert.deepEqual(client.have(endpointType), ["c@4"]);
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
