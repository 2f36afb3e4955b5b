/** Virtual hosts: encoded once, whoever's route configuration they are in. */
import type { CellFamily, Graph, Reader } from "../../flow/types.ts";
import { ownerOf } from "../../model/imports.ts";
import { meshNames } from "../../model/mesh.ts";
import type { Model } from "../../model/model.ts";
import { addressesFor, type ServiceShape } from "../../model/services.ts";
import {
  countsPathOnly,
  type DestinationRow,
  type GuardView,
  guardHolds,
  MESH_GATEWAY,
  type RequestMatch,
  type VirtualServiceRow,
} from "../../model/virtual-services.ts";
import { serviceDomains } from "../domains.ts";
import { encodeVirtualHost } from "../encode.ts";
import type { EncodedResource } from "../resource.ts";
import { type Destination, type HttpRoute, type VirtualHostInput, virtualHost } from "../route.ts";
import { joinKey, sameResource } from "./family.ts";

/** A virtual host of sidecars: what its content depends on, and no more. */
export interface SidecarHost {
  readonly hostname: string;
  readonly port: number;
  /** "" where the host is a VirtualService's own. */
  readonly service: string;
  /** "" for a service without one. */
  readonly virtualService: string;
  /** The proxy's namespace is the host's, so that its short name holds. */
  readonly isOwn: boolean;
  /** The only host of its routes: it has every domain. */
  readonly isOnly: boolean;
  /** Host names of aliases of the service; `+` before those of the proxy's namespace. */
  readonly aliases: readonly string[];
  /** Domains that another host of the same routes has. */
  readonly without: readonly string[];
  /** "" where no match asks for it. */
  readonly sourceNamespace: string;
  readonly sourceMatches: readonly string[];
}

/** A virtual host of a gateway: routes of one or more VirtualServices, in order. */
export interface GatewayHost {
  readonly hostname: string;
  readonly port: number;
  readonly domains: readonly string[];
  readonly namespace: string;
  readonly requireTls: boolean;
  readonly routes: readonly { readonly virtualService: string; readonly gateway: string }[];
}

export function sidecarHostKey(host: SidecarHost): string {
  return joinKey(
    "sidecar",
    host.hostname,
    host.port,
    host.service,
    host.virtualService,
    `${host.isOwn ? "own" : ""}${host.isOnly ? "only" : ""}`,
    host.without.join(";"),
    host.sourceNamespace,
    host.sourceMatches.join(";"),
    host.aliases.join(";"),
  );
}

export function gatewayHostKey(host: GatewayHost): string {
  return joinKey(
    "gateway",
    host.hostname,
    host.port,
    host.domains.join(";"),
    host.namespace,
    host.requireTls ? "tls" : "",
    host.routes.map(({ virtualService, gateway }) => `${virtualService}@${gateway}`).join(";"),
  );
}

function split(list: string): readonly string[] {
  return list === "" ? [] : list.split(";");
}

/** Names of resources are `port/host:port`: VHDS finds the route configuration by the first part. */
export function createVirtualHosts(
  graph: Graph,
  model: Model,
): CellFamily<EncodedResource | undefined> {
  const { shapes, virtualServices, names, shapesByHostname } = model;
  const reads = [shapes, virtualServices.rows, names, shapesByHostname];
  return graph.cells<EncodedResource | undefined>(
    { name: "virtual hosts", reads, equals: sameResource },
    (key, read) => {
      const [kind, ...parts] = key.split("|");
      const input =
        kind === "sidecar" ? sidecarInput(parts, read, model) : gatewayInput(parts, read, model);
      if (input === undefined) return undefined;
      const message = virtualHost(input);
      return encodeVirtualHost(`${input.port}/${message.name}`, message);
    },
  );
}

function sidecarInput(
  parts: readonly string[],
  read: Reader,
  model: Model,
): VirtualHostInput | undefined {
  const [hostname = "", portText = "", service = "", virtualService = "", flags = ""] = parts;
  const [without = "", sourceNamespace = "", sourceMatches = "", aliases = ""] = parts.slice(5);
  const port = Number(portText);
  const shape = service === "" ? undefined : read.get(model.shapes, service);
  const { domain } = meshNames(read, model.names);
  const isOwn = flags.startsWith("own");
  const own = shape === undefined ? [hostname] : domainsOf(shape, port, isOwn, domain);
  const all = [...own, ...aliasDomains(split(aliases), domain)];
  const removed = new Set(split(without));
  const base = {
    hostname,
    port,
    domains: flags.endsWith("only") ? ["*"] : all.filter(each => !removed.has(each)),
    requireTls: false,
  };
  if (virtualService === "") return { ...base, routes: undefined };
  const row = read.get(model.virtualServices.rows, virtualService);
  if (row === undefined) return undefined;
  const view: GuardView = {
    gateway: MESH_GATEWAY,
    namespace: sourceNamespace,
    sourceMatches: split(sourceMatches),
    port,
  };
  // Clients ask for a port of this very host, so it is the port of every destination.
  return { ...base, routes: httpRoutes(row, view, destination => destination.port ?? port) };
}

/** `isOwn` stands for the proxy's namespace, so that all namespaces but one share the answer. */
export function domainsOf(
  service: ServiceShape,
  port: number,
  isOwn: boolean,
  domain: string,
): readonly string[] {
  return serviceDomains({
    hostname: service.hostname,
    addresses: addressesFor(service, port),
    headless: service.registry === "Kubernetes" && service.resolution === "Passthrough",
    proxyNamespace: isOwn ? (namespaceOfHost(service.hostname, domain) ?? "") : "",
    domain,
  });
}

/** Without those of the pods behind a headless service, which DNS does not give an alias either. */
export function aliasDomains(aliases: readonly string[], domain: string): readonly string[] {
  return aliases.flatMap(alias => {
    const isOwn = alias.startsWith("+");
    const hostname = isOwn ? alias.slice(1) : alias;
    const proxyNamespace = isOwn ? (namespaceOfHost(hostname, domain) ?? "") : "";
    return serviceDomains({ hostname, addresses: [], headless: false, proxyNamespace, domain });
  });
}

/** `default` of `reviews.default.svc.cluster.local`. */
export function namespaceOfHost(hostname: string, domain: string): string | undefined {
  const suffix = `.svc.${domain}`;
  if (!hostname.endsWith(suffix)) return undefined;
  const short = hostname.slice(0, -suffix.length);
  const dot = short.lastIndexOf(".");
  return dot <= 0 ? undefined : short.slice(dot + 1);
}

function gatewayInput(
  parts: readonly string[],
  read: Reader,
  model: Model,
): VirtualHostInput | undefined {
  const [hostname = "", portText = "", domains = "", namespace = "", tls = "", list = ""] = parts;
  const port = Number(portText);
  const scope = { namespace, forGateways: true };
  const destinationPort = (destination: DestinationRow): number => {
    if (destination.port !== undefined) return destination.port;
    const service = ownerOf(read, model.shapesByHostname, scope, destination.hostname);
    return service?.ports.length === 1 ? (service.ports[0]?.number ?? port) : port;
  };
  const routes = split(list).flatMap(item => {
    const at = item.indexOf("@");
    const row = read.get(model.virtualServices.rows, item.slice(0, at));
    const gateway = item.slice(at + 1);
    if (row === undefined) return [];
    const view: GuardView = { gateway, namespace, sourceMatches: [], port };
    return httpRoutes(row, view, destinationPort);
  });
  return {
    hostname,
    port,
    domains: split(domains),
    routes: catchAllsLast(routes),
    requireTls: tls !== "",
  };
}

/** What one VirtualService's catch-all takes must not hide another one's routes. */
function catchAllsLast(routes: readonly HttpRoute[]): readonly HttpRoute[] {
  const isCatchAll = (route: HttpRoute): boolean => isEverything(route.match);
  return [
    ...routes.filter(route => !isCatchAll(route)),
    ...routes.filter(route => isCatchAll(route)),
  ];
}

/** Up to the first route that takes everything: none after it can be reached. */
function httpRoutes(
  row: VirtualServiceRow,
  view: GuardView,
  portOf: (destination: DestinationRow) => number,
): readonly HttpRoute[] {
  const found: HttpRoute[] = [];
  for (const route of row.routes) {
    const destinations = withWeight(route.destinations).map(
      (each): Destination => ({
        hostname: each.hostname,
        port: portOf(each),
        subset: each.subset,
        weight: each.weight,
      }),
    );
    const base = {
      source: row.source,
      destinations,
      timeoutMs: route.timeoutMs,
      retries: route.retries,
    };
    if (route.matches.length === 0) {
      found.push({ ...base, name: route.name, match: undefined });
      return found;
    }
    for (const { name, guard, request } of route.matches) {
      if (!guardHolds(guard, view)) continue;
      found.push({
        ...base,
        name: name === "" ? route.name : `${route.name}.${name}`,
        match: request,
      });
      if (isEverything(request)) return found;
    }
  }
  return found;
}

/** Destinations without weight get nothing, unless there is only one. */
function withWeight(destinations: readonly DestinationRow[]): readonly DestinationRow[] {
  if (destinations.length < 2) return destinations;
  return destinations.filter(destination => destination.weight > 0);
}

function isEverything(match: RequestMatch | undefined): boolean {
  if (match === undefined) return true;
  const { uri } = match;
  const anyPath = uri === undefined || ("prefix" in uri && uri.prefix === "/");
  return anyPath && countsPathOnly(match);
}
