/**
 * Services whose endpoints depend on where the client runs. Only where there are any do views of
 * endpoints know of a client's zone or node.
 */
import { createHash } from "node:crypto";
import type { ObjectMeta } from "../api/kind.ts";
import type { Namespace } from "../api/namespace/kind.ts";
import type { Collection, Graph } from "../flow/types.ts";
import { compare } from "./order.ts";
import type { Locality, Placement, Service } from "./types.ts";

/** Istio's own, from before `spec.trafficDistribution`; also for ServiceEntries. In any case. */
const ANNOTATION = "networking.istio.io/traffic-distribution";

const PREFERENCES: ReadonlyMap<string, Placement> = new Map([
  ["preferclose", "PreferSameZone"],
  ["prefersamezone", "PreferSameZone"],
  ["prefersamenode", "PreferSameNode"],
]);

/** undefined: any endpoint is as good as any other, as for values that nobody knows. */
export function preference(value: string): Placement | undefined {
  return PREFERENCES.get(value.toLowerCase());
}

/**
 * What an object's own annotation says, or, where it has none, that of its namespace. Any other value
 * says that all endpoints are equal, also where the namespace prefers some.
 */
export function annotatedPreference(
  { annotations, namespace }: Pick<ObjectMeta, "annotations" | "namespace">,
  ofNamespace: (namespace: string) => Placement | undefined,
): Placement | undefined {
  const own = annotations[ANNOTATION] ?? "";
  return own === "" ? ofNamespace(namespace) : preference(own);
}

/** By namespace: what its annotation says of services that say nothing themselves. */
export type NamespacePreferences = Collection<Placement>;

export function createNamespacePreferences(
  graph: Graph,
  namespaces: Collection<Namespace>,
): NamespacePreferences {
  return graph.derive(namespaces, { name: "preferences of namespaces" }, (_key, { metadata }) =>
    preference(metadata.annotations[ANNOTATION] ?? ""),
  );
}

/** All of a mesh, by host name. Rows with equal `version` say the same. */
export interface PlacedHosts {
  readonly version: string;
  readonly hosts: ReadonlyMap<string, Placement>;
  /** Whether any of them depends on the node; if not, nodes matter to nobody. */
  readonly byNode: boolean;
}

export const PLACED_KEY = "placed";

export interface Placements {
  /** By service; those without one have no row. */
  readonly byService: Collection<Placement>;
  /** One row under `PLACED_KEY`, or none where no service says anything. */
  readonly hosts: Collection<PlacedHosts>;
}

export function createPlacements(graph: Graph, services: Collection<Service>): Placements {
  const rows = graph.deriveMany<Service, PlacedHost>(
    services,
    { name: "placements of services" },
    (key, { hostname, placement, resolution }) =>
      placement === undefined || resolution !== "ClientSideLB"
        ? []
        : [[key, { hostname, placement }]],
  );
  const all = graph.index(rows, "services with a placement", () => [PLACED_KEY]);
  return {
    byService: graph.derive(rows, { name: "placements" }, (_key, row) => row.placement),
    hosts: graph.group<PlacedHost, PlacedHosts>(
      all,
      { name: "placed hosts", equals: (a, b) => a.version === b.version },
      (_key, found) => placedHosts(found),
    ),
  };
}

interface PlacedHost {
  readonly hostname: string;
  readonly placement: Placement;
}

function placedHosts(rows: readonly PlacedHost[]): PlacedHosts {
  const hosts = new Map<string, Placement>();
  const sorted = [...rows].sort((a, b) => compare(a.hostname, b.hostname));
  // Several services of one name: a client may mean any of them, so its whole place matters.
  for (const { hostname, placement } of sorted)
    hosts.set(hostname, hosts.has(hostname) ? "PreferSameNode" : placement);
  const byNode = [...hosts.values()].some(placement => placement !== "PreferSameZone");
  const digest = createHash("sha256").update(JSON.stringify([...hosts]));
  return { version: digest.digest("base64url").slice(0, 16), hosts, byNode };
}

/** Where a client runs. */
export interface Place extends Locality {
  readonly network: string;
  readonly node: string;
}

/** What a placement depends on, without `|`; parts are given up from the last to the first. */
export function placeKey(place: Place, placement: Placement): string {
  const { network, region, zone, subZone, node } = place;
  const parts =
    placement === "PreferSameZone"
      ? [network, region, zone]
      : [network, region, zone, subZone, node];
  return parts.map(encodeURIComponent).join(",");
}

export function placeOfKey(key: string): Place {
  const [network = "", region = "", zone = "", subZone = "", node = ""] = key
    .split(",")
    .map(decodeURIComponent);
  return { network, region, zone, subZone, node };
}
