import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatNodeId, type NodeId, parseNodeId } from "./node-id.ts";

const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);

test("what is formatted is read again", () => {
  fc.assert(
    fc.property(
      fc.record<NodeId>(
        {
          type: fc.constantFrom("sidecar", "router"),
          ip: fc.ipV4(),
          pod: fc.tuple(name, name).map(([a, b]) => `${a}.${b}`),
          namespace: name,
          domain: fc.constantFrom("cluster.local", "example.org"),
        },
        { noNullPrototype: true },
      ),
      id => {
        const read = parseNodeId(formatNodeId(id));
        assert.ok(read.ok);
        assert.deepEqual(read.value, id);
      },
    ),
  );
});

test("Istio's form", () => {
  const id: NodeId = {
    type: "sidecar",
    ip: "10.10.1.50",
    pod: "sleep-1",
    namespace: "default",
    domain: "cluster.local",
  };
  assert.equal(formatNodeId(id), "sidecar~10.10.1.50~sleep-1.default~default.svc.cluster.local");
});

test("what is no node id gets an error that says why", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["", /should be type~ip~pod\.namespace~/],
    ["sidecar~1.2.3.4~a.b", /should be type~ip/],
    ["waypoint~1.2.3.4~a.b~b.svc.cluster.local", /type waypoint; expected sidecar or router/],
    ["sidecar~1.2.3.4~a~b.svc.cluster.local", /names the pod a; expected pod\.namespace/],
    ["sidecar~1.2.3.4~a.b~c.svc.cluster.local", /domain c\.svc\.cluster\.local; expected b\.svc/],
    [`sidecar~${"x".repeat(2000)}`, /too long/],
  ];
  for (const [text, expected] of cases) {
    const read = parseNodeId(text);
    assert.ok(!read.ok, text);
    assert.match(read.diagnostics[0]?.message ?? "", expected);
  }
});
