/** Route configurations (RDS) and virtual hosts sent by themselves (VHDS). */
import type { CellFamily, Graph, Reader } from "../../flow/types.ts";
import { compareRoutes, meshRoutesKey, onPortKey } from "../../model/imports.ts";
import { meshNames } from "../../model/mesh.ts";
import type { Model } from "../../model/model.ts";
import { compare } from "../../model/order.ts";
import { maybeHttp } from "../../model/protocol.ts";
import type { ProxyClass } from "../../model/proxies.ts";
import { importsService, listenerOfPort, type Scope } from "../../model/scopes.ts";
import { visibleTo } from "../../model/visibility.ts";
import { encodeRoutesOf, renamed } from "../encode.ts";
import { portRouteName, virtualHostName } from "../names.ts";
import type { EncodedResource } from "../resource.ts";
import { type RoutesInput, routeConfiguration } from "../route.ts";
import { joinKey, sameResource, splitViewKey, type TypeResources, viewKey } from "./family.ts";
import { planGatewayHosts } from "./gateway-plan.ts";
import type { MergedGateways } from "./gateways.ts";
import { type PlanInput, planHosts, planOnlyHost } from "./route-plan.ts";
import { createVirtualHosts, gatewayHostKey, sidecarHostKey } from "./virtual-hosts.ts";

type Encoded = EncodedResource | undefined;

/**
 * From how many virtual hosts on a proxy that can take them one by one gets them so: measured with a
 * real Envoy, see docs/decisions/vhds-threshold.md.
 */
export const VHDS_THRESHOLD = 20;

interface RoutePlan {
  readonly port: number;
  readonly fallback: RoutesInput["fallback"];
  readonly vhds: boolean;
  /** Keys of the cells of the virtual hosts, by their names, in the order of these. */
  readonly hosts: ReadonlyMap<string, string>;
}

export interface RouteResources {
  readonly routes: TypeResources;
  readonly virtualHosts: TypeResources;
}

const SIDECAR = "sidecar";
const GATEWAY = "gateway";

/** `sidecar|VHDS|source matches|SCOPE` or `gateway|namespace|gateway set|all virtual hosts apart`. */
function routeView(proxy: ProxyClass): string {
  const { vhds, sourceMatches, scope } = proxy;
  if (proxy.type === "router")
    return joinKey(GATEWAY, proxy.namespace, proxy.gateway ?? "", vhds === "all" ? vhds : "");
  return joinKey(SIDECAR, vhds, sourceMatches.join(";"), scope);
}

function namedView(proxy: ProxyClass): () => string {
  const view = routeView(proxy);
  return () => view;
}

interface View {
  /** From how many virtual hosts on they are sent by themselves. */
  readonly apartFrom: number;
  readonly sourceMatches: readonly string[];
  readonly scope: string;
}

function sidecarView(view: string): View {
  const [, vhds = "", matches = "", ...scope] = view.split("|");
  return {
    apartFrom: vhds === "all" ? 1 : vhds === "large" ? VHDS_THRESHOLD : Number.POSITIVE_INFINITY,
    sourceMatches: matches === "" ? [] : matches.split(";"),
    scope: scope.join("|"),
  };
}

export function createRouteResources(
  graph: Graph,
  model: Model,
  gateways: MergedGateways,
): RouteResources {
  const hosts = createVirtualHosts(graph, model);
  const plans = createPlans(graph, model, gateways);
  const cells = graph.cells<Encoded>(
    { name: "RDS by view", reads: [plans, hosts], equals: sameResource },
    (key, read) => {
      const plan = read.cell(plans, key);
      return plan && assemble(splitViewKey(key).name, plan, read, hosts);
    },
  );
  const noNames = graph.cells<readonly string[]>({ name: "RDS names" }, () => []);
  return {
    routes: { cells, names: noNames, wildcardViews: () => [], namedView },
    virtualHosts: createSingleHosts(graph, model, gateways, plans, hosts),
  };
}

function assemble(
  name: string,
  plan: RoutePlan,
  read: Reader,
  hosts: CellFamily<Encoded>,
): EncodedResource {
  const { port, fallback, vhds } = plan;
  const keys = vhds ? [] : [...plan.hosts.values()];
  const inside = keys.flatMap(key => read.cell(hosts, key) ?? []);
  const empty = routeConfiguration({ name, port, fallback, vhds, virtualHosts: [] });
  // Without any host, what answers 404 is one, too.
  const answers = inside.length > 0 || vhds;
  const frame = fallback === "NONE" && answers ? { ...empty, virtualHosts: [] } : empty;
  return encodeRoutesOf(frame, inside);
}

function createPlans(
  graph: Graph,
  model: Model,
  gateways: MergedGateways,
): CellFamily<RoutePlan | undefined> {
  const { scopes, imports, shapesByHostname, routesByGateway, names } = model;
  const reads = [
    scopes,
    imports.onPort,
    imports.meshRoutes,
    shapesByHostname,
    routesByGateway,
    names,
    gateways,
  ];
  return graph.cells<RoutePlan | undefined>({ name: "route plans", reads }, (key, read) => {
    const { view, name } = splitViewKey(key);
    if (view.startsWith(GATEWAY)) return gatewayPlan(view, name, read, model, gateways);
    const seen = sidecarView(view);
    return sidecarPlan(seen, name, read, model, read.cell(scopes, seen.scope));
  });
}

function sidecarPlan(
  view: View,
  name: string,
  read: Reader,
  model: Model,
  scope: Scope,
): RoutePlan | undefined {
  const colon = name.lastIndexOf(":");
  const port = Number(name.slice(colon + 1));
  const index = listenerOfPort(scope, port);
  if (!Number.isInteger(port) || index < 0) return undefined;
  const services = read.cell(model.imports.onPort, onPortKey(scope.key, index, port));
  if (services.length === 0) return undefined;
  const listener = scope.listeners[index];
  const input: PlanInput = {
    view: {
      namespace: scope.namespace,
      domain: meshNames(read, model.names).domain,
      sourceMatches: view.sourceMatches,
    },
    port,
    services,
    imports: service => listener !== undefined && importsService(listener, service),
    routes: read.cell(model.imports.meshRoutes, meshRoutesKey(scope.key, index)),
  };
  if (colon >= 0) return onlyPlan(input, name.slice(0, colon));
  const hosts = byName(
    planHosts(input).map(host => [virtualHostName(host.hostname, port), sidecarHostKey(host)]),
  );
  const vhds = hosts.size >= view.apartFrom;
  return { port, fallback: scope.outboundTrafficPolicy, vhds, hosts };
}

function byName(hosts: readonly (readonly [name: string, key: string])[]): RoutePlan["hosts"] {
  return new Map([...hosts].sort(([a], [b]) => compare(a, b)));
}

function onlyPlan(input: PlanInput, hostname: string): RoutePlan | undefined {
  const { port } = input;
  const service = input.services.find(each => each.hostname === hostname);
  if (service === undefined) return undefined;
  const key = sidecarHostKey(planOnlyHost(input, service));
  const hosts = new Map([[virtualHostName(hostname, port), key]]);
  return { port, fallback: "NONE", vhds: false, hosts };
}

function gatewayPlan(
  view: string,
  name: string,
  read: Reader,
  model: Model,
  gateways: MergedGateways,
): RoutePlan | undefined {
  const [, namespace = "", set = "", apart = ""] = view.split("|");
  const servers = read
    .cell(gateways, set)
    .ports.flatMap(port => port.servers.filter(server => server.routeName === name));
  const [first] = servers;
  if (first === undefined) return undefined;
  const planned = planGatewayHosts({
    namespace,
    servers,
    routesOf: gateway =>
      read
        .rows(model.routesByGateway, gateway)
        .filter(route => visibleTo(route.exportTo, namespace))
        .sort(compareRoutes),
  });
  const hosts = byName(
    planned.map(host => [virtualHostName(host.hostname, host.port), gatewayHostKey(host)]),
  );
  const vhds = apart !== "" && hosts.size > 0;
  return { port: first.port, fallback: "NONE", vhds, hosts };
}

/** Names are `route configuration/virtual host`. */
function createSingleHosts(
  graph: Graph,
  model: Model,
  gateways: MergedGateways,
  plans: CellFamily<RoutePlan | undefined>,
  hosts: CellFamily<Encoded>,
): TypeResources {
  const { scopes, imports } = model;
  const cells = graph.cells<Encoded>(
    { name: "VHDS by view", reads: [plans, hosts], equals: sameResource },
    (key, read) => {
      const { view, name } = splitViewKey(key);
      const slash = name.indexOf("/");
      const plan = read.cell(plans, viewKey(view, name.slice(0, slash)));
      const host = plan?.vhds ? plan.hosts.get(name.slice(slash + 1)) : undefined;
      const encoded = host === undefined ? undefined : read.cell(hosts, host);
      // Hosts of gateways are made once for all route configurations of their port.
      return encoded && (encoded.name === name ? encoded : renamed(encoded, name));
    },
  );
  const reads = [scopes, imports.services, gateways, plans];
  const names = graph.cells<readonly string[]>({ name: "VHDS names", reads }, (view, read) => {
    const routes = view.startsWith(GATEWAY)
      ? gatewayRouteNames(view, read, gateways)
      : sidecarRouteNames(view, read, model);
    return routes
      .flatMap(route => {
        const plan = read.cell(plans, viewKey(view, route));
        return plan?.vhds ? [...plan.hosts.keys()].map(host => `${route}/${host}`) : [];
      })
      .sort();
  });
  return { cells, names, wildcardViews: proxy => [routeView(proxy)], namedView };
}

function sidecarRouteNames(view: string, read: Reader, model: Model): readonly string[] {
  const ports = read
    .cell(model.imports.services, sidecarView(view).scope)
    .flatMap(service => service.ports.filter(port => maybeHttp(port.protocol)));
  return [...new Set(ports.map(port => portRouteName(port.number)))];
}

function gatewayRouteNames(
  view: string,
  read: Reader,
  gateways: MergedGateways,
): readonly string[] {
  const [, , set = "", apart = ""] = view.split("|");
  if (apart === "") return [];
  const servers = read.cell(gateways, set).ports.flatMap(port => port.servers);
  return [...new Set(servers.map(server => server.routeName))];
}
