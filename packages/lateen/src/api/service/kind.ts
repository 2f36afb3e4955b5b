/** core/v1 Service as a kind. */
import { ageColumn, at, column, objectsAt, selectorText, textAt } from "../columns.ts";
import { isObject } from "../decode.ts";
import { defineKind } from "../define.ts";
import type { Json, JsonObject } from "../kind.ts";
import { dnsLabel1035 } from "../names.ts";
import { serviceFields } from "./schema.ts";
import { validateService } from "./validate.ts";

export const serviceKind = defineKind({
  group: "",
  versions: ["v1"],
  kind: "Service",
  plural: "services",
  shortNames: ["svc"],
  categories: ["all"],
  subresources: ["status"],
  description: "A name, an address and ports for a changing set of pods.",
  fields: serviceFields,
  nameCheck: dnsLabel1035,
  columns: [
    column("Type", "How the Service is reached.", service => textAt(service, "spec", "type")),
    column("Cluster-IP", "Virtual address.", clusterIpText),
    column("External-IP", "Address from outside.", externalIpText),
    column("Port(s)", "Ports with node ports.", portsText),
    ageColumn,
    column(
      "Selector",
      "Labels of its pods.",
      service => selectorText(at(service, "spec", "selector")),
      {
        wide: true,
      },
    ),
  ],
  validate: validateService,
  defaults: withTargetPorts,
});

/** targetPort is port, unless given; policies that are only there for some types. */
function withTargetPorts(json: JsonObject): JsonObject {
  const spec = json["spec"];
  if (!isObject(spec)) return json;
  const headlessOrName = spec["type"] === "ExternalName";
  const more: Record<string, Json> = {};
  if (Array.isArray(spec["ports"])) more["ports"] = spec["ports"].map(withTargetPort);
  if (!headlessOrName && spec["internalTrafficPolicy"] === undefined)
    more["internalTrafficPolicy"] = "Cluster";
  const outside = spec["type"] === "NodePort" || spec["type"] === "LoadBalancer";
  if (outside && spec["externalTrafficPolicy"] === undefined)
    more["externalTrafficPolicy"] = "Cluster";
  return { ...json, spec: { ...spec, ...more } };
}

function withTargetPort(port: Json): Json {
  if (!isObject(port) || port["port"] === undefined) return port;
  const target = port["targetPort"];
  const absent = target === undefined || target === null || target === 0 || target === "";
  return absent ? { ...port, targetPort: port["port"] } : port;
}

function clusterIpText(service: JsonObject): string {
  return textAt(service, "spec", "clusterIP") || "<none>";
}

function externalIpText(service: JsonObject): string {
  const type = textAt(service, "spec", "type");
  const external = at(service, "spec", "externalIPs");
  const fixed = Array.isArray(external) ? external.map(String) : [];
  if (type === "ExternalName") return textAt(service, "spec", "externalName") || "<none>";
  if (type !== "LoadBalancer") return fixed.join(",") || "<none>";
  const assigned = objectsAt(service, "status", "loadBalancer", "ingress").map(
    ingress => textAt(ingress, "ip") || textAt(ingress, "hostname"),
  );
  return [...assigned, ...fixed].filter(text => text !== "").join(",") || "<pending>";
}

function portsText(service: JsonObject): string {
  const ports = objectsAt(service, "spec", "ports").map(port => {
    const node = port["nodePort"];
    const through = typeof node === "number" && node > 0 ? `:${node}` : "";
    return `${String(port["port"])}${through}/${textAt(port, "protocol") || "TCP"}`;
  });
  return ports.join(",") || "<none>";
}
