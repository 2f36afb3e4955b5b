/** `meta.k8s.io/v1 Table`: what `kubectl get` prints. */
import { age } from "../../api/duration.ts";
import type { Json, JsonObject, Kind, PrinterColumn } from "../../api/kind.ts";
import { objectAt, stringAt } from "../json.ts";
import { jsonPath } from "./json-path.ts";

/** What each row carries beside its cells: kubectl needs the metadata for -A and --show-labels. */
export type IncludeObject = "None" | "Metadata" | "Object";

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
    columnDefinitions: [
      {
        name: "Name",
        type: "string",
        format: "name",
        description: "Name of the object, unique in its namespace.",
        priority: 0,
      },
      ...columns.map(definitionOf),
    ],
    rows: objects.map(object => rowOf(columns, object, include, nowMs)),
  };
}

/** A kind that does not say when its objects were made gets a column for it, as CRDs do. */
function columnsOf(kind: Kind): readonly PrinterColumn[] {
  return kind.columns.some(column => column.name === "Age") ? kind.columns : [...kind.columns, AGE];
}

function definitionOf(column: PrinterColumn): JsonObject {
  const { name, type, description, priority } = column;
  return { name, type, format: "", description, priority };
}

function rowOf(
  columns: readonly PrinterColumn[],
  object: JsonObject,
  include: IncludeObject,
  nowMs: number,
): JsonObject {
  const name = stringAt(objectAt(object, "metadata"), "name");
  const cells = [name, ...columns.map(column => cellOf(column, object, nowMs))];
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
