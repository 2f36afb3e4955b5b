import type { Diagnostic, Result } from "../base/diagnostic.ts";

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
  /** What comes in on these is a virtual machine's outbound traffic. */
  readonly rerouteInterfaces: readonly string[];
}

const PREFIX = "traffic.sidecar.istio.io/";
/** The newer name of kubevirtInterfaces. */
const REROUTE = "istio.io/reroute-virtual-interfaces";
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
  rerouteInterfaces: [],
};

/**
 * Reads a pod's annotations `traffic.sidecar.istio.io/*`, and the one for virtual interfaces. Nothing but ports, CIDRs and interface
 * names gets through: the result ends in a rules file that root loads.
 * https://istio.io/latest/docs/reference/config/annotations/
 */
export function readInterception(
  annotations: Readonly<Record<string, string>>,
): Result<Interception> {
  const diagnostics: Diagnostic[] = [];
  const read = <T>(name: string, entry: (text: string) => T | undefined, expected: string): T[] => {
    const items = splitList(annotations[name]);
    if (items.length > MAX_ENTRIES)
      diagnostics.push(problem(name, `${items.length} entries`, `at most ${MAX_ENTRIES}`));
    return items.slice(0, MAX_ENTRIES).flatMap(item => {
      const value = entry(item);
      if (value !== undefined) return [value];
      diagnostics.push(problem(name, JSON.stringify(item), expected));
      return [];
    });
  };
  const ports = (name: string): number[] =>
    read(PREFIX + name, parsePort, "a port from 1 to 65535");
  const ranges = (name: string): string[] =>
    read(PREFIX + name, parseCidr, "a CIDR such as 10.0.0.0/8");
  const all = (name: string): boolean => (annotations[PREFIX + name] ?? "*").trim() === "*";
  const value: Interception = {
    includeInboundPorts: all("includeInboundPorts") ? "*" : ports("includeInboundPorts"),
    excludeInboundPorts: ports("excludeInboundPorts"),
    includeOutboundRanges: all("includeOutboundIPRanges") ? "*" : ranges("includeOutboundIPRanges"),
    excludeOutboundRanges: ranges("excludeOutboundIPRanges"),
    includeOutboundPorts: ports("includeOutboundPorts"),
    excludeOutboundPorts: ports("excludeOutboundPorts"),
    excludeInterfaces: read(`${PREFIX}excludeInterfaces`, parseInterface, "an interface name"),
    rerouteInterfaces: read(
      annotations[REROUTE] === undefined ? `${PREFIX}kubevirtInterfaces` : REROUTE,
      parseInterface,
      "an interface name",
    ),
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
    path: `metadata.annotations[${name}]`,
    message: `found ${found}; expected ${expected}`,
    reason: "BadAnnotation",
  };
}
