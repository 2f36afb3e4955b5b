/**
 * Exported Services under their name for a set of clusters, `NAME.NAMESPACE.svc.clusterset.local`
 * (Multi-Cluster Services API; Istio: ENABLE_MCS_SERVICE_DISCOVERY, ENABLE_MCS_HOST). Of the set this
 * cluster alone is known: the endpoints are those of the Service here.
 */
import type { ServiceImport } from "../api/service-import/kind.ts";
import type { Collection, Graph } from "../flow/types.ts";
import { type ModelInputs, objectKey } from "./inputs.ts";
import { type MeshNames, meshNames } from "./mesh.ts";
import type { NamespacePreferences } from "./placements.ts";
import { serviceKey } from "./services.ts";
import { fromKubernetes } from "./services-kubernetes.ts";
import type { Service } from "./types.ts";

/** The API fixes it, whatever the cluster's own domain is. */
const CLUSTER_SET_DOMAIN = "clusterset.local";

type ExportInputs = Pick<ModelInputs, "services" | "serviceImports" | "serviceExports">;

/** One row for each ServiceImport with addresses whose Service is here, and is exported. */
export function createExportedServices(
  graph: Graph,
  { services, serviceImports, serviceExports }: ExportInputs,
  names: Collection<MeshNames>,
  preferences: NamespacePreferences,
): Collection<Service> {
  const reads = [services, serviceExports, names, preferences];
  return graph.deriveMany<ServiceImport, Service>(
    serviceImports,
    { name: "exported services", reads },
    (_key, imported, read) => {
      const key = objectKey(imported.metadata);
      const object = read.has(serviceExports, key) ? read.get(services, key) : undefined;
      const { domain } = meshNames(read, names);
      const own = object && fromKubernetes(object, domain, each => read.get(preferences, each));
      const row = own && exported(own, imported);
      return row === undefined ? [] : [[row.key, row]];
    },
  );
}

/** Its pods serve the Service itself: what they listen to does not follow from this one. */
function exported(own: Service, { spec }: ServiceImport): Service | undefined {
  if (spec.type === "Headless" || spec.ips.length === 0) return undefined;
  const { name, namespace } = own;
  const hostname = `${name}.${namespace}.svc.${CLUSTER_SET_DOMAIN}`;
  return {
    ...own,
    key: serviceKey(namespace, hostname),
    hostname,
    addresses: spec.ips,
    resolution: "ClientSideLB",
    headless: false,
    selector: undefined,
  };
}
