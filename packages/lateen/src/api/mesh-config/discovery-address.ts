/** ProxyConfig's `discoveryAddress`: which control plane a proxy dials. */
import { isIP } from "node:net";
import { dnsSubdomain } from "../names.ts";

export interface DiscoveryAddress {
  /** A DNS name or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** `istiod.istio-system.svc:15012`, `10.0.0.1:15012`, `[fd00::1]:15012`; undefined: none of these. */
export function readDiscoveryAddress(text: string): DiscoveryAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const [, bracketed, plain = "", digits = ""] = match ?? [];
  const port = Number(digits);
  if (match === null || port < 1 || port > 65535) return undefined;
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? { host: bracketed, port } : undefined;
  return isHost(plain) ? { host: plain, port } : undefined;
}

/** A DNS name, or an IP address without brackets. */
export function isHost(text: string): boolean {
  return isIP(text) !== 0 || dnsSubdomain(text) === undefined;
}

/** For the schema; nothing said is the installation's own. */
export function discoveryAddressCheck(text: string): string | undefined {
  if (text === "" || readDiscoveryAddress(text) !== undefined) return undefined;
  return "HOST:PORT, such as istiod.istio-system.svc:15012";
}
