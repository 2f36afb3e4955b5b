import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type EndpointSlice, endpointSliceKind } from "../api/endpoint-slice/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import { serviceKind } from "../api/service/kind.ts";
import type { Service } from "../api/service/schema.ts";
import { desiredSlices, MAX_ENDPOINTS, planSlices, type SliceContent } from "./slice-plan.ts";

function service(ports: readonly JsonObject[], more: JsonObject = {}): Service {
  const decoded = serviceKind.decode({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default" },
    spec: { selector: { app: "web" }, clusterIP: "10.0.0.1", ports, ...more },
  });
  assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
  return decoded.value;
}

interface PodState {
  readonly index: number;
  readonly ready: boolean;
  readonly terminating: boolean;
  /** The number behind the port named `http`. */
  readonly port: number;
}

function pod({ index, ready, terminating, port }: PodState): Pod {
  const decoded = podKind.decode({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `web-${index}`,
      namespace: "default",
      uid: `uid-${index}`,
      labels: { app: "web" },
      ...(terminating ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: {
      nodeName: "node-1",
      containers: [{ name: "app", image: "app", ports: [{ name: "http", containerPort: port }] }],
    },
    status: {
      phase: "Running",
      podIP: `10.1.${index >> 8}.${index & 255}`,
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  });
  assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
  return decoded.value;
}

const plain = (index: number, more: Partial<PodState> = {}): Pod =>
  pod({ index, ready: true, terminating: false, port: 8080, ...more });
const zoneOf = (): string => "zone-1";
const web = service([{ name: "http", port: 80, targetPort: "http" }]);

test("conditions of ready, unready and ending pods", () => {
  const [slice] = desiredSlices(
    web,
    [plain(1), plain(2, { ready: false }), plain(3, { terminating: true })],
    zoneOf,
  );
  assert.deepEqual(
    slice?.endpoints.map(endpoint => endpoint["conditions"]),
    [
      { ready: true, serving: true, terminating: false },
      { ready: false, serving: false, terminating: false },
      { ready: false, serving: true, terminating: true },
    ],
  );
  assert.equal(slice?.endpoints[0]?.["zone"], "zone-1");
});

test("a named target port may be another number in another pod", () => {
  const slices = desiredSlices(web, [plain(1), plain(2, { port: 9090 })], zoneOf);
  assert.deepEqual(
    slices.map(slice => slice.ports[0]?.["port"]),
    [8080, 9090],
  );
});

test("a service without a selector, or with a name elsewhere, has none of ours", () => {
  const external = { type: "ExternalName", externalName: "example.org", clusterIP: "" };
  assert.deepEqual(desiredSlices(service([{ port: 80 }], external), [plain(1)], zoneOf), []);
});

function stored(contents: readonly { readonly name: string; readonly content: SliceContent }[]) {
  return contents.map(({ name, content }): EndpointSlice => {
    const decoded = endpointSliceKind.decode({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name, namespace: "default" },
      addressType: "IPv4",
      ports: content.ports,
      endpoints: content.endpoints,
    });
    assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
    return decoded.value;
  });
}

/** Carries a plan out. */
function next(existing: readonly EndpointSlice[], desired: readonly SliceContent[], step: number) {
  const plan = planSlices(desired, existing);
  const touched = new Map(plan.update.map(({ slice, content }) => [slice, content]));
  const gone = new Set(plan.delete);
  const kept = existing.filter(slice => !gone.has(slice) && !touched.has(slice));
  const changed = [...touched].map(([slice, content]) => ({ name: slice.metadata.name, content }));
  const made = plan.create.map((content, i) => ({ name: `web-${step}-${i}`, content }));
  return {
    slices: [...kept, ...stored([...changed, ...made])],
    writes: plan.create.length + plan.update.length + plan.delete.length,
  };
}

test("one pod's change is one write, and a full slice is not exceeded", () => {
  const pods = Array.from({ length: MAX_ENDPOINTS * 2 + 50 }, (_, i) => plain(i));
  const first = next([], desiredSlices(web, pods, zoneOf), 0);
  assert.equal(first.writes, 3);
  const changed = pods.map((old, i) => (i === 120 ? plain(120, { ready: false }) : old));
  const second = next(first.slices, desiredSlices(web, changed, zoneOf), 1);
  assert.equal(second.writes, 1);
  assert.equal(next(second.slices, desiredSlices(web, changed, zoneOf), 2).writes, 0);
});

test("whatever happens, the slices say what they should and are none too large", () => {
  const state = fc.record<PodState>(
    {
      index: fc.integer({ min: 0, max: 400 }),
      ready: fc.boolean(),
      terminating: fc.boolean(),
      port: fc.constantFrom(8080, 9090),
    },
    { noNullPrototype: true },
  );
  const states = fc.uniqueArray(state, { selector: s => s.index, maxLength: 130 });
  fc.assert(
    fc.property(fc.array(states, { minLength: 1, maxLength: 4 }), steps => {
      let slices: readonly EndpointSlice[] = [];
      steps.forEach((pods, step) => {
        const desired = desiredSlices(web, pods.map(pod), zoneOf);
        slices = next(slices, desired, step).slices;
        const said = slices
          .flatMap(slice =>
            slice.endpoints.map(
              ({ addresses, conditions }) =>
                `${addresses} ${slice.ports[0]?.port} ${conditions.ready} ${conditions.serving}`,
            ),
          )
          .sort();
        const expected = pods
          .map(({ index, ready, terminating, port }) => {
            const address = `10.1.${index >> 8}.${index & 255}`;
            return `${address} ${port} ${ready && !terminating} ${ready}`;
          })
          .sort();
        assert.deepEqual(said, expected);
        assert.ok(slices.every(slice => slice.endpoints.length <= MAX_ENDPOINTS));
        assert.equal(next(slices, desired, 99).writes, 0);
      });
    }),
    { numRuns: 40 },
  );
});
