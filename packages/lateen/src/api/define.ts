/** Makes a `Kind` of one schema and what the schema can not say. */
import { absentSpec, decode, isObject, show } from "./decode.ts";
import { storedDefaults } from "./defaults.ts";
import type {
  ApiObject,
  Decoded,
  Json,
  JsonObject,
  Kind,
  ObjectMeta,
  PrinterColumn,
} from "./kind.ts";
import { type DecodedMeta, defaultNameCheck, metadataSchema } from "./meta.ts";
import { kindOpenApi } from "./openapi.ts";
import { Report, shorten } from "./report.ts";
import { type ObjectOf, object, type Shape, type StringCheck } from "./schema.ts";

/** An object of the kind whose fields beside metadata are those of shape `S`. */
export type ObjectOfKind<S extends Shape> = ApiObject & ObjectOf<S>;

export interface KindDefinition<S extends Shape> {
  readonly group: string;
  /** Preferred first. */
  readonly versions: readonly string[];
  /** The first version, if not given. */
  readonly storageVersion?: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced?: boolean;
  readonly subresources?: readonly ("status" | "scale")[];
  readonly description: string;
  /** The fields beside apiVersion, kind and metadata. */
  readonly fields: S;
  readonly columns: readonly PrinterColumn[];
  readonly nameCheck?: StringCheck;
  /** Rules over several fields; runs only on what the schema accepts. */
  validate?(value: ObjectOfKind<S>, report: Report): void;
  /** Stored defaults that depend on other fields; gets what the schema's defaults gave. */
  defaults?(json: JsonObject): JsonObject;
}

export function defineKind<const S extends Shape>(
  definition: KindDefinition<S>,
): Kind<ObjectOfKind<S>> {
  const { group, versions, kind, plural, fields } = definition;
  const schema = object(fields, { description: definition.description });
  const storageVersion = definition.storageVersion ?? versions[0] ?? "";
  return Object.freeze({
    group,
    storageVersion,
    versions,
    kind,
    listKind: `${kind}List`,
    plural,
    singular: kind.toLowerCase(),
    shortNames: definition.shortNames ?? [],
    categories: definition.categories ?? [],
    namespaced: definition.namespaced ?? true,
    subresources: definition.subresources ?? [],
    columns: definition.columns,
    decode: (json: JsonObject) => decodeObject(definition, schema, storageVersion, json),
    applyDefaults: (json: JsonObject) => {
      const stored = storedDefaults(schema, json);
      return definition.defaults?.(stored) ?? stored;
    },
    schema,
    openApi: kindOpenApi(schema, { group, versions, kind }),
  });
}

function apiVersionOf(group: string, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}

function decodeObject<S extends Shape>(
  definition: KindDefinition<S>,
  schema: ReturnType<typeof object<S>>,
  storageVersion: string,
  json: JsonObject,
): Decoded<ObjectOfKind<S>> {
  const report = new Report();
  if (!isObject(json)) {
    report.error("", "WrongType", `found ${show(json)}, want an object of kind ${definition.kind}`);
    return { ok: false, diagnostics: report.diagnostics() };
  }
  checkTypeMeta(definition, json, report);
  const metadata = decode(metadataSchema, json["metadata"] ?? {}, report, ["metadata"]);
  const fields = decode(schema, withoutTypeMeta(json), report);
  if ((json["spec"] ?? null) === null) absentSpec(definition.fields["spec"], report);
  if (metadata !== undefined) checkMeta(definition, metadata, report);
  if (report.failed || metadata === undefined || fields === undefined)
    return { ok: false, diagnostics: report.diagnostics() };
  // Rows of different versions of one object must come out equal, so all get the stored version.
  const apiVersion = apiVersionOf(definition.group, storageVersion);
  const meta = objectMeta(metadata, definition.namespaced ?? true);
  const typed: ApiObject = { apiVersion, kind: definition.kind, metadata: meta };
  const value = Object.freeze({ ...typed, ...fields }) as ObjectOfKind<S>;
  definition.validate?.(value, report);
  const diagnostics = report.diagnostics();
  return report.failed ? { ok: false, diagnostics } : { ok: true, value, diagnostics };
}

function checkTypeMeta<S extends Shape>(
  definition: KindDefinition<S>,
  json: JsonObject,
  report: Report,
): void {
  const { group, versions, kind } = definition;
  const served = versions.map(version => apiVersionOf(group, version));
  const { apiVersion, kind: foundKind } = json;
  if (typeof apiVersion !== "string" || !served.includes(apiVersion))
    report.error("apiVersion", "InvalidValue", `found ${show(apiVersion)}, want ${either(served)}`);
  if (foundKind !== kind)
    report.error("kind", "InvalidValue", `found ${show(foundKind)}, want ${kind}`);
}

function checkMeta<S extends Shape>(
  definition: KindDefinition<S>,
  metadata: DecodedMeta,
  report: Report,
): void {
  const check = definition.nameCheck ?? defaultNameCheck;
  if (metadata.name === "" && metadata.generateName === undefined)
    report.error("metadata.name", "Required", "is required; want a name, or a generateName");
  const wrong = metadata.name === "" ? undefined : check(metadata.name);
  if (wrong !== undefined)
    report.error(
      "metadata.name",
      "InvalidValue",
      `found "${shorten(metadata.name)}", want ${wrong}`,
    );
  const wrongNamespace =
    metadata.namespace === "" ? undefined : defaultNameCheck(metadata.namespace);
  if (wrongNamespace !== undefined)
    report.error(
      "metadata.namespace",
      "InvalidValue",
      `found "${shorten(metadata.namespace)}", want ${wrongNamespace}`,
    );
}

function objectMeta(decoded: DecodedMeta, namespaced: boolean): ObjectMeta {
  const { managedFields: _managed, selfLink: _link, ...meta } = decoded;
  return Object.freeze({ ...meta, namespace: namespaced ? meta.namespace : "" });
}

function withoutTypeMeta(json: JsonObject): JsonObject {
  const rest: Record<string, Json> = Object.create(null);
  for (const [key, value] of Object.entries(json))
    if (key !== "apiVersion" && key !== "kind" && key !== "metadata") rest[key] = value;
  return rest;
}

function either(values: readonly string[]): string {
  return values.join(" or ");
}
