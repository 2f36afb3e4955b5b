/** networking.istio.io ServiceEntry as a kind. */
import { column } from "../columns.ts";
import { defineKind } from "../define.ts";
import { creationColumn } from "../networking/columns.ts";
import { categories, group, versions } from "../networking/common.ts";
import { serviceEntryFields } from "./schema.ts";
import { validateServiceEntry } from "./validate.ts";

export const serviceEntryKind = defineKind({
  group,
  versions,
  kind: "ServiceEntry",
  plural: "serviceentries",
  shortNames: ["se"],
  categories,
  subresources: ["status"],
  description: "A service that Kubernetes does not know: outside, or on machines of its own.",
  fields: serviceEntryFields,
  columns: [
    column("Hosts", "Host names of the service.", ".spec.hosts"),
    column("Location", "MESH_EXTERNAL or MESH_INTERNAL.", ".spec.location"),
    column("Resolution", "How endpoints are found.", ".spec.resolution"),
    creationColumn,
  ],
  validate: validateServiceEntry,
});
