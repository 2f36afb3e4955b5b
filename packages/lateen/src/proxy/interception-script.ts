import type { IpFamily } from "./bootstrap-listeners.ts";
import type { Interception } from "./interception.ts";
import {
  interceptionRules,
  type ProxyUser,
  refusalRules,
  TPROXY_MARK,
  TPROXY_TABLE,
} from "./interception-rules.ts";
import { INBOUND_PASSTHROUGH_ADDRESS_V6 } from "./ports.ts";

export interface ScriptOptions {
  readonly mode: "REDIRECT" | "TPROXY";
  readonly statusPort: number;
  readonly families: readonly IpFamily[];
  readonly proxyUser?: ProxyUser;
}

/**
 * What init container `istio-init` runs: POSIX shell with iptables (nft or legacy, whatever the
 * kernel has) and, for TPROXY and for IPv6, ip. It may run again in the same network namespace: rules
 * of its own are replaced, those of others stay.
 */
export function interceptionScript(rules: Interception, options: ScriptOptions): string {
  const { mode, statusPort, families, ...user } = options;
  const part = (family: 4 | 6): string =>
    loadRules(family, interceptionRules(rules, { family, mode, statusPort, ...user }), mode);
  return [
    "set -eu",
    PICK,
    CLEAR,
    families.includes("IPv4")
      ? part(4)
      : `if [ -n "$(ip -4 -o address show scope global)" ]; then\n${refuse(4, rules, statusPort)}\nfi`,
    HAS_IPV6,
    "if has_ipv6; then",
    families.includes("IPv6") ? ipv6Part(part(6)) : refuse(6, rules, statusPort),
    "fi",
    `echo 'TCP is intercepted (${mode}, ${families.join(" and ")})'`,
    "",
  ].join("\n");
}

function ipv6Part(load: string): string {
  return `ip -6 address replace ${INBOUND_PASSTHROUGH_ADDRESS_V6}/128 dev lo\n${load}`;
}

/** A family that is not intercepted must not be a way around Envoy and its policies. */
function refuse(family: 4 | 6, rules: Interception, statusPort: number): string {
  return [
    `tables=$(pick ${programOf(family)})`,
    'clear_jump "$tables" filter INPUT ISTIO_INBOUND',
    `"$tables-restore" --noflush <<'RULES'`,
    `${refusalRules(rules, statusPort)}RULES`,
    `echo 'the mesh is IPv${family === 4 ? 6 : 4} only: what comes in over IPv${family} is refused'`,
  ].join("\n");
}

function programOf(family: 4 | 6): string {
  return family === 4 ? "iptables" : "ip6tables";
}

/** The variant whose part of the kernel is there: without it not even the listing works. */
const PICK = `pick() {
  for variant in "$1-nft" "$1-legacy" "$1"; do
    if "$variant" -t nat -S OUTPUT >/dev/null 2>&1; then echo "$variant"; return; fi
  done
  echo "no $1 that works: the init container needs iptables and the capabilities NET_ADMIN and NET_RAW" >&2
  exit 1
}`;

const CLEAR = `clear_jump() {
  while "$1" -t "$2" -D "$3" -p tcp -j "$4" 2>/dev/null; do :; done
}`;

const HAS_IPV6 = `has_ipv6() {
  [ -r /proc/net/if_inet6 ] || return 1
  while read -r _ _ _ scope _ device; do
    if [ "$scope" = 00 ] && [ "$device" != lo ]; then return 0; fi
  done < /proc/net/if_inet6
  return 1
}`;

function loadRules(family: 4 | 6, rules: string, mode: ScriptOptions["mode"]): string {
  const tables = mode === "TPROXY" ? ["nat", "mangle"] : ["nat"];
  return [
    `tables=$(pick ${programOf(family)})`,
    ...tables.flatMap(table => [
      `clear_jump "$tables" ${table} PREROUTING ISTIO_INBOUND`,
      `clear_jump "$tables" ${table} OUTPUT ISTIO_OUTPUT`,
    ]),
    `"$tables-restore" --noflush <<'RULES'`,
    `${rules}RULES`,
    ...(mode === "TPROXY" ? policyRouting(family) : []),
  ].join("\n");
}

function policyRouting(family: 4 | 6): string[] {
  const rule = `fwmark ${TPROXY_MARK} lookup ${TPROXY_TABLE}`;
  return [
    `ip -${family} rule del ${rule} 2>/dev/null || true`,
    `ip -${family} rule add ${rule}`,
    `ip -${family} route replace local default dev lo table ${TPROXY_TABLE}`,
  ];
}
