/**
 * Services whose endpoints depend on where the client runs. Only where there are any do views of
 * endpoints know of a client's zone or node.
 */
import type { ObjectMeta } from "../api/kind.ts";
import type { Namespace } from "../api/namespace/kind.ts";
import type { Collection, Graph } from "../flow/types.ts";
import { isByDns } from "./resolution.ts";
import type { Locality, Placement, Service, Visibility } from "./types.ts";

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

/** A service whose endpoints depend on where its clients run. */
export interface PlacedService {
  readonly hostname: string;
  readonly placement: Placement;
  readonly exportTo: Visibility;
  /** Its other clients go to the address that they mean. */
  readonly atGatewaysOnly: boolean;
}

export interface Placements {
  /** By service; those without one have no row. */
  readonly byService: Collection<Placement>;
  readonly services: Collection<PlacedService>;
}

export function createPlacements(graph: Graph, services: Collection<Service>): Placements {
  const placed = graph.deriveMany<Service, PlacedService>(
    services,
    { name: "placements of services" },
    (key, { hostname, placement, exportTo, resolution }) =>
      placement === undefined || isByDns(resolution)
        ? []
        : [[key, { hostname, placement, exportTo, atGatewaysOnly: resolution === "Passthrough" }]],
  );
  const byService = graph.derive(placed, { name: "placements" }, (_key, row) => row.placement);
  return { byService, services: placed };
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
