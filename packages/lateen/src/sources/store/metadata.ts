/** Rules for `metadata` that only a store has; names and labels are checked where a kind decodes. */
import type { Json, JsonObject } from "../../api/kind.ts";
import { arrayAt, isArray, isObject, objectAt } from "../json.ts";
import type { StatusCause } from "../status.ts";

/** apimachinery's limit for all annotations of an object together. */
const MAX_ANNOTATION_BYTES = 256 * 1024;

/** What a client may set. The server sets the rest; `managedFields` and `selfLink` are dropped. */
const CLIENT_FIELDS: readonly string[] = [
  "name",
  "generateName",
  "namespace",
  "labels",
  "annotations",
  "finalizers",
  "ownerReferences",
];

/** What the client may set of `metadata`, without empty maps, lists and nulls. */
export function clientMetadata(body: JsonObject): JsonObject {
  const metadata = objectAt(body, "metadata");
  const fields: Record<string, Json> = {};
  for (const key of CLIENT_FIELDS) {
    const value = metadata[key];
    if (value !== undefined && value !== null && !isEmpty(value)) fields[key] = value;
  }
  return fields;
}

function isEmpty(value: Json): boolean {
  if (value === "") return true;
  if (isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}

export function metadataCauses(body: JsonObject): StatusCause[] {
  const metadata = objectAt(body, "metadata");
  const causes: StatusCause[] = [];
  const bytes = Buffer.byteLength(JSON.stringify(objectAt(metadata, "annotations")));
  if (bytes > MAX_ANNOTATION_BYTES)
    causes.push({
      reason: "FieldValueTooLong",
      message: `Too long: found ${bytes} bytes, want at most ${MAX_ANNOTATION_BYTES}`,
      field: "metadata.annotations",
    });
  const owners = arrayAt(metadata, "ownerReferences").filter(isObject);
  const controllers = owners.filter(owner => owner["controller"] === true).length;
  if (controllers > 1)
    causes.push({
      reason: "FieldValueInvalid",
      message: `Invalid value: found ${controllers} references with controller set to true, want at most one`,
      field: "metadata.ownerReferences",
    });
  return causes;
}
