/** Identities that a service's endpoints may have: what clients check in the certificate. */
import type { Collection, Graph } from "../flow/types.ts";
import type { Service, ServiceEndpoints } from "./types.ts";

/**
 * SPIFFE ids and other names, sorted. A collection of its own: endpoints come and go all the time,
 * the set of their accounts rarely changes, and only then do clusters.
 */
export function createServiceAccounts(
  graph: Graph,
  services: Collection<Service>,
  endpoints: Collection<ServiceEndpoints>,
): Collection<readonly string[]> {
  const options = { name: "service accounts of services", reads: [services] };
  return graph.derive<ServiceEndpoints, readonly string[]>(endpoints, options, (key, row, read) => {
    const names = new Set(read.get(services, key)?.subjectAltNames);
    for (const list of Object.values(row.byPort))
      for (const { serviceAccount } of list) if (serviceAccount !== "") names.add(serviceAccount);
    return [...names].sort();
  });
}
