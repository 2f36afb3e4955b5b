/** discovery.k8s.io/v1 EndpointSlice. */
import { isIP } from "node:net";
import { ageColumn, column, objectsAt, textAt } from "../columns.ts";
import { defineKind, type ObjectOfKind } from "../define.ts";
import type { JsonObject } from "../kind.ts";
import { dnsSubdomain } from "../names.ts";
import { pathOf, type Report } from "../report.ts";
import {
  any,
  boolean,
  enumOf,
  integer,
  list,
  map,
  object,
  orElse,
  required,
  string,
  withDefault,
} from "../schema.ts";

/** Kubernetes' own limits (pkg/apis/discovery/validation). */
const MAX_ENDPOINTS = 1000;
const MAX_PORTS = 20_000;
const MAX_ADDRESSES = 100;

const endpoint = object({
  addresses: required(list(string(), { minItems: 1, maxItems: MAX_ADDRESSES })),
  conditions: orElse(
    object({
      ready: boolean({ description: "Absent means ready.", nullable: true }),
      serving: boolean({ description: "Ready, but for being terminated.", nullable: true }),
      terminating: boolean({ nullable: true }),
    }),
    {},
  ),
  hostname: string(),
  nodeName: string(),
  zone: string(),
  targetRef: object({
    kind: string(),
    namespace: string(),
    name: string(),
    uid: string(),
    apiVersion: string(),
    resourceVersion: string(),
    fieldPath: string(),
  }),
  deprecatedTopology: map(string()),
  hints: any(),
});

const port = object({
  name: withDefault(string({ description: "Name of the Service's port." }), ""),
  port: integer({ min: 1, max: 65535, description: "Port of the pods. Absent: all ports." }),
  protocol: withDefault(enumOf(["TCP", "UDP", "SCTP"]), "TCP"),
  appProtocol: string(),
});

const fields = {
  addressType: required(enumOf(["IPv4", "IPv6", "FQDN"])),
  endpoints: list(endpoint, { maxItems: MAX_ENDPOINTS }),
  ports: list(port, { maxItems: MAX_PORTS }),
};

export type EndpointSlice = ObjectOfKind<typeof fields>;
export type SliceEndpoint = EndpointSlice["endpoints"][number];

export const endpointSliceKind = defineKind({
  group: "discovery.k8s.io",
  versions: ["v1"],
  kind: "EndpointSlice",
  plural: "endpointslices",
  description:
    "Some of the endpoints of the Service that the label kubernetes.io/service-name names.",
  fields,
  columns: [
    column("AddressType", "IPv4, IPv6 or FQDN.", slice => textAt(slice, "addressType")),
    column("Ports", "Ports of the endpoints.", portsText),
    column("Endpoints", "The first addresses.", endpointsText),
    ageColumn,
  ],
  validate: validateSlice,
});

function validateSlice(slice: EndpointSlice, report: Report): void {
  const family = { IPv4: 4, IPv6: 6, FQDN: 0 }[slice.addressType];
  slice.endpoints.forEach((one, i) => {
    one.addresses.forEach((address, j) => {
      const path = pathOf("endpoints", i, "addresses", j);
      const wrong = family === 0 ? dnsSubdomain(address) : wrongIp(address, family);
      if (wrong !== undefined)
        report.error(path, "InvalidValue", `found "${address.slice(0, 80)}", want ${wrong}`);
    });
  });
  const names = new Set<string>();
  slice.ports.forEach(({ name }, i) => {
    if (names.has(name))
      report.error(pathOf("ports", i, "name"), "Duplicate", `found "${name}" a second time`);
    names.add(name);
  });
}

function wrongIp(address: string, family: number): string | undefined {
  return isIP(address) === family ? undefined : `an IPv${family} address, as addressType says`;
}

/** kubectl shows three and counts the rest. */
function firstThree(parts: readonly string[]): string {
  if (parts.length === 0) return "<unset>";
  const more = parts.length > 3 ? ` + ${parts.length - 3} more...` : "";
  return parts.slice(0, 3).join(",") + more;
}

function portsText(slice: JsonObject): string {
  return firstThree(
    objectsAt(slice, "ports").map(one => {
      const number = one["port"];
      return typeof number === "number" ? String(number) : textAt(one, "name") || "*";
    }),
  );
}

function endpointsText(slice: JsonObject): string {
  return firstThree(
    objectsAt(slice, "endpoints").flatMap(one => {
      const addresses = one["addresses"];
      return Array.isArray(addresses) ? addresses.map(String) : [];
    }),
  );
}
