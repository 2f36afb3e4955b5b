/** multicluster.x-k8s.io ServiceImport: an exported Service as a set of clusters has it. */
import { ageColumn, at, column, textAt } from "../columns.ts";
import { defineKind, type ObjectOfKind } from "../define.ts";
import type { JsonObject } from "../kind.ts";
import {
  any,
  enumOf,
  integer,
  list,
  notYet,
  object,
  orElse,
  string,
  withDefault,
} from "../schema.ts";

const port = object({
  name: orElse(string(), ""),
  protocol: withDefault(enumOf(["TCP", "UDP", "SCTP"]), "TCP"),
  appProtocol: string(),
  port: integer({ min: 1, max: 65535 }),
});

const fields = {
  spec: orElse(
    object({
      type: orElse(
        enumOf(["ClusterSetIP", "Headless"], {
          notYetValues: ["Headless"],
          description: "Whether it has addresses of its own.",
        }),
        "ClusterSetIP",
      ),
      ips: list(string(), { description: "Addresses under which clients reach it." }),
      ports: list(port, { description: "Of the exported Service; those count that it has." }),
      sessionAffinity: notYet(string()),
      sessionAffinityConfig: notYet(any()),
    }),
    {},
  ),
  status: object({}, { open: true }),
};

export type ServiceImport = ObjectOfKind<typeof fields>;

export const serviceImportKind = defineKind({
  group: "multicluster.x-k8s.io",
  versions: ["v1alpha1"],
  kind: "ServiceImport",
  plural: "serviceimports",
  shortNames: ["svcim"],
  subresources: ["status"],
  description: "A Service that was exported, under NAME.NAMESPACE.svc.clusterset.local.",
  fields,
  columns: [
    column("Type", "ClusterSetIP or Headless.", row => textAt(row, "spec", "type")),
    column("IP", "Its addresses.", addressesText),
    ageColumn,
  ],
});

function addressesText(row: JsonObject): string {
  const ips = at(row, "spec", "ips");
  return Array.isArray(ips) ? ips.map(String).join(",") : "";
}
