/**
 * Our CustomResourceDefinitions against facts of Istio's (testdata/istio-crds.facts.txt): what YAML
 * that was written for Istio may hold, ours take. Each difference has its reason below.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { customResourceDefinitions } from "./custom-resources.ts";
import { isObject } from "./decode.ts";
import type { Json, JsonObject } from "./kind.ts";

const FACTS = join(import.meta.dirname, "testdata/istio-crds.facts.txt");

/** `limits` are `key=value`, or a key alone. */
interface Field {
  readonly type: string;
  readonly limits: ReadonlyMap<string, string>;
}

interface Crd {
  readonly names: string;
  readonly versions: ReadonlyMap<string, string>;
  readonly fields: ReadonlyMap<string, Field>;
}

interface Difference {
  readonly path: string;
  readonly limit: string;
  readonly theirs: string | undefined;
  readonly ours: string | undefined;
}

function readFacts(): Map<string, Crd> {
  const crds = new Map<string, Crd>();
  let versions = new Map<string, string>();
  let fields = new Map<string, Field>();
  for (const line of readFileSync(FACTS, "utf8").split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [first = "", second = "", ...rest] = line.split(" ");
    if (first === "kind") {
      [versions, fields] = [new Map(), new Map()];
      crds.set(second, { names: rest.join(" "), versions, fields });
    } else if (first === "version") versions.set(second, rest.join(" "));
    else fields.set(first, fieldOf(second, rest));
  }
  return crds;
}

function fieldOf(type: string, limits: readonly string[]): Field {
  const entries = limits.map((limit): [string, string] => {
    const equals = limit.indexOf("=");
    return equals < 0 ? [limit, ""] : [limit.slice(0, equals), limit.slice(equals + 1)];
  });
  return { type, limits: new Map(entries) };
}

function ours(): Map<string, Crd> {
  const crds = customResourceDefinitions().map((crd): [string, Crd] => {
    const spec = objectAt(crd, "spec");
    const names = objectAt(spec, "names");
    const list = (key: string): string => arrayOf(names[key]).join(",");
    const versions = arrayOf(spec["versions"]).filter(isObject);
    const schema = objectAt(objectAt(versions[0] ?? {}, "schema"), "openAPIV3Schema");
    const fields = new Map<string, Field>();
    collect(schema, "", fields);
    const shown = `kind=${names["kind"]} short=${list("shortNames")} categories=${list("categories")}`;
    return [
      String(objectAt(crd, "metadata")["name"]),
      {
        names: `${shown} scope=${spec["scope"]}`,
        versions: new Map(versions.map(version => [String(version["name"]), describe(version)])),
        fields,
      },
    ];
  });
  return new Map(crds);
}

function describe(version: JsonObject): string {
  const columns = arrayOf(version["additionalPrinterColumns"]).filter(isObject);
  const shown = columns.map(each => `${each["name"]}:${each["type"]}:${each["jsonPath"]}`);
  const sub = Object.keys(objectAt(version, "subresources")).join(",");
  const head = `served=${version["served"]} storage=${version["storage"]} sub=${sub}`;
  return `${head} columns=${shown.join(" ")}`;
}

const PLAIN = [
  "format",
  "nullable",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "maxProperties",
  "pattern",
  "default",
] as const;

function collect(schema: JsonObject, path: string, fields: Map<string, Field>): void {
  const limits = new Map<string, string>();
  for (const key of PLAIN)
    if (schema[key] !== undefined) limits.set(key, JSON.stringify(schema[key]));
  const texts = (key: string): string[] => arrayOf(schema[key]).map(String);
  const listType = schema["x-kubernetes-list-type"];
  if (listType !== undefined) limits.set("list-type", JSON.stringify(listType));
  if (schema["x-kubernetes-list-map-keys"] !== undefined)
    limits.set("keys", texts("x-kubernetes-list-map-keys").join(","));
  if (schema["enum"] !== undefined) limits.set("enum", texts("enum").join(","));
  if (schema["required"] !== undefined) limits.set("required", texts("required").sort().join(","));
  if (schema["oneOf"] !== undefined) limits.set("oneOf", choices(schema["oneOf"]));
  if (schema["allOf"] !== undefined) {
    const groups = arrayOf(schema["allOf"]).filter(isObject);
    limits.set(
      "allOf",
      groups
        .map(group => choices(group["oneOf"]))
        .sort()
        .join(";"),
    );
  }
  if (schema["x-kubernetes-validations"] !== undefined) limits.set("rules", "");
  fields.set(path || ".", { type: typeOf(schema), limits });
  for (const [name, property] of Object.entries(objectAt(schema, "properties")))
    if (isObject(property)) collect(property, `${path}.${name}`, fields);
  if (isObject(schema["items"])) collect(schema["items"], `${path}[]`, fields);
  if (isObject(schema["additionalProperties"]))
    collect(schema["additionalProperties"], `${path}{}`, fields);
}

function typeOf(schema: JsonObject): string {
  if (schema["x-kubernetes-int-or-string"] === true) return "int-or-string";
  const open = schema["x-kubernetes-preserve-unknown-fields"] === true ? "+open" : "";
  return `${schema["type"] ?? ""}${open}`;
}

function choices(oneOf: Json | undefined): string {
  const names = arrayOf(oneOf)
    .filter(isObject)
    .flatMap(choice => (choice["required"] === undefined ? [] : [arrayOf(choice["required"])]));
  return names
    .map(each => each.join(""))
    .sort()
    .join("|");
}

function arrayOf(json: Json | undefined): readonly Json[] {
  return Array.isArray(json) ? json : [];
}

function objectAt(json: JsonObject, key: string): JsonObject {
  const value = json[key];
  return isObject(value) ? value : {};
}

/** Left out of the facts: the parts that are the same. */
function isCompared(path: string): boolean {
  if (/^\.(?:apiVersion|kind|metadata|status)\b/.test(path)) return false;
  return !path.startsWith(".spec.subsets[].trafficPolicy.");
}

function differences(theirs: Crd, own: Crd): Difference[] {
  const paths = new Set([...theirs.fields.keys(), ...own.fields.keys()].filter(isCompared));
  return [...paths].flatMap(path => {
    const [a, b] = [theirs.fields.get(path), own.fields.get(path)];
    if (a === undefined || b === undefined)
      return [{ path, limit: "field", theirs: a?.type, ours: b?.type }];
    const limits = new Set([...a.limits.keys(), ...b.limits.keys()]);
    const found = [...limits].map(limit => ({
      path,
      limit,
      theirs: a.limits.get(limit),
      ours: b.limits.get(limit),
    }));
    return [{ path, limit: "type", theirs: a.type, ours: b.type }, ...found].filter(
      each => each.theirs !== each.ours,
    );
  });
}

const INT32 = { format: '"int32"', minimum: "-2147483648", maximum: "2147483647" };
const PORT = /(?:\.port|\.number|\.targetPort|\.portNumber|ports\{\})$/;
const PORT_NAMED = /(?:\.port|mirror\.port|destination\.port|portLevelSettings\[\]\.port)$/;
const PERCENTAGE = /(?:[pP]ercentage\.value|EjectionPercent|HealthPercent)$/;

/** Why we may differ; each holds for some field, or it is to be deleted. */
const INTENDED: readonly (readonly [string, (at: Difference) => boolean])[] = [
  [
    "an int32 is written as its bounds",
    ({ limit, theirs, ours: own }) =>
      (limit === "format" && theirs === INT32.format) ||
      (limit === "minimum" && own === INT32.minimum) ||
      (limit === "maximum" && own === INT32.maximum),
  ],
  [
    "port numbers are bounded, where Istio has rules or its webhook",
    ({ path, limit }) => PORT.test(path) && ["minimum", "maximum", "rules"].includes(limit),
  ],
  [
    "a port without its number is refused here and not by a webhook",
    ({ path, limit, theirs }) =>
      PORT_NAMED.test(path) && limit === "required" && theirs === undefined,
  ],
  [
    "percentages are bounded, as Istio's webhook does",
    ({ path, limit }) => PERCENTAGE.test(path) && ["minimum", "maximum"].includes(limit),
  ],
  [
    "weights and attempts are not negative, as Istio's webhook says",
    ({ path, limit, ours: own }) =>
      /\.(?:weight|attempts)$/.test(path) && limit === "minimum" && own === "0",
  ],
  [
    "a prefix or regex is not empty, and a regex no program, as Istio's webhook says",
    ({ path, limit }) =>
      /\.(?:prefix|regex)$/.test(path) && ["minLength", "maxLength"].includes(limit),
  ],
  [
    "names of a Gateway's ports are not empty, as Istio's webhook says",
    ({ path, limit }) => path === ".spec.servers[].port.name" && limit === "minLength",
  ],
  [
    "one of several credentials: by oneOf instead of three rules",
    ({ path, limit }) => path.endsWith(".tls") && ["oneOf", "rules"].includes(limit),
  ],
  [
    "a provider is the only choice of its group: nothing to exclude",
    ({ path, limit, theirs }) => path === ".spec" && limit === "oneOf" && theirs === "provider",
  ],
  [
    "without a spec a DestinationRule says nothing, and Istio's webhook refuses it",
    ({ path, limit, ours: own }) => path === "." && limit === "required" && own === "spec",
  ],
];

const theirs = readFacts();
const own = ours();
const used = new Set<string>();

test("the kinds are Istio's", () => {
  assert.deepEqual([...own.keys()].sort(), [...theirs.keys()].sort());
  assert.equal(own.size, 15);
});

for (const [name, facts] of theirs)
  test(`${name}: names, versions, columns and fields`, () => {
    const crd = own.get(name);
    assert.ok(crd !== undefined);
    assert.equal(crd.names, facts.names);
    assert.deepEqual(new Map([...crd.versions].sort()), new Map([...facts.versions].sort()));
    const found = differences(facts, crd).filter(difference => {
      const why = INTENDED.find(([, holds]) => holds(difference))?.[0];
      if (why !== undefined) used.add(why);
      return why === undefined;
    });
    assert.deepEqual(found, []);
  });

test("no reason is without a difference", () => {
  assert.deepEqual(
    INTENDED.map(([why]) => why).filter(why => !used.has(why)),
    [],
  );
});
