/** Who set which fields: `metadata.managedFields`, kept from an object's first server-side apply on. */
import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import { arrayAt, isObject, jsonEqual, objectAt, stringAt, withKey, withoutKey } from "../json.ts";
import { groupVersion } from "../store/stored.ts";
import {
  difference,
  type FieldSet,
  fromFieldsV1,
  isEmpty,
  noFields,
  sameSet,
  toFieldsV1,
  union,
} from "./field-set.ts";
import { differing, fieldsOf, schemaOfObject } from "./typed-value.ts";

export interface ManagedEntry {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly time: string;
  readonly subresource: string;
  readonly fields: FieldSet;
}

/** What is more is put together, oldest first, as Kubernetes does it. */
const MAX_UPDATERS = 10;
const ANCIENT = "ancient-changes";
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Fields that say which object it is, and those that only the server sets. */
const NOT_MANAGED = [
  "creationTimestamp",
  "deletionGracePeriodSeconds",
  "deletionTimestamp",
  "generateName",
  "generation",
  "managedFields",
  "name",
  "namespace",
  "resourceVersion",
  "selfLink",
  "uid",
];

export function managedPart(object: JsonObject): JsonObject {
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...rest } = object;
  let metadata = objectAt(object, "metadata");
  for (const name of NOT_MANAGED) metadata = withoutKey(metadata, name);
  return Object.keys(metadata).length === 0 ? rest : { metadata, ...rest };
}

export function entriesOf(object: JsonObject): ManagedEntry[] {
  const written = arrayAt(objectAt(object, "metadata"), "managedFields");
  return written.filter(isObject).map(entry => ({
    manager: stringAt(entry, "manager"),
    operation: entry["operation"] === "Apply" ? "Apply" : "Update",
    apiVersion: stringAt(entry, "apiVersion"),
    time: stringAt(entry, "time"),
    subresource: stringAt(entry, "subresource"),
    fields:
      Object.keys(objectAt(entry, "fieldsV1")).length === 0
        ? noFields
        : fromFieldsV1(objectAt(entry, "fieldsV1")),
  }));
}

export function withEntries(object: JsonObject, entries: readonly ManagedEntry[]): JsonObject {
  const metadata = withoutKey(objectAt(object, "metadata"), "managedFields");
  const kept = bounded(entries.filter(({ fields }) => !isEmpty(fields)));
  if (kept.length === 0) return withKey(object, "metadata", metadata);
  return withKey(object, "metadata", { ...metadata, managedFields: kept.map(entryJson) });
}

function entryJson({
  manager,
  operation,
  apiVersion,
  time,
  subresource,
  fields,
}: ManagedEntry): Json {
  return {
    manager,
    operation,
    apiVersion,
    time,
    fieldsType: "FieldsV1",
    fieldsV1: toFieldsV1(fields),
    ...(subresource === "" ? {} : { subresource }),
  };
}

function bounded(entries: readonly ManagedEntry[]): readonly ManagedEntry[] {
  const updates = entries.filter(({ operation }) => operation === "Update");
  if (updates.length <= MAX_UPDATERS) return entries;
  const oldest = updates
    .toSorted((a, b) => (a.time < b.time ? -1 : 1))
    .slice(0, updates.length - MAX_UPDATERS + 1);
  const [first] = oldest;
  if (first === undefined) return entries;
  const fields = oldest.reduce((all, entry) => union(all, entry.fields), noFields);
  const others = entries.filter(entry => !oldest.includes(entry));
  return [...others, { ...first, manager: ANCIENT, subresource: "", fields }];
}

/**
 * What an object holds that nobody keeps fields of yet: what kubectl applied from files is kubectl's,
 * the rest is from before.
 */
export function firstEntries(kind: Kind, object: JsonObject, time: string): ManagedEntry[] {
  const schema = schemaOfObject(kind.openApi);
  const { status: _status, ...wanted } = managedPart(object);
  const all = fieldsOf(wanted, schema);
  const applied = lastApplied(object);
  const theirs = applied === undefined ? noFields : fieldsOf(managedPart(applied), schema);
  const annotation = fieldsOf({ metadata: { annotations: { [LAST_APPLIED]: "" } } }, schema);
  const kubectls = applied === undefined ? noFields : union(theirs, annotation);
  const entry = (manager: string, fields: FieldSet): ManagedEntry => ({
    manager,
    operation: "Update",
    apiVersion: groupVersion(kind.group, kind.storageVersion),
    time,
    subresource: "",
    fields,
  });
  return [
    entry("kubectl-client-side-apply", kubectls),
    entry("before-first-apply", difference(all, kubectls)),
  ].filter(({ fields }) => !isEmpty(fields));
}

function lastApplied(object: JsonObject): JsonObject | undefined {
  const text = stringAt(objectAt(objectAt(object, "metadata"), "annotations"), LAST_APPLIED);
  try {
    const value: Json = text === "" ? null : JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export interface Updater {
  readonly manager: string;
  readonly subresource: string;
  readonly time: string;
}

/** After a write that was no apply: what it changed is the writer's now. */
export function afterUpdate(
  kind: Kind,
  before: JsonObject,
  after: JsonObject,
  entries: readonly ManagedEntry[],
  by: Updater,
): ManagedEntry[] {
  const schema = schemaOfObject(kind.openApi);
  const [old, now] = [managedPart(before), managedPart(after)];
  const [oldFields, nowFields] = [fieldsOf(old, schema), fieldsOf(now, schema)];
  const changed = differing(old, now, nowFields);
  const gone = difference(oldFields, nowFields);
  const isOwn = (entry: ManagedEntry): boolean =>
    entry.operation === "Update" &&
    entry.manager === by.manager &&
    entry.subresource === by.subresource;
  const others = entries
    .filter(entry => !isOwn(entry))
    .map(entry => ({ ...entry, fields: difference(difference(entry.fields, changed), gone) }));
  const own = entries.find(isOwn);
  const fields = union(difference(own?.fields ?? noFields, gone), changed);
  const time = own !== undefined && sameSet(own.fields, fields) ? own.time : by.time;
  const apiVersion = groupVersion(kind.group, kind.storageVersion);
  return [...others, { ...by, operation: "Update", apiVersion, time, fields }];
}

/** `managedFields` of the object to store; undefined: nobody keeps them. */
export function managedAfterWrite(
  kind: Kind,
  before: JsonObject,
  asked: Json | undefined,
  after: JsonObject,
  by: Updater,
): JsonObject {
  const kept = objectAt(before, "metadata")["managedFields"];
  const isOwnWord = asked !== undefined && !jsonEqual(asked, kept);
  if (isOwnWord && isReset(asked)) return withEntries(after, []);
  const base = isOwnWord ? entriesOf({ metadata: { managedFields: asked } }) : entriesOf(before);
  if (base.length === 0) return withEntries(after, []);
  return withEntries(after, afterUpdate(kind, before, after, base, by));
}

/** `[]` and `[{}]` ask to forget. */
function isReset(asked: Json): boolean {
  return !Array.isArray(asked) || asked.length === 0 || jsonEqual(asked, [{}]);
}
