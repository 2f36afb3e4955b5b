/** Addresses behind services that have none of their own: clients dial the pods themselves. */
import { isIP } from "node:net";
import type { Collection, Graph } from "../flow/types.ts";
import { partsOf, type ServiceShape } from "./services.ts";
import type { ServiceEndpoints } from "./types.ts";

/** IP addresses by the name of the service's port, ascending. */
export type PodAddresses = Readonly<Record<string, readonly string[]>>;

/** A collection of its own: only these services make listeners come and go with their pods. */
export function createPodAddresses(
  graph: Graph,
  services: Collection<ServiceShape>,
  endpoints: Collection<ServiceEndpoints>,
): Collection<PodAddresses> {
  const options = { name: "pod addresses of services", reads: [endpoints] };
  return graph.derive<ServiceShape, PodAddresses>(services, options, (key, service, read) => {
    if (service.resolution !== "Passthrough" || partsOf(service).every(hasAddress))
      return undefined;
    const found: Record<string, readonly string[]> = Object.create(null);
    for (const [port, list] of Object.entries(read.get(endpoints, key)?.byPort ?? {})) {
      const usable = list.filter(({ health }) => health === "HEALTHY" || health === "UNKNOWN");
      const addresses = usable.flatMap(each => [each.address, ...(each.otherAddresses ?? [])]);
      found[port] = [...new Set(addresses.filter(address => isIP(address) !== 0))].sort();
    }
    return found;
  });
}

function hasAddress({ addresses }: ServiceShape): boolean {
  return addresses.length > 0;
}
