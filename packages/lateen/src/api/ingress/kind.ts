/** networking.k8s.io/v1 Ingress as a kind. */
import { ageColumn, at, column, objectsAt, sizeAt, textAt } from "../columns.ts";
import { defineKind } from "../define.ts";
import type { JsonObject } from "../kind.ts";
import { ingressFields } from "./schema.ts";
import { validateIngress } from "./validate.ts";

export const ingressKind = defineKind({
  group: "networking.k8s.io",
  versions: ["v1"],
  kind: "Ingress",
  plural: "ingresses",
  shortNames: ["ing"],
  subresources: ["status"],
  description: "Requests from outside by host and path, for the ingress gateway.",
  fields: ingressFields,
  columns: [
    column("Class", "Its IngressClass.", classText),
    column("Hosts", "Hosts of its rules.", hostsText),
    column("Address", "Where the gateway is reached.", addressText),
    column("Ports", "80, and 443 where it has TLS.", ingress =>
      sizeAt(ingress, "spec", "tls") > 0 ? "80, 443" : "80",
    ),
    ageColumn,
  ],
  validate: validateIngress,
});

function classText(ingress: JsonObject): string {
  return textAt(ingress, "spec", "ingressClassName") || "<none>";
}

function hostsText(ingress: JsonObject): string {
  const hosts = objectsAt(ingress, "spec", "rules").map(rule => textAt(rule, "host") || "*");
  if (hosts.length === 0) return "*";
  const more = hosts.length > 3 ? ` + ${hosts.length - 3} more...` : "";
  return hosts.slice(0, 3).join(",") + more;
}

function addressText(ingress: JsonObject): string {
  const found = at(ingress, "status", "loadBalancer");
  return objectsAt(found, "ingress")
    .map(each => textAt(each, "ip") || textAt(each, "hostname"))
    .join(",");
}
