/**
 * The hosts whose endpoints depend on where a client runs, by who may see them: a part of the classes
 * of proxies. What a namespace can not see changes no class of its proxies.
 */
import { createHash } from "node:crypto";
import type { Collection, Graph, Reader } from "../flow/types.ts";
import { compare } from "./order.ts";
import type { PlacedService } from "./placements.ts";
import type { ConnectedProxy, Placement } from "./types.ts";
import { EVERYONE, visibilityBuckets } from "./visibility.ts";

/** By host name. Rows with equal `version` say the same. */
export interface PlacedHosts {
  readonly version: string;
  readonly hosts: ReadonlyMap<string, Placement>;
  /** Whether any of them depends on the node; if not, nodes matter to nobody. */
  readonly byNode: boolean;
}

/** By namespace that they are exported to, and those for all under `EVERYONE`. */
export interface PlacedHostsByAudience {
  readonly forAll: Collection<PlacedHosts>;
  /** Those that have endpoints at gateways only. */
  readonly atGateways: Collection<PlacedHosts>;
}

export function createPlacedHosts(
  graph: Graph,
  services: Collection<PlacedService>,
): PlacedHostsByAudience {
  const grouped = (name: string, atGatewaysOnly: boolean): Collection<PlacedHosts> => {
    const byAudience = graph.index(services, `services: ${name}`, (_key, row) =>
      row.atGatewaysOnly === atGatewaysOnly ? visibilityBuckets(row.exportTo) : [],
    );
    return graph.group<PlacedService, PlacedHosts>(
      byAudience,
      { name, equals: (a, b) => a.version === b.version },
      (_audience, rows) => placedHosts(rows),
    );
  };
  return {
    forAll: grouped("placed hosts", false),
    atGateways: grouped("placed hosts at gateways", true),
  };
}

/** All that clients in a namespace may see. */
export function placedHostsFor(
  read: Reader,
  { forAll, atGateways }: PlacedHostsByAudience,
  { namespace, type }: Pick<ConnectedProxy, "namespace" | "type">,
): readonly PlacedHosts[] {
  const seen = type === "router" ? [forAll, atGateways] : [forAll];
  return seen.flatMap(placed =>
    [EVERYONE, namespace].flatMap(audience => read.get(placed, audience) ?? []),
  );
}

/** undefined: its endpoints are the same for all. */
export function placementOfHost(
  placed: readonly PlacedHosts[],
  hostname: string,
): Placement | undefined {
  const [first, second] = placed.flatMap(({ hosts }) => hosts.get(hostname) ?? []);
  return second === undefined ? first : WHOLE;
}

/** Several services of one name: a client may mean any of them, so its whole place matters. */
const WHOLE: Placement = "PreferSameNode";

function placedHosts(rows: readonly PlacedService[]): PlacedHosts {
  const hosts = new Map<string, Placement>();
  const sorted = [...rows].sort((a, b) => compare(a.hostname, b.hostname));
  for (const { hostname, placement } of sorted)
    hosts.set(hostname, hosts.has(hostname) ? WHOLE : placement);
  const byNode = [...hosts.values()].some(placement => placement !== "PreferSameZone");
  const digest = createHash("sha256").update(JSON.stringify([...hosts]));
  return { version: digest.digest("base64url").slice(0, 16), hosts, byNode };
}
