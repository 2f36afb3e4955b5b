import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeNodeMetadata, unusableText } from "./node-metadata.ts";

function refusalOf(metadata: Record<string, unknown>): string {
  const decoded = decodeNodeMetadata(metadata);
  return decoded.ok ? "" : decoded.refused;
}

test("what a proxy says is read by name, and what it does not say is absent", () => {
  const decoded = decodeNodeMetadata({
    NAMESPACE: "default",
    NAME: "a",
    ISTIO_VERSION: "1.2",
    INSTANCE_IPS: "10.0.0.1, fd00::1,",
    LABELS: { app: "a", constructor: "b" },
    UNKNOWN: { x: 1 },
    NETWORK: null,
  });
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.findings, []);
  assert.deepEqual(decoded.metadata, {
    namespace: "default",
    name: "a",
    istioVersion: "1.2",
    capabilities: [],
    instanceIps: ["10.0.0.1", "fd00::1"],
    labels: { app: "a", constructor: "b" },
  });
});

test("what has another type counts as not said, with field, what was found and what would be right", () => {
  const decoded = decodeNodeMetadata({
    ISTIO_VERSION: { toString: 1 },
    NAME: ["a"],
    LABELS: { version: 1, app: "a" },
    INSTANCE_IPS: true,
  });
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.metadata, {
    capabilities: [],
    instanceIps: [],
    labels: { app: "a" },
  });
  assert.deepEqual(decoded.findings, [
    "node metadata NAME: found a list, expected text",
    "node metadata ISTIO_VERSION: found a object, expected text",
    "node metadata INSTANCE_IPS: found a boolean, expected text",
    "node metadata LABELS.version: found a number, expected text",
  ]);
  const all = decodeNodeMetadata({ LABELS: Array.from({ length: 50 }, () => 1) });
  assert.ok(all.ok && all.findings.length === 1);
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`l${i}`, i]));
  const bounded = decodeNodeMetadata({ LABELS: many });
  assert.ok(bounded.ok && bounded.findings.length === 8);
});

test("what a bootstrap can do is a list, of which not everything must be known", () => {
  const of = (metadata: Record<string, string>) => {
    const decoded = decodeNodeMetadata(metadata);
    assert.ok(decoded.ok);
    const { capabilities, tcpBytes } = decoded.metadata;
    return { capabilities, tcpBytes, findings: decoded.findings };
  };
  const many = `compact-metrics,${"later,".repeat(100)}`;
  assert.equal(of({ LATEEN_CAPABILITIES: many }).capabilities[0], "compact-metrics");
  assert.equal(of({ LATEEN_TCP_BYTES: "live" }).tcpBytes, "live");
  const mistyped = of({ LATEEN_TCP_BYTES: "lives" });
  assert.equal(mistyped.tcpBytes, undefined);
  assert.deepEqual(mistyped.findings, [
    'node metadata LATEEN_TCP_BYTES: found "lives", expected one of live, at-close',
  ]);
});

test("what is inherited was not said", () => {
  const metadata = Object.create({ NAMESPACE: "kube-system" }) as Record<string, unknown>;
  const decoded = decodeNodeMetadata(metadata);
  assert.ok(decoded.ok && decoded.metadata.namespace === undefined);
});

test("what is too large, or could be part of a key, refuses the proxy", () => {
  const of = (count: number, key: string, value: string) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`${key}${i}`, value]));
  const cases: readonly [Record<string, unknown>, string][] = [
    [{ NAMESPACE: "x".repeat(254) }, "NAMESPACE has 254 characters, at most 253"],
    [
      { NETWORK: "a|b" },
      'NETWORK: found "a|b", expected a name without "|" and control characters',
    ],
    [
      { CLUSTER_ID: "a\nb" },
      'CLUSTER_ID: found "a\\nb", expected a name without "|" and control characters',
    ],
    [{ INSTANCE_IPS: "10.0.0.1,evil" }, "INSTANCE_IPS: expected IP addresses and commas"],
    [{ INSTANCE_IPS: Array(17).fill("::1").join() }, "INSTANCE_IPS has 17 addresses, at most 16"],
    [{ LABELS: of(513, "l", "") }, "LABELS has 513 labels, at most 512"],
    [{ LABELS: of(300, "l", "x".repeat(256)) }, "LABELS has 77890 characters, at most 65536"],
    [{ LABELS: { ["k".repeat(318)]: "" } }, "LABELS has a key of 318 characters, at most 317"],
    [{ LABELS: { k: "x".repeat(257) } }, "LABELS.k has 257 characters, at most 256"],
  ];
  for (const [metadata, expected] of cases)
    assert.equal(refusalOf(metadata), `node metadata ${expected}`);
  assert.equal(unusableText("zone", "eu-1/a"), undefined);
  assert.match(unusableText("zone", "a\tb") ?? "", /^zone: found "a\\tb"/);
});
