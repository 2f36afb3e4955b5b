/** A port's endpoints stay while its Service and its EndpointSlices call it by different names. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { TestMesh } from "../../test/support/mesh.ts";
import { pod, service, slice, workloadEntry } from "../../test/support/mesh-objects.ts";
import type { EndpointSlice } from "../api/endpoint-slice/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import type { Service } from "../api/service/schema.ts";
import { objectKey } from "../model/inputs.ts";
import type { ServiceKey } from "../model/types.ts";
import { HOLD_MS, PortNames } from "./port-names.ts";

const KEY = "default/web.default.svc.cluster.local" as ServiceKey;
type Ports = Readonly<Record<string, number>>;

class Names {
  readonly mesh = new TestMesh();
  readonly clock = new FakeClock();
  readonly ports = new PortNames(this.mesh.graph, this.mesh.inputs, this.clock);

  constructor() {
    const labels = { app: "web" };
    this.mesh.set(
      this.mesh.inputs.pods,
      pod({ at: "default/a", labels }, { ip: "10.0.0.1" }),
      pod({ at: "default/b", labels }, { ip: "10.0.0.2" }),
    );
  }

  /** As the input writer does it. */
  commit(...objects: readonly (Service | EndpointSlice)[]): void {
    const { graph, inputs } = this.mesh;
    graph.commit({ source: "test" }, writer => {
      for (const object of objects) {
        const key = objectKey(object.metadata);
        if ("spec" in object) {
          this.ports.onService(writer, key, object);
          writer.set(inputs.services, key, object);
        } else {
          this.ports.onSlice(writer, key, object);
          writer.set(inputs.endpointSlices, key, object);
        }
      }
    });
  }

  /** `address:port` behind each of the service's ports. */
  endpoints(): Readonly<Record<string, readonly string[]>> {
    const { services, endpoints } = this.mesh.model;
    const byPort = endpoints.get(KEY)?.byPort ?? {};
    const ports = services.get(KEY)?.ports ?? [];
    return Object.fromEntries(
      ports.map(({ number, name }) => [
        number,
        (byPort[name] ?? []).map(({ address, port }) => `${address}:${port}`).sort(),
      ]),
    );
  }
}

function web(ports: readonly JsonObject[]): Service {
  return service(
    { at: "default/web" },
    { clusterIP: "10.1.0.1", selector: { app: "web" }, ports: [...ports] },
  );
}

function listed(name: string, ports: Ports, pods: readonly string[]): EndpointSlice {
  const at = pods.map(each => ({ name: each, ip: each === "a" ? "10.0.0.1" : "10.0.0.2" }));
  return slice(`default/${name}`, { service: "web", ports, pods: at });
}

const port = (name: string, number = 80, targetPort: number | string = 8080): JsonObject => ({
  name,
  port: number,
  targetPort,
});

/** A Service with one port `http`, listed by two slices. */
function started(): Names {
  const names = new Names();
  names.commit(web([port("http")]));
  names.commit(listed("s1", { http: 8080 }, ["a"]), listed("s2", { http: 8080 }, ["b"]));
  assert.deepEqual(names.endpoints(), BOTH);
  return names;
}

const BOTH = { 80: ["10.0.0.1:8080", "10.0.0.2:8080"] };
const MOVED = { 80: ["10.0.0.1:9090", "10.0.0.2:9090"] };

test("a port is renamed, and its slices follow one by one", () => {
  const names = started();
  names.commit(web([port("http-web")]));
  assert.deepEqual(names.endpoints(), BOTH);
  names.commit(listed("s1", { "http-web": 8080 }, ["a"]));
  assert.deepEqual(names.endpoints(), BOTH);
  names.commit(listed("s2", { "http-web": 8080 }, ["b"]));
  assert.deepEqual(names.endpoints(), BOTH);
  names.clock.advance(HOLD_MS);
  assert.deepEqual(names.endpoints(), BOTH);
  assert.deepEqual([...names.mesh.inputs.heldPortNames.keys()], []);
});

test("the slices come first", () => {
  const names = started();
  names.commit(listed("s1", { "http-web": 8080 }, ["a"]));
  assert.deepEqual(names.endpoints(), BOTH);
  names.commit(listed("s2", { "http-web": 8080 }, ["b"]));
  assert.deepEqual(names.endpoints(), BOTH);
  names.commit(web([port("http-web")]));
  assert.deepEqual(names.endpoints(), BOTH);
});

test("the Service comes between two slices", () => {
  const names = started();
  names.commit(listed("s1", { "http-web": 8080 }, ["a"]));
  names.commit(web([port("http-web")]));
  assert.deepEqual(names.endpoints(), BOTH);
});

test("name and target change together: pods are asked at the port that their slice knows", () => {
  for (const order of ["service first", "slices first", "at once"]) {
    const names = started();
    const after = web([port("http-web", 80, 9090)]);
    const s1 = listed("s1", { "http-web": 9090 }, ["a"]);
    const s2 = listed("s2", { "http-web": 9090 }, ["b"]);
    if (order === "service first") {
      names.commit(after);
      assert.deepEqual(names.endpoints(), BOTH, order);
      names.commit(s1);
      assert.deepEqual(names.endpoints(), { 80: ["10.0.0.1:9090", "10.0.0.2:8080"] }, order);
      names.commit(s2);
    } else if (order === "slices first") {
      names.commit(s1, s2);
      assert.deepEqual(names.endpoints(), BOTH, order);
      names.commit(after);
    } else names.commit(s2, after, s1);
    assert.deepEqual(names.endpoints(), MOVED, order);
  }
});

test("at once, and only one of the slices with it", () => {
  for (const first of [true, false]) {
    const names = started();
    const after = web([port("http-web")]);
    const s1 = listed("s1", { "http-web": 8080 }, ["a"]);
    names.commit(...(first ? [after, s1] : [s1, after]));
    assert.deepEqual(names.endpoints(), BOTH);
  }
});

test("a name and a number change, the target stays", () => {
  const names = started();
  names.commit(web([port("http-web", 81)]));
  assert.deepEqual(names.endpoints(), { 81: BOTH[80] });
});

test("renamed twice, and back, before a slice follows", () => {
  const names = started();
  names.commit(web([port("second")]));
  names.commit(web([port("third")]));
  assert.deepEqual(names.endpoints(), BOTH);
  names.commit(listed("s1", { second: 8080 }, ["a"]));
  assert.deepEqual(names.endpoints(), BOTH);
  names.commit(web([port("http")]));
  assert.deepEqual(names.endpoints(), BOTH);
});

test("what only adds, removes, or moves a port is as it was", () => {
  const added = started();
  added.commit(web([port("http"), port("more", 81, 8181)]));
  assert.deepEqual(added.endpoints(), { ...BOTH, 81: [] });
  const moved = started();
  moved.commit(web([port("http", 80, 9090)]));
  assert.deepEqual(moved.endpoints(), BOTH);
  moved.commit(listed("s1", { http: 9090 }, ["a"]), listed("s2", { http: 9090 }, ["b"]));
  assert.deepEqual(moved.endpoints(), MOVED);
  const other = started();
  other.commit(web([{ ...port("udp"), protocol: "UDP" }]));
  assert.deepEqual(other.endpoints(), { 80: [] });
  for (const names of [added, moved, other])
    assert.deepEqual([...names.mesh.inputs.heldPortNames.keys()], []);
});

test("after a minute the slices' word holds, as in Istio", () => {
  const names = started();
  names.commit(web([port("http-web")]));
  names.clock.advance(HOLD_MS - 1);
  assert.deepEqual(names.endpoints(), BOTH);
  names.clock.advance(1);
  assert.deepEqual(names.endpoints(), { 80: [] });
  names.ports.stop();
});

test("each new name is held for a minute of its own; stopping leaves no timer", () => {
  const names = started();
  names.commit(web([port("second")]));
  names.clock.advance(HOLD_MS - 1);
  names.commit(web([port("third")]));
  names.clock.advance(HOLD_MS - 1);
  assert.deepEqual(names.endpoints(), BOTH);
  names.ports.stop();
  names.clock.advance(HOLD_MS);
  assert.equal([...names.mesh.inputs.heldPortNames.keys()].length, 1);
});

test("pods that come and go meanwhile count", () => {
  const names = started();
  names.commit(web([port("http-web")]));
  names.commit(listed("s1", { http: 8080 }, []));
  assert.deepEqual(names.endpoints(), { 80: ["10.0.0.2:8080"] });
  names.commit(listed("s1", { "http-web": 8080 }, ["a"]));
  assert.deepEqual(names.endpoints(), BOTH);
});

test("a WorkloadEntry says its port by the old name", () => {
  const names = started();
  const entry = { address: "10.9.0.1", labels: { app: "web" }, ports: { http: 7070 } };
  names.mesh.set(names.mesh.inputs.workloadEntries, workloadEntry({ at: "default/vm" }, entry));
  const all = { 80: [...BOTH[80], "10.9.0.1:7070"] };
  assert.deepEqual(names.endpoints(), all);
  names.commit(web([port("http-web")]));
  assert.deepEqual(names.endpoints(), all);
});

test("a port may be called as what every object inherits", () => {
  const entry = { address: "10.9.0.1", labels: { app: "web" }, ports: { http: 7070 } };
  const all = { 80: [...BOTH[80], "10.9.0.1:7070"] };
  const fresh = new Names();
  fresh.commit(web([port("constructor")]), listed("s1", { other: 8080 }, ["a"]));
  assert.deepEqual(fresh.endpoints(), { 80: [] });
  const names = started();
  names.mesh.set(names.mesh.inputs.workloadEntries, workloadEntry({ at: "default/vm" }, entry));
  names.commit(web([port("constructor")]));
  assert.deepEqual(names.endpoints(), all);
  names.commit(web([port("later")]));
  assert.deepEqual(names.endpoints(), all);
});
