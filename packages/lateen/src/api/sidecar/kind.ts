/** networking.istio.io Sidecar as a kind. */
import { defineKind } from "../define.ts";
import { categories, group, versions } from "../networking/common.ts";
import { sidecarFields } from "./schema.ts";
import { validateSidecar } from "./validate.ts";

export const sidecarKind = defineKind({
  group,
  versions,
  kind: "Sidecar",
  plural: "sidecars",
  categories,
  subresources: ["status"],
  description: "What the sidecars of some workloads have to know: less configuration, less reach.",
  fields: sidecarFields,
  columns: [],
  validate: validateSidecar,
});
