/**
 * Which virtual hosts a sidecar's route configuration has, under which domains: VirtualServices
 * first, in order of age, then the services that none of them takes. A domain belongs to the first
 * host that asks for it.
 */

import { hostsOverlap, isWildcard, wildcardsOf } from "../../model/hosts.ts";
import { maybeHttp } from "../../model/protocol.ts";
import type { ServiceShape } from "../../model/services.ts";
import {
  guardHolds,
  MESH_GATEWAY,
  type VirtualServiceShape,
} from "../../model/virtual-services.ts";
import { visibleTo } from "../../model/visibility.ts";
import { aliasDomains, domainsOf, namespaceOfHost, type SidecarHost } from "./virtual-hosts.ts";

export interface SidecarView {
  readonly namespace: string;
  readonly domain: string;
  readonly sourceMatches: readonly string[];
}

export interface PlanInput {
  readonly view: SidecarView;
  readonly port: number;
  /** Services of the egress listener that have the port, in order. */
  readonly services: readonly ServiceShape[];
  /** Whether the egress listener has a service of this namespace and name. */
  imports(service: Pick<ServiceShape, "namespace" | "hostname">): boolean;
  /** VirtualServices of the egress listener, in order. */
  readonly routes: readonly VirtualServiceShape[];
}

/** Istio sends hosts that are no services on port 80 only, unless a service of theirs has the port. */
const DEFAULT_PORT = 80;

export function planHosts(input: PlanInput): readonly SidecarHost[] {
  const claims = claimHosts(input);
  const known = new Set(claims.flatMap(({ service }) => (service ? [service.hostname] : [])));
  const names = new Set<string>();
  const taken = new Set<string>();
  return claims.flatMap(claim => {
    if (names.has(claim.hostname)) return [];
    names.add(claim.hostname);
    const host = hostOf(claim, input, taken, known);
    return host === undefined ? [] : [host];
  });
}

/** The virtual host of one service for its own routes, under every domain. */
export function planOnlyHost(input: PlanInput, service: ServiceShape): SidecarHost {
  const own = input.routes.find(route => takes(route, service, input));
  return sidecarHost({ hostname: service.hostname, service, route: own }, input, {
    isOnly: true,
    aliases: [],
    without: [],
  });
}

interface Claim {
  readonly hostname: string;
  readonly service: ServiceShape | undefined;
  readonly route: VirtualServiceShape | undefined;
}

function claimHosts(input: PlanInput): readonly Claim[] {
  const registry = new Map<string, ServiceShape>();
  for (const service of input.services)
    if (!registry.has(service.hostname)) registry.set(service.hostname, service);
  const narrowest = narrowestRoutes(input.routes);
  const claims: Claim[] = [];
  const left = new Set([...registry.values()].filter(service => servesHttp(service, input.port)));
  for (const route of input.routes) {
    if (!holds(route, input)) continue;
    const { hosts, services } = hostsOfRoute(route, registry, narrowest);
    const http = services.filter(service => servesHttp(service, input.port));
    if (http.length === 0 && input.port !== DEFAULT_PORT) continue;
    for (const hostname of hosts) claims.push({ hostname, service: undefined, route });
    for (const service of http) {
      claims.push({ hostname: service.hostname, service, route });
      left.delete(service);
    }
  }
  for (const service of left)
    claims.push({ hostname: service.hostname, service, route: undefined });
  return claims;
}

function servesHttp(service: ServiceShape, port: number): boolean {
  return service.ports.some(each => each.number === port && maybeHttp(each.protocol));
}

/** Whether any match of the VirtualService can hold for these proxies on this port. */
function holds(route: VirtualServiceShape, { view, port }: PlanInput): boolean {
  const asked = { ...view, gateway: MESH_GATEWAY, port };
  return route.guards.some(guard => guardHolds(guard, asked));
}

type Narrowest = ReadonlyMap<string, VirtualServiceShape>;

/** By host: the first VirtualService that names it. */
function narrowestRoutes(routes: readonly VirtualServiceShape[]): Narrowest {
  const found = new Map<string, VirtualServiceShape>();
  for (const route of routes)
    for (const host of route.hosts) if (!found.has(host)) found.set(host, route);
  return found;
}

function narrowestFor(hostname: string, narrowest: Narrowest): VirtualServiceShape | undefined {
  for (const host of [hostname, ...wildcardsOf(hostname)]) {
    const route = narrowest.get(host);
    if (route !== undefined) return route;
  }
  return undefined;
}

/** Hosts that are no services, and services; a wildcard has those for which nothing is narrower. */
function hostsOfRoute(
  route: VirtualServiceShape,
  registry: ReadonlyMap<string, ServiceShape>,
  narrowest: Narrowest,
): { readonly hosts: readonly string[]; readonly services: readonly ServiceShape[] } {
  const hosts: string[] = [];
  const services: ServiceShape[] = [];
  for (const host of route.hosts.filter(each => !isWildcard(each))) {
    const service = registry.get(host);
    if (service === undefined) hosts.push(host);
    else services.push(service);
  }
  for (const host of route.hosts.filter(isWildcard)) {
    const meant = [...registry.values()].filter(each => hostsOverlap(each.hostname, host));
    if (meant.length === 0) hosts.push(host);
    services.push(...meant.filter(each => narrowestFor(each.hostname, narrowest) === route));
  }
  return { hosts, services };
}

function takes(route: VirtualServiceShape, service: ServiceShape, input: PlanInput): boolean {
  if (!holds(route, input)) return false;
  if (route.hosts.includes(service.hostname)) return true;
  const wild = route.hosts.some(host => isWildcard(host) && hostsOverlap(service.hostname, host));
  return wild && narrowestFor(service.hostname, narrowestRoutes(input.routes)) === route;
}

/** undefined: others have all of its domains. */
function hostOf(
  claim: Claim,
  input: PlanInput,
  taken: Set<string>,
  known: ReadonlySet<string>,
): SidecarHost | undefined {
  const aliases = aliasesOf(claim.service, input);
  const all = [...allDomains(claim, input), ...aliasDomains(aliases, input.view.domain)];
  const without: string[] = [];
  for (const domain of all) {
    // A short form must not hide a host whose full name it is.
    const foreign = domain !== claim.hostname && known.has(domain);
    const lower = domain.toLowerCase();
    if (foreign || taken.has(lower)) without.push(domain);
    else taken.add(lower);
  }
  if (without.length === all.length) return undefined;
  return sidecarHost(claim, input, { isOnly: false, aliases, without });
}

function sidecarHost(
  { hostname, service, route }: Claim,
  { view, port }: PlanInput,
  rest: Pick<SidecarHost, "isOnly" | "aliases" | "without">,
): SidecarHost {
  const guards = route?.guards ?? [];
  const named = new Set(guards.map(guard => guard.sourceLabels));
  const byNamespace = guards.some(guard => guard.sourceNamespace !== "");
  return {
    hostname,
    port,
    service: service?.key ?? "",
    virtualService: route?.key ?? "",
    isOwn: !rest.isOnly && isOwn(service, view),
    sourceNamespace: byNamespace ? view.namespace : "",
    sourceMatches: view.sourceMatches.filter(id => named.has(id)),
    ...rest,
  };
}

function aliasesOf(service: ServiceShape | undefined, input: PlanInput): readonly string[] {
  const { namespace } = input.view;
  const seen = (service?.aliases ?? []).filter(
    alias => visibleTo(alias.exportTo, namespace) && input.imports(alias),
  );
  return seen.map(alias => `${alias.namespace === namespace ? "+" : ""}${alias.hostname}`);
}

function isOwn(service: ServiceShape | undefined, view: SidecarView): boolean {
  if (service === undefined) return false;
  return namespaceOfHost(service.hostname, view.domain) === view.namespace;
}

/** Rows are immutable, so what is made of one holds as long as it does. */
const domainsByService = new WeakMap<ServiceShape, Map<string, readonly string[]>>();

function allDomains({ hostname, service }: Claim, { view, port }: PlanInput): readonly string[] {
  if (service === undefined) return [hostname];
  const own = isOwn(service, view);
  const key = `${own} ${view.domain} ${service.parts === undefined ? "" : port}`;
  const known = domainsByService.get(service) ?? new Map<string, readonly string[]>();
  domainsByService.set(service, known);
  const domains = known.get(key) ?? domainsOf(service, port, own, view.domain);
  known.set(key, domains);
  return domains;
}
