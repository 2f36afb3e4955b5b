/** All services of the mesh, one row a namespace and host name. */
import type { Service as KubernetesService } from "../api/service/schema.ts";
import type { Collection, Graph, Index } from "../flow/types.ts";
import type { Alias } from "./aliases.ts";
import { type MeshNames, meshNames } from "./mesh.ts";
import type { NamespacePreferences } from "./placements.ts";
import { portOfNumber } from "./protocol.ts";
import { fromKubernetes } from "./services-kubernetes.ts";
import type { Service, ServiceKey } from "./types.ts";

export function serviceKey(namespace: string, hostname: string): ServiceKey {
  return `${namespace}/${hostname}` as ServiceKey;
}

export function createKubernetesServices(
  graph: Graph,
  services: Collection<KubernetesService>,
  names: Collection<MeshNames>,
  preferences: NamespacePreferences,
): Collection<Service> {
  const options = { name: "services of Kubernetes", reads: [names, preferences] };
  return graph.deriveMany<KubernetesService, Service>(services, options, (_key, object, read) => {
    const { domain } = meshNames(read, names);
    const service = fromKubernetes(object, domain, each => read.get(preferences, each));
    return service === undefined ? [] : [[service.key, service]];
  });
}

/**
 * What listeners, routes and lists of names depend on; a new label on a Service changes none of
 * it. `rivals` are other services of the same host name: in each scope only one of them counts.
 */
export interface ServiceShape
  extends Pick<
    Service,
    | "key"
    | "hostname"
    | "namespace"
    | "name"
    | "registry"
    | "addresses"
    | "ports"
    | "resolution"
    | "exportTo"
    | "creationTimestamp"
    | "parts"
  > {
  readonly selectsWorkloads: boolean;
  readonly rivals: readonly string[];
  /** ExternalName services that stand for this one, by host name. */
  readonly aliases: readonly Alias[];
}

/** The service as each object that describes it has it. */
export function partsOf(service: ServiceShape): readonly ServiceShape[] {
  return service.parts?.map(part => ({ ...service, ...part })) ?? [service];
}

/** Addresses that a service has for a port. */
export function addressesFor(service: ServiceShape, port: number): readonly string[] {
  if (service.parts === undefined) return service.addresses;
  const having = service.parts.filter(({ ports }) => portOfNumber(ports, port) !== undefined);
  return [...new Set(having.flatMap(part => part.addresses))];
}

const NO_ALIASES: readonly Alias[] = Object.freeze([]);

export function createServiceShapes(
  graph: Graph,
  services: Collection<Service>,
  aliases: Index<Alias>,
): Collection<ServiceShape> {
  const byHostname: Index<Service> = graph.index(services, "services by host name", (_key, row) => [
    row.hostname,
  ]);
  const options = { name: "service shapes", reads: [byHostname, aliases] };
  return graph.derive(services, options, (_key, row, read) => {
    const claimants = read.keysOf(byHostname, row.hostname);
    const named = read.rows(aliases, row.hostname);
    return {
      key: row.key,
      hostname: row.hostname,
      namespace: row.namespace,
      name: row.name,
      registry: row.registry,
      addresses: row.addresses,
      ports: row.ports,
      resolution: row.resolution,
      exportTo: row.exportTo,
      creationTimestamp: row.creationTimestamp,
      ...(row.parts === undefined ? {} : { parts: row.parts }),
      selectsWorkloads: row.selector !== undefined,
      rivals: claimants.filter(key => key !== row.key),
      aliases: named.length === 0 ? NO_ALIASES : named,
    };
  });
}
