/** `meta.k8s.io/v1 Table`: what `kubectl get` prints. */
import { age } from "../../api/duration.ts";
import type { Json, JsonObject, Kind, PrinterColumn } from "../../api/kind.ts";
import { objectAt, stringAt } from "../json.ts";
import { jsonPath } from "./json-path.ts";

/** What each row carries beside its cells: kubectl needs the metadata for -A and --show-labels. */
export type IncludeObject = "None" | "Metadata" | "Object";

const NAME: PrinterColumn = {
  name: "Name",
  type: "string",
  description: "Name of the object, unique in its namespace.",
  priority: 0,
  value: object => stringAt(objectAt(object, "metadata"), "name"),
};

const AGE: PrinterColumn = {
  name: "Age",
  type: "date",
  description: "Time since the object was made.",
  priority: 0,
  value: ".metadata.creationTimestamp",
};

export function table(
  kind: Kind,
  objects: readonly JsonObject[],
  metadata: JsonObject,
  include: IncludeObject,
  nowMs: number,
): JsonObject {
  const columns = columnsOf(kind);
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: columns.map(definitionOf),
    rows: objects.map(object => rowOf(columns, object, include, nowMs)),
  };
}

/**
 * A kind that does not say where the names of its objects stand has them first; when they were made comes
 * last, as in CRDs.
 */
function columnsOf({ columns }: Kind): readonly PrinterColumn[] {
  if (columns.some(column => column.name === "Name")) return columns;
  const dated = columns.some(column => column.name === "Age");
  return dated ? [NAME, ...columns] : [NAME, ...columns, AGE];
}

function definitionOf(column: PrinterColumn): JsonObject {
  const { name, type, description, priority } = column;
  return { name, type, format: column === NAME ? "name" : "", description, priority };
}

function rowOf(
  columns: readonly PrinterColumn[],
  object: JsonObject,
  include: IncludeObject,
  nowMs: number,
): JsonObject {
  const cells = columns.map(column => cellOf(column, object, nowMs));
  if (include === "None") return { cells };
  return { cells, object: include === "Object" ? object : partialMetadata(object) };
}

export function partialMetadata(object: JsonObject): JsonObject {
  return {
    kind: "PartialObjectMetadata",
    apiVersion: "meta.k8s.io/v1",
    metadata: objectAt(object, "metadata"),
  };
}

function cellOf(column: PrinterColumn, object: JsonObject, nowMs: number): Json {
  if (typeof column.value !== "string") return column.value(object, nowMs);
  const found = jsonPath(object, column.value);
  if (column.type === "date") return age(found[0], nowMs);
  if (found.length === 0) return null;
  // Several results print with spaces between, a list as JSON: as the API server does for CRDs.
  if (found.length > 1) return found.map(plain).join(" ");
  const [only = null] = found;
  return typeof only === "object" || column.type === "string" ? plain(only) : only;
}

function plain(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
