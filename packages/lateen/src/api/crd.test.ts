/** The schemas as Kubernetes sees them: structural CRDs, list keys, and a golden of every field. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { customResourceDefinition, isCustomResource } from "./crd.ts";
import { isObject } from "./decode.ts";
import type { Json, JsonObject, Kind } from "./kind.ts";
import { allKinds } from "./registry.ts";

const GOLDENS = join(import.meta.dirname, "testdata");
const custom = allKinds.filter(isCustomResource);

/** Calls `visit` for a schema and all schemas in it, with their paths. */
function walk(
  schema: Json | undefined,
  path: string,
  visit: (s: JsonObject, path: string) => void,
): void {
  if (!isObject(schema)) return;
  visit(schema, path);
  for (const [name, property] of Object.entries(asObject(schema["properties"])))
    walk(property, `${path}.${name}`, visit);
  walk(schema["items"], `${path}[]`, visit);
  walk(schema["additionalProperties"], `${path}{}`, visit);
}

function asObject(json: Json | undefined): JsonObject {
  return isObject(json) ? json : {};
}

/** One line a field: path, type and rules, without descriptions. */
function fieldLines(kind: Kind): string {
  const lines: string[] = [];
  walk(kind.openApi, "", (schema, path) => {
    // The same for all kinds, and recorded with Pods.
    if (path.startsWith(".metadata.") || path.startsWith(".spec.template.spec.")) return;
    const { description: _text, properties: _fields, items: _items, ...rules } = schema;
    const { additionalProperties: _values, ...shown } = rules;
    lines.push(`${path || "."} ${JSON.stringify(shown)}`);
  });
  return `${lines.join("\n")}\n`;
}

for (const kind of allKinds)
  test(`${kind.kind}: fields as recorded`, () => {
    const file = join(GOLDENS, `${kind.plural}.golden.txt`);
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, fieldLines(kind));
    assert.equal(fieldLines(kind), readFileSync(file, "utf8"), `UPDATE_GOLDEN=1 rewrites ${file}`);
  });

test("Istio's kinds are custom resources, the others built in", () => {
  assert.deepEqual(custom.map(kind => kind.kind).sort(), [
    "AuthorizationPolicy",
    "DestinationRule",
    "EnvoyFilter",
    "Gateway",
    "PeerAuthentication",
    "ProxyConfig",
    "RequestAuthentication",
    "ServiceEntry",
    "Sidecar",
    "Telemetry",
    "TrafficExtension",
    "VirtualService",
    "WasmPlugin",
    "WorkloadEntry",
    "WorkloadGroup",
  ]);
});

for (const kind of custom)
  test(`${kind.kind}: the CRD is structural and has all versions`, () => {
    const crd = customResourceDefinition(kind);
    const spec = asObject(crd["spec"]);
    assert.equal(asObject(crd["metadata"])["name"], `${kind.plural}.${kind.group}`);
    assert.deepEqual(spec["conversion"], { strategy: "None" });
    const versions = (Array.isArray(spec["versions"]) ? spec["versions"] : []).map(asObject);
    assert.deepEqual(
      versions.map(version => [version["name"], version["served"], version["storage"]]),
      kind.versions.map(version => [version, true, version === kind.storageVersion]),
    );
    for (const version of versions) {
      assert.deepEqual(version["subresources"], { status: {} });
      const schema = asObject(version["schema"])["openAPIV3Schema"];
      assert.deepEqual(asObject(asObject(schema)["properties"])["metadata"], { type: "object" });
      walk(schema, "", (one, path) => checkStructural(one, path));
    }
  });

/** What the API server demands of a structural schema, as far as ours could break it. */
function checkStructural(schema: JsonObject, path: string): void {
  for (const key of Object.keys(schema))
    assert.ok(!/patch|group-version-kind/.test(key), `${path}: ${key} is not allowed in a CRD`);
  const typed = typeof schema["type"] === "string";
  const intOrString = schema["x-kubernetes-int-or-string"] === true;
  const open = schema["x-kubernetes-preserve-unknown-fields"] === true;
  assert.ok(typed || intOrString || open, `${path}: has no type`);
  assert.ok(
    !(schema["properties"] && schema["additionalProperties"]),
    `${path}: fields and values`,
  );
  const keys = schema["x-kubernetes-list-map-keys"];
  const needed = asObject(schema["items"])["required"];
  if (Array.isArray(keys))
    for (const key of keys)
      assert.ok(
        Array.isArray(needed) && needed.includes(key),
        `${path}: key ${String(key)} is optional`,
      );
}

test("built-in lists have the keys that strategic merge patch needs", () => {
  const found = new Map<string, Json | undefined>();
  for (const kind of allKinds.filter(kind => !isCustomResource(kind)))
    walk(kind.openApi, kind.kind, (schema, path) => {
      const key = schema["x-kubernetes-patch-merge-key"];
      if (key !== undefined) found.set(path, key);
    });
  const expected: [string, string][] = [
    ["Service.spec.ports[]", "port"],
    ["Deployment.spec.template.spec.containers[]", "name"],
    ["Deployment.spec.template.spec.containers[].env[]", "name"],
    ["Deployment.spec.template.spec.containers[].ports[]", "containerPort"],
    ["Deployment.spec.template.spec.containers[].volumeMounts[]", "mountPath"],
    ["Deployment.spec.template.spec.volumes[]", "name"],
    ["Pod.status.conditions[]", "type"],
    ["Pod.metadata.ownerReferences[]", "uid"],
  ];
  for (const [path, key] of expected) assert.equal(found.get(path.slice(0, -2)), key, path);
});

test("the document names group, version and kind", () => {
  for (const kind of allKinds)
    assert.deepEqual(
      kind.openApi["x-kubernetes-group-version-kind"],
      kind.versions.map(version => ({ group: kind.group, version, kind: kind.kind })),
    );
});
