/** From a cluster's name, as some scope means it, to the service, port, subset and rule behind it. */
import type { CellFamily, Graph, Reader } from "../../flow/types.ts";
import { holdingKey } from "../../model/destination-rules.ts";
import { ownerOf } from "../../model/imports.ts";
import type { Model } from "../../model/model.ts";
import { portOfNumber } from "../../model/protocol.ts";
import type { Scope } from "../../model/scopes.ts";
import type { ServiceShape } from "../../model/services.ts";
import type { Protocol, RuleKey } from "../../model/types.ts";
import { viewKey } from "./family.ts";

export interface ClusterTarget {
  readonly service: ServiceShape["key"];
  readonly port: number;
  readonly protocol: Protocol;
  readonly resolution: ServiceShape["resolution"];
  readonly subset: string;
  readonly rule: RuleKey | "";
  /** The rule means something else at gateways than at sidecars. */
  readonly byProxyType: boolean;
}

/** What a scope means by a host name. */
export interface HostTarget {
  readonly service: ServiceShape;
  readonly rule: RuleKey | "";
  /** Names of the rule's subsets. */
  readonly subsets: readonly string[];
  readonly byProxyType: boolean;
}

/** Key: `viewKey(scope, host name)`; one cell for all ports and subsets of a service. */
export type HostTargets = CellFamily<HostTarget | undefined>;

export function createHostTargets(graph: Graph, model: Model): HostTargets {
  const { scopes, imports, shapesByHostname, rules } = model;
  const reads = [
    scopes,
    imports.services,
    shapesByHostname,
    rules.holding,
    rules.subsets,
    rules.byProxyType,
  ];
  return graph.cells<HostTarget | undefined>({ name: "hosts of scopes", reads }, (key, read) => {
    const end = key.indexOf("\n");
    const scope = read.cell(scopes, key.slice(0, end));
    const service = serviceOf(read, model, scope, key.slice(end + 1));
    if (service === undefined) return undefined;
    const rule = read.cell(rules.holding, holdingKey(scope.namespace, service.key));
    const subsets = rule === "" ? undefined : read.get(rules.subsets, rule);
    const byProxyType = rule !== "" && read.get(rules.byProxyType, rule) === true;
    return { service, rule, subsets: Object.keys(subsets ?? {}), byProxyType };
  });
}

/** Where several services have the name, the one that the scope imports; the list tells. */
function serviceOf(
  read: Reader,
  { imports, shapesByHostname }: Model,
  scope: Scope,
  hostname: string,
): ServiceShape | undefined {
  const owner = ownerOf(read, shapesByHostname, scope, hostname);
  if (owner === undefined || owner.rivals.length === 0) return owner;
  const imported = read.cell(imports.services, scope.key);
  return imported.find(service => service.hostname === hostname) ?? owner;
}

interface OutboundName {
  readonly port: number;
  readonly subset: string;
  readonly hostname: string;
}

/** undefined: not a name of ours. */
export function parseOutboundName(name: string): OutboundName | undefined {
  const [direction, port = "", subset = "", hostname = "", ...more] = name.split("|");
  if (direction !== "outbound" || hostname === "" || more.length > 0) return undefined;
  return /^\d{1,5}$/.test(port) ? { port: Number(port), subset, hostname } : undefined;
}

/** undefined: the scope has no such cluster. */
export function resolveCluster(
  read: Reader,
  hosts: HostTargets,
  scope: string,
  name: string,
): ClusterTarget | undefined {
  const parsed = parseOutboundName(name);
  if (parsed === undefined) return undefined;
  const { subset } = parsed;
  const host = read.cell(hosts, viewKey(scope, parsed.hostname));
  const port = host && portOfNumber(host.service.ports, parsed.port);
  if (host === undefined || port === undefined) return undefined;
  if (subset !== "" && !host.subsets.includes(subset)) return undefined;
  const { key: service, resolution } = host.service;
  const { number, protocol } = port;
  const { rule, byProxyType } = host;
  return { service, port: number, protocol, resolution, subset, rule, byProxyType };
}
