/** networking.istio.io ServiceEntry: its fields. */
import type { ObjectOfKind } from "../define.ts";
import { portNumber, status, workloadSelector } from "../networking/common.ts";
import { ipOrCidr, istioLabel, serviceVisibility, WILDCARD_HOST } from "../networking/hosts.ts";
import { protocolName } from "../networking/protocol.ts";
import {
  describe,
  enumOf,
  list,
  object,
  optional,
  orElse,
  required,
  type SchemaRule,
  string,
} from "../schema.ts";
import { workloadEntrySpec } from "../workload-entry/schema.ts";

const port = object({
  number: required(describe("The port that clients use.", portNumber)),
  name: required(
    string({ maxLength: 256, check: istioLabel, description: "Unique among the ports." }),
  ),
  protocol: orElse(
    string({
      maxLength: 256,
      check: protocolName,
      notYetValues: ["GRPC-WEB", "HTTP_PROXY", "HBONE", "DOUBLEHBONE"],
      description: "HTTP, HTTP2, GRPC, HTTPS, TLS, TCP, ... Empty: sniffed.",
    }),
    "",
  ),
  targetPort: describe("The port of the endpoints. Default: number.", portNumber),
});

/** The kind's validation says the same with more words. */
const NOT_EVERY_HOST: SchemaRule = { rule: 'self != "*"', message: "* alone is no host" };
const NUMBERS_ONCE: SchemaRule = {
  rule: "self.all(a, self.exists_one(b, a.number == b.number))",
  message: "each port number may be there once",
};
const SPEC_RULES: readonly SchemaRule[] = [
  {
    rule: "!has(self.workloadSelector) || !has(self.endpoints)",
    message: "workloadSelector and endpoints exclude one another",
  },
  {
    rule:
      '!has(self.addresses) || !self.addresses.exists(a, a.contains("/")) || ' +
      '!has(self.resolution) || self.resolution in ["STATIC", "NONE"]',
    message: "addresses may be CIDRs with resolution NONE or STATIC only",
  },
  {
    rule: '!has(self.endpoints) || (has(self.resolution) && self.resolution != "NONE")',
    message: "resolution NONE has no endpoints",
  },
  {
    rule:
      '!has(self.resolution) || self.resolution != "DNS_ROUND_ROBIN" || ' +
      "!has(self.endpoints) || self.endpoints.size() <= 1",
    message: "DNS_ROUND_ROBIN has one endpoint at most",
  },
];

export const serviceEntryFields = {
  spec: required(
    object(
      {
        hosts: required(
          list(string({ ...WILDCARD_HOST, rules: [NOT_EVERY_HOST] }), {
            minItems: 1,
            maxItems: 256,
            description: "Host names of the service.",
          }),
        ),
        addresses: list(string({ maxLength: 64, check: ipOrCidr }), {
          maxItems: 256,
          description: "Virtual addresses: IPs or CIDRs.",
        }),
        ports: list(port, { maxItems: 256, mapKeys: ["name"], rules: [NUMBERS_ONCE] }),
        location: orElse(
          enumOf(["MESH_EXTERNAL", "MESH_INTERNAL"], {
            description: "MESH_INTERNAL services speak mutual TLS like workloads of the mesh.",
          }),
          "MESH_EXTERNAL",
        ),
        resolution: orElse(
          enumOf(["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"], {
            notYetValues: ["DYNAMIC_DNS"],
            description: "How endpoints are found. NONE: the address that the client chose.",
          }),
          "NONE",
        ),
        endpoints: optional(
          list(workloadEntrySpec, { maxItems: 4096, description: "Where requests go." }),
        ),
        workloadSelector,
        exportTo: list(string({ check: serviceVisibility }), {
          description:
            'Namespaces that see this: "*" for all (default), "." or names; "~" for none.',
        }),
        subjectAltNames: list(string(), {
          description: "The server's certificate must have one of these.",
        }),
      },
      { rules: SPEC_RULES },
    ),
  ),
  status,
};

export type ServiceEntry = ObjectOfKind<typeof serviceEntryFields>;
export type ServiceEntrySpec = ServiceEntry["spec"];
export type ServiceEntryPort = ServiceEntrySpec["ports"][number];
