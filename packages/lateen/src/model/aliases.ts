/**
 * Services of type ExternalName: names for other services, as in Kubernetes' DNS (Istio:
 * ENABLE_EXTERNAL_NAME_ALIAS, its default). Requests for the alias are requests for the service; it
 * has no ports, routes or policies of its own. A name of no service of the mesh leads nowhere here:
 * what the client's resolver says is an address like any other.
 */
import type { Service as KubernetesService } from "../api/service/schema.ts";
import type { Collection, Graph, Index } from "../flow/types.ts";
import { serviceHostname } from "./hosts.ts";
import { type MeshNames, meshNames } from "./mesh.ts";
import { exportedTo } from "./services-kubernetes.ts";
import type { Visibility } from "./types.ts";

/** Names on the way to a service; resolvers of DNS give up at about as many. */
const MAX_CHAIN = 16;

export interface Alias {
  readonly hostname: string;
  readonly namespace: string;
  readonly exportTo: Visibility;
  /** Where the chain of aliases ends. */
  readonly target: string;
}

export interface Aliases {
  /** By the alias' host name; those that lead back to themselves, or too far, have no row. */
  readonly rows: Collection<Alias>;
  /** By the host name that they end at. */
  readonly byTarget: Index<Alias>;
}

export function createAliases(
  graph: Graph,
  services: Collection<KubernetesService>,
  names: Collection<MeshNames>,
): Aliases {
  const pointers = graph.deriveMany<KubernetesService, Alias>(
    services,
    { name: "ExternalName services", reads: [names] },
    (_key, object, read) => {
      const alias = pointerOf(object, meshNames(read, names).domain);
      return alias === undefined ? [] : [[alias.hostname, alias]];
    },
  );
  const rows = graph.derive<Alias, Alias>(
    pointers,
    { name: "aliases of services", reads: [pointers] },
    (_key, alias, read) => {
      const seen = new Set([alias.hostname]);
      let { target } = alias;
      for (;;) {
        if (seen.has(target) || seen.size > MAX_CHAIN) return undefined;
        seen.add(target);
        const next = read.get(pointers, target);
        if (next === undefined) return { ...alias, target };
        target = next.target;
      }
    },
  );
  return { rows, byTarget: graph.index(rows, "aliases by target", (_key, row) => [row.target]) };
}

function pointerOf({ metadata, spec }: KubernetesService, domain: string): Alias | undefined {
  const target = (spec.externalName ?? "").replace(/\.$/, "").toLowerCase();
  if (spec.type !== "ExternalName" || target === "") return undefined;
  const { name, namespace } = metadata;
  const hostname = serviceHostname(name, namespace, domain);
  return { hostname, namespace, exportTo: exportedTo(metadata), target };
}
