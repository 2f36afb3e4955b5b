/** What a sidecar's own workload serves: the service ports that lead to it. */
import type { Sidecar, SidecarIngress } from "../api/sidecar/schema.ts";
import type { Reader, SelectorIndex } from "../flow/types.ts";
import { byAge } from "./order.ts";
import { isCarried, parseProtocol } from "./protocol.ts";
import { serviceKey } from "./services.ts";
import type { InboundPort, MutualTlsMode, ObjectRef, Service, ServicePort } from "./types.ts";

export interface ServedPort extends InboundPort {
  /** Names the filter chain: what a Sidecar's ingress binds to, "" for any address. */
  readonly bind: string;
  /** Where requests go; undefined: to the address that the client asked for. */
  readonly defaultEndpoint: { readonly address: string; readonly port: number } | undefined;
  /** The Sidecar whose ingress this is. */
  readonly sidecar: ObjectRef | undefined;
}

/** Equal for all pods of a Deployment, so it is shared between them. */
export interface InboundSet {
  /** One for each service port, by target port; services of one target port by age. */
  readonly ports: readonly ServedPort[];
  /** What ports without a policy of their own accept. */
  readonly mtls: MutualTlsMode;
}

export interface ServedBy {
  readonly namespace: string;
  /** With those that the control plane adds. */
  readonly labels: Readonly<Record<string, string>>;
  readonly ownLabels: Readonly<Record<string, string>>;
  readonly namedPorts: Readonly<Record<string, number>>;
  /** Of the pod; only a Sidecar's ingress depends on it. */
  readonly address: string;
}

export function inboundSet(
  workload: ServedBy,
  read: Reader,
  selectors: SelectorIndex<Service>,
  sidecar: Sidecar | undefined,
): InboundSet {
  const ingress = sidecar?.spec.ingress ?? [];
  if (sidecar !== undefined && ingress.length > 0) {
    const served = ingress.flatMap(listener => ingressPort(listener, sidecar, workload));
    return { ports: served.sort((a, b) => a.targetPort - b.targetPort), mtls: MESH_MODE };
  }
  const ports = servicesOf(workload, read, selectors).flatMap(service =>
    service.ports.flatMap(port => inboundPort(service, port, workload)),
  );
  // A stable sort: services stay in order of age.
  return { ports: ports.sort((a, b) => a.targetPort - b.targetPort), mtls: MESH_MODE };
}

/** Until PeerAuthentication is carried out, every workload takes both (Istio's default). */
const MESH_MODE: MutualTlsMode = "PERMISSIVE";

/** Kubernetes knows nothing of the labels that are added; to ServiceEntries they count. */
export function servicesOf(
  { namespace, labels, ownLabels }: Pick<ServedBy, "namespace" | "labels" | "ownLabels">,
  read: Reader,
  selectors: SelectorIndex<Service>,
): readonly Service[] {
  const found = read.selectedBy(selectors, { namespace, labels });
  return found
    .filter(({ registry, selector }) => registry === "External" || isWithin(selector, ownLabels))
    .sort(byAge);
}

function isWithin(selector: Service["selector"], labels: ServedBy["labels"]): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => labels[key] === value);
}

function inboundPort(
  service: Service,
  port: ServicePort,
  workload: ServedBy,
): readonly ServedPort[] {
  if (!isCarried(port.protocol)) return [];
  const targetPort = targetPortOf(port, workload.namedPorts);
  if (targetPort === undefined) return [];
  const { key, hostname } = service;
  return [
    {
      service: key,
      hostname,
      servicePort: port,
      targetPort,
      bind: "",
      defaultEndpoint: undefined,
      sidecar: undefined,
    },
  ];
}

/**
 * Istio, "Sidecar", IstioIngressListener: a listener of its own in place of what services say. It
 * binds to the pod's address, and so pods with such a Sidecar share nothing here.
 */
function ingressPort(
  { port, bind, defaultEndpoint }: SidecarIngress,
  { metadata }: Sidecar,
  { namespace, address }: ServedBy,
): readonly ServedPort[] {
  const { number = 0, name = "" } = port;
  const protocol = parseProtocol(port.protocol ?? "");
  if (number === 0 || !isCarried(protocol)) return [];
  const hostname = `${metadata.name}.${metadata.namespace}`;
  return [
    {
      service: serviceKey(namespace, hostname),
      hostname,
      servicePort: { name, number, protocol },
      targetPort: number,
      bind: bind === undefined || bind === "" ? address : bind,
      defaultEndpoint: endpointOf(defaultEndpoint ?? "", address),
      sidecar: { kind: "Sidecar", namespace: metadata.namespace, name: metadata.name },
    },
  ];
}

/** `127.0.0.1:8080`; an unspecified address stands for the pod's own. */
function endpointOf(text: string, podAddress: string): ServedPort["defaultEndpoint"] {
  const colon = text.lastIndexOf(":");
  const port = Number(text.slice(colon + 1));
  if (colon < 0 || !Number.isInteger(port)) return undefined;
  const address = text.slice(0, colon).replace(/^\[|\]$/g, "");
  const unspecified = address === "0.0.0.0" || address === "::";
  return { address: unspecified ? podAddress : address, port };
}

/** undefined: the workload has no port of that name. */
export function targetPortOf(
  port: ServicePort,
  namedPorts: Readonly<Record<string, number>>,
): number | undefined {
  if (typeof port.targetPort === "string") return namedPorts[port.targetPort];
  return port.targetPort === undefined || port.targetPort === 0 ? port.number : port.targetPort;
}
