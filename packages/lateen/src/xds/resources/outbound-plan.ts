/**
 * Which outbound listeners a scope has, and what is in each (Istio: "Protocol Selection",
 * "Understanding listeners"): HTTP services share the wildcard on their port and are told apart by
 * their routes; all others listen on the service's own address, if it has one.
 */

import { canBeServerName } from "../../model/hosts.ts";
import type { PodAddresses } from "../../model/pod-addresses.ts";
import { isCarried, isHttp } from "../../model/protocol.ts";
import type { IpFamilies } from "../../model/proxies.ts";
import type { ServiceShape } from "../../model/services.ts";
import type { Protocol, ServicePort } from "../../model/types.ts";
import type { RoutesOverRds } from "../http-connection-manager.ts";
import type { TcpChain } from "../listener-common.ts";
import { portRouteName, serviceRouteName } from "../names.ts";

/** Any address, of whichever IP families the proxies have. */
export const WILDCARD = "*";

/**
 * Where a service port listens: on an address, and on those of it in `more`; `cidr` narrows the
 * wildcard down.
 */
export interface Bind {
  readonly address: string;
  readonly more: readonly string[];
  readonly cidr: string | undefined;
}

const ANYWHERE: Bind = { address: WILDCARD, more: [], cidr: undefined };

/** One service port on one bind. */
export interface Claim {
  readonly service: ServiceShape;
  readonly port: ServicePort;
  /** What the listener says of the protocol; a Sidecar's listener may overrule the service. */
  readonly protocol: Protocol;
  readonly bind: Bind;
}

/** Addresses that a service port listens on. */
export function bindsOf(
  service: ServiceShape,
  port: ServicePort,
  protocol: Protocol,
  pods: PodAddresses | undefined,
  families: IpFamilies,
): readonly Bind[] {
  if (!isCarried(port.protocol) || !isCarried(protocol)) return [];
  if (isToldByName(service, protocol) && !canBeServerName(service.hostname)) return [];
  if (isHttp(protocol)) return [ANYWHERE];
  if (service.addresses.length > 0)
    return service.registry === "Kubernetes"
      ? [virtualAddress(service.addresses, families)]
      : service.addresses.map(bindTo);
  if (service.resolution !== "Passthrough") return [ANYWHERE];
  const addresses = (pods?.[port.name] ?? []).filter(address => hasFamily(address, families));
  const noneEver = service.registry === "External" && !service.selectsWorkloads;
  if (addresses.length === 0 && noneEver) return [ANYWHERE];
  return addresses.map(bindTo);
}

/** TLS without an address: nothing but the server name tells it apart. */
function isToldByName({ addresses }: ServiceShape, protocol: Protocol): boolean {
  return (protocol === "TLS" || protocol === "HTTPS") && addresses.length === 0;
}

/**
 * A Service's addresses in the families that the proxies have. Where there is none, the first one
 * stands, as in Istio: the service keeps its routes.
 */
function virtualAddress(addresses: readonly string[], families: IpFamilies): Bind {
  const [first = WILDCARD] = addresses;
  const [address = first, ...more] = addresses.filter(each => hasFamily(each, families));
  return { address, more, cidr: undefined };
}

function hasFamily(address: string, families: IpFamilies): boolean {
  return families === "dual" || (families === "IPv6") === address.includes(":");
}

function bindTo(address: string): Bind {
  return address.includes("/")
    ? { address: WILDCARD, more: [], cidr: address }
    : { address, more: [], cidr: undefined };
}

export interface OutboundPlan {
  readonly http: RoutesOverRds | undefined;
  /** Chains with something to match. */
  readonly chains: readonly TcpChain[];
  /** The chain for everything else, if a service has one. */
  readonly rest: TcpChain | undefined;
}

interface Entry {
  protocol: Protocol;
  http: RoutesOverRds | undefined;
  readonly chains: TcpChain[];
}

/** Claims of one bind in the order of their services. undefined: no listener. */
export function planListener(claims: readonly Claim[]): OutboundPlan | undefined {
  let entry: Entry | undefined;
  for (const claim of claims) {
    if (entry === undefined) entry = open(claim);
    else merge(entry, claim);
  }
  if (entry === undefined) return undefined;
  const isRest = (chain: TcpChain): boolean =>
    chain.serverNames.length === 0 && chain.destinationCidrs.length === 0;
  return {
    http: entry.http,
    chains: entry.chains.filter(chain => !isRest(chain)),
    rest: entry.chains.find(isRest),
  };
}

function open(claim: Claim): Entry {
  const http = isHttp(claim.protocol);
  return {
    // HTTP beside a way out for everything else is sniffed.
    protocol: http ? "AUTO" : claim.protocol,
    http: routesOf(claim),
    chains: http ? [] : [tcpChain(claim)],
  };
}

/**
 * The first one of a kind has the listener: HTTP's routes are shared, TCP chains need a match of
 * their own. Where both meet, the listener sniffs; but not on ports whose servers speak first.
 */
function merge(entry: Entry, claim: Claim): void {
  const { protocol } = claim;
  const sniffed = entry.protocol === "AUTO";
  if (sniffed && (isHttp(protocol) || protocol === "AUTO")) return;
  if (!mayShare(entry.protocol, protocol)) return;
  if (!isHttp(protocol)) addChain(entry, tcpChain(claim));
  if (isHttp(protocol) || protocol === "AUTO") {
    entry.http ??= routesOf(claim);
    entry.protocol = "AUTO";
  }
}

function mayShare(existing: Protocol, incoming: Protocol): boolean {
  const serverFirst = (protocol: Protocol): boolean => protocol === "MONGO" || protocol === "MYSQL";
  return existing === incoming || !(serverFirst(existing) || serverFirst(incoming));
}

function addChain(entry: Entry, chain: TcpChain): void {
  const match = matchOf(chain);
  if (entry.chains.every(other => matchOf(other) !== match)) entry.chains.push(chain);
}

function matchOf(chain: TcpChain): string {
  return JSON.stringify([[...chain.serverNames].sort(), [...chain.destinationCidrs].sort()]);
}

function routesOf(claim: Claim): RoutesOverRds | undefined {
  const name = routeName(claim);
  return name === undefined
    ? undefined
    : { routeName: name, grpcWeb: claim.protocol === "GRPC-WEB" };
}

/** Sniffed services with an address have routes of their own; all others share their port's. */
function routeName({ service, port, protocol, bind }: Claim): string | undefined {
  if (isHttp(protocol)) return portRouteName(port.number);
  if (protocol !== "AUTO") return undefined;
  return bind.address === WILDCARD
    ? portRouteName(port.number)
    : serviceRouteName(service.hostname, port.number);
}

/** TLS is told apart by server name where the address does not do it. */
function tcpChain({ service, port, protocol, bind }: Claim): TcpChain {
  const tls = protocol === "TLS" || protocol === "HTTPS";
  const byName = tls && bind.address === WILDCARD && canBeServerName(service.hostname);
  const [only] = service.ports;
  const target = service.ports.length === 1 && only !== undefined ? only.number : port.number;
  return {
    serverNames: byName ? [service.hostname] : [],
    destinationCidrs: bind.cidr === undefined ? [] : [bind.cidr],
    destinations: [{ hostname: service.hostname, port: target, subset: "", weight: 1 }],
    protocol,
    source: undefined,
  };
}
