/** Gateways: which servers a gateway's proxies have, merged port by port as Istio merges them. */
import type { Gateway, GatewayServer } from "../api/gateway/schema.ts";
import { isHttpProtocol } from "../api/networking/protocol.ts";
import { byAge } from "./order.ts";
import { isCarried, isHttp, parseProtocol } from "./protocol.ts";
import type { Protocol } from "./types.ts";

export type ServerTlsSettings = NonNullable<GatewayServer["tls"]>;

/** A server of one Gateway, as it stands in a merged port. */
export interface MergedServer {
  /** `namespace/name`: VirtualServices are bound by it. */
  readonly gateway: string;
  readonly gatewayNamespace: string;
  /** `namespace/host` where bound to a namespace, else just the host. */
  readonly hosts: readonly string[];
  /** The port that the Gateway names: virtual hosts are named by it. */
  readonly port: number;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly httpsRedirect: boolean;
  readonly tls: ServerTlsSettings | undefined;
  /** HTTP(S): the name of the route configuration; "" for all others. */
  readonly routeName: string;
}

export interface MergedPort {
  /** The port that the proxy listens on. */
  readonly number: number;
  /** HTTP in the clear, TLS by server name, or TCP. */
  readonly kind: "http" | "tls" | "tcp";
  readonly servers: readonly MergedServer[];
}

/** A server that another one shut out, as a whole or for some of its hosts. */
export interface RejectedServer {
  readonly gateway: string;
  readonly index: number;
  readonly reason: string;
  /** Those that others have already, where the server goes on with the rest. */
  readonly lost?: readonly string[];
}

/**
 * Made of an Ingress with that `namespace/name`: Istio leaves out a server of which one host is
 * taken; an Ingress keeps its other hosts. Nothing that is declared can say this of itself.
 */
export interface IngressGateway extends Gateway {
  readonly ingress: string;
}

function ingressOf(gateway: Gateway | IngressGateway): string | undefined {
  return "ingress" in gateway ? gateway.ingress : undefined;
}

export interface MergedGateway {
  readonly ports: readonly MergedPort[];
  readonly rejected: readonly RejectedServer[];
}

/** Names of route configurations come from outside: they are Envoy-visible. */
export interface RouteNames {
  http(listenPort: number): string;
  https(port: number, portName: string, gateway: string, namespace: string): string;
}

/**
 * All Gateways that select a proxy, the oldest first. On one port, plaintext servers share their
 * routes where they speak HTTP in any version (HTTP, HTTP2, GRPC, ...), and TLS servers are told apart by server name; anything else that meets an
 * existing server is rejected. `targetPorts` are those of the gateway's own Service.
 */
export function mergeGateways(
  gateways: readonly Gateway[],
  targetPorts: Readonly<Record<number, number>>,
  names: RouteNames,
): MergedGateway {
  const merge = new Merge(names);
  const ordered = [...gateways].sort((a, b) => byAge(a.metadata, b.metadata));
  for (const gateway of ordered)
    gateway.spec.servers.forEach((server, index) => {
      merge.add(gateway, server, index, targetPorts);
    });
  return merge.result();
}

interface OpenPort {
  readonly number: number;
  readonly kind: MergedPort["kind"];
  readonly servers: MergedServer[];
  /** Who has a name that only one server can have. */
  readonly names: Map<string, string>;
}

class Merge {
  readonly #names: RouteNames;
  readonly #ports = new Map<number, OpenPort>();
  readonly #rejected: RejectedServer[] = [];

  constructor(names: RouteNames) {
    this.#names = names;
  }

  add(
    gateway: Gateway,
    server: GatewayServer,
    index: number,
    targetPorts: Readonly<Record<number, number>>,
  ): void {
    const { namespace, name } = gateway.metadata;
    const number = targetPorts[server.port.number] ?? server.port.number;
    const merged = this.#merged(gateway, server, number);
    const kind = kindOf(merged);
    const port = this.#ports.get(number) ?? open(number, kind);
    const key = `${namespace}/${name}`;
    const reason = isCarried(merged.protocol)
      ? conflict(port, kind)
      : `no proxy carries ${merged.protocol}`;
    if (reason !== undefined) {
      this.#rejected.push({ gateway: key, index, reason });
      return;
    }
    const lost = takenNames(port, kind, merged);
    const keepsRest = ingressOf(gateway) !== undefined;
    const hosts = keepsRest ? merged.hosts.filter(host => !lost.includes(host)) : [];
    if (lost.length > 0) {
      const rejected = { gateway: key, index, reason: takenReason(port, lost) };
      this.#rejected.push(hosts.length === 0 ? rejected : { ...rejected, lost });
      if (hosts.length === 0) return;
    }
    this.#ports.set(number, port);
    port.servers.push(lost.length === 0 ? merged : { ...merged, hosts });
    for (const host of claimedNames(kind, merged))
      if (!port.names.has(host)) port.names.set(host, ownerOf(gateway));
  }

  #merged(gateway: Gateway, server: GatewayServer, number: number): MergedServer {
    const { namespace, name } = gateway.metadata;
    const { port } = server;
    const protocol = serverProtocol(port.protocol);
    const base = {
      gateway: `${namespace}/${name}`,
      gatewayNamespace: namespace,
      hosts: serverHosts(server.hosts, namespace),
      port: port.number,
      portName: port.name,
      protocol,
      httpsRedirect: server.tls?.httpsRedirect ?? false,
      tls: server.tls,
    };
    if (isHttp(protocol)) return { ...base, routeName: this.#names.http(number) };
    const routeName = terminatesHttps(protocol, server)
      ? this.#names.https(port.number, port.name, name, namespace)
      : "";
    return { ...base, routeName };
  }

  result(): MergedGateway {
    const ports = [...this.#ports.values()]
      .sort((a, b) => a.number - b.number)
      .map(({ number, kind, servers }) => ({ number, kind, servers }));
    return { ports, rejected: this.#rejected };
  }
}

/** A gateway's HTTP_PROXY port is one for HTTP. */
function serverProtocol(name: string): Protocol {
  const protocol = parseProtocol(name);
  return protocol === "AUTO" && isHttpProtocol(name) ? "HTTP" : protocol;
}

function open(number: number, kind: MergedPort["kind"]): OpenPort {
  return { number, kind, servers: [], names: new Map() };
}

function kindOf({ protocol, tls }: MergedServer): MergedPort["kind"] {
  if (isHttp(protocol)) return "http";
  return tls === undefined ? "tcp" : "tls";
}

function terminatesHttps(protocol: Protocol, { tls }: GatewayServer): boolean {
  if (protocol !== "HTTPS" || tls === undefined) return false;
  return tls.mode !== "PASSTHROUGH" && tls.mode !== "AUTO_PASSTHROUGH";
}

function conflict(port: OpenPort, kind: MergedPort["kind"]): string | undefined {
  const [first] = port.servers;
  if (first === undefined) return undefined;
  if (kind !== port.kind || kind === "tcp")
    return `port ${port.number} is taken by ${first.gateway} for ${first.protocol}`;
  return undefined;
}

/**
 * What no other server of the port may have, too: server names of TLS, and, as in Istio, the hosts of
 * plaintext servers with TLS settings (redirects to HTTPS).
 */
function claimedNames(kind: MergedPort["kind"], { hosts, tls }: MergedServer): readonly string[] {
  if (kind === "tls") return sniNames(hosts);
  return tls === undefined ? [] : hosts;
}

function takenNames(
  port: OpenPort,
  kind: MergedPort["kind"],
  server: MergedServer,
): readonly string[] {
  return claimedNames(kind, server).filter(name => port.names.has(name));
}

function takenReason(port: OpenPort, taken: readonly string[]): string {
  const [first = ""] = taken;
  const owner = port.names.get(first) ?? "";
  const isAre = taken.length === 1 ? `host ${first} is` : `hosts ${taken.join(", ")} are`;
  return `${isAre} taken on port ${port.number} by ${owner}`;
}

function ownerOf(gateway: Gateway): string {
  const ingress = ingressOf(gateway);
  if (ingress !== undefined) return `Ingress ${ingress}`;
  const { metadata } = gateway;
  return `Gateway ${metadata.namespace}/${metadata.name}`;
}

/** `./host` is bound to the Gateway's namespace, `*` before the slash means no binding at all. */
export function serverHosts(hosts: readonly string[], namespace: string): readonly string[] {
  const found = hosts.map(host => {
    const slash = host.indexOf("/");
    if (slash < 0) return host;
    const from = host.slice(0, slash);
    if (from === "*") return host.slice(slash + 1);
    return from === "." ? `${namespace}${host.slice(slash)}` : host;
  });
  return found.includes("*") ? ["*"] : found;
}

/**
 * Server names of a TLS server, each once: a port can choose a certificate by them only, whichever
 * namespaces may use the hosts. `*` stands for all.
 */
export function sniNames(hosts: readonly string[]): readonly string[] {
  const names = new Set(hosts.map(host => host.slice(host.indexOf("/") + 1)));
  return names.has("*") ? ["*"] : [...names];
}

/** The hosts of a server that VirtualServices of `namespace` may use. */
export function hostsForNamespace(hosts: readonly string[], namespace: string): readonly string[] {
  return hosts.flatMap(host => {
    const slash = host.indexOf("/");
    if (slash < 0) return [host];
    return host.slice(0, slash) === namespace ? [host.slice(slash + 1)] : [];
  });
}
