/**
 * The names by which requests may call a service: the domains of its virtual host. A host name of
 * Kubernetes (`reviews.default.svc.cluster.local`) has short forms, which depend on who asks.
 */
export interface DomainsInput {
  readonly hostname: string;
  /** Virtual addresses: requests may have an address for a host. */
  readonly addresses: readonly string[];
  /** Headless services answer for their pods as well: `pod-0.web.default`. */
  readonly headless: boolean;
  /** Namespace of the proxy that asks. */
  readonly proxyNamespace: string;
  /** `cluster.local`. */
  readonly domain: string;
}

/** Without duplicates. A route configuration for one service needs none of this: `["*"]`. */
export function serviceDomains(input: DomainsInput): readonly string[] {
  const { hostname } = input;
  const names = [hostname, `${hostname}.`, ...shortNames(input)];
  const wildcards = input.headless ? names.map(name => `*.${name}`) : [];
  // A wildcard host has its wildcard already.
  const all = hostname.startsWith("*") ? names : [...names, ...wildcards];
  return [...new Set([...all, ...input.addresses.map(addressDomain)])];
}

function shortNames(input: DomainsInput): readonly string[] {
  const suffix = `.svc.${input.domain}`;
  if (!input.hostname.endsWith(suffix)) return [];
  const short = input.hostname.slice(0, -suffix.length);
  const dot = short.lastIndexOf(".");
  if (dot <= 0) return [];
  const name = short.slice(0, dot);
  const namespace = short.slice(dot + 1);
  const own = namespace === input.proxyNamespace && !name.includes(".");
  return own ? [name, `${short}.svc`, short] : [short, `${short}.svc`];
}

function addressDomain(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}
