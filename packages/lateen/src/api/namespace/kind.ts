/** core/v1 Namespace. */
import { ageColumn, column, textAt } from "../columns.ts";
import { isObject } from "../decode.ts";
import { defineKind, type ObjectOfKind } from "../define.ts";
import type { JsonObject } from "../kind.ts";
import { dnsLabel } from "../names.ts";
import { any, list, object, optional, string } from "../schema.ts";

const fields = {
  spec: object({
    finalizers: optional(list(string())),
  }),
  status: object(
    {
      phase: string({ description: "Active or Terminating." }),
      conditions: optional(list(any())),
    },
    { open: true },
  ),
};

export type Namespace = ObjectOfKind<typeof fields>;

export const namespaceKind = defineKind({
  group: "",
  versions: ["v1"],
  kind: "Namespace",
  plural: "namespaces",
  shortNames: ["ns"],
  namespaced: false,
  subresources: ["status"],
  description:
    "A scope for names. The label istio-injection=enabled asks for sidecars in its pods.",
  fields,
  nameCheck: dnsLabel,
  columns: [
    column("Status", "Active or Terminating.", object => textAt(object, "status", "phase")),
    ageColumn,
  ],
  // Selectors over namespaces by name rest on this label (Kubernetes' NamespaceDefaultLabelName).
  defaults: json => withNameLabel(json),
});

function withNameLabel(json: JsonObject): JsonObject {
  const metadata = isObject(json["metadata"]) ? json["metadata"] : {};
  const labels = isObject(metadata["labels"]) ? metadata["labels"] : {};
  const name = metadata["name"];
  if (typeof name !== "string") return json;
  const named = { ...labels, "kubernetes.io/metadata.name": name };
  return { ...json, metadata: { ...metadata, labels: named } };
}
