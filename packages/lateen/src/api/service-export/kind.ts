/** multicluster.x-k8s.io ServiceExport: the Service of its name is there for all clusters of a set. */
import { ageColumn } from "../columns.ts";
import { defineKind, type ObjectOfKind } from "../define.ts";
import { object } from "../schema.ts";

const fields = { status: object({}, { open: true }) };

export type ServiceExport = ObjectOfKind<typeof fields>;

export const serviceExportKind = defineKind({
  group: "multicluster.x-k8s.io",
  versions: ["v1alpha1"],
  kind: "ServiceExport",
  plural: "serviceexports",
  shortNames: ["svcex"],
  subresources: ["status"],
  description: "Exports the Service of the same name to the clusters of a set.",
  fields,
  columns: [ageColumn],
});
