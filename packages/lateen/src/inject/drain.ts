import { parseDurationMs } from "../api/duration.ts";
import type { ProxyConfig } from "../api/mesh-config/schema.ts";
import { ProxyPort } from "../proxy/ports.ts";

const DEFAULT_MINIMUM_MS = 5_000;
/** The kubelet ends the wait anyway, with the pod's grace period. */
const CONNECTIONS = "^listener\\..*downstream_cx_active$";
/** Listeners of the proxy itself. */
const OWN = `admin|_${ProxyPort.agent}|_${ProxyPort.health}|_${ProxyPort.prometheus}`;

/**
 * A preStop command for EXIT_ON_ZERO_ACTIVE_CONNECTIONS: drains, waits MINIMUM_DRAIN_DURATION, then
 * until no connection is left. Needs the image's bash, which can speak TCP, and nothing else.
 * https://istio.io/latest/docs/reference/commands/pilot-agent/
 */
export function exitOnZeroScript(config: ProxyConfig): string[] {
  const said = parseDurationMs(config.proxyMetadata["MINIMUM_DRAIN_DURATION"] ?? "");
  const seconds = Math.ceil((said ?? DEFAULT_MINIMUM_MS) / 1000);
  const script = [
    "admin() {",
    `  exec 3<>/dev/tcp/127.0.0.1/${ProxyPort.admin} || return 1`,
    '  printf "%s %s HTTP/1.1\\r\\nhost: admin\\r\\nconnection: close\\r\\ncontent-length: 0\\r\\n\\r\\n" "$1" "$2" >&3',
    '  while read -r line <&3; do echo "$line"; done',
    "}",
    "active() {",
    "  total=0",
    "  while IFS=: read -r name value; do",
    `    [[ $name =~ ^listener ]] && ! [[ $name =~ ${OWN} ]] && total=$((total + value))`,
    `  done < <(admin GET '/stats?usedonly&filter=${encodeURIComponent(CONNECTIONS)}' | tr -d '\\r')`,
    '  echo "$total"',
    "}",
    `admin POST '/drain_listeners?inboundonly&graceful&skip_exit' >/dev/null || exit 0`,
    `sleep ${seconds}`,
    'while [ "$(active)" -gt 0 ]; do sleep 1; done',
  ].join("\n");
  return ["/bin/bash", "-c", script];
}
