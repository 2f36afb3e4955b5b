import type { Interception } from "./interception.ts";
import { PROXY_UID, ProxyPort } from "./ports.ts";

export interface RuleOptions {
  readonly family: 4 | 6;
  /** How inbound connections reach Envoy; outbound ones are always redirected. */
  readonly mode: "REDIRECT" | "TPROXY";
  /** Never intercepted: metrics, probes. */
  readonly statusPort: number;
  /** Whom the kernel knows Envoy by; default: user and group 1337. */
  readonly proxyUser?: ProxyUser;
}

export interface ProxyUser {
  readonly uid: number;
  readonly gid: number;
}

export const DEFAULT_PROXY_USER: ProxyUser = { uid: PROXY_UID, gid: PROXY_UID };

/** Packets with this mark are for Envoy, or come from it under the client's address. */
export const TPROXY_MARK = 1337;
/** Envoy's own calls to the pod's address. */
const LOOPED_MARK = 1338;
export const TPROXY_TABLE = 133;

export const redirectRules: RuleOptions = {
  family: 4,
  mode: "REDIRECT",
  statusPort: ProxyPort.agent,
};

/**
 * The rules in the form of iptables-restore (ip6tables-restore for family 6): what istio-iptables
 * programs. What Envoy itself (its user or group) sends is left alone, but for its calls to the
 * pod's own address, which come in again as from another pod. Built-in chains get nothing but a
 * jump, so that the rules can be replaced.
 */
export function interceptionRules(
  rules: Interception,
  options: RuleOptions = redirectRules,
): string {
  const tproxy = options.mode === "TPROXY";
  const inbound = takesInbound(rules);
  return [
    "*nat",
    ":PREROUTING ACCEPT",
    ":INPUT ACCEPT",
    ":OUTPUT ACCEPT",
    ":POSTROUTING ACCEPT",
    ":ISTIO_INBOUND -",
    ":ISTIO_REDIRECT -",
    ":ISTIO_IN_REDIRECT -",
    ":ISTIO_OUTPUT -",
    `-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports ${ProxyPort.outbound}`,
    `-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports ${ProxyPort.inbound}`,
    ...(inbound || rules.rerouteInterfaces.length > 0
      ? ["-A PREROUTING -p tcp -j ISTIO_INBOUND"]
      : []),
    ...rerouted(rules, options.family),
    ...(inbound && !tproxy ? redirectedInbound(rules, options) : []),
    ...outboundRules(rules, options),
    "COMMIT",
    ...(inbound && tproxy ? tproxyTable(rules, options) : []),
    "",
  ].join("\n");
}

/**
 * For a family that Envoy does not listen on: what it would take is refused, or policies could be
 * gone around by the pod's other address.
 */
export function refusalRules(rules: Interception, statusPort: number): string {
  const included = rules.includeInboundPorts;
  const refuse = "-j REJECT --reject-with tcp-reset";
  return [
    "*filter",
    ":ISTIO_INBOUND -",
    ...(takesInbound(rules) ? ["-A INPUT -p tcp -j ISTIO_INBOUND"] : []),
    `${IN} -i lo -j RETURN`,
    `${IN} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN`,
    ...inboundReturns(rules, { statusPort }),
    ...(included === "*"
      ? [`${IN} -p tcp ${refuse}`]
      : included.map(port => `${IN} -p tcp --dport ${port} ${refuse}`)),
    "COMMIT",
    "",
  ].join("\n");
}

function takesInbound({ includeInboundPorts }: Interception): boolean {
  return includeInboundPorts === "*" || includeInboundPorts.length > 0;
}

const IN = "-A ISTIO_INBOUND";

/** Ports that never go through Envoy, and interfaces. */
function inboundReturns(
  rules: Interception,
  { statusPort }: Pick<RuleOptions, "statusPort">,
): string[] {
  const status = statusPort === 0 ? [] : [statusPort];
  const never = [ProxyPort.hbone, ProxyPort.prometheus, ProxyPort.health, ...status];
  return [
    ...rules.excludeInterfaces.map(name => `${IN} -i ${name} -j RETURN`),
    ...[...never, ...rules.excludeInboundPorts].map(
      port => `${IN} -p tcp --dport ${port} -j RETURN`,
    ),
  ];
}

function redirectedInbound(rules: Interception, options: RuleOptions): string[] {
  const included = rules.includeInboundPorts;
  return [
    ...inboundReturns(rules, options),
    ...(included === "*"
      ? [`${IN} -p tcp -j ISTIO_IN_REDIRECT`]
      : included.map(port => `${IN} -p tcp --dport ${port} -j ISTIO_IN_REDIRECT`)),
  ];
}

/** Inbound connections keep both their addresses; policy routing (see the script) brings them in. */
function tproxyTable(rules: Interception, options: RuleOptions): string[] {
  const { loopback, passthrough } = addresses(options.family);
  const included = rules.includeInboundPorts === "*" ? [""] : rules.includeInboundPorts;
  const { proxyUser = DEFAULT_PROXY_USER } = options;
  const owned = (kind: "uid" | "gid"): string =>
    `-A ISTIO_OUTPUT ! -d ${loopback} -p tcp -o lo -m owner --${kind}-owner ${proxyUser[kind]} ` +
    `-j MARK --set-mark ${LOOPED_MARK}`;
  return [
    "*mangle",
    ":PREROUTING ACCEPT",
    ":OUTPUT ACCEPT",
    ":ISTIO_INBOUND -",
    ":ISTIO_OUTPUT -",
    ":ISTIO_DIVERT -",
    ":ISTIO_TPROXY -",
    `-A ISTIO_DIVERT -j MARK --set-mark ${TPROXY_MARK}`,
    "-A ISTIO_DIVERT -j ACCEPT",
    `-A ISTIO_TPROXY ! -d ${loopback} -p tcp -j TPROXY --tproxy-mark ${TPROXY_MARK}/0xffffffff ` +
      `--on-port ${ProxyPort.inbound}`,
    "-A PREROUTING -p tcp -j ISTIO_INBOUND",
    "-A OUTPUT -p tcp -j ISTIO_OUTPUT",
    // What Envoy sends under the client's address: the answers find back by the connection's mark.
    `${IN} -p tcp -m mark --mark ${TPROXY_MARK} -j CONNMARK --save-mark`,
    `${IN} -p tcp -m mark --mark ${TPROXY_MARK} -j RETURN`,
    `${IN} -p tcp -s ${passthrough} -i lo -j RETURN`,
    `${IN} -p tcp -i lo -m mark ! --mark ${LOOPED_MARK} -j RETURN`,
    ...inboundReturns(rules, options),
    ...included.flatMap(port => {
      const match = port === "" ? `${IN} -p tcp` : `${IN} -p tcp --dport ${port}`;
      return [
        `${match} -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT`,
        `${match} -j ISTIO_TPROXY`,
      ];
    }),
    `-A ISTIO_OUTPUT -p tcp -o lo -m mark --mark ${TPROXY_MARK} -j RETURN`,
    owned("uid"),
    owned("gid"),
    `-A ISTIO_OUTPUT -p tcp -m connmark --mark ${TPROXY_MARK} -j CONNMARK --restore-mark`,
    "COMMIT",
  ];
}

function addresses(family: 4 | 6): { readonly loopback: string; readonly passthrough: string } {
  return family === 4
    ? { loopback: "127.0.0.1/32", passthrough: "127.0.0.6/32" }
    : { loopback: "::1/128", passthrough: "::6/128" };
}

function isOf(family: 4 | 6): (cidr: string) => boolean {
  return cidr => cidr.includes(":") === (family === 6);
}

/** A virtual machine's interface is a way out: what comes in there is treated as outbound. */
function rerouted(rules: Interception, family: 4 | 6): string[] {
  const ours = isOf(family);
  const ranges = rules.includeOutboundRanges;
  return rules.rerouteInterfaces.flatMap(name => [
    ...rules.excludeOutboundRanges
      .filter(ours)
      .map(cidr => `${IN} -i ${name} -d ${cidr} -j RETURN`),
    ...(ranges === "*"
      ? [`${IN} -i ${name} -j ISTIO_REDIRECT`]
      : ranges.filter(ours).map(cidr => `${IN} -i ${name} -d ${cidr} -j ISTIO_REDIRECT`)),
    `${IN} -i ${name} -j RETURN`,
  ]);
}

function outboundRules(
  rules: Interception,
  { family, proxyUser = DEFAULT_PROXY_USER }: RuleOptions,
): string[] {
  const out = "-A ISTIO_OUTPUT";
  const { loopback, passthrough } = addresses(family);
  const ours = isOf(family);
  const owner = (kind: "uid" | "gid"): string[] => [
    `${out} ! -d ${loopback} -o lo -p tcp -m multiport ! --dports 53,${ProxyPort.hbone} ` +
      `-m owner --${kind}-owner ${proxyUser[kind]} -j ISTIO_IN_REDIRECT`,
    `${out} -o lo -m owner ! --${kind}-owner ${proxyUser[kind]} -j RETURN`,
    `${out} -m owner --${kind}-owner ${proxyUser[kind]} -j RETURN`,
  ];
  const ranges = rules.includeOutboundRanges;
  return [
    "-A OUTPUT -p tcp -j ISTIO_OUTPUT",
    ...rules.excludeInterfaces.map(name => `${out} -o ${name} -j RETURN`),
    `${out} -s ${passthrough} -o lo -j RETURN`,
    ...owner("uid"),
    ...owner("gid"),
    `${out} -d ${loopback} -j RETURN`,
    ...rules.excludeOutboundPorts.map(port => `${out} -p tcp --dport ${port} -j RETURN`),
    ...rules.excludeOutboundRanges.filter(ours).map(cidr => `${out} -d ${cidr} -j RETURN`),
    ...rules.includeOutboundPorts.map(port => `${out} -p tcp --dport ${port} -j ISTIO_REDIRECT`),
    ...(ranges === "*"
      ? [`${out} -j ISTIO_REDIRECT`]
      : [
          ...ranges.filter(ours).map(cidr => `${out} -d ${cidr} -j ISTIO_REDIRECT`),
          `${out} -j RETURN`,
        ]),
  ];
}
