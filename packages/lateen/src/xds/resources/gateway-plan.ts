/** Which virtual hosts a gateway's route configuration has (Istio: "Gateway", "Virtual Service"). */
import { hostsForNamespace, type MergedServer } from "../../model/gateways.ts";
import { hostWithin, isWildcard } from "../../model/hosts.ts";
import { compare } from "../../model/order.ts";
import { guardHolds, type VirtualServiceShape } from "../../model/virtual-services.ts";
import type { GatewayHost } from "./virtual-hosts.ts";

export interface GatewayPlanInput {
  readonly namespace: string;
  /** Servers of one route configuration, in order. */
  readonly servers: readonly MergedServer[];
  /** VirtualServices of a Gateway that the proxy's namespace sees, in order. */
  routesOf(gateway: string): readonly VirtualServiceShape[];
}

interface OpenHost {
  readonly hostname: string;
  readonly port: number;
  requireTls: boolean;
  readonly routes: { readonly virtualService: string; readonly gateway: string }[];
}

export function planGatewayHosts(input: GatewayPlanInput): readonly GatewayHost[] {
  const open = new Map<string, OpenHost>();
  for (const server of input.servers) {
    const { gateway, port, httpsRedirect } = server;
    const at = (hostname: string): OpenHost => {
      const host = open.get(hostname) ?? { hostname, port, requireTls: false, routes: [] };
      open.set(hostname, host);
      host.requireTls ||= httpsRedirect;
      return host;
    };
    for (const route of input.routesOf(gateway)) {
      if (!holds(route, server, input.namespace)) continue;
      const allowed = hostsForNamespace(server.hosts, route.namespace);
      for (const hostname of commonHosts(allowed, route.hosts))
        at(hostname).routes.push({ virtualService: route.key, gateway });
    }
    if (httpsRedirect) for (const host of server.hosts) at(host.slice(host.indexOf("/") + 1));
  }
  return collapse([...open.values()], input.namespace);
}

function holds(route: VirtualServiceShape, server: MergedServer, namespace: string): boolean {
  const view = { gateway: server.gateway, namespace, sourceMatches: [], port: server.port };
  return route.guards.some(guard => guardHolds(guard, view));
}

/** The narrower one wherever a host of the one is within a host of the other. */
function commonHosts(a: readonly string[], b: readonly string[]): readonly string[] {
  const found = new Set<string>();
  for (const one of a)
    for (const other of b) {
      if (hostWithin(one, other)) found.add(one);
      else if (hostWithin(other, one)) found.add(other);
    }
  return [...found];
}

/** Hosts with the same routes are one virtual host, named by the first of them. */
function collapse(hosts: readonly OpenHost[], namespace: string): readonly GatewayHost[] {
  const merged = new Map<string, GatewayHost>();
  for (const host of [...hosts].sort((a, b) => compareHosts(a.hostname, b.hostname))) {
    const { hostname, port, requireTls, routes } = host;
    const same = JSON.stringify([requireTls, routes]);
    const before = merged.get(same);
    const domains = [...(before?.domains ?? []), hostname];
    merged.set(same, {
      hostname: before?.hostname ?? hostname,
      port: before?.port ?? port,
      domains,
      namespace,
      requireTls,
      routes,
    });
  }
  return [...merged.values()];
}

/** Istio: wildcards last, longer names first, then by name. */
function compareHosts(a: string, b: string): number {
  if (isWildcard(a) !== isWildcard(b)) return isWildcard(a) ? 1 : -1;
  return b.length - a.length || compare(a, b);
}
