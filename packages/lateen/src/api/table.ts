/** Rows of `kubectl get`: the cells of meta.k8s.io/v1 Table for raw objects of a kind. */
import { at, textAt } from "./columns.ts";
import { age } from "./duration.ts";
import type { Json, JsonObject, Kind, PrinterColumn } from "./kind.ts";

/** A cell without a value prints as nothing. */
export type Cell = string | number | boolean | null;

const nameColumn: PrinterColumn = {
  name: "Name",
  type: "string",
  description: "Name of the object.",
  priority: 0,
  value: object => textAt(object, "metadata", "name"),
};

const defaultAge: PrinterColumn = {
  name: "Age",
  type: "date",
  description: "Time since the object was made.",
  priority: 0,
  value: ".metadata.creationTimestamp",
};

/** The name first (unless a kind puts it elsewhere); kinds without columns show their age. */
export function tableColumns(kind: Kind): readonly PrinterColumn[] {
  const own = kind.columns.length === 0 ? [defaultAge] : kind.columns;
  return own.some(column => column.name === "Name") ? own : [nameColumn, ...own];
}

/** One cell for each of `tableColumns(kind)`. */
export function tableCells(kind: Kind, object: JsonObject, nowMs: number): readonly Cell[] {
  return tableColumns(kind).map(column => cellOf(column, object, nowMs));
}

function cellOf(column: PrinterColumn, object: JsonObject, nowMs: number): Cell {
  if (typeof column.value === "function") return column.value(object, nowMs);
  const found = at(object, ...column.value.split(".").filter(step => step !== ""));
  if (column.type === "date") return age(found, nowMs);
  return found === undefined ? null : jsonCell(found);
}

/** As the API server does for custom resources: lists and objects are printed as JSON. */
function jsonCell(value: Json): Cell {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : value;
}
