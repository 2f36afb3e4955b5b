/** Whatever comes in: decoding answers, and never throws. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { plain } from "../../test/support/api.ts";
import { budget } from "../../test/support/budget.ts";
import type { Json, JsonObject, Kind } from "./kind.ts";
import { decodeMeshConfig } from "./mesh-config/decode.ts";
import { allKinds } from "./registry.ts";
import { tableCells, tableColumns } from "./table.ts";

const runs = budget(60);

const key = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "toString", "spec", "metadata", "hosts", "http", ""),
  fc.string({ maxLength: 8 }),
);
const scalar = fc.oneof(
  fc.constantFrom(
    null,
    "",
    "*",
    "a",
    "5s",
    "10.0.0.1",
    "RANDOM",
    "ns/a",
    "25%",
    0,
    1,
    -1,
    80,
    1e300,
  ),
  fc.boolean(),
  fc.string({ maxLength: 12 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);
const anyJson: fc.Arbitrary<Json> = fc.letrec<{ json: Json }>(tie => ({
  json: fc.oneof(
    { maxDepth: 6, depthSize: "small" },
    scalar,
    fc.array(tie("json"), { maxLength: 4 }),
    fc
      .array(fc.tuple(key, tie("json")), { maxLength: 5 })
      .map((entries): Json => fromEntries(entries)),
  ),
})).json;

/** Makes a plain property of every key, as JSON.parse does. */
function fromEntries(entries: readonly (readonly [string, Json])[]): JsonObject {
  const out: Record<string, Json> = {};
  for (const [name, value] of entries)
    Object.defineProperty(out, name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  return out;
}

/** JSON that nearly fits an OpenAPI schema: the right fields, mostly with the right types. */
function fitting(schema: JsonObject, depth = 0): fc.Arbitrary<Json> {
  const right = rightType(schema, depth);
  return fc.oneof({ weight: 40, arbitrary: right }, { weight: 1, arbitrary: scalar });
}

function rightType(schema: JsonObject, depth: number): fc.Arbitrary<Json> {
  const { type, enum: values, properties, items, additionalProperties } = schema;
  if (Array.isArray(values)) return fc.constantFrom(...values);
  switch (type) {
    case "string":
      return fc.constantFrom(
        "a",
        "a",
        "b",
        "c",
        "a",
        "MTIz",
        "v1",
        "10.0.0.1",
        "HTTP",
        "5s",
        "ns/a",
        "",
      );
    case "integer":
      return fc.constantFrom(1, 2, 80, 0);
    case "number":
      return fc.constantFrom(0, 1.5);
    case "boolean":
      return fc.boolean();
    case "array":
      return fc.array(fitting(asObject(items), depth + 1), {
        minLength: 1,
        maxLength: depth > 3 ? 1 : 2,
      });
    case "object":
      if (additionalProperties !== undefined)
        return fc.dictionary(
          fc.constantFrom("a", "b"),
          fitting(asObject(additionalProperties), depth + 1),
        );
      return properties === undefined ? anyJson : withFields(schema, depth);
    default:
      return scalar;
  }
}

/** All required fields and up to five of the others. */
function withFields(schema: JsonObject, depth: number): fc.Arbitrary<Json> {
  const { properties, required } = schema;
  const names = Object.keys(asObject(properties));
  const needed = Array.isArray(required) ? required.map(String) : [];
  return fc
    .subarray(names, { maxLength: Math.min(names.length, depth > 4 ? 1 : 5) })
    .chain(some =>
      fc
        .tuple(
          ...[...new Set([...needed, ...some])].map(name =>
            fitting(asObject(asObject(properties)[name]), depth + 1).map(
              (value): readonly [string, Json] => [name, value],
            ),
          ),
        )
        .map(entries => fromEntries(entries)),
    );
}

function asObject(json: Json | undefined): JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json)
    ? (json as JsonObject)
    : {};
}

function objectsOf(kind: Kind): fc.Arbitrary<JsonObject> {
  const apiVersion = kind.group === "" ? "v1" : `${kind.group}/${kind.storageVersion}`;
  return rightType(kind.openApi, 0).map(fields => ({
    ...asObject(fields),
    apiVersion,
    kind: kind.kind,
    metadata: { name: "a", namespace: "b" },
  }));
}

for (const kind of allKinds)
  test(`${kind.kind}: any JSON is answered`, () => {
    fc.assert(
      fc.property(anyJson, anyJson, (spec, whole) => {
        const apiVersion = kind.group === "" ? "v1" : `${kind.group}/v1`;
        const object = { apiVersion, kind: kind.kind, metadata: { name: "a" }, spec, data: spec };
        for (const input of [object, whole as JsonObject]) {
          const result = kind.decode(input);
          assert.equal(result.ok, !result.diagnostics.some(d => d.severity === "error"));
        }
        assert.equal(tableCells(kind, object, 0).length, tableColumns(kind).length);
        kind.applyDefaults(object);
      }),
      runs,
    );
  });

for (const kind of allKinds)
  test(`${kind.kind}: defaults are stable, and change nothing that was accepted`, () => {
    fc.assert(
      fc.property(objectsOf(kind), input => {
        const before = JSON.stringify(input);
        const stored = kind.applyDefaults(input);
        assert.equal(JSON.stringify(input), before, "the input stays as it was");
        assert.deepEqual(kind.applyDefaults(stored), stored);
        const first = kind.decode(input);
        const second = kind.decode(stored);
        if (!first.ok) return;
        assert.ok(second.ok, "what was accepted still is");
        const again = kind.decode(JSON.parse(JSON.stringify(second.value)) as JsonObject);
        assert.ok(again.ok || hasDurations(kind), "what was decoded decodes again");
        if (again.ok) assert.deepEqual(plain(again.value), plain(second.value));
      }),
      runs,
    );
  });

/** Durations decode to numbers, which are no longer what a user may write. */
function hasDurations(kind: Kind): boolean {
  return [
    "VirtualService",
    "DestinationRule",
    "Sidecar",
    "RequestAuthentication",
    "Telemetry",
  ].includes(kind.kind);
}

test("MeshConfig: any JSON is answered", () => {
  fc.assert(
    fc.property(anyJson, json => {
      const result = decodeMeshConfig(json as JsonObject);
      assert.equal(result.ok, !result.diagnostics.some(d => d.severity === "error"));
    }),
    runs,
  );
});
