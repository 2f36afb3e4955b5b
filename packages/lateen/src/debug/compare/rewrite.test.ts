import assert from "node:assert/strict";
import { test } from "node:test";
import { control } from "./control.ts";
import { foldVirtualHosts } from "./fold-vhds.ts";
import type { Json } from "./json.ts";
import { matches } from "./pattern.ts";
import { type IntendedDifference, type Rewrite, rewritten, rulesFor } from "./rewrite.ts";
import { messageNamed } from "./schema.ts";

const CLUSTER = "envoy.config.cluster.v3.Cluster";
const SOCKET_MATCH = "envoy.config.cluster.v3.Cluster.TransportSocketMatch";
const type = messageNamed(CLUSTER);
const facts = { namespace: "default" };

function intended(...rewrites: Rewrite[]): IntendedDifference[] {
  return [{ name: "test", reason: "a test", rewrites }];
}

function run(value: Json, ...rewrites: Rewrite[]): Json {
  return rewritten(value, type, rulesFor(intended(...rewrites), "reference"), facts).value;
}

test("patterns are exact unless they say otherwise", () => {
  assert.ok(matches({ a: 1 }, { a: 1 }, facts));
  assert.ok(!matches({ a: 1 }, { a: 1, b: 2 }, facts));
  assert.ok(matches({ a: 1, $more: true }, { a: 1, b: 2 }, facts));
  assert.ok(!matches({ a: 1, $more: true }, { b: 2 }, facts));
  assert.ok(matches({ $any: true }, [1], facts));
  assert.ok(!matches({ $any: true }, undefined, facts));
  assert.ok(matches([{ $fact: "namespace" }], ["default"], facts));
  assert.ok(!matches({ $fact: "namespace" }, "other", facts));
  assert.ok(matches({ $match: "a+" }, "aa", facts));
  assert.ok(!matches({ $match: "a+" }, "aab", facts));
  assert.ok(!matches([1, 2], [2, 1], facts));
  assert.ok(!matches([1], [1, 2], facts));
});

test("what a message says elsewhere is copied, and a whole list gets one more at its end", () => {
  const by = (field: string, from: Json, action: Rewrite["action"], value: Json) =>
    run(value, { side: "reference", message: CLUSTER, field, from, action });
  const absent = { $absent: true };
  const copied = by(
    "edsClusterConfig.serviceName",
    absent,
    { copyOf: "name" },
    {
      name: "a",
      edsClusterConfig: {},
    },
  );
  assert.deepEqual(copied, { name: "a", edsClusterConfig: { serviceName: "a" } });
  const said = { name: "a", edsClusterConfig: { serviceName: "b" } };
  assert.deepEqual(by("edsClusterConfig.serviceName", absent, { copyOf: "name" }, said), said);
  const list = { transportSocketMatches: [{ name: "x" }] };
  const last = { putLast: { name: "y" } };
  assert.deepEqual(by("transportSocketMatches", [{ name: "x" }], last, list), {
    transportSocketMatches: [{ name: "x" }, { name: "y" }],
  });
  assert.deepEqual(by("transportSocketMatches", [{ name: "z" }], last, list), list);
});

test("fields are replaced, removed, noted", () => {
  const value = { name: "a", lbPolicy: "RANDOM", type: "EDS" };
  const at = { side: "reference", message: CLUSTER, field: "lbPolicy" } as const;
  assert.deepEqual(run(value, { ...at, from: "RANDOM", action: { replaceBy: "MAGLEV" } }), {
    name: "a",
    lbPolicy: "MAGLEV",
    type: "EDS",
  });
  assert.deepEqual(run(value, { ...at, from: "RANDOM", action: "remove" }), {
    name: "a",
    type: "EDS",
  });
  assert.deepEqual(run(value, { ...at, from: "RANDOM", action: { noteAs: "x" } }), {
    name: "a",
    type: "EDS",
    "(x)": true,
  });
  assert.deepEqual(run(value, { ...at, from: "MAGLEV", action: "remove" }), value);
  assert.deepEqual(
    run(value, { ...at, from: "RANDOM", where: { name: "b" }, action: "remove" }),
    value,
  );
});

test("elements of lists are chosen by pattern or name, at any depth", () => {
  const value = {
    transportSocketMatches: [
      { name: "a", transportSocket: { name: "t" } },
      { name: "b", transportSocket: { name: "t" } },
    ],
  };
  assert.deepEqual(
    run(value, {
      side: "reference",
      message: CLUSTER,
      field: "transportSocketMatches[name=b].transportSocket.name",
      from: "t",
      action: { replaceBy: { $fact: "namespace" } },
    }),
    {
      transportSocketMatches: [
        { name: "a", transportSocket: { name: "t" } },
        { name: "b", transportSocket: { name: "default" } },
      ],
    },
  );
  assert.deepEqual(
    run(value, {
      side: "reference",
      message: CLUSTER,
      field: "transportSocketMatches",
      from: { name: "a", $more: true },
      action: "remove",
    }),
    { transportSocketMatches: [{ name: "b", transportSocket: { name: "t" } }] },
  );
  const inner = { side: "reference", message: SOCKET_MATCH, field: "name" } as const;
  assert.deepEqual(run(value, { ...inner, from: { $match: "a|b" }, action: { replaceBy: "c" } }), {
    transportSocketMatches: [
      { name: "c", transportSocket: { name: "t" } },
      { name: "c", transportSocket: { name: "t" } },
    ],
  });
});

test("an element is put first, a field where there was none", () => {
  const filters = { side: "ours", message: CLUSTER, field: "filters" } as const;
  const rules = rulesFor(
    intended(
      { ...filters, from: { $any: true }, action: { putFirst: { name: "x" } } },
      { ...filters, from: { $absent: true }, action: { replaceBy: [{ name: "y" }] } },
    ),
    "ours",
  );
  const apply = (value: Json): Json => rewritten(value, type, rules, facts).value;
  assert.deepEqual(apply({ filters: [{ name: "a" }] }), {
    filters: [{ name: "x" }, { name: "a" }],
  });
  assert.deepEqual(apply({ name: "a" }), { name: "a", filters: [{ name: "y" }] });
});

test("what it is given is not changed", () => {
  const value = Object.freeze({ name: "a", alpn: Object.freeze(["x"]) });
  run(value, { side: "reference", message: CLUSTER, field: "name", from: "a", action: "remove" });
  assert.equal(value.name, "a");
});

test("it counts how often and how much", () => {
  const rules = rulesFor(
    intended({
      side: "ours",
      message: CLUSTER,
      field: "metadata",
      from: { $any: true },
      action: "remove",
    }),
    "ours",
  );
  const value = { metadata: { filterMetadata: { istio: { a: 1, b: [1, 2] } } } };
  const result = rewritten(value, type, rules, facts);
  assert.equal(result.applied.get("test"), 1);
  assert.equal(result.leaves, 3);
  const nothing = rewritten(value, type, rulesFor([], "ours"), facts);
  assert.equal(nothing.applied.size, 0);
});

test("the control finds what a careless rewrite hides, and what the comparison sees", () => {
  const reference = { name: "a", lbPolicy: "RANDOM", filters: [{ name: "f" }] };
  const careless = intended({
    side: "reference",
    message: CLUSTER,
    field: "lbPolicy",
    from: { $any: true },
    action: "remove",
  });
  const exact = intended({
    side: "reference",
    message: CLUSTER,
    field: "lbPolicy",
    from: "RANDOM",
    action: "remove",
  });
  const subject = { type, reference, ours: { name: "a", filters: [{ name: "f" }] }, facts };
  const rules = (list: IntendedDifference[]) => ({
    reference: rulesFor(list, "reference"),
    ours: rulesFor(list, "ours"),
  });
  const hidden = control(subject, rules(careless));
  assert.deepEqual([hidden.leaves, hidden.live, hidden.hidden], [3, 2, ["lbPolicy"]]);
  const seen = control(subject, rules(exact));
  assert.deepEqual([seen.leaves, seen.live, seen.rewritten], [3, 3, 1]);
  assert.deepEqual([...hidden.blind, ...seen.blind], []);
});

test("virtual hosts that are sent alone are put back", () => {
  const alone = [{ resourceName: "80/b.default", virtualHost: { name: "b:80" } }];
  assert.deepEqual(
    foldVirtualHosts(
      [
        { name: "80", vhds: { configSource: {} }, virtualHosts: [{ name: "allow_any" }] },
        { name: "81", virtualHosts: [] },
      ],
      alone,
    ),
    [
      { name: "80", virtualHosts: [{ name: "b:80" }, { name: "allow_any" }] },
      { name: "81", virtualHosts: [] },
    ],
  );
});
