/** networking.istio.io WorkloadEntry: a workload that is no pod; also the endpoints of a ServiceEntry. */
import type { ObjectOfKind } from "../define.ts";
import { labelValue, qualifiedName } from "../names.ts";
import { portNumber, status } from "../networking/common.ts";
import {
  integer,
  map,
  notYet,
  object,
  required,
  type SchemaRule,
  type StringCheck,
  string,
  type TypeOf,
} from "../schema.ts";

const endpointPortName: StringCheck = text =>
  text.length < 63 && /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/.test(text)
    ? undefined
    : "a port name: letters, digits and '-', less than 63";

const locality: StringCheck = text => {
  const parts = text.split("/");
  const good = parts.length <= 3 && parts.every(part => part !== "" && !part.includes("*"));
  return text === "" || good ? undefined : "region, region/zone or region/zone/subzone";
};

/** The kind's validation says the same with more words. */
const ADDRESS_RULES: readonly SchemaRule[] = [
  {
    rule: '!self.startsWith("unix://") || self.matches("^unix://[/@]")',
    message: "after unix:// comes an absolute path, or @ and a name",
  },
  {
    rule: '!self.startsWith("unix://") || !self.endsWith("/")',
    message: "a socket is no folder",
  },
];
const NO_PORTS_WITH_SOCKET: SchemaRule = {
  rule: '!has(self.ports) || !has(self.address) || !self.address.startsWith("unix://")',
  message: "a socket has no ports",
};

/** The rule of WorkloadEntries and endpoints; a WorkloadGroup's template has no address. */
export const ADDRESS_OR_NETWORK: SchemaRule = {
  rule: "has(self.address) || has(self.network)",
  message: "needs an address, or the network that it is in",
};

export const workloadTemplate = object(
  {
    address: string({
      maxLength: 256,
      rules: ADDRESS_RULES,
      description: "IP address, host name (with resolution DNS) or unix:///path.",
    }),
    ports: map(portNumber, {
      maxProperties: 128,
      keyCheck: endpointPortName,
      rules: [
        {
          rule: 'self.all(name, name.size() < 63 && name.matches("^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"))',
          message: "port names are letters, digits and '-', less than 63",
        },
      ],
      description: "Port of the workload by name of the service port. Default: its targetPort.",
    }),
    labels: map(string({ check: labelValue }), {
      keyCheck: qualifiedName,
      maxProperties: 256,
      description: "Subsets and selectors look at these.",
    }),
    network: notYet(string({ maxLength: 2048, description: "Network that the address is in." })),
    locality: string({
      maxLength: 2048,
      check: locality,
      description: "region/zone/subzone.",
    }),
    weight: integer({ min: 0, max: 4_294_967_295, description: "Share among the endpoints." }),
    serviceAccount: string({ maxLength: 253, description: "Identity, in the same namespace." }),
  },
  { rules: [NO_PORTS_WITH_SOCKET] },
);

export const workloadEntrySpec = {
  ...workloadTemplate,
  rules: [NO_PORTS_WITH_SOCKET, ADDRESS_OR_NETWORK],
};

export const workloadEntryFields = { spec: required(workloadEntrySpec), status };

export type WorkloadEntrySpec = TypeOf<typeof workloadEntrySpec>;
export type WorkloadEntry = ObjectOfKind<typeof workloadEntryFields>;
