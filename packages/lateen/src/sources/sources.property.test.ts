/** From the store through its API and an informer into the graph: what arrives is what is there. */

import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { FakeClock } from "../../test/support/fake-clock.ts";
import type { ApiObject } from "../api/kind.ts";
import { silentLog } from "../base/log.ts";
import { createGraph } from "../flow/graph.ts";
import { apiSource } from "./api-source.ts";
import { ApiClient, type WatchLine } from "./client/api-client.ts";
import { type LocalHandler, localTransport } from "./client/local-transport.ts";
import { bindInput, InputWriter, type ObjectDiagnostics } from "./input-writer.ts";
import { kubeApiHandler } from "./kube-api/handler.ts";
import { succeeded } from "./status.ts";
import type { Store } from "./store/store.ts";
import { testStore, widget, widgetKind } from "./store/test-store.ts";

type Step =
  | { readonly op: "create" | "update" | "delete"; readonly name: string; readonly size: number }
  | { readonly op: "wait"; readonly ms: number }
  | { readonly op: "outage"; readonly on: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constantFrom("create", "update", "delete"),
      name: fc.constantFrom("a", "b", "c", "d", "e"),
      size: fc.nat({ max: 100 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant("wait"), ms: fc.constantFrom(0, 5, 500, 700_000) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("outage"), on: fc.boolean() }) },
);

async function turns(): Promise<void> {
  for (let i = 0; i < 6; i++) await new Promise(done => setImmediate(done));
}

function write(store: Store, { op, name, size }: Extract<Step, { name: string }>): void {
  if (op === "create") store.create(widgetKind, "default", widget(name, { size }));
  else if (op === "delete") store.delete(widgetKind, "default", name);
  else
    store.modify(widgetKind, "default", name, current => succeeded({ ...current, spec: { size } }));
}

async function settle(clock: FakeClock): Promise<void> {
  // Longer than any back-off, any time of a watch and any batch.
  for (const ms of [700_000, 20_000, 20_000, 20, 20]) {
    await turns();
    clock.advance(ms);
  }
  await turns();
}

test("random writes, outages and a short history: the rows come out as the objects are", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
      const { store, clock } = testStore({ history: { eventsPerResource: 3 } });
      const inner = kubeApiHandler({ store, clock, version: "0" });
      let outage = false;
      const handler: LocalHandler = request =>
        outage ? { status: 503, body: "away", contentType: "text/plain" } : inner(request);
      const graph = createGraph();
      const rows = graph.input<ApiObject>("Widget");
      const source = apiSource({
        name: "test",
        client: new ApiClient(localTransport(handler)),
        kinds: [widgetKind],
        clock,
        random: () => 0.5,
        log: silentLog,
      });
      const writer = new InputWriter({
        graph,
        source,
        bindings: [bindInput(widgetKind, rows)],
        diagnostics: graph.input<ObjectDiagnostics>("diagnostics"),
        clock,
        log: silentLog,
      });
      writer.start();
      for (const one of steps) {
        if ("name" in one) write(store, one);
        else if (one.op === "outage") outage = one.on;
        else {
          await turns();
          clock.advance(one.ms);
        }
      }
      outage = false;
      await settle(clock);
      const there = store
        .all(widgetKind)
        .map(({ name, resourceVersion }) => [`default/${name}`, String(resourceVersion)]);
      const arrived = [...rows.entries()].map(([key, row]) => [key, row.metadata.resourceVersion]);
      assert.deepEqual(arrived, there);
      writer.stop();
    }),
    { numRuns: 60 },
  );
});

test("a thousand watchers see each change once, and share its text", async () => {
  const { store, clock } = testStore();
  const handler = kubeApiHandler({ store, clock, version: "0" });
  const client = new ApiClient(localTransport(handler));
  let seen = 0;
  const count = (events: readonly WatchLine[]): void => {
    seen += events.length;
  };
  const stops = Array.from({ length: 1000 }, () =>
    client.watch(
      widgetKind,
      { resourceVersion: String(store.revision), timeoutSeconds: 60 },
      { onEvents: count, onEnd: () => {} },
    ),
  );
  await turns();
  for (const name of ["a", "b", "c"]) store.create(widgetKind, "default", widget(name));
  await turns();
  assert.equal(seen, 3000);
  for (const stop of stops) stop();
});
