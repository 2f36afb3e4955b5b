/** networking.istio.io Gateway as a kind. */
import { defineKind } from "../define.ts";
import { categories, group, versions } from "../networking/common.ts";
import { gatewayFields } from "./schema.ts";
import { validateGateway } from "./validate.ts";

export const gatewayKind = defineKind({
  group,
  versions,
  kind: "Gateway",
  plural: "gateways",
  shortNames: ["gw"],
  categories,
  subresources: ["status"],
  description: "Ports and hosts that gateway pods open for traffic at the edge of the mesh.",
  fields: gatewayFields,
  columns: [],
  validate: validateGateway,
});
