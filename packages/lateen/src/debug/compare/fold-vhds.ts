/** Virtual hosts that are sent one at a time, put back into their route configuration. */
import { isList, type JsonObject } from "./json.ts";

export interface NamedVirtualHost {
  /** `<route configuration>/<domain>` (Envoy: VHDS). */
  readonly resourceName: string;
  readonly virtualHost: JsonObject;
}

/** Route configurations as one that does not use VHDS would see them. */
export function foldVirtualHosts(
  routes: readonly JsonObject[],
  virtualHosts: readonly NamedVirtualHost[],
): JsonObject[] {
  const byRoute = new Map<string, JsonObject[]>();
  for (const { resourceName, virtualHost } of virtualHosts) {
    const route = resourceName.slice(0, resourceName.indexOf("/"));
    const hosts = byRoute.get(route);
    if (hosts === undefined) byRoute.set(route, [virtualHost]);
    else hosts.push(virtualHost);
  }
  return routes.map(route => {
    const hosts = byRoute.get(String(route["name"]));
    if (hosts === undefined && route["vhds"] === undefined) return route;
    const { vhds: _, virtualHosts: inline, ...rest } = route;
    return { ...rest, virtualHosts: [...(hosts ?? []), ...(isList(inline) ? inline : [])] };
  });
}
