import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { describeProxy } from "../../src/bin/proxy-row.ts";
import type { StreamEvent } from "../../src/discovery/types.ts";
import { MESH_KEY } from "../../src/model/inputs.ts";
import type { ProxyClass } from "../../src/model/proxies.ts";
import type { Rejection } from "../../src/status/object-report.ts";
import { Rejections, type Witness } from "../../src/status/rejections.ts";
import { TypeUrl } from "../../src/xds/resource.ts";
import { viewKey } from "../../src/xds/resources/family.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { MESH } from "../support/mesh-objects.ts";
import { core, istio, YamlMesh } from "../support/yaml-mesh.ts";

type Type = Exclude<(typeof TypeUrl)[keyof typeof TypeUrl], typeof TypeUrl.secret>;

const OBJECTS = [
  ...["web", "two", "raw"].map(name =>
    core("Service", name, `{clusterIP: 10.0.0.1, ports: [{name: http, port: 80}]}`),
  ),
  istio("VirtualService", "web", route("web", '[{uri: {regex: "/w[0-9]+"}}]')),
  istio("VirtualService", "two", route("two", '[{uri: {regex: "/[^x]{1000}"}}]')),
  istio("DestinationRule", "web", "{host: web, subsets: [{name: v1, labels: {v: a}}]}"),
  istio(
    "Gateway",
    "edge",
    "{selector: {istio: edge}, servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: [a.b]}]}",
  ),
  istio(
    "Gateway",
    "other",
    "{selector: {istio: edge}, servers: [{port: {number: 81, name: h, protocol: HTTP}, hosts: [a.b]}]}",
  ),
].join("");

function route(host: string, match: string): string {
  return `{hosts: [${host}], http: [{match: ${match}, route: [{destination: {host: ${host}}}]}]}`;
}

function setUp(limits: { readonly readBytes?: number } = {}) {
  const mesh = new YamlMesh();
  const { graph, inputs, model, resources } = mesh.mesh;
  const rows = graph.input<readonly Rejection[]>("rejections");
  mesh.apply(OBJECTS);
  const classOf = (type: string, labels: Record<string, string>): ProxyClass => {
    const id = `${type}~10.0.0.9~${type}.default~default.svc.cluster.local`;
    const metadata = { NAMESPACE: "default", LABELS: labels };
    const proxy = describeProxy({ id, metadata }, { flavour: "upstream", vhds: "none" });
    assert.ok("row" in proxy);
    const { row } = proxy;
    graph.commit({ source: "test" }, writer => {
      writer.set(inputs.mesh, MESH_KEY, MESH);
      writer.set(inputs.proxies, type, row);
    });
    const found = model.proxies.rows.get(type)?.class;
    assert.ok(found !== undefined);
    return found;
  };
  const sidecar = classOf("sidecar", { app: "sleep" });
  const gateway = classOf("router", { istio: "edge" });
  const clock = new FakeClock();
  const log: string[] = [];
  const noted = { ...silentLog, error: (line: string) => log.push(line) };
  const rejections = new Rejections({
    graph,
    model,
    resources,
    rows,
    clock,
    log: noted,
    ...limits,
  });
  const hold = (of: ProxyClass, type: Type, name: string): void => {
    const family = resources[type];
    const value = family.cells.acquire(viewKey(family.namedView(of)(name), name)).value();
    assert.ok(value !== undefined, name);
  };
  const shown = (): string[] => {
    clock.advance(500);
    return [...rows.entries()].flatMap(([key, list]) =>
      list.map(each => `${key} ${each.type} ${each.resource} ${each.proxies}: ${each.message}`),
    );
  };
  return { mesh, rejections, sidecar, gateway, hold, shown, rows, clock, log };
}

const WITNESS: Witness = { proxy: "sleep.default", namespace: "default" };

function nack(type: string, message: string, ...names: readonly string[]): StreamEvent {
  return { kind: "nacked", type, nonce: "1", revision: 1, message, names };
}

function ack(type: string, ...names: readonly string[]): StreamEvent {
  const resources = names.map(name => ({ name }));
  return { kind: "acked", type, nonce: "2", revision: 2, resources };
}

const WEB = "outbound|80||web.default.svc.cluster.local";
const RAW = "outbound|80||raw.default.svc.cluster.local";

test("a route is put down to the VirtualService that has what Envoy names", () => {
  const { rejections, sidecar, hold, shown } = setUp();
  hold(sidecar, TypeUrl.route, "80");
  const message = "regex '/[^x]{1000}' RE2 program size of 99999 > max program size of 32768";
  rejections.report("a", WITNESS, sidecar, nack(TypeUrl.route, message, "80"));
  assert.deepEqual(shown(), [
    `VirtualService.networking.istio.io/default/two RDS 80 1: ${message}`,
  ]);
  rejections.report("b", WITNESS, sidecar, nack(TypeUrl.route, message, "80"));
  assert.deepEqual(shown(), [
    `VirtualService.networking.istio.io/default/two RDS 80 2: ${message}`,
  ]);
  rejections.report("a", WITNESS, sidecar, ack(TypeUrl.route, "80"));
  assert.deepEqual(shown(), [
    `VirtualService.networking.istio.io/default/two RDS 80 1: ${message}`,
  ]);
  rejections.report("b", WITNESS, sidecar, ack(TypeUrl.cluster, WEB));
  assert.equal(shown().length, 1, "another type says nothing");
  rejections.closed("b");
  assert.deepEqual(shown(), []);
});

test("clusters: the DestinationRule, or else the Service", () => {
  const { rejections, sidecar, hold, shown } = setUp();
  for (const name of [WEB, RAW]) hold(sidecar, TypeUrl.cluster, name);
  rejections.report("a", WITNESS, sidecar, nack(TypeUrl.cluster, `${WEB}: odd`, WEB, RAW));
  assert.deepEqual(shown(), [
    `DestinationRule.networking.istio.io/default/web CDS ${WEB} 1: ${WEB}: odd`,
  ]);
  rejections.report("a", WITNESS, sidecar, ack(TypeUrl.cluster, WEB));
  rejections.report("a", WITNESS, sidecar, nack(TypeUrl.cluster, "odd", RAW));
  assert.deepEqual(shown(), [`Service/default/raw CDS ${RAW} 1: odd`]);
});

test("a gateway's listener: the Gateways on its port", () => {
  const { rejections, gateway, hold, shown } = setUp();
  hold(gateway, TypeUrl.listener, "0.0.0.0_81");
  rejections.report("a", WITNESS, gateway, nack(TypeUrl.listener, "no", "0.0.0.0_81"));
  assert.deepEqual(shown(), ["Gateway.networking.istio.io/default/other LDS 0.0.0.0_81 1: no"]);
});

test("who is one of many suspects is left alone until they are fewer", () => {
  const { rejections, sidecar, hold, shown } = setUp();
  const names = [WEB, RAW, "BlackHoleCluster", "PassthroughCluster", "InboundPassthroughCluster"];
  for (const name of names) hold(sidecar, TypeUrl.cluster, name);
  rejections.report("a", WITNESS, sidecar, nack(TypeUrl.cluster, "odd", ...names));
  assert.deepEqual(shown(), []);
  rejections.report("a", WITNESS, sidecar, nack(TypeUrl.cluster, "odd", WEB, RAW));
  assert.equal(shown().length, 2);
  rejections.report("a", WITNESS, sidecar, ack(TypeUrl.cluster, RAW));
  assert.deepEqual(shown(), [`DestinationRule.networking.istio.io/default/web CDS ${WEB} 1: odd`]);
});

test("what is gone is rejected no more", () => {
  const { mesh, rejections, sidecar, hold, shown } = setUp();
  hold(sidecar, TypeUrl.cluster, RAW);
  rejections.report("a", WITNESS, sidecar, nack(TypeUrl.cluster, "odd", RAW));
  assert.equal(shown().length, 1);
  mesh.remove(core("Service", "raw", "{}"));
  rejections.report("a", WITNESS, sidecar, ack(TypeUrl.cluster, WEB));
  assert.deepEqual(shown(), []);
});

test("what Envoy says is cut to a line", () => {
  const { rejections, sidecar, hold, shown } = setUp();
  hold(sidecar, TypeUrl.cluster, RAW);
  rejections.report(
    "a",
    WITNESS,
    sidecar,
    nack(TypeUrl.cluster, `a\n\u001b[31m${"b".repeat(9999)}`, RAW),
  );
  const [line = ""] = shown();
  assert.match(line, /: a \[31mb+\.\.\.$/);
  assert.ok(line.length < 700);
});

function witness(namespace: string | undefined): Witness {
  return { proxy: `p.${namespace ?? "default"}`, namespace };
}

test("proxies of other namespaces, or of nobody, are heard after a while, about few objects", () => {
  for (const namespace of ["evil", undefined]) {
    const { rejections, sidecar, hold, shown, rows, clock } = setUp();
    hold(sidecar, TypeUrl.cluster, RAW);
    rejections.report("a", witness(namespace), sidecar, nack(TypeUrl.cluster, "pay me", RAW));
    assert.deepEqual(shown(), []);
    clock.advance(10_000);
    assert.equal(shown().length, 1);
    const [, [heard]] = [...rows.entries()][0] ?? ["", []];
    assert.deepEqual(heard?.namespaces, namespace === undefined ? [] : [namespace]);
    rejections.closed("a");
    assert.deepEqual(shown(), []);
  }
});

test("who rejects and accepts in turn is not heard, and does not fill the log", () => {
  const { rejections, sidecar, hold, shown, clock, log } = setUp();
  hold(sidecar, TypeUrl.cluster, RAW);
  for (let i = 0; i < 200; i++) {
    rejections.report("a", witness("evil"), sidecar, nack(TypeUrl.cluster, `no ${i}`, RAW));
    clock.advance(250);
    rejections.report("a", witness("evil"), sidecar, nack(TypeUrl.cluster, `no ${i}!`, RAW));
    clock.advance(250);
    assert.deepEqual(shown(), []);
    rejections.report("a", witness("evil"), sidecar, ack(TypeUrl.cluster, RAW));
    assert.deepEqual(shown(), []);
  }
  // 300 seconds.
  assert.ok(log.length <= 20 + 300, `${log.length} lines`);
});

test("other words about the same resource are no new beginning", () => {
  const { rejections, sidecar, hold, shown, clock } = setUp();
  hold(sidecar, TypeUrl.cluster, RAW);
  for (let i = 0; i < 4; i++) {
    rejections.report("a", witness("evil"), sidecar, nack(TypeUrl.cluster, `no ${i}`, RAW));
    clock.advance(4_000);
  }
  assert.equal(shown().length, 1);
});

test("who shows no identity and rejects all the time costs no more than so much", () => {
  const { rejections, sidecar, hold, clock } = setUp();
  hold(sidecar, TypeUrl.cluster, WEB);
  const stranger: Witness = { proxy: "x.y", namespace: undefined };
  for (let i = 0; i < 1_500; i++)
    rejections.report(`s${i}`, stranger, sidecar, nack(TypeUrl.cluster, `no ${i}`, WEB));
  assert.deepEqual(rejections.held, { streams: 1_000, unproven: 1_000 });
  // Good proxies are heard all the same.
  rejections.report("good", WITNESS, sidecar, nack(TypeUrl.cluster, "no", WEB));
  assert.equal(rejections.held.streams, 1_001);
  clock.advance(500);
  rejections.report("s0", stranger, sidecar, ack(TypeUrl.cluster, WEB));
  for (let i = 1; i < 1_000; i++) rejections.closed(`s${i}`);
  rejections.closed("s1");
  assert.deepEqual(rejections.held, { streams: 1, unproven: 0 });
});

test("a large resource is read again a bounded number of times, and then goes by its name", () => {
  const { rejections, sidecar, hold, shown, clock } = setUp({ readBytes: 64 << 10 });
  hold(sidecar, TypeUrl.route, "80");
  const message = "regex '/[^x]{1000}' RE2 program size of 99999 > max program size of 32768";
  const two = `VirtualService.networking.istio.io/default/two RDS 80 1: ${message}`;
  const say = (): readonly string[] => {
    rejections.report("a", WITNESS, sidecar, ack(TypeUrl.route, "80"));
    rejections.report("a", WITNESS, sidecar, nack(TypeUrl.route, message, "80"));
    return shown();
  };
  assert.deepEqual(say(), [two]);
  for (let i = 0; i < 1_000; i++)
    rejections.report("a", WITNESS, sidecar, nack(TypeUrl.route, `other ${i}`, "80"));
  rejections.report("a", WITNESS, sidecar, nack(TypeUrl.route, message, "80"));
  assert.doesNotMatch(shown().join("\n"), /default\/two RDS/);
  clock.advance(60_000);
  assert.deepEqual(say(), [two]);
});

test("a clock that is set back keeps nothing from the log", () => {
  const { rejections, sidecar, hold, shown, clock, log } = setUp();
  hold(sidecar, TypeUrl.cluster, WEB);
  rejections.report("a", WITNESS, sidecar, nack(TypeUrl.cluster, "one", WEB));
  shown();
  clock.set(-3_600_000);
  rejections.report("b", WITNESS, sidecar, nack(TypeUrl.cluster, "two", WEB));
  clock.advance(3_601_000);
  assert.equal(log.length, 2);
});
