/**
 * Host names as Istio's configuration uses them: short names, fully qualified names and wildcards
 * (`*`, `*.example.com`). Rules: Istio, "Traffic Management / Virtual Service", field `hosts`.
 */

export function isWildcard(host: string): boolean {
  return host.startsWith("*");
}

/** TLS knows wildcards of whole labels only: of `*-api.example.com` no server name can be made. */
export function canBeServerName(host: string): boolean {
  return !isWildcard(host) || host === "*" || host.startsWith("*.");
}

/**
 * `reviews` in namespace `default` is `reviews.default.svc.cluster.local`; what has a dot, and the
 * lone `*`, stays as it is.
 */
export function resolveHost(host: string, namespace: string, domain: string): string {
  if (host === "" || host === "*" || host.includes(".")) return host;
  return `${host}.${namespace}.svc.${domain}`;
}

/** True when some name is meant by both; either side may be a wildcard. */
export function hostsOverlap(a: string, b: string): boolean {
  if (isWildcard(a)) return isWildcard(b) ? suffixesOverlap(a, b) : b.endsWith(a.slice(1));
  return isWildcard(b) ? a.endsWith(b.slice(1)) : a === b;
}

function suffixesOverlap(a: string, b: string): boolean {
  return a.length < b.length ? b.endsWith(a.slice(1)) : a.endsWith(b.slice(1));
}

/** True when every name that `host` means is meant by `pattern` too. */
export function hostWithin(host: string, pattern: string): boolean {
  if (!isWildcard(pattern)) return host === pattern;
  if (!isWildcard(host)) return host.endsWith(pattern.slice(1));
  return host.length >= pattern.length && host.slice(1).endsWith(pattern.slice(1));
}

/** The wildcards that mean `host`, the narrowest first: `*.b.c`, `*.c`, `*` for `a.b.c`. */
export function wildcardsOf(host: string): string[] {
  const found: string[] = [];
  for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) {
    const wildcard = `*${host.slice(dot)}`;
    if (wildcard !== host) found.push(wildcard);
  }
  if (host !== "*") found.push("*");
  return found;
}

/** `name.namespace.svc.domain` of a Kubernetes Service. */
export function serviceHostname(name: string, namespace: string, domain: string): string {
  return `${name}.${namespace}.svc.${domain}`;
}
