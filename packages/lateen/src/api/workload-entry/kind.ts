/** networking.istio.io WorkloadEntry as a kind. */
import { column } from "../columns.ts";
import { defineKind } from "../define.ts";
import { creationColumn } from "../networking/columns.ts";
import { categories, group, versions } from "../networking/common.ts";
import { workloadEntryFields } from "./schema.ts";
import { validateWorkload } from "./validate.ts";

export const workloadEntryKind = defineKind({
  group,
  versions,
  kind: "WorkloadEntry",
  plural: "workloadentries",
  shortNames: ["we"],
  categories,
  subresources: ["status"],
  description: "A workload outside of Kubernetes, for the ServiceEntries that select it.",
  fields: workloadEntryFields,
  // Istio's order: the age comes first.
  columns: [creationColumn, column("Address", "Where it listens.", ".spec.address")],
  validate: (entry, report) => validateWorkload(entry.spec, "spec", report),
});
