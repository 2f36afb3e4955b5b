import { type JsonOutObject, socketAddress } from "./json.ts";
import { INBOUND_PASSTHROUGH_ADDRESS, INBOUND_PASSTHROUGH_ADDRESS_V6 } from "./ports.ts";

/** A metrics page is held in memory while it is rewritten. */
export const MAX_PAGE_BYTES: number = 32 << 20;

/** Lets Envoy's own connections to the application pass the interception. */
export function fromPassthrough(family: "IPv4" | "IPv6"): JsonOutObject {
  const address = family === "IPv4" ? INBOUND_PASSTHROUGH_ADDRESS : INBOUND_PASSTHROUGH_ADDRESS_V6;
  const source = { address, port_value: 0 };
  return { upstream_bind_config: { source_address: source } };
}

export function staticCluster(name: string, address: string, port: number): JsonOutObject {
  return {
    name,
    type: "STATIC",
    connect_timeout: "1s",
    lb_policy: "ROUND_ROBIN",
    per_connection_buffer_limit_bytes: MAX_PAGE_BYTES,
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(address, port) } }] }],
    },
  };
}
