/** networking.istio.io VirtualService as a kind. */
import { column } from "../columns.ts";
import { defineKind } from "../define.ts";
import { creationColumn } from "../networking/columns.ts";
import { categories, group, versions } from "../networking/common.ts";
import { virtualServiceFields } from "./schema.ts";
import { validateVirtualService } from "./validate.ts";

export const virtualServiceKind = defineKind({
  group,
  versions,
  kind: "VirtualService",
  plural: "virtualservices",
  shortNames: ["vs"],
  categories,
  subresources: ["status"],
  description: "How requests for some hosts are routed.",
  fields: virtualServiceFields,
  columns: [
    column("Gateways", "Gateways and sidecars that route so.", ".spec.gateways"),
    column("Hosts", "Hosts that requests name.", ".spec.hosts"),
    creationColumn,
  ],
  validate: validateVirtualService,
});
