/** The small kinds of core/v1, and what all kinds have: metadata. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decoded, lines, objectOf, plain, problems } from "../../test/support/api.ts";
import { configMapKind } from "./config-map/kind.ts";
import { eventKind } from "./event/kind.ts";
import type { Json, JsonObject, Kind } from "./kind.ts";
import { namespaceKind } from "./namespace/kind.ts";
import { nodeKind } from "./node/kind.ts";
import { secretKind } from "./secret/kind.ts";
import { serviceAccountKind } from "./service-account/kind.ts";

const whole = { whole: true };

function withMeta(metadata: Json): JsonObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata };
}

test("metadata", () => {
  const result = configMapKind.decode(
    withMeta({
      name: "a",
      namespace: "b",
      uid: "u",
      resourceVersion: 12,
      generation: 3,
      creationTimestamp: "2026-01-01T00:00:00Z",
      labels: { "app.kubernetes.io/name": "x" },
      annotations: { note: null },
      managedFields: [{ manager: "kubectl" }],
      ownerReferences: [{ apiVersion: "apps/v1", kind: "Deployment", name: "d", uid: "v" }],
      finalizers: ["a/b"],
    }),
  );
  assert.ok(result.ok);
  assert.deepEqual(result.diagnostics, []);
  assert.deepEqual(plain(result.value.metadata), {
    name: "a",
    namespace: "b",
    uid: "u",
    resourceVersion: "12",
    generation: 3,
    creationTimestamp: "2026-01-01T00:00:00Z",
    labels: { "app.kubernetes.io/name": "x" },
    annotations: { note: "" },
    finalizers: ["a/b"],
    ownerReferences: [{ apiVersion: "apps/v1", kind: "Deployment", name: "d", uid: "v" }],
  });
});

test("metadata that is wrong", () => {
  const cases: [Json, string[]][] = [
    [{}, ["error metadata.name: is required; want a name, or a generateName"]],
    [{ generateName: "a-" }, []],
    [
      { name: "A_b" },
      [
        "error metadata.name: found \"A_b\", want a DNS name: lower-case letters, digits, '-' and '.', at most 253",
      ],
    ],
    [
      { name: "a", namespace: "x/y" },
      [
        "error metadata.namespace: found \"x/y\", want a DNS name: lower-case letters, digits, '-' and '.', at most 253",
      ],
    ],
    [
      { name: "a", labels: { "a b": "c" } },
      [
        "error metadata.labels[\"a b\"]: key \"a b\" is not valid; want letters, digits, '-', '_' and '.', at most 63, or dns-name/that",
      ],
    ],
    [
      { name: "a", labels: { a: "b c" } },
      [
        "error metadata.labels.a: found \"b c\", want letters, digits, '-', '_' and '.', at most 63, a letter or digit at both ends",
      ],
    ],
    [
      { name: "a", labels: { a: true } },
      ["error metadata.labels.a: found a boolean (true), want a string"],
    ],
    [
      { name: "a", label: {} },
      ['warning metadata.label: unknown field "label"; did you mean labels?'],
    ],
    [[], ["error metadata: found a list, want an object"]],
  ];
  for (const [metadata, expected] of cases)
    assert.deepEqual(lines(configMapKind.decode(withMeta(metadata)).diagnostics), expected);
});

test("the wrong kind or version", () => {
  const json = { apiVersion: "v2", kind: "Configmap", metadata: { name: "a" } };
  assert.deepEqual(lines(configMapKind.decode(json).diagnostics), [
    'error apiVersion: found a string ("v2"), want v1',
    'error kind: found a string ("Configmap"), want ConfigMap',
  ]);
  assert.deepEqual(lines(configMapKind.decode([] as unknown as JsonObject).diagnostics), [
    "error : found object, want an object of kind ConfigMap".replace(
      "found object",
      "found a list",
    ),
  ]);
});

test("Namespaces carry their name as a label, and have no namespace", () => {
  const json = { apiVersion: "v1", kind: "Namespace", metadata: { name: "a", namespace: "b" } };
  assert.deepEqual(namespaceKind.applyDefaults(json)["metadata"], {
    name: "a",
    namespace: "b",
    labels: { "kubernetes.io/metadata.name": "a" },
  });
  const result = namespaceKind.decode(json);
  assert.equal(result.ok && result.value.metadata.namespace, "");
});

test("Secrets: stringData moves into data, values stay out of messages", () => {
  const yaml = "{data: {a: Zm9v, b: YmFy}, stringData: {b: hunter2}}";
  const stored = secretKind.applyDefaults(objectOf(secretKind, yaml, whole));
  assert.deepEqual(stored["data"], { a: "Zm9v", b: "aHVudGVyMg==" });
  assert.equal(stored["stringData"], undefined);
  assert.equal(stored["type"], "Opaque");
  const found = problems(secretKind, "{data: {a: 'hunter2!', 'b/c': Zm9v}}", whole);
  assert.deepEqual(found, [
    "error data.a: found a string, want base64",
    "error data[\"b/c\"]: key \"b/c\" is not valid; want letters, digits, '-', '_' and '.', at most 253",
  ]);
});

test("ConfigMaps: a key is in data or binaryData", () => {
  assert.deepEqual(problems(configMapKind, "{data: {a: x}, binaryData: {a: Zm9v}}", whole), [
    'error binaryData.a: "a" is a key of data, too',
  ]);
  assert.deepEqual(plain(decoded(configMapKind, "{data: {a: x}}", whole).data), { a: "x" });
});

test("Nodes, ServiceAccounts and Events", () => {
  const node = decoded(
    nodeKind,
    "{status: {addresses: [{type: InternalIP, address: 10.0.0.1}], capacity: {cpu: 2}}}",
    whole,
  );
  assert.equal(node.status?.addresses[0]?.address, "10.0.0.1");
  assert.deepEqual(
    problems(serviceAccountKind, "{automountServiceAccountToken: false}", whole),
    [],
  );
  const event = decoded(
    eventKind,
    "{involvedObject: {kind: Pod, name: a}, reason: Started}",
    whole,
  );
  assert.equal(event.reason, "Started");
});

test("the values of a ConfigMap or Secret are at most 1 MiB, as bytes", () => {
  const text = "x".repeat(1024 * 1024);
  const base64 = Buffer.from(text).toString("base64");
  const of = (kind: Kind, fields: JsonObject): string[] =>
    problems(kind, JSON.stringify(fields), whole);
  const tooLong = [
    "error data: Too long: found 1048577 bytes in all values, may not be more than 1048576 bytes",
  ];
  assert.deepEqual(of(configMapKind, { data: { text } }), []);
  assert.deepEqual(of(configMapKind, { data: { text }, binaryData: { more: "eA==" } }), tooLong);
  assert.deepEqual(of(secretKind, { data: { base64 }, stringData: { base64: "x" } }), []);
  assert.deepEqual(of(secretKind, { data: { base64 }, stringData: { more: "x" } }), tooLong);
});
