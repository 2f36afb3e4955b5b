/** networking.istio.io Sidecar: its fields. */
import type { ObjectOfKind } from "../define.ts";
import {
  connectionPool,
  destination,
  serverTls,
  sidecarPort,
  status,
  workloadSelector,
} from "../networking/common.ts";
import {
  describe,
  enumOf,
  list,
  notYet,
  object,
  optional,
  orElse,
  required,
  string,
} from "../schema.ts";
import { EGRESS_HOST } from "./hosts.ts";

const captureMode = enumOf(["DEFAULT", "IPTABLES", "NONE"]);
const egress = object({
  hosts: required(
    list(string(EGRESS_HOST), {
      description: 'Services that are reachable: "namespace/host"; "./*" is the own namespace.',
    }),
  ),
  port: describe("The port that this is for. Absent: all that no other listener has.", sidecarPort),
  bind: notYet(string()),
  captureMode: notYet(captureMode),
});

const ingress = object({
  port: required(sidecarPort),
  bind: string({ description: "Address to listen on. Absent: the pod's own." }),
  captureMode: notYet(captureMode),
  defaultEndpoint: string({ description: "Where the application listens, such as 127.0.0.1:80." }),
  tls: notYet(serverTls),
  connectionPool: notYet(connectionPool),
});

export const sidecarFields = {
  spec: orElse(
    object({
      workloadSelector,
      egress: optional(
        list(egress, { description: "What the workloads may reach. Absent: everything visible." }),
      ),
      outboundTrafficPolicy: object({
        mode: orElse(
          enumOf(["REGISTRY_ONLY", "ALLOW_ANY"], {
            description: "What happens to traffic for unknown destinations.",
          }),
          "REGISTRY_ONLY",
        ),
        egressProxy: notYet(destination),
      }),
      ingress: list(ingress, { description: "What the workloads serve, in place of services." }),
      inboundConnectionPool: notYet(connectionPool),
    }),
    {},
  ),
  status,
};

export type Sidecar = ObjectOfKind<typeof sidecarFields>;
export type SidecarEgress = NonNullable<Sidecar["spec"]["egress"]>[number];
export type SidecarIngress = Sidecar["spec"]["ingress"][number];
