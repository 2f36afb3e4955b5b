/** What a sidecar's own workload serves: the service ports that lead to it. */
import type { Reader, SelectorIndex } from "../flow/types.ts";
import { byAge } from "./order.ts";
import type { InboundPort, MutualTlsMode, Service, ServicePort } from "./types.ts";

/** Equal for all pods of a Deployment, so it is shared between them. */
export interface InboundSet {
  /** One for each service port, by target port; services of one target port by age. */
  readonly ports: readonly InboundPort[];
  /** What ports without a policy of their own accept. */
  readonly mtls: MutualTlsMode;
}

export interface ServedBy {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly namedPorts: Readonly<Record<string, number>>;
}

export function inboundSet(
  workload: ServedBy,
  read: Reader,
  selectors: SelectorIndex<Service>,
): InboundSet {
  const ports = servicesOf(workload, read, selectors).flatMap(service =>
    service.ports.flatMap(port => inboundPort(service, port, workload)),
  );
  // A stable sort: services stay in order of age.
  return { ports: ports.sort((a, b) => a.targetPort - b.targetPort), mtls: MESH_MODE };
}

/** Until PeerAuthentication is carried out, every workload takes both (Istio's default). */
const MESH_MODE: MutualTlsMode = "PERMISSIVE";

export function servicesOf(
  workload: Pick<ServedBy, "namespace" | "labels">,
  read: Reader,
  selectors: SelectorIndex<Service>,
): readonly Service[] {
  const found = read.selectedBy(selectors, workload);
  return [...found].sort(byAge);
}

function inboundPort(
  service: Service,
  port: ServicePort,
  workload: ServedBy,
): readonly InboundPort[] {
  if (port.protocol === "UDP") return [];
  const targetPort = targetPortOf(port, workload.namedPorts);
  if (targetPort === undefined) return [];
  return [{ service: service.key, hostname: service.hostname, servicePort: port, targetPort }];
}

/** undefined: the workload has no port of that name. */
export function targetPortOf(
  port: ServicePort,
  namedPorts: Readonly<Record<string, number>>,
): number | undefined {
  if (typeof port.targetPort === "string") return namedPorts[port.targetPort];
  return port.targetPort === undefined || port.targetPort === 0 ? port.number : port.targetPort;
}
