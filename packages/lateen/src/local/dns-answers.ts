import type { ServiceEndpoint } from "./service-view.ts";

/** A service as DNS sees it. */
export interface NamedService {
  readonly namespace: string;
  readonly name: string;
  /** "" while it has none, "None" for a headless one. */
  readonly clusterIp: string;
  readonly externalName: string | undefined;
  readonly publishNotReady: boolean;
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly protocol: string;
  }[];
}

export interface DnsView {
  /** e.g. `cluster.local`. */
  readonly domain: string;
  service(namespace: string, name: string): NamedService | undefined;
  endpoints(namespace: string, name: string): readonly ServiceEndpoint[];
  /** The pod or service name behind an address, for PTR. */
  nameOf(address: string): string | undefined;
}

export type DnsRecord =
  | { readonly type: "A"; readonly name: string; readonly ttl: number; readonly data: string }
  | { readonly type: "CNAME"; readonly name: string; readonly ttl: number; readonly data: string }
  | { readonly type: "PTR"; readonly name: string; readonly ttl: number; readonly data: string }
  | {
      readonly type: "SRV";
      readonly name: string;
      readonly ttl: number;
      readonly data: { readonly target: string; readonly port: number };
    };

/** `forward`: the name is not ours. `NXDOMAIN`: it is, and there is no such name. */
export type DnsAnswer =
  | { readonly kind: "records"; readonly records: readonly DnsRecord[] }
  | { readonly kind: "NXDOMAIN" }
  | { readonly kind: "forward" };

const TTL = 5;
const NOTHING: DnsAnswer = { kind: "records", records: [] };
const NXDOMAIN: DnsAnswer = { kind: "NXDOMAIN" };

/**
 * Kubernetes' DNS specification 1.1: A and SRV records of services and of headless services'
 * endpoints, CNAME for ExternalName, PTR for addresses.
 * https://github.com/kubernetes/dns/blob/master/docs/specification.md
 */
export function answer(view: DnsView, queryName: string, type: string): DnsAnswer {
  const name = queryName.toLowerCase().replace(/\.$/, "");
  if (name.endsWith(".in-addr.arpa")) return reverse(view, name, type);
  const suffix = `.${view.domain}`;
  if (name !== view.domain && !name.endsWith(suffix)) return { kind: "forward" };
  const labels = name.slice(0, Math.max(0, name.length - suffix.length)).split(".");
  const kind = labels.pop();
  const namespace = labels.pop();
  const serviceName = labels.pop();
  if (kind !== "svc" || namespace === undefined || serviceName === undefined)
    return kind === "svc" ? NOTHING : NXDOMAIN;
  const service = view.service(namespace, serviceName);
  if (service === undefined) return NXDOMAIN;
  if (labels.length === 0) return ofService(view, service, name, type);
  if (labels.length === 2 && labels.every(label => label.startsWith("_")))
    return srv(view, service, name, labels, type);
  if (labels.length === 1 && service.clusterIp === "None")
    return ofEndpoint(view, service, name, labels[0] ?? "", type);
  return NXDOMAIN;
}

function ofService(view: DnsView, service: NamedService, name: string, type: string): DnsAnswer {
  if (service.externalName !== undefined)
    return records([{ type: "CNAME", name, ttl: TTL, data: service.externalName }]);
  if (type !== "A" && type !== "ANY") return NOTHING;
  if (service.clusterIp === "") return NOTHING;
  const addresses =
    service.clusterIp === "None"
      ? published(view, service).map(endpoint => endpoint.address)
      : [service.clusterIp];
  if (addresses.length === 0) return NXDOMAIN;
  return records([...new Set(addresses)].map(data => ({ type: "A", name, ttl: TTL, data })));
}

function ofEndpoint(
  view: DnsView,
  service: NamedService,
  name: string,
  host: string,
  type: string,
): DnsAnswer {
  const found = published(view, service).filter(
    ({ hostname, address }) => (hostname ?? address.replaceAll(".", "-")) === host,
  );
  if (found.length === 0) return NXDOMAIN;
  if (type !== "A" && type !== "ANY") return NOTHING;
  return records(found.map(({ address }) => ({ type: "A", name, ttl: TTL, data: address })));
}

/** `_http._tcp.httpbin.default.svc.cluster.local`. */
function srv(
  view: DnsView,
  service: NamedService,
  name: string,
  [portLabel = "", protocolLabel = ""]: readonly string[],
  type: string,
): DnsAnswer {
  const port = service.ports.find(
    candidate =>
      `_${candidate.name}` === portLabel &&
      `_${candidate.protocol.toLowerCase()}` === protocolLabel,
  );
  if (port === undefined) return NXDOMAIN;
  if (type !== "SRV" && type !== "ANY") return NOTHING;
  const base = `${service.name}.${service.namespace}.svc.${view.domain}`;
  if (service.clusterIp !== "None")
    return records([{ type: "SRV", name, ttl: TTL, data: { target: base, port: port.port } }]);
  return records(
    published(view, service).flatMap(({ hostname, address, ports }) => {
      const number = ports.find(candidate => candidate.name === port.name)?.port;
      if (number === undefined) return [];
      const target = `${hostname ?? address.replaceAll(".", "-")}.${base}`;
      return [{ type: "SRV", name, ttl: TTL, data: { target, port: number } }];
    }),
  );
}

function published(view: DnsView, service: NamedService): readonly ServiceEndpoint[] {
  const all = view.endpoints(service.namespace, service.name);
  return service.publishNotReady ? all : all.filter(endpoint => endpoint.ready);
}

function reverse(view: DnsView, name: string, type: string): DnsAnswer {
  const address = name.slice(0, -".in-addr.arpa".length).split(".").reverse().join(".");
  const found = view.nameOf(address);
  if (found === undefined) return { kind: "forward" };
  if (type !== "PTR" && type !== "ANY") return NOTHING;
  return records([{ type: "PTR", name, ttl: TTL, data: found }]);
}

function records(found: readonly DnsRecord[]): DnsAnswer {
  return { kind: "records", records: found };
}
