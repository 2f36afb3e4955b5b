/**
 * Every field of ProxyConfig changes the pod that is injected, or is warned of by its name: in a pod's
 * annotation `proxy.istio.io/config`, and in the mesh's `defaultConfig`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "../../src/api/kind.ts";
import { proxyConfigSchema } from "../../src/api/mesh-config/schema.ts";
import type { SchemaNode } from "../../src/api/schema.ts";
import { readInjectorConfig } from "../../src/inject/config.ts";
import { injectKubePod } from "../../src/inject/pod-injection.ts";
import { modern } from "../../src/inject/testdata/cases.ts";

/** Istio's metrics carry all their tags natively, so there is nothing to extract from names. */
const NEEDS_NOTHING = new Set(["extraStatTags"]);
const SAMPLES: Readonly<Record<string, Json>> = {
  discoveryAddress: "other.example:15012",
  interceptionMode: "TPROXY",
  terminationDrainDuration: "7s",
  holdApplicationUntilProxyStarts: true,
};

function leaves(node: SchemaNode, path: readonly string[]): (readonly [string[], SchemaNode])[] {
  if (node.type !== "object" || node.notYet === true) return [[[...path], node]];
  return [...(node.properties ?? [])].flatMap(([name, child]) => leaves(child, [...path, name]));
}

function sampleOf(path: string, node: SchemaNode): Json {
  const said = SAMPLES[path];
  if (said !== undefined) return said;
  switch (node.type) {
    case "integer":
    case "number":
      return 7;
    case "boolean":
      return true;
    case "list":
      return ["sample"];
    case "map":
      return { SAMPLE: "1" };
    case "duration":
      return "7s";
    default:
      return "sample";
  }
}

function nested(path: readonly string[], value: Json): JsonObject {
  return path.reduceRight<Json>((below, name) => ({ [name]: below }), value) as JsonObject;
}

/** The pod without its own annotation, and what was warned of. */
function injected(pod: JsonObject | undefined, mesh: JsonObject | undefined) {
  const defaultConfig = mesh ?? {};
  const read = readInjectorConfig({
    config: "",
    values: "",
    mesh: JSON.stringify({ defaultConfig }),
  });
  assert.ok(read.ok, JSON.stringify(read.diagnostics));
  const name = "proxy.istio.io/config";
  const annotations = pod === undefined ? {} : { [name]: JSON.stringify(pod) };
  const spec = { containers: [{ name: "app", image: "app:1" }] };
  const done = injectKubePod({
    pod: { metadata: { name: "p", annotations }, spec },
    namespace: "web",
    config: read.value,
    // Where the application's start can be held, and by a container at the beginning.
    features: { ...modern, nativeSidecars: false },
    version: "1.0",
  });
  assert.ok(done.ok, JSON.stringify(done));
  const { metadata, spec: made } = done.pod as { metadata: JsonObject; spec: Json };
  const { [name]: _own, ...others } = metadata["annotations"] as JsonObject;
  const warnings = [...read.diagnostics, ...done.warnings].map(
    ({ path, message }) => `${path}: ${message}`,
  );
  return { text: JSON.stringify([others, metadata["labels"], made]), warnings };
}

const plain = injected(undefined, undefined);

for (const [path, node] of leaves(proxyConfigSchema, []))
  test(`ProxyConfig ${path.join(".")}`, () => {
    const field = path.join(".");
    if (NEEDS_NOTHING.has(field)) return;
    const value = nested(path, sampleOf(field, node));
    for (const [place, { text, warnings }] of [
      ["a pod's", injected(value, undefined)],
      ["the mesh's", injected(undefined, value)],
    ] as const) {
      const named = warnings.some(warning => warning.includes(path.at(-1) ?? ""));
      assert.ok(text !== plain.text || named, `${place}: ${JSON.stringify(warnings)}`);
      const waits = node.notYet === true;
      assert.ok(!waits || named, `${place} ${field} is not carried out, and nobody is told`);
    }
  });
