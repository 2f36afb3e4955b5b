/** The CustomResourceDefinition of a kind, of the same schema that decodes it. */
import { isObject } from "./decode.ts";
import type { Json, JsonObject, Kind, PrinterColumn } from "./kind.ts";

/** Groups whose kinds others bring: the API server, and whoever joins clusters into a set. */
const GROUPS_OF_OTHERS: ReadonlySet<string> = new Set([
  "",
  "apps",
  "discovery.k8s.io",
  "networking.k8s.io",
  "multicluster.x-k8s.io",
]);

export function isCustomResource(kind: Kind): boolean {
  return !GROUPS_OF_OTHERS.has(kind.group);
}

/** All versions share one schema, so that no conversion is needed. */
export function customResourceDefinition(kind: Kind): JsonObject {
  const openAPIV3Schema = structural(kind.openApi);
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.plural}.${kind.group}` },
    spec: {
      group: kind.group,
      names: {
        kind: kind.kind,
        listKind: kind.listKind,
        plural: kind.plural,
        singular: kind.singular,
        ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
        ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
      },
      scope: kind.namespaced ? "Namespaced" : "Cluster",
      conversion: { strategy: "None" },
      versions: kind.versions.map(version => ({
        name: version,
        served: true,
        storage: version === kind.storageVersion,
        schema: { openAPIV3Schema },
        ...(kind.subresources.includes("status") ? { subresources: { status: {} } } : {}),
        ...(kind.columns.length === 0
          ? {}
          : { additionalPrinterColumns: kind.columns.flatMap(printerColumn) }),
      })),
    },
  };
}

/** Columns of a function are for built-in kinds; a CRD can only hold paths. */
function printerColumn({ name, type, description, priority, value }: PrinterColumn): JsonObject[] {
  if (typeof value !== "string") return [];
  return [{ name, type, description, jsonPath: value, ...(priority === 0 ? {} : { priority }) }];
}

/** Extensions that only the OpenAPI of built-in kinds may have. */
const NOT_IN_CRDS: ReadonlySet<string> = new Set([
  "x-kubernetes-group-version-kind",
  "x-kubernetes-patch-merge-key",
  "x-kubernetes-patch-strategy",
]);

/** A structural schema: the API server itself describes metadata, and refuses patch keys. */
function structural(openApi: JsonObject): JsonObject {
  const { properties, ...rest } = openApi;
  const own = isObject(properties) ? properties : {};
  return strip({ ...rest, properties: { ...own, metadata: { type: "object" } } });
}

function strip(schema: JsonObject): JsonObject {
  const out: Record<string, Json> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (NOT_IN_CRDS.has(key)) continue;
    if (key === "properties" && isObject(value)) out[key] = mapValues(value);
    else if (key === "items" || key === "additionalProperties")
      out[key] = isObject(value) ? strip(value) : value;
    else out[key] = value;
  }
  return out;
}

function mapValues(properties: JsonObject): JsonObject {
  const out: Record<string, Json> = {};
  for (const [name, schema] of Object.entries(properties))
    out[name] = isObject(schema) ? strip(schema) : schema;
  return out;
}
