import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import { silentLog } from "../base/log.ts";
import { createGraph } from "../flow/graph.ts";
import { createWaitingProxies } from "../model/waiting.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { trimObject } from "../sources/kube/trim.ts";
import { failed, succeeded } from "../sources/status.ts";
import { WaitingProxies } from "./waiting-proxies.ts";

interface PodOptions {
  readonly name?: string;
  readonly ready?: boolean;
  readonly revision?: string;
  readonly list?: "containerStatuses" | "initContainerStatuses";
}

const STARTED = Date.UTC(2026, 0, 1);

/** As an API server has it. */
function podObject({ name = "web", ready = false, revision = "default", list }: PodOptions) {
  const state = { running: { startedAt: new Date(STARTED).toISOString() } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "shop",
      uid: `uid-${name}`,
      annotations: { "istio.io/rev": revision },
    },
    spec: { containers: [{ name: "app", image: "a" }] },
    status: {
      phase: "Running",
      podIP: "10.0.0.1",
      [list ?? "containerStatuses"]: [{ name: "istio-proxy", ready, image: "x", state }],
    },
  };
}

function setUp() {
  const graph = createGraph();
  const pods = graph.input<Pod>("Pod");
  const waiting = createWaitingProxies(graph, pods);
  const clock = new FakeClock(STARTED);
  const events: JsonObject[] = [];
  const names = new Set<string>();
  let known: ReadonlyMap<string, string> = new Map();
  const state = {
    here: undefined as string | undefined,
    elsewhere: undefined as string | undefined,
  };
  const replica = () =>
    new WaitingProxies({
      ...{ graph, waiting, clock, log: silentLog },
      revision: "default",
      instance: "istiod-1",
      client: {
        create: (_resource, _namespace, body) => {
          const name = stringAt(objectAt(body, "metadata"), "name");
          if (names.has(name)) return Promise.resolve(failed(409, "AlreadyExists", "there"));
          names.add(name);
          events.push(body);
          return Promise.resolve(succeeded(body));
        },
      },
      knowledge: () => () => state.here,
      knownElsewhere: () => state.elsewhere,
      onKnown: all => {
        known = all;
      },
    });
  const put = (options: PodOptions): void => {
    const decoded = podKind.decode(trimObject(podKind, podObject(options)));
    assert.ok(decoded.ok);
    graph.commit({ source: "test" }, writer =>
      writer.set(pods, `shop/${options.name ?? "web"}`, decoded.value),
    );
  };
  const messages = () => events.map(event => stringAt(event, "message"));
  return { graph, clock, put, replica, events, messages, state, known: () => known };
}

const SINCE = "istio-proxy runs since 2026-01-01T00:00:00Z and is not ready: ";

test("a proxy that is connected nowhere gets one Event, of whichever replica", () => {
  const { clock, put, replica, events, messages } = setUp();
  for (const each of [replica(), replica()]) each.start();
  put({ list: "initContainerStatuses" });
  clock.advance(9_000);
  assert.deepEqual(messages(), []);
  clock.advance(60_000);
  assert.deepEqual(messages(), [`${SINCE}it is not connected to the control plane`]);
  const [{ involvedObject, type, reason } = {}] = events;
  assert.deepEqual([type, reason], ["Warning", "WaitingForConfiguration"]);
  assert.deepEqual(involvedObject, {
    apiVersion: "v1",
    kind: "Pod",
    namespace: "shop",
    name: "web",
    uid: "uid-web",
    fieldPath: "spec.initContainers{istio-proxy}",
  });
});

test("one that has waited while no control plane was there is told of at once", () => {
  const { clock, put, replica, messages } = setUp();
  put({});
  clock.advance(300_000);
  replica().start();
  assert.equal(messages().length, 1);
});

test("what a replica knows goes before, and to the others; a new reason is a new Event", () => {
  const { clock, put, replica, messages, state, known } = setUp();
  replica().start();
  put({});
  state.here = "the control plane refuses it: no";
  clock.advance(8_000);
  assert.deepEqual([...known()], [["shop/web", state.here]]);
  assert.deepEqual(messages(), []);
  clock.advance(10_000);
  state.here = undefined;
  state.elsewhere = "it is connected, and Envoy rejected LDS: bad";
  clock.advance(10_000);
  assert.deepEqual(messages(), [
    `${SINCE}the control plane refuses it: no`,
    SINCE + state.elsewhere,
  ]);
  assert.equal(known().size, 0);
});

test("no word of what is ready, of another revision, or more than there is time for", () => {
  const { clock, put, replica, messages } = setUp();
  replica().start();
  put({ ready: true });
  put({ name: "canary", revision: "canary" });
  clock.advance(30_000);
  assert.deepEqual(messages(), []);
  assert.equal(clock.waiting <= 1, true);
  for (let i = 0; i < 50; i++) put({ name: `pod-${i}` });
  clock.advance(2_500);
  assert.equal(messages().length, 20);
  for (let i = 0; i < 50; i++) put({ name: `pod-${i}`, ready: true });
  clock.advance(30_000);
  assert.equal(messages().length, 20);
});

test("a Pod whose reason is another one each time, and long, gets some Events and no more", () => {
  const { clock, put, replica, messages, state } = setUp();
  replica().start();
  put({});
  for (let i = 0; i < 40; i++) {
    state.here = `it is connected, and Envoy rejected LDS: ${i} ${"x".repeat(5_000)}`;
    clock.advance(2_500);
  }
  assert.equal(messages().length, 10);
  assert.ok(messages().every(message => message.length <= 1_024));
});
