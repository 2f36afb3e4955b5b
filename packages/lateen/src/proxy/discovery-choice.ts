/** Which control plane a proxy dials, and by which name it knows it. */
import { isHost, readDiscoveryAddress } from "../api/mesh-config/discovery-address.ts";
import type { ProxyConfig } from "../api/mesh-config/schema.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { isIpAddress } from "./json.ts";
import type { DiscoveryTarget } from "./xds-cluster.ts";

/** Name that the control plane's certificate must have, if it is not that of the address. */
const SERVER_NAME = "ISTIOD_SAN";
const PLAINTEXT_PORT = 15010;
const TLS_PORT = 15012;

export interface DiscoveryChoice {
  readonly target: DiscoveryTarget;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * `discoveryAddress` of the proxy's configuration, or the installation's own control plane. As in
 * Istio the certificate there must have the address' name, or the one in `proxyMetadata.ISTIOD_SAN`.
 * https://istio.io/latest/docs/reference/commands/pilot-agent/
 */
export function chooseDiscovery(own: DiscoveryTarget, config: ProxyConfig): DiscoveryChoice {
  const { tls } = own;
  const diagnostics: Diagnostic[] = [];
  const said = readDiscoveryAddress(config.discoveryAddress ?? "");
  const { host, port } = said ?? own;
  if (tls === undefined) return { target: { host, port }, diagnostics };
  const name = config.proxyMetadata[SERVER_NAME] ?? "";
  if (name !== "" && !isHost(name)) {
    const message = `found "${name.slice(0, 100)}"; expected a DNS name or an IP address`;
    const path = `proxyMetadata.${SERVER_NAME}`;
    diagnostics.push({ severity: "error", path, message, reason: "BadServerName" });
  }
  const serverName = name || (said === undefined ? tls.serverName : host);
  if (port === PLAINTEXT_PORT)
    diagnostics.push(
      warning(
        `port ${PLAINTEXT_PORT} is plaintext, and gives a proxy no certificate: ` +
          `${TLS_PORT} of ${host} is dialled`,
        "PlaintextPort",
      ),
    );
  if (isIpAddress(serverName))
    diagnostics.push(
      warning(
        `the control plane at ${host} must have a certificate for the address ${serverName}, which ` +
          `Lateen's has not: say its DNS name in proxyMetadata.${SERVER_NAME}`,
        "NoServerName",
      ),
    );
  const dialled = port === PLAINTEXT_PORT ? TLS_PORT : port;
  return { target: { host, port: dialled, tls: { ...tls, serverName } }, diagnostics };
}

function warning(message: string, reason: string): Diagnostic {
  return { severity: "warning", path: "discoveryAddress", message, reason };
}
