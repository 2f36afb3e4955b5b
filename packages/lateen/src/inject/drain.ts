import { parseDurationMs } from "../api/duration.ts";
import type { ProxyConfig } from "../api/mesh-config/schema.ts";
import type { NodeType } from "../proxy/node-id.ts";
import { ProxyPort } from "../proxy/ports.ts";

const DEFAULT_MINIMUM_MS = 5_000;
const ADMIN = `http://127.0.0.1:${ProxyPort.admin}`;
const CONNECTIONS = encodeURIComponent("^listener\\..*downstream_cx_active$");
/** Listeners of the proxy itself. */
const OWN = `admin|_${ProxyPort.agent}|_${ProxyPort.health}|_${ProxyPort.prometheus}`;

/**
 * A preStop command for EXIT_ON_ZERO_ACTIVE_CONNECTIONS: drains, waits MINIMUM_DRAIN_DURATION, then
 * until no connection is left; the kubelet ends that with the pod's grace period. Needs the shell,
 * curl and awk of the proxy's image.
 * https://istio.io/latest/docs/reference/commands/pilot-agent/
 */
export function exitOnZeroCommand(config: ProxyConfig, type: NodeType = "sidecar"): string[] {
  const said = parseDurationMs(config.proxyMetadata["MINIMUM_DRAIN_DURATION"] ?? "");
  const seconds = Math.ceil((said ?? DEFAULT_MINIMUM_MS) / 1000);
  const script = [
    "active() {",
    `  curl -s -m 2 '${ADMIN}/stats?usedonly&filter=${CONNECTIONS}' |`,
    `    awk -F': ' '$1 !~ /${OWN}/ {n += $2} END {print n + 0}'`,
    "}",
    `${drainRequest(type)} || exit 0`,
    `sleep ${seconds}`,
    'while [ "$(active)" -gt 0 ]; do sleep 1; done',
  ].join("\n");
  return ["/bin/sh", "-c", script];
}

/**
 * A preStop command for gateways: those who hold connections are told to make new ones, which no
 * longer come here, and have that long to do so. Sidecars are told by the control plane.
 */
export function drainCommand(seconds: number): string[] {
  return ["/bin/sh", "-c", `${drainRequest("router")}; sleep ${seconds}`];
}

/** All that a gateway listens on; of a sidecar only what comes in. */
function drainRequest(type: NodeType): string {
  const which = type === "router" ? "" : "inboundonly&";
  return `curl -s -m 2 -X POST '${ADMIN}/drain_listeners?${which}graceful&skip_exit' >/dev/null`;
}
