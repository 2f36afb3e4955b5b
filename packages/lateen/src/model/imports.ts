/** Which services and VirtualServices a scope sees, found through the narrowest index there is. */
import type { CellFamily, Collection, Graph, Index, Reader } from "../flow/types.ts";
import { hostsOverlap } from "./hosts.ts";
import { byAge, compare } from "./order.ts";
import { isCarried, portOfNumber } from "./protocol.ts";
import {
  type EgressListener,
  importsEverything,
  importsFor,
  importsService,
  type Scope,
} from "./scopes.ts";
import type { ServiceShape } from "./services.ts";
import { MESH_GATEWAY, type VirtualServiceShape } from "./virtual-services.ts";
import { EVERYONE, visibilityBuckets, visibleTo } from "./visibility.ts";

export interface Imports {
  /**
   * Services of a scope on all ports. Where several have a host name, the first one has its
   * clusters; the others, of the same namespace, have nothing but listeners. Key: scope.
   */
  readonly services: CellFamily<readonly ServiceShape[]>;
  /** Services that an egress listener has on a port. Key: `onPortKey`. */
  readonly onPort: CellFamily<readonly ServiceShape[]>;
  /** VirtualServices of an egress listener, in Istio's order. Key: `scope|index of the listener`. */
  readonly meshRoutes: CellFamily<readonly VirtualServiceShape[]>;
}

interface Sources {
  readonly scopes: CellFamily<Scope>;
  readonly services: Collection<ServiceShape>;
  readonly byAudience: Index<ServiceShape>;
  readonly byNamespace: Index<ServiceShape>;
  readonly byPort: Index<ServiceShape>;
  readonly byNamespaceAndPort: Index<ServiceShape>;
  readonly byHostname: Index<ServiceShape>;
  readonly routesByAudience: Index<VirtualServiceShape>;
}

export function createImports(
  graph: Graph,
  scopes: CellFamily<Scope>,
  services: Collection<ServiceShape>,
  routes: Collection<VirtualServiceShape>,
): Imports & {
  readonly byHostname: Index<ServiceShape>;
  readonly routesByGateway: Index<VirtualServiceShape>;
} {
  const ports = (row: ServiceShape): string[] => [
    ...new Set(
      row.ports.flatMap(({ protocol, number }) => (isCarried(protocol) ? [String(number)] : [])),
    ),
  ];
  const sources: Sources = {
    scopes,
    services,
    byAudience: graph.index(services, "services by audience", (_key, row) =>
      visibilityBuckets(row.exportTo),
    ),
    byNamespace: graph.index(services, "services by namespace", (_key, row) => [row.namespace]),
    byPort: graph.index(services, "services by port", (_key, row) => ports(row)),
    byNamespaceAndPort: graph.index(services, "services by namespace and port", (_key, row) =>
      ports(row).map(port => `${row.namespace}|${port}`),
    ),
    byHostname: graph.index(services, "service shapes by host name", (_key, row) => [row.hostname]),
    routesByAudience: graph.index(routes, "mesh routes by audience", (_key, row) =>
      row.gateways.includes(MESH_GATEWAY) ? visibilityBuckets(row.exportTo) : [],
    ),
  };
  const reads = Object.values(sources);
  const meshRoutes = graph.cells<readonly VirtualServiceShape[]>(
    { name: "virtual services of a scope", reads },
    (key, read) => {
      const [scope, index] = splitLast(key);
      const found = read.cell(scopes, scope);
      const listener = found.listeners[index];
      return listener === undefined ? [] : importedRoutes(read, sources, found, listener);
    },
  );
  return {
    meshRoutes,
    byHostname: sources.byHostname,
    routesByGateway: graph.index(routes, "routes by gateway", (_key, row) =>
      row.gateways.filter(gateway => gateway !== MESH_GATEWAY),
    ),
    onPort: graph.cells({ name: "services of a scope on a port", reads }, (key, read) => {
      const [listener, port] = splitLast(key);
      const [scope, index] = splitLast(listener);
      return servicesOnPort(read, sources, read.cell(scopes, scope), index, port);
    }),
    services: graph.cells(
      { name: "services of a scope", reads: [...reads, meshRoutes] },
      (key, read) => allServices(read, sources, read.cell(scopes, key), meshRoutes),
    ),
  };
}

export function meshRoutesKey(scope: string, listener: number): string {
  return `${scope}|${listener}`;
}

export function onPortKey(scope: string, listener: number, port: number): string {
  return `${scope}|${listener}|${port}`;
}

function splitLast(key: string): readonly [rest: string, last: number] {
  const bar = key.lastIndexOf("|");
  return [key.slice(0, bar), Number(key.slice(bar + 1))];
}

function servicesOnPort(
  read: Reader,
  sources: Sources,
  scope: Scope,
  index: number,
  port: number,
): readonly ServiceShape[] {
  const listener = scope.listeners[index];
  if (listener === undefined || (listener.port?.number ?? port) !== port) return [];
  const namespaces = namespacesOf(listener);
  const candidates =
    namespaces === undefined
      ? read.rows(sources.byPort, String(port))
      : namespaces.flatMap(name => read.rows(sources.byNamespaceAndPort, `${name}|${port}`));
  return chooseOwners(read, sources, scope, listener, candidates);
}

/** undefined: any namespace may have something that is imported. */
function namespacesOf(listener: EgressListener): readonly string[] | undefined {
  const names = new Set(listener.imports.map(each => each.namespace));
  return names.has("*") ? undefined : [...names].sort();
}

/** Services of every listener, and those that imported VirtualServices send requests to. */
function allServices(
  read: Reader,
  sources: Sources,
  scope: Scope,
  meshRoutes: Imports["meshRoutes"],
): readonly ServiceShape[] {
  const found = new Map<string, ServiceShape>();
  for (const listener of scope.listeners)
    for (const service of importedServices(read, sources, scope, listener))
      if (!found.has(service.key)) found.set(service.key, service);
  if (scope.isDefault) return [...found.values()];
  const known = new Set([...found.values()].map(service => service.hostname));
  for (const [index, listener] of scope.listeners.entries())
    for (const route of read.cell(meshRoutes, meshRoutesKey(scope.key, index)))
      for (const hostname of route.destinations) {
        if (known.has(hostname)) continue;
        const service = destinationOf(read, sources.byHostname, scope, hostname);
        if (service === undefined || !hasPort(service, listener)) continue;
        known.add(hostname);
        found.set(service.key, service);
      }
  return [...found.values()];
}

function importedServices(
  read: Reader,
  sources: Sources,
  scope: Scope,
  listener: EgressListener,
): readonly ServiceShape[] {
  const namespaces = namespacesOf(listener);
  const candidates =
    namespaces === undefined
      ? [EVERYONE, scope.namespace].flatMap(name => read.rows(sources.byAudience, name))
      : namespaces.flatMap(name => read.rows(sources.byNamespace, name));
  const onPort = candidates.filter(service => hasPort(service, listener));
  return chooseOwners(read, sources, scope, listener, onPort);
}

function hasPort(service: ServiceShape, listener: EgressListener): boolean {
  const { port } = listener;
  return port === undefined || portOfNumber(service.ports, port.number) !== undefined;
}

/** Visible and imported services in Istio's order, those of one namespace for each host name. */
function chooseOwners(
  read: Reader,
  sources: Sources,
  scope: Scope,
  listener: EgressListener,
  candidates: readonly ServiceShape[],
): readonly ServiceShape[] {
  const everything = importsEverything(listener);
  const isImported = (service: ServiceShape): boolean =>
    visibleTo(service.exportTo, scope.namespace) &&
    (everything || importsService(listener, service));
  return candidates
    .filter(isImported)
    .filter(service => isOwner(read, sources, scope, service, isImported))
    .sort(compareServices);
}

/**
 * Whether no other imported service of the same host name comes first. For sidecars, those of the
 * namespace that does stay: Istio makes listeners of all of them.
 */
function isOwner(
  read: Reader,
  sources: Sources,
  scope: Scope,
  service: ServiceShape,
  isImported: (service: ServiceShape) => boolean,
): boolean {
  return service.rivals.every(key => {
    const rival = read.get(sources.services, key);
    if (rival === undefined || !isImported(rival)) return true;
    if (!scope.forGateways && rival.namespace === service.namespace) return true;
    return precedes(scope, service, rival);
  });
}

/** Who looks for a host name: proxies of a namespace. */
export type Viewer = Pick<Scope, "namespace" | "forGateways">;

/** The service that a viewer means by a host name, imported or not. */
export function ownerOf(
  read: Reader,
  byHostname: Index<ServiceShape>,
  viewer: Viewer,
  hostname: string,
): ServiceShape | undefined {
  return firstOf(visibleAt(read, byHostname, viewer, hostname), viewer);
}

/** All services of a host name that the viewer may see. */
function visibleAt(
  read: Reader,
  byHostname: Index<ServiceShape>,
  { namespace }: Viewer,
  hostname: string,
): readonly ServiceShape[] {
  return read.rows(byHostname, hostname).filter(service => visibleTo(service.exportTo, namespace));
}

/**
 * What a VirtualService sends requests to that no listener imports. Istio: the own namespace's, else
 * that of the first namespace by name.
 */
function destinationOf(
  read: Reader,
  byHostname: Index<ServiceShape>,
  viewer: Viewer,
  hostname: string,
): ServiceShape | undefined {
  const visible = visibleAt(read, byHostname, viewer, hostname);
  const names = visible.map(service => service.namespace).sort();
  const chosen = names.includes(viewer.namespace) ? viewer.namespace : names[0];
  return firstOf(
    visible.filter(service => service.namespace === chosen),
    viewer,
  );
}

/** Of services with one host name, the one that counts. */
export function firstOf(
  services: readonly ServiceShape[],
  viewer: Viewer,
): ServiceShape | undefined {
  return [...services].sort((a, b) => (precedes(viewer, a, b) ? -1 : 1))[0];
}

/**
 * Which of two services of one host name counts: for sidecars their own namespace's; then a
 * Kubernetes Service before a ServiceEntry, so that nobody can squat on its name; then the older.
 */
function precedes({ namespace, forGateways }: Viewer, a: ServiceShape, b: ServiceShape): boolean {
  if (!forGateways && (a.namespace === namespace) !== (b.namespace === namespace))
    return a.namespace === namespace;
  if (a.registry !== b.registry) return a.registry === "Kubernetes";
  return compareServices(a, b) < 0;
}

/** Istio: what is kept to some namespaces first, then what is public, each by age. */
function compareServices(a: ServiceShape, b: ServiceShape): number {
  const isPublic = (service: ServiceShape): number => (service.exportTo.kind === "public" ? 1 : 0);
  return isPublic(a) - isPublic(b) || byAge(a, b) || compare(a.key, b.key);
}

function importedRoutes(
  read: Reader,
  sources: Sources,
  scope: Scope,
  listener: EgressListener,
): readonly VirtualServiceShape[] {
  const visible = [EVERYONE, scope.namespace].flatMap(name =>
    read.rows(sources.routesByAudience, name),
  );
  const everything = importsEverything(listener);
  return visible.filter(route => everything || importsRoute(listener, route)).sort(compareRoutes);
}

function importsRoute(listener: EgressListener, route: VirtualServiceShape): boolean {
  const imports = importsFor(listener, route.namespace);
  return route.hosts.some(host => imports.some(each => hostsOverlap(host, each.host)));
}

/** Istio: what is kept to some namespaces first, then what is public, each by age. */
export function compareRoutes(a: VirtualServiceShape, b: VirtualServiceShape): number {
  const isPublic = (route: VirtualServiceShape): number =>
    route.exportTo.kind === "public" ? 1 : 0;
  return isPublic(a) - isPublic(b) || byAge(a, b);
}
