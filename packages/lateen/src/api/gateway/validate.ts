/** Istio's rules for Gateways (pkg/config/validation: ValidateGateway), in our words. */
import { isTlsProtocol } from "../networking/protocol.ts";
import { pathOf, type Report } from "../report.ts";
import type { Gateway, GatewayServer } from "./schema.ts";

export function validateGateway({ spec }: Gateway, report: Report): void {
  if (spec.servers.length === 0)
    report.error("spec.servers", "Required", "found no servers, want at least one");
  const portNames = new Set<string>();
  spec.servers.forEach((server, i) => {
    const path = pathOf("spec.servers", i);
    validateServer(server, path, report);
    const { name } = server.port;
    if (portNames.has(name))
      report.error(
        `${path}.port.name`,
        "Duplicate",
        `found "${name}" a second time; names of ports are unique among the servers`,
      );
    portNames.add(name);
  });
}

function validateServer(server: GatewayServer, path: string, report: Report): void {
  if (server.hosts.length === 0)
    report.error(`${path}.hosts`, "Required", "found no hosts, want at least one");
  const tlsPort = isTlsProtocol(server.port.protocol);
  if (tlsPort && server.tls === undefined)
    report.error(`${path}.tls`, "Required", `is required for protocol ${server.port.protocol}`);
  const mode = server.tls?.mode;
  if (!tlsPort && mode !== undefined && server.tls?.httpsRedirect !== true)
    report.error(
      `${path}.tls.mode`,
      "InvalidValue",
      `found ${mode}, but port protocol ${server.port.protocol} is without TLS; want HTTPS or TLS`,
    );
}
