/** core/v1 ServiceAccount: the identity of workloads. */
import { ageColumn, column, sizeAt } from "../columns.ts";
import { defineKind, type ObjectOfKind } from "../define.ts";
import { any, boolean, list, object, optional, string } from "../schema.ts";

const fields = {
  secrets: optional(list(any(), { patchMergeKey: "name", mapKeys: ["name"] })),
  imagePullSecrets: optional(list(object({ name: string() }))),
  automountServiceAccountToken: boolean(),
};

export type ServiceAccount = ObjectOfKind<typeof fields>;

export const serviceAccountKind = defineKind({
  group: "",
  versions: ["v1"],
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  shortNames: ["sa"],
  description: "An identity for pods; the mesh makes a SPIFFE id of it.",
  fields,
  columns: [column("Secrets", "Token secrets.", account => sizeAt(account, "secrets")), ageColumn],
});
