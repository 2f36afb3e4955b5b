/** From a cluster's name, as some scope means it, to the service, port, subset and rule behind it. */
import type { CellFamily, Graph, Reader } from "../../flow/types.ts";
import { holdingKey } from "../../model/destination-rules.ts";
import { ownerOf } from "../../model/imports.ts";
import type { Model } from "../../model/model.ts";
import type { ServiceShape } from "../../model/services.ts";
import type { Protocol, RuleKey } from "../../model/types.ts";

export interface ClusterTarget {
  readonly service: ServiceShape["key"];
  readonly port: number;
  readonly protocol: Protocol;
  readonly resolution: ServiceShape["resolution"];
  readonly subset: string;
  readonly rule: RuleKey | "";
}

export interface OutboundName {
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

export interface Resolver {
  /** What a collection of cells must declare to use `resolve`. */
  readonly reads: readonly [
    Model["scopes"],
    Model["shapesByHostname"],
    Model["rules"]["holding"],
    Model["rules"]["subsets"],
  ];
  resolve(read: Reader, scope: string, name: string): ClusterTarget | undefined;
}

export function createResolver(model: Model): Resolver {
  const { scopes, shapesByHostname, rules } = model;
  return {
    reads: [scopes, shapesByHostname, rules.holding, rules.subsets],
    resolve(read, scopeKey, name) {
      const parsed = parseOutboundName(name);
      if (parsed === undefined) return undefined;
      const scope = read.cell(scopes, scopeKey);
      const service = ownerOf(read, shapesByHostname, scope, parsed.hostname);
      const port = service?.ports.find(each => each.number === parsed.port);
      if (service === undefined || port === undefined || port.protocol === "UDP") return undefined;
      const rule = read.cell(rules.holding, holdingKey(scope.namespace, service.key));
      const { subset } = parsed;
      if (subset !== "" && !hasSubset(read, model, rule, subset)) return undefined;
      return {
        service: service.key,
        port: port.number,
        protocol: port.protocol,
        resolution: service.resolution,
        subset,
        rule,
      };
    },
  };
}

function hasSubset(read: Reader, model: Model, rule: RuleKey | "", subset: string): boolean {
  const subsets = rule === "" ? undefined : read.get(model.rules.subsets, rule);
  return subsets !== undefined && Object.hasOwn(subsets, subset);
}

/** One cell a scope and name, so that clusters and endpoints look it up once between them. */
export function createTargets(
  graph: Graph,
  resolver: Resolver,
): CellFamily<ClusterTarget | undefined> {
  return graph.cells<ClusterTarget | undefined>(
    { name: "targets of cluster names", reads: resolver.reads },
    (key, read) => {
      const end = key.indexOf("\n");
      return resolver.resolve(read, key.slice(0, end), key.slice(end + 1));
    },
  );
}
