/** Server-side apply (kubernetes.io, "Server-Side Apply"): merging what one of several managers says. */
import type { JsonObject, Kind } from "../../api/kind.ts";
import { isObject, objectAt, withKey } from "../json.ts";
import { type ApiResult, failed, type StatusCause, succeeded } from "../status.ts";
import { groupVersion } from "../store/stored.ts";
import {
  difference,
  type FieldSet,
  intersection,
  isEmpty,
  noFields,
  pathsOf,
  sameSet,
  union,
} from "./field-set.ts";
import {
  entriesOf,
  firstEntries,
  type ManagedEntry,
  managedPart,
  withEntries,
} from "./managers.ts";
import { differing, fieldsOf, merged, schemaOfObject, without } from "./typed-value.ts";

export interface Applied {
  readonly kind: Kind;
  readonly manager: string;
  /** Takes fields from others instead of refusing. */
  readonly force: boolean;
  readonly time: string;
  /** "", or `status`. */
  readonly subresource: string;
  /** The configuration, with apiVersion, kind and metadata. */
  readonly config: JsonObject;
}

/** More would be kept with every object, for ever. */
const MAX_MANAGERS = 50;
const SHOWN = 20;

/** The object to create, which is all the manager's. */
export function appliedFirst(applied: Applied): JsonObject {
  return withEntries(applied.config, [entryOf(applied, configFields(applied))]);
}

/** The object to store in place of `live`, or a Conflict that names who holds what. */
export function appliedTo(live: JsonObject, applied: Applied): ApiResult<JsonObject> {
  const { kind, config, force } = applied;
  const schema = schemaOfObject(kind.openApi);
  const known = entriesOf(live);
  const entries = known.length === 0 ? firstEntries(kind, live, applied.time) : known;
  const own = entries.find(entry => isOwn(entry, applied));
  const others = entries.filter(entry => entry !== own);
  if (own === undefined && others.length >= MAX_MANAGERS)
    return failed(
      422,
      "Invalid",
      `the object has ${others.length} field managers, which is the limit`,
    );
  const fields = configFields(applied);
  const [before, said] = [managedPart(live), managedPart(config)];
  const merge = merged(before, said, schema);
  const changed = differing(before, merge, fields);
  const conflicts = others
    .map(entry => ({ entry, fields: intersection(entry.fields, changed) }))
    .filter(conflict => !isEmpty(conflict.fields));
  if (conflicts.length > 0 && !force) return conflict(kind, live, conflicts);
  const left = others.map(entry => ({ ...entry, fields: difference(entry.fields, changed) }));
  const dropped = difference(own?.fields ?? noFields, fields);
  const held = left.reduce((all, entry) => union(all, entry.fields), fields);
  const result = without(merge, difference(dropped, held), held, schema) ?? {};
  const object = restored(live, config, isObject(result) ? result : {});
  return succeeded(withEntries(object, [...left, entryOf(applied, fields, own)]));
}

function isOwn(entry: ManagedEntry, { manager, subresource }: Applied): boolean {
  return (
    entry.operation === "Apply" && entry.manager === manager && entry.subresource === subresource
  );
}

function configFields({ kind, config, subresource }: Applied): FieldSet {
  const { status, ...wanted } = managedPart(config);
  const hasStatus = kind.subresources.includes("status");
  const part =
    subresource === "status" ? { status: status ?? {} } : hasStatus ? wanted : managedPart(config);
  return fieldsOf(part, schemaOfObject(kind.openApi));
}

/** The time is that of the last change of the set, so that applying twice changes nothing. */
function entryOf(applied: Applied, fields: FieldSet, own?: ManagedEntry): ManagedEntry {
  const { kind, manager, subresource } = applied;
  const time = own !== undefined && sameSet(own.fields, fields) ? own.time : applied.time;
  const apiVersion = groupVersion(kind.group, kind.storageVersion);
  return { manager, operation: "Apply", apiVersion, time, subresource, fields };
}

/** What is not managed stays: which object it is, and what the server keeps. */
function restored(live: JsonObject, config: JsonObject, part: JsonObject): JsonObject {
  const {
    labels: _l,
    annotations: _a,
    finalizers: _f,
    ownerReferences: _o,
    ...fixed
  } = objectAt(live, "metadata");
  const { resourceVersion, uid } = objectAt(config, "metadata");
  const metadata = {
    ...fixed,
    ...objectAt(part, "metadata"),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(uid === undefined ? {} : { uid }),
  };
  const typed = { apiVersion: config["apiVersion"] ?? "", kind: config["kind"] ?? "" };
  return withKey({ ...typed, metadata: {}, ...part }, "metadata", metadata);
}

function conflict(
  kind: Kind,
  live: JsonObject,
  conflicts: readonly { readonly entry: ManagedEntry; readonly fields: FieldSet }[],
): ApiResult<never> {
  const causes = conflicts.flatMap(({ entry, fields }) =>
    pathsOf(fields).map(
      (field): StatusCause => ({
        reason: "FieldManagerConflict",
        message: `conflict with ${managerText(entry)}`,
        field,
      }),
    ),
  );
  const count = `${causes.length} conflict${causes.length === 1 ? "" : "s"}`;
  const name = String(objectAt(live, "metadata")["name"] ?? "");
  const details = {
    name,
    ...(kind.group === "" ? {} : { group: kind.group }),
    kind: kind.plural,
    causes: causes.slice(0, SHOWN),
  };
  return failed(409, "Conflict", `Apply failed with ${count}: ${told(causes)}`, details);
}

function managerText({ manager, operation, apiVersion, time, subresource }: ManagedEntry): string {
  const via = subresource === "" ? "" : ` with subresource ${JSON.stringify(subresource)}`;
  const using = operation === "Update" ? ` using ${apiVersion}` : "";
  const at = operation === "Update" && time !== "" ? ` at ${time}` : "";
  return `${JSON.stringify(manager)}${via}${using}${at}`;
}

/** Kubernetes' words: one in a line, several as a list under each manager. */
function told(causes: readonly StatusCause[]): string {
  const [only] = causes;
  if (causes.length === 1 && only !== undefined) return `${only.message}: ${only.field}`;
  const byManager = Map.groupBy(causes.slice(0, SHOWN), ({ message }) => message);
  return [...byManager]
    .map(([message, found]) => {
      const lines = found.map(({ field }) => `\n- ${field}`).join("");
      return `${message.replace("conflict with", "conflicts with")}:${lines}`;
    })
    .join("\n");
}
