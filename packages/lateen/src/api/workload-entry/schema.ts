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

export const workloadEntrySpec = object({
  address: string({
    maxLength: 256,
    description: "IP address, host name (with resolution DNS) or unix:///path.",
  }),
  ports: map(portNumber, {
    maxProperties: 128,
    keyCheck: endpointPortName,
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
});

export const workloadEntryFields = { spec: required(workloadEntrySpec), status };

export type WorkloadEntrySpec = TypeOf<typeof workloadEntrySpec>;
export type WorkloadEntry = ObjectOfKind<typeof workloadEntryFields>;
