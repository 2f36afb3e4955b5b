/** networking.istio.io Gateway: its fields. */
import type { ObjectOfKind } from "../define.ts";
import { labelValue, qualifiedName } from "../names.ts";
import { serverPort, serverTls, status } from "../networking/common.ts";
import { describe, list, map, notYet, object, orElse, required, string } from "../schema.ts";
import { GATEWAY_HOST } from "./hosts.ts";

const NOT_YET_PROTOCOLS = [
  "TLS",
  "TCP",
  "GRPC-WEB",
  "MONGO",
  "REDIS",
  "MYSQL",
  "UDP",
  "HTTP_PROXY",
  "HBONE",
  "DOUBLEHBONE",
];

const server = object({
  port: required(serverPort(NOT_YET_PROTOCOLS)),
  hosts: required(
    list(string(GATEWAY_HOST), {
      description: 'Hosts that may be bound here: "host", "namespace/host", "*" or "./host".',
    }),
  ),
  name: string({ description: "Name of the server, for messages." }),
  tls: describe("For HTTPS, and on HTTP for a redirect to it.", serverTls),
  bind: notYet(string()),
  defaultEndpoint: notYet(string()),
});

export const gatewayFields = {
  spec: orElse(
    object({
      selector: map(string({ check: labelValue }), {
        keyCheck: qualifiedName,
        description: "Labels of the gateway pods. Empty: all of them.",
      }),
      servers: list(server, { description: "What the gateway listens to." }),
    }),
    {},
  ),
  status,
};

export type Gateway = ObjectOfKind<typeof gatewayFields>;
export type GatewayServer = Gateway["spec"]["servers"][number];
