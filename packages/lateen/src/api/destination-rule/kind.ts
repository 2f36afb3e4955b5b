/** networking.istio.io DestinationRule as a kind. */
import { column } from "../columns.ts";
import { defineKind } from "../define.ts";
import { creationColumn } from "../networking/columns.ts";
import { categories, group, versions } from "../networking/common.ts";
import { destinationRuleFields } from "./schema.ts";
import { validateDestinationRule } from "./validate.ts";

export const destinationRuleKind = defineKind({
  group,
  versions,
  kind: "DestinationRule",
  plural: "destinationrules",
  shortNames: ["dr"],
  categories,
  subresources: ["status"],
  description: "How clients talk to a host after routing, and what subsets it has.",
  fields: destinationRuleFields,
  columns: [column("Host", "Host that the rule is for.", ".spec.host"), creationColumn],
  validate: validateDestinationRule,
});
