/**
 * A schema as OpenAPI v3, with Kubernetes' extensions: list keys, patch keys, int-or-string. What a
 * CRD may not have of it is taken away in crd.ts.
 */
import { assert } from "../base/assert.ts";
import type { Json, JsonObject } from "./kind.ts";
import { metadataSchema } from "./meta.ts";
import type { SchemaNode } from "./schema.ts";

export interface GroupKind {
  readonly group: string;
  readonly versions: readonly string[];
  readonly kind: string;
}

/** What these mean in all kinds that have them. */
const COMMON_FIELDS: ReadonlyMap<string, string> = new Map([
  ["spec", "What is wanted."],
  ["status", "What was seen. Not for users to write."],
]);

/** The schema of whole objects of a kind. */
export function kindOpenApi(fields: SchemaNode, kind: GroupKind): JsonObject {
  const schema = openApiOf(fields);
  const properties: Record<string, Json> = {};
  for (const [name, field] of fields.properties ?? [])
    properties[name] = defined({ description: COMMON_FIELDS.get(name), ...openApiOf(field) });
  return {
    ...schema,
    properties: {
      apiVersion: { type: "string", description: "Group and version of this form of the object." },
      kind: { type: "string", description: "The kind of the object." },
      metadata: openApiOf(metadataSchema),
      ...properties,
    },
    "x-kubernetes-group-version-kind": kind.versions.map(version => ({
      group: kind.group,
      version,
      kind: kind.kind,
    })),
  };
}

function openApiOf(node: SchemaNode): JsonObject {
  return defined({
    description: descriptionOf(node),
    ...typeOf(node),
    default: node.presence === "default" && !node.decodedOnly ? node.default : undefined,
    nullable: node.nullable,
    ...extensions(node),
    "x-kubernetes-validations": rulesOf(node),
  });
}

/** Durations know by themselves how short they may be. */
function rulesOf(node: SchemaNode): readonly JsonObject[] | undefined {
  const rules = (node.rules ?? []).map(({ rule, message }) => ({ rule, message }));
  const { min = 0 } = node;
  if (node.type === "duration" && min > 0)
    rules.push({ rule: `duration(self) >= duration("${min}ms")`, message: `at least ${min}ms` });
  return rules.length === 0 ? undefined : rules;
}

/** `kubectl explain` says, too, what has no effect yet. */
function descriptionOf(node: SchemaNode): string | undefined {
  const notes = [node.description];
  if (node.notYet === true) notes.push("Accepted, but not carried out yet.");
  if (node.notYetValues !== undefined)
    notes.push(`Accepted, but not carried out yet: ${node.notYetValues.join(", ")}.`);
  const text = notes.filter(note => note !== undefined).join(" ");
  return text === "" ? undefined : text;
}

type Partly = Readonly<Record<string, Json | undefined>>;

function typeOf(node: SchemaNode): Partly {
  switch (node.type) {
    case "string":
      return {
        type: "string",
        enum: node.enum,
        format: node.format,
        pattern: node.pattern,
        minLength: node.minLength,
        maxLength: node.maxLength,
      };
    case "integer":
      return { type: "integer", minimum: node.min, maximum: node.max };
    case "number":
      return { type: "number", format: "double", minimum: node.min, maximum: node.max };
    case "boolean":
      return { type: "boolean" };
    case "duration":
      return { type: "string" };
    case "intOrString":
      return {
        "x-kubernetes-int-or-string": true,
        anyOf: [{ type: "integer" }, { type: "string" }],
      };
    case "list":
      return {
        type: "array",
        items: itemsOf(node),
        minItems: node.minItems,
        maxItems: node.maxItems,
      };
    case "map":
      return {
        type: "object",
        additionalProperties: itemsOf(node),
        maxProperties: node.maxProperties,
      };
    case "object":
      return objectOf(node);
    case "any":
      return { "x-kubernetes-preserve-unknown-fields": true };
  }
}

function itemsOf(node: SchemaNode): JsonObject {
  assert(node.items !== undefined, `a ${node.type} schema has items`);
  return openApiOf(node.items);
}

function objectOf(node: SchemaNode): Partly {
  const properties: Record<string, Json> = {};
  const requiredNames: string[] = [];
  for (const [name, property] of node.properties ?? []) {
    properties[name] = openApiOf(property);
    if (property.presence === "required") requiredNames.push(name);
  }
  return {
    type: "object",
    properties,
    required: requiredNames.length === 0 ? undefined : requiredNames,
    ...exclusive(node.exclusive ?? []),
    "x-kubernetes-preserve-unknown-fields": node.open,
  };
}

/** proto's oneof as CRDs write it: none of the fields, or exactly one. */
function exclusive(groups: readonly (readonly string[])[]): Partly {
  const forms = groups.map(group => {
    const each = group.map(name => ({ required: [name] }));
    return { oneOf: [{ not: { anyOf: each } }, ...each] };
  });
  return forms.length > 1 ? { allOf: forms } : (forms[0] ?? {});
}

function extensions(node: SchemaNode): Partly {
  const keys = node.mapKeys;
  const merge = node.patchMergeKey !== undefined || node.patchMerge === true;
  return {
    "x-kubernetes-list-type": keys === undefined ? undefined : "map",
    "x-kubernetes-list-map-keys": keys,
    "x-kubernetes-patch-merge-key": node.patchMergeKey,
    "x-kubernetes-patch-strategy": merge ? "merge" : node.patchStrategy,
  };
}

function defined(fields: Partly): JsonObject {
  const out: Record<string, Json> = {};
  for (const [key, value] of Object.entries(fields)) if (value !== undefined) out[key] = value;
  return out;
}
