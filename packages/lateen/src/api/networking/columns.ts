/** Printer columns of CRDs: JSON paths, so that a CRD can carry them. */
import { column } from "../columns.ts";
import type { PrinterColumn } from "../kind.ts";

export const creationColumn: PrinterColumn = column(
  "Age",
  "Time since the object was made.",
  ".metadata.creationTimestamp",
  { type: "date" },
);
