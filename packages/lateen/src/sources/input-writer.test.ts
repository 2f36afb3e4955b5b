import assert from "node:assert/strict";
import test from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { JsonObject } from "../api/kind.ts";
import {
  type PeerAuthentication,
  peerAuthenticationKind,
} from "../api/peer-authentication/kind.ts";
import { serviceKind } from "../api/service/kind.ts";
import type { Service } from "../api/service/schema.ts";
import { silentLog } from "../base/log.ts";
import { createGraph } from "../flow/graph.ts";
import { bindInput, InputWriter, type LastGood, type ObjectDiagnostics } from "./input-writer.ts";
import type { SourceChange, SourceSink } from "./source.ts";
import { openDatabase } from "./store/database.ts";
import { StoredLastGood } from "./store/last-good.ts";

function service(port: number | string): JsonObject {
  const metadata = { name: "web", namespace: "shop" };
  return { apiVersion: "v1", kind: "Service", metadata, spec: { ports: [{ port }] } };
}

function change(object: JsonObject | undefined): SourceChange {
  return { kind: serviceKind, namespace: "shop", name: "web", object };
}

function setUp(lastGood?: LastGood) {
  const graph = createGraph();
  const services = graph.input<Service>("Service");
  const diagnostics = graph.input<ObjectDiagnostics>("diagnostics");
  const clock = new FakeClock();
  let sink: SourceSink | undefined;
  const start = (started: SourceSink): void => {
    sink = started;
  };
  const writer = new InputWriter({
    graph,
    source: { name: "test", start, stop: () => {} },
    bindings: [bindInput(serviceKind, services)],
    diagnostics,
    clock,
    log: silentLog,
    ...(lastGood === undefined ? {} : { lastGood }),
  });
  writer.start();
  assert.ok(sink !== undefined);
  const portOf = (): number | undefined => services.get("shop/web")?.spec.ports[0]?.port;
  return { graph, sink, clock, portOf, diagnostics };
}

test("everything there is at the start is one revision; a lone change goes at once", () => {
  const { graph, sink, clock, portOf } = setUp();
  sink.onChanges([change(service(80))]);
  assert.equal(graph.revision, 0);
  sink.onSynced();
  assert.deepEqual([graph.revision, portOf()], [1, 80]);
  clock.advance(1000);
  sink.onChanges([change(service(81))]);
  assert.deepEqual([graph.revision, portOf()], [2, 81]);
});

test("a burst is batched: the first at once, the rest together", () => {
  const { graph, sink, clock, portOf } = setUp();
  sink.onSynced();
  clock.advance(1000);
  for (let port = 1; port <= 50; port++) sink.onChanges([change(service(port))]);
  assert.deepEqual([graph.revision, portOf()], [1, 1]);
  clock.advance(10);
  assert.deepEqual([graph.revision, portOf()], [2, 50]);
});

test("a clock that is set back puts no change off", () => {
  const { sink, clock, portOf } = setUp();
  sink.onSynced();
  clock.advance(1000);
  sink.onChanges([change(service(1))]);
  clock.set(-3_600_000);
  sink.onChanges([change(service(2))]);
  clock.advance(10);
  assert.equal(portOf(), 2);
});

test("a bad object keeps its last good row and says why", () => {
  const { sink, clock, portOf, diagnostics } = setUp();
  sink.onChanges([change(service(80))]);
  sink.onSynced();
  clock.advance(1000);
  sink.onChanges([change(service("wrong"))]);
  assert.equal(portOf(), 80);
  const row = diagnostics.get("Service/shop/web");
  assert.equal(row?.accepted, false);
  assert.match(row?.diagnostics[0]?.path ?? "", /spec\.ports\[0\]\.port/);
  clock.advance(1000);
  sink.onChanges([change(service(82))]);
  assert.equal(portOf(), 82);
  assert.equal(diagnostics.get("Service/shop/web"), undefined);
  clock.advance(1000);
  sink.onChanges([change(undefined)]);
  assert.equal(portOf(), undefined);
});

test("what only new objects are refused for is told of one that is stored, whose row is set", () => {
  const inputs = createGraph().input<PeerAuthentication>("PeerAuthentication");
  const { write, diagnostics } = bindInput(peerAuthenticationKind, inputs).decode({
    apiVersion: "security.istio.io/v1",
    kind: "PeerAuthentication",
    metadata: { name: "strict", namespace: "shop" },
    spec: { mtls: { mode: "STRICT" }, portLevelMtls: { 80: { mode: "DISABLE" } } },
  });
  assert.ok(write !== undefined);
  assert.deepEqual(
    diagnostics
      .filter(({ newOnly }) => newOnly === true)
      .map(({ severity, path }) => [severity, path]),
    [["warning", "spec"]],
  );
});

test("with a place to keep it, the last good row outlives the process", () => {
  const opened = openDatabase(":memory:");
  assert.ok(opened.ok);
  const lastGood = (): LastGood => new StoredLastGood(opened.value, silentLog);
  const first = setUp(lastGood());
  first.sink.onChanges([change(service(80))]);
  first.sink.onSynced();
  first.clock.advance(1000);
  first.sink.onChanges([change(service("wrong"))]);

  const second = setUp(lastGood());
  second.sink.onChanges([change(service("wrong"))]);
  second.sink.onSynced();
  assert.equal(second.portOf(), 80);
  second.clock.advance(1000);
  second.sink.onChanges([change(service(81))]);
  assert.equal(lastGood().get("/Service", "shop/web"), undefined);
});

test("problems of the source itself are rows that go when they are solved", () => {
  const { sink, clock, diagnostics } = setUp();
  sink.onProblems([{ origin: "a.yaml:3", message: "broken" }]);
  sink.onSynced();
  assert.equal(diagnostics.get("File//a.yaml:3")?.diagnostics[0]?.message, "broken");
  clock.advance(1000);
  sink.onProblems([]);
  assert.equal(diagnostics.size, 0);
});

test("objects of one name and kind, but of different API groups, are two", () => {
  const graph = createGraph();
  const diagnostics = graph.input<ObjectDiagnostics>("diagnostics");
  const twinKind = { ...serviceKind, group: "twin.example.com" };
  const rows = [graph.input<Service>("Service"), graph.input<Service>("twin")];
  const clock = new FakeClock();
  let sink: SourceSink | undefined;
  const start = (started: SourceSink): void => {
    sink = started;
  };
  const writer = new InputWriter({
    graph,
    source: { name: "test", start, stop: () => {} },
    bindings: [serviceKind, twinKind].map((kind, i) => bindInput(kind, rows[i] ?? assert.fail())),
    diagnostics,
    clock,
    log: silentLog,
  });
  writer.start();
  const good = change(service(80));
  sink?.onChanges([good, { ...good, kind: twinKind }]);
  sink?.onSynced();
  assert.deepEqual(
    rows.map(each => each.get("shop/web")?.spec.ports[0]?.port),
    [80, 80],
  );
  clock.advance(1000);
  const bad = change(service("wrong"));
  sink?.onChanges([bad, { ...bad, kind: twinKind }]);
  assert.deepEqual([...diagnostics.keys()].sort(), [
    "Service.twin.example.com/shop/web",
    "Service/shop/web",
  ]);
});
