/** Which protocol a port speaks (Istio, "Protocol Selection"). */
import type { Protocol, ServicePort } from "./types.ts";

const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  http: "HTTP",
  http2: "HTTP2",
  grpc: "GRPC",
  "grpc-web": "GRPC-WEB",
  https: "HTTPS",
  tls: "TLS",
  tcp: "TCP",
  mongo: "MONGO",
  mysql: "MYSQL",
  redis: "REDIS",
  udp: "UDP",
};

/** Kubernetes' standard names for `appProtocol`. */
const APP_PROTOCOLS: Readonly<Record<string, Protocol>> = {
  "kubernetes.io/h2c": "HTTP2",
  "kubernetes.io/ws": "HTTP",
  "kubernetes.io/wss": "HTTPS",
};

/** Ports whose servers speak first: sniffing would hang, so they are TCP unless named otherwise. */
const SERVER_FIRST_PORTS: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

/** A protocol as Gateways and ServiceEntries spell it, in any case. Unknown: `AUTO`. */
export function parseProtocol(text: string): Protocol {
  const name = text.toLowerCase();
  return Object.hasOwn(PROTOCOLS, name) ? (PROTOCOLS[name] ?? "AUTO") : "AUTO";
}

export interface KubernetesPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly appProtocol?: string | undefined;
}

/** From `appProtocol`, else from the port name's prefix (`http-web`), else sniffed. */
export function kubernetesPortProtocol(port: KubernetesPort): Protocol {
  if (port.protocol === "UDP" || port.protocol === "SCTP") return port.protocol;
  const name = port.appProtocol ?? port.name;
  if (port.appProtocol !== undefined && Object.hasOwn(APP_PROTOCOLS, name))
    return APP_PROTOCOLS[name] ?? "AUTO";
  if (name.toLowerCase().startsWith("grpc-web")) return "GRPC-WEB";
  const dash = name.indexOf("-");
  const protocol = parseProtocol(dash < 0 ? name : name.slice(0, dash));
  return protocol === "AUTO" && SERVER_FIRST_PORTS.has(port.port) ? "TCP" : protocol;
}

/** Proxies carry what runs over TCP: nothing else is intercepted, or has a listener or a cluster. */
export function isCarried(protocol: Protocol): boolean {
  return protocol !== "UDP" && protocol !== "SCTP";
}

/**
 * The port of a number that proxies carry: a service may have the same number once for each transport
 * protocol, as every cluster's DNS has 53 (Istio: PortList.GetByPort).
 */
export function portOfNumber<P extends Pick<ServicePort, "number" | "protocol">>(
  ports: readonly P[],
  number: number,
): P | undefined {
  return ports.find(port => port.number === number && isCarried(port.protocol));
}

/** Whether one hides the other: a port that proxies carry and one that they do not are two. */
export function isSamePort(
  a: Pick<ServicePort, "number" | "protocol">,
  b: Pick<ServicePort, "number" | "protocol">,
): boolean {
  return a.number === b.number && isCarried(a.protocol) === isCarried(b.protocol);
}

export function isGrpc(protocol: Protocol): boolean {
  return protocol === "GRPC" || protocol === "GRPC-WEB";
}

export function isHttp2(protocol: Protocol): boolean {
  return protocol === "HTTP2" || isGrpc(protocol);
}

export function isHttp(protocol: Protocol): boolean {
  return protocol === "HTTP" || isHttp2(protocol);
}

/** HTTP, or AUTO, which may turn out to be HTTP. */
export function maybeHttp(protocol: Protocol): boolean {
  return protocol === "AUTO" || isHttp(protocol);
}
