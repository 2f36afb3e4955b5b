/** Kubernetes Services as services of the mesh (Istio: "Traffic Management / Service registry"). */
import type { ObjectMeta } from "../api/kind.ts";
import type { Service as KubernetesService, KubernetesServicePort } from "../api/service/schema.ts";
import { serviceHostname } from "./hosts.ts";
import { annotatedPreference, preference } from "./placements.ts";
import { kubernetesPortProtocol } from "./protocol.ts";
import { serviceKey } from "./services.ts";
import type { Placement, Service, ServicePort, Visibility } from "./types.ts";
import { visibilityOf } from "./visibility.ts";

const EXPORT_TO = "networking.istio.io/exportTo";

/** undefined for what has no endpoints of its own: type ExternalName is a name (aliases.ts). */
export function fromKubernetes(
  object: KubernetesService,
  domain: string,
  preferenceOf: (namespace: string) => Placement | undefined,
): Service | undefined {
  const { metadata, spec } = object;
  if (spec.type === "ExternalName") return undefined;
  const hostname = serviceHostname(metadata.name, metadata.namespace, domain);
  const headless = spec.clusterIP === "None";
  const placement = placementOf(object, preferenceOf);
  return {
    key: serviceKey(metadata.namespace, hostname),
    hostname,
    namespace: metadata.namespace,
    name: metadata.name,
    registry: "Kubernetes",
    addresses: headless ? [] : virtualAddresses(object),
    ports: spec.ports.map(servicePort),
    resolution: headless ? "Passthrough" : "ClientSideLB",
    headless,
    meshExternal: false,
    exportTo: exportedTo(metadata),
    labels: metadata.labels,
    selector: selectorOf(spec.selector),
    subjectAltNames: [],
    creationTimestamp: metadata.creationTimestamp,
    source: { kind: "Service", namespace: metadata.namespace, name: metadata.name },
    publishNotReadyAddresses: spec.publishNotReadyAddresses,
    ...(placement === undefined ? {} : { placement }),
  };
}

/** The field comes before the annotation, which is from before there was a field. */
function placementOf(
  { spec, metadata }: KubernetesService,
  preferenceOf: (namespace: string) => Placement | undefined,
): Placement | undefined {
  if (spec.internalTrafficPolicy === "Local") return "Local";
  const said = preference(spec.trafficDistribution ?? "");
  return said ?? annotatedPreference(metadata, preferenceOf);
}

/** No selector, or an empty one, selects nothing: somebody else writes the endpoints. */
function selectorOf(selector: Readonly<Record<string, string>> | undefined): Service["selector"] {
  return selector === undefined || Object.keys(selector).length === 0 ? undefined : selector;
}

function virtualAddresses({ spec }: KubernetesService): readonly string[] {
  if (spec.clusterIPs.length > 0) return spec.clusterIPs;
  return spec.clusterIP === undefined || spec.clusterIP === "" ? [] : [spec.clusterIP];
}

function servicePort(port: KubernetesServicePort): ServicePort {
  const { name, targetPort } = port;
  const protocol = kubernetesPortProtocol(port);
  const base = { name, number: port.port, protocol };
  return targetPort === undefined ? base : { ...base, targetPort };
}

export function exportedTo({
  annotations,
  namespace,
}: Pick<ObjectMeta, "annotations" | "namespace">): Visibility {
  const parts = (annotations[EXPORT_TO] ?? "").split(",").map(part => part.trim());
  return visibilityOf(
    parts.filter(part => part !== ""),
    namespace,
  );
}
