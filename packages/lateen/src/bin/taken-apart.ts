/** Which proxies come back with virtual hosts one at a time because of a rejection. */
import { absentVersion } from "../discovery/response.ts";
import type { ProxyClass } from "../model/proxies.ts";
import type { TypeResources } from "../xds/resources/family.ts";
import { VHDS_THRESHOLD } from "../xds/resources/routes.ts";

/**
 * Whether an earlier stream took this proxy apart, by the versions of the virtual hosts that it comes
 * back with. As many as the threshold were apart for their number, and where some of them went
 * meanwhile the rest goes back into its route configuration. One that is gone tells nothing. Gateways
 * have no hosts apart for their number.
 */
export function wasTakenApart(
  virtualHosts: TypeResources,
  proxyClass: ProxyClass,
  versions: ReadonlyMap<string, string>,
): boolean {
  const held = [...versions].filter(([, version]) => version !== absentVersion);
  const few = proxyClass.type === "router" ? Number.POSITIVE_INFINITY : VHDS_THRESHOLD;
  const counts = hostsByRoute(held.map(([name]) => name));
  const small = [...counts].filter(([, count]) => count < few);
  if (small.length === 0) return false;
  const apart = routesApart(virtualHosts, proxyClass);
  const all = routesApart(virtualHosts, { ...proxyClass, vhds: "all" });
  return small.some(([route]) => all.has(route) && !apart.has(route));
}

/** Route configurations whose virtual hosts proxies of a class get one at a time. */
function routesApart(
  { names, wildcardViews }: TypeResources,
  proxyClass: ProxyClass,
): ReadonlyMap<string, number> {
  const cells = wildcardViews(proxyClass).map(view => names.acquire(view));
  const all = cells.flatMap(cell => cell.value());
  for (const cell of cells) cell.release();
  return hostsByRoute(all);
}

/** Names of virtual hosts that are sent by themselves begin with that of their route configuration. */
function hostsByRoute(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) {
    const route = name.slice(0, name.lastIndexOf("/"));
    counts.set(route, (counts.get(route) ?? 0) + 1);
  }
  return counts;
}
