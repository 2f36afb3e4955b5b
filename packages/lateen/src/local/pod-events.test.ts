import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { JsonObject } from "../api/kind.ts";
import { silentLog } from "../base/log.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { failed, succeeded } from "../sources/status.ts";
import { PodEvents } from "./pod-events.ts";

const pod = { namespace: "default", name: "web", uid: "u1" };
const warning = (message: string, reason = "Unhealthy") => ({
  type: "Warning" as const,
  reason,
  message,
});

/** A store of Events that can be made to refuse. */
class FakeEvents {
  readonly stored = new Map<string, JsonObject>();
  writes = 0;

  create(_kind: unknown, _namespace: string, body: JsonObject) {
    this.writes++;
    const name = stringAt(objectAt(body, "metadata"), "name");
    if (this.stored.has(name)) return Promise.resolve(failed(409, "AlreadyExists", "it is there"));
    this.stored.set(name, body);
    return Promise.resolve(succeeded(body));
  }

  get(_kind: unknown, _namespace: string, name: string) {
    const found = this.stored.get(name);
    return Promise.resolve(found === undefined ? failed(404, "NotFound", name) : succeeded(found));
  }

  patch(_kind: unknown, _namespace: string, name: string, _type: string, patch: JsonObject) {
    this.writes++;
    const found = this.stored.get(name);
    if (found === undefined) return Promise.resolve(failed(404, "NotFound", name));
    this.stored.set(name, { ...found, ...patch });
    return Promise.resolve(succeeded(found));
  }

  list() {
    const items = [...this.stored.values()];
    return Promise.resolve(succeeded({ items, resourceVersion: "1", continue: "" }));
  }

  delete(_kind: unknown, _namespace: string, name: string) {
    this.stored.delete(name);
    return Promise.resolve(succeeded({}));
  }
}

function recorder(client = new FakeEvents(), clock = new FakeClock()) {
  const events = new PodEvents({ client, clock, log: silentLog, host: "node-1" });
  return { client, clock, events };
}

test("an Event is about who would have made the pod, and said by its controller", async () => {
  const { client, events } = recorder();
  const source = { apiVersion: "apps/v1", kind: "Deployment", component: "deployment-controller" };
  events.record(pod, warning("Error creating: no", "FailedCreate"), source);
  await events.stop();
  const [event] = [...client.stored.values()];
  assert.deepEqual(event?.["involvedObject"], {
    apiVersion: "apps/v1",
    kind: "Deployment",
    ...pod,
  });
  assert.equal(objectAt(event ?? {}, "source")["component"], "deployment-controller");
});

test("the same again is counted, and written now and then; another word is another Event", async () => {
  const { client, clock, events } = recorder();
  for (let i = 0; i < 100; i++) {
    events.record(pod, warning("Readiness probe failed: no"));
    clock.advance(1_000);
  }
  events.record(pod, {
    ...warning("Error: x", "Failed"),
    container: { list: "containers", name: "a" },
  });
  await events.stop();
  assert.equal(client.stored.size, 2);
  const [first, second] = [...client.stored.values()];
  assert.equal(first?.["count"], 91);
  assert.equal(client.writes, 11);
  assert.deepEqual(objectAt(second ?? {}, "involvedObject"), {
    ...{ apiVersion: "v1", kind: "Pod", ...pod },
    fieldPath: "spec.containers{a}",
  });
  assert.deepEqual(second?.["source"], { component: "kubelet", host: "node-1" });
});

test("what an earlier run has said is counted on", async () => {
  const { client, events } = recorder();
  events.record(pod, warning("no"));
  await events.stop();
  const later = recorder(client);
  later.events.record(pod, warning("no"));
  await later.events.stop();
  assert.deepEqual(
    [...client.stored.values()].map(event => event["count"]),
    [2],
  );
});

test("words that are others each time are no way to fill the store", async () => {
  const { client, events } = recorder();
  for (let i = 0; i < 1000; i++) events.record(pod, warning(`at ${i}${"x".repeat(5000)}`));
  await events.stop();
  assert.equal(client.stored.size, 25);
  for (const event of client.stored.values()) assert.ok(stringAt(event, "message").length <= 1024);
});

test("Events are kept for an hour", async () => {
  const { client, clock, events } = recorder();
  events.record(pod, warning("old"));
  clock.advance(3_000_000);
  events.record(pod, warning("new"));
  clock.advance(1_000_000);
  await events.stop();
  assert.deepEqual(
    [...client.stored.values()].map(event => event["message"]),
    ["new"],
  );
});

test("a clock that is set back keeps no word back", async () => {
  const { client, clock, events } = recorder();
  events.record(pod, warning("Readiness probe failed: no"));
  clock.set(-3_600_000);
  clock.advance(10_000);
  events.record(pod, warning("Readiness probe failed: no"));
  await events.stop();
  assert.equal(client.writes, 2);
});
