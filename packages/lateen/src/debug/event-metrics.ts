/** What the sources told of, under Istio's names: configuration apart from what runs. */
import { Counter, type Registry } from "prom-client";

export interface ObjectEvent {
  /** API group; "" for Kubernetes' core. */
  readonly group: string;
  readonly kind: string;
  readonly event: "add" | "update" | "delete";
}

/** Istio's names of kinds that a registry of services has. */
const REGISTRY: ReadonlyMap<string, string> = new Map([
  ["EndpointSlice", "EndpointSlice"],
  ["Namespace", "Namespaces"],
  ["Node", "Nodes"],
  ["Pod", "Pods"],
  ["Service", "Services"],
]);

/** Kinds of Kubernetes' own that are neither configuration nor services are not counted. */
export function eventMetrics(registers: Registry[]): (event: ObjectEvent) => void {
  const labelNames = ["type", "event"] as const;
  const counter = (name: string, help: string) =>
    new Counter({ name, help, labelNames, registers });
  const services = counter("pilot_k8s_reg_events", "Changes of services, their pods and nodes");
  const configuration = counter("pilot_k8s_cfg_events", "Changes of configuration objects");
  return ({ group, kind, event }) => {
    const registry = REGISTRY.get(kind);
    if (group.endsWith(".istio.io")) configuration.inc({ type: kind, event });
    else if (registry !== undefined) services.inc({ type: registry, event });
  };
}
