import type { Diagnostic, Result } from "../base/diagnostic.ts";
import { PROXY_UID, ProxyPort } from "./ports.ts";

/** What of a pod's TCP traffic goes through Envoy. `"*"`: everything. */
export interface Interception {
  readonly includeInboundPorts: "*" | readonly number[];
  readonly excludeInboundPorts: readonly number[];
  readonly includeOutboundRanges: "*" | readonly string[];
  readonly excludeOutboundRanges: readonly string[];
  /** Taken even when their address is in no included range. */
  readonly includeOutboundPorts: readonly number[];
  readonly excludeOutboundPorts: readonly number[];
  readonly excludeInterfaces: readonly string[];
}

const PREFIX = "traffic.sidecar.istio.io/";
const MAX_ENTRIES = 128;
const INTERFACE = /^[A-Za-z0-9_.-]{1,15}$/;

export const interceptEverything: Interception = {
  includeInboundPorts: "*",
  excludeInboundPorts: [],
  includeOutboundRanges: "*",
  excludeOutboundRanges: [],
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  excludeInterfaces: [],
};

/**
 * Reads a pod's annotations `traffic.sidecar.istio.io/*`. Nothing but ports, CIDRs and interface
 * names gets through: the result ends in a rules file that root loads.
 * https://istio.io/latest/docs/reference/config/annotations/
 */
export function readInterception(
  annotations: Readonly<Record<string, string>>,
): Result<Interception> {
  const diagnostics: Diagnostic[] = [];
  const read = <T>(name: string, entry: (text: string) => T | undefined, expected: string): T[] => {
    const items = splitList(annotations[PREFIX + name]);
    if (items.length > MAX_ENTRIES)
      diagnostics.push(problem(name, `${items.length} entries`, `at most ${MAX_ENTRIES}`));
    return items.slice(0, MAX_ENTRIES).flatMap(item => {
      const value = entry(item);
      if (value !== undefined) return [value];
      diagnostics.push(problem(name, JSON.stringify(item), expected));
      return [];
    });
  };
  const ports = (name: string): number[] => read(name, parsePort, "a port from 1 to 65535");
  const ranges = (name: string): string[] => read(name, parseCidr, "a CIDR such as 10.0.0.0/8");
  const all = (name: string): boolean => (annotations[PREFIX + name] ?? "*").trim() === "*";
  const value: Interception = {
    includeInboundPorts: all("includeInboundPorts") ? "*" : ports("includeInboundPorts"),
    excludeInboundPorts: ports("excludeInboundPorts"),
    includeOutboundRanges: all("includeOutboundIPRanges") ? "*" : ranges("includeOutboundIPRanges"),
    excludeOutboundRanges: ranges("excludeOutboundIPRanges"),
    includeOutboundPorts: ports("includeOutboundPorts"),
    excludeOutboundPorts: ports("excludeOutboundPorts"),
    excludeInterfaces: read("excludeInterfaces", parseInterface, "an interface name"),
  };
  return diagnostics.length === 0
    ? { ok: true, value, diagnostics }
    : { ok: false, diagnostics: diagnostics.slice(0, 20) };
}

function splitList(text: string | undefined): string[] {
  return (text ?? "")
    .split(",")
    .map(item => item.trim())
    .filter(item => item !== "");
}

function parsePort(text: string): number | undefined {
  const port = Number(text);
  return /^\d{1,5}$/.test(text) && port >= 1 && port <= 65535 ? port : undefined;
}

function parseInterface(text: string): string | undefined {
  return INTERFACE.test(text) ? text : undefined;
}

function parseCidr(text: string): string | undefined {
  const [address = "", length, ...rest] = text.split("/");
  const v6 = address.includes(":");
  const bits = length === undefined ? (v6 ? 128 : 32) : Number(length);
  const octets = address.split(".");
  const valid = v6
    ? /^[0-9a-fA-F:]{2,39}$/.test(address)
    : octets.length === 4 && octets.every(o => /^\d{1,3}$/.test(o) && Number(o) <= 255);
  if (!valid || rest.length > 0 || !Number.isInteger(bits) || bits < 0 || bits > (v6 ? 128 : 32))
    return undefined;
  return `${address}/${bits}`;
}

function problem(name: string, found: string, expected: string): Diagnostic {
  return {
    severity: "error",
    path: `metadata.annotations[${PREFIX}${name}]`,
    message: `found ${found}; expected ${expected}`,
    reason: "BadAnnotation",
  };
}

/**
 * The rules in the form of iptables-restore (ip6tables-restore for family 6): what istio-iptables
 * programs in REDIRECT mode. What Envoy itself (user or group 1337) sends is left alone, but for its
 * calls to the pod's own address, which come in again as from another pod.
 */
export function interceptionRules(rules: Interception, family: 4 | 6 = 4): string {
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
    ...inboundRules(rules),
    ...outboundRules(rules, family),
    "COMMIT",
    "",
  ].join("\n");
}

function inboundRules(rules: Interception): string[] {
  const included = rules.includeInboundPorts;
  if (included !== "*" && included.length === 0) return [];
  const skipInterfaces = rules.excludeInterfaces.map(name => `-A PREROUTING -i ${name} -j RETURN`);
  const never = [ProxyPort.hbone, ProxyPort.prometheus, ProxyPort.health, ProxyPort.agent];
  const returns = [...never, ...rules.excludeInboundPorts].map(
    port => `-A ISTIO_INBOUND -p tcp --dport ${port} -j RETURN`,
  );
  const takes =
    included === "*"
      ? ["-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT"]
      : included.map(port => `-A ISTIO_INBOUND -p tcp --dport ${port} -j ISTIO_IN_REDIRECT`);
  return [...skipInterfaces, "-A PREROUTING -p tcp -j ISTIO_INBOUND", ...returns, ...takes];
}

function outboundRules(rules: Interception, family: 4 | 6): string[] {
  const out = "-A ISTIO_OUTPUT";
  const loopback = family === 4 ? "127.0.0.1/32" : "::1/128";
  const passthrough = family === 4 ? "127.0.0.6/32" : "::6/128";
  const ours = (cidr: string): boolean => cidr.includes(":") === (family === 6);
  const owner = (kind: "uid" | "gid"): string[] => [
    `${out} ! -d ${loopback} -o lo -p tcp -m multiport ! --dports 53,${ProxyPort.hbone} ` +
      `-m owner --${kind}-owner ${PROXY_UID} -j ISTIO_IN_REDIRECT`,
    `${out} -o lo -m owner ! --${kind}-owner ${PROXY_UID} -j RETURN`,
    `${out} -m owner --${kind}-owner ${PROXY_UID} -j RETURN`,
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
