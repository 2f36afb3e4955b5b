/**
 * Every name that Envoy, EnvoyFilters, dashboards and people see. They are Istio's: clusters
 * `outbound|80|v1|host`, routes `80` and `http.8080`, listeners `virtualInbound`, ...
 */
import type { ObjectRef } from "../model/types.ts";

export const BLACK_HOLE_CLUSTER = "BlackHoleCluster";
export const PASSTHROUGH_CLUSTER = "PassthroughCluster";
export const INBOUND_PASSTHROUGH_CLUSTER = "InboundPassthroughCluster";

/** Clusters that are no service's: metrics have their names instead. */
export function isCatchAllCluster(name: string): boolean {
  return CATCH_ALL_CLUSTERS.has(name);
}

const CATCH_ALL_CLUSTERS = new Set([
  BLACK_HOLE_CLUSTER,
  PASSTHROUGH_CLUSTER,
  INBOUND_PASSTHROUGH_CLUSTER,
]);

export const VIRTUAL_OUTBOUND = "virtualOutbound";
export const VIRTUAL_INBOUND = "virtualInbound";
export const VIRTUAL_OUTBOUND_BLACKHOLE_CHAIN = "virtualOutbound-blackhole";
export const VIRTUAL_OUTBOUND_CATCHALL_CHAIN = "virtualOutbound-catchall-tcp";
export const VIRTUAL_INBOUND_BLACKHOLE_CHAIN = "virtualInbound-blackhole";
export const VIRTUAL_INBOUND_CATCHALL_HTTP_CHAIN = "virtualInbound-catchall-http";
export const PASSTHROUGH_CHAIN = "PassthroughFilterChain";

export const OUTBOUND_PORT = 15001;
export const INBOUND_PORT = 15006;

/** Secrets that every proxy asks for by these names. */
export const IDENTITY_SECRET = "default";
export const ROOT_SECRET = "ROOTCA";
/** Root certificates of the proxy's operating system, for TLS to the world outside. */
export const SYSTEM_ROOT_SECRET = "file-root:system";

export const ALLOW_ANY = "allow_any";
export const BLOCK_ALL = "block_all";
export const DEFAULT_ROUTE = "default";

/** Header in which a proxy tells the proxy of its peer who it is; never leaves the mesh. */
export const PEER_HEADER = "x-lateen-peer";
/** Key of our own filter metadata and dynamic metadata, beside Istio's `istio`. */
export const METADATA_NAMESPACE = "lateen";
/** Dynamic metadata that the decoded peer header is put into, under the key `peer`. */
export const PEER_METADATA_NAMESPACE = "lateen.peer";
/** Filter state of connections: the namespace in the peer's SPIFFE id. */
export const PEER_NAMESPACE_STATE = "lateen.peer.namespace";

/** ALPN values by which proxies of the mesh know each other's connections. */
export const ALPN_MESH_HTTP = ["istio-http/1.0", "istio-http/1.1", "istio-h2"] as const;
export const ALPN_MESH_TCP = ["istio-peer-exchange", "istio"] as const;
export const ALPN_MESH_ANY = ["istio", "istio-peer-exchange", ...ALPN_MESH_HTTP] as const;
export const ALPN_PLAIN_HTTP = ["http/1.1", "h2c"] as const;

/** `outbound|80|v1|reviews.default.svc.cluster.local`. */
export function outboundClusterName(port: number, subset: string, hostname: string): string {
  return `outbound|${port}|${subset}|${hostname}`;
}

/** `inbound|8080||`: by the application's port. */
export function inboundClusterName(targetPort: number): string {
  return `inbound|${targetPort}||`;
}

/**
 * The name under which a cluster's statistics appear. The semicolon ends the cluster's name, so
 * that names holding dots can be cut out of a statistic's name.
 */
export function statName(clusterName: string): string {
  return `${clusterName};`;
}

/** SNI between proxies of the mesh: `outbound_.80_.v1_.host`. */
export function meshSni(port: number, subset: string, hostname: string): string {
  return `outbound_.${port}_.${subset}_.${hostname}`;
}

/** Listener for an address and port: `0.0.0.0_8080`, `10.0.0.1_443`; also inbound filter chains. */
export function listenerName(bind: string, port: number): string {
  return `${bind}_${port}`;
}

/** Sidecar routes for all HTTP services of a port: `80`. */
export function portRouteName(port: number): string {
  return String(port);
}

/** Sidecar routes for one sniffed port of one service: `host:5000`. */
export function serviceRouteName(hostname: string, port: number): string {
  return `${hostname}:${port}`;
}

/** Gateway routes of a plaintext port: `http.8080`, by the port the gateway listens on. */
export function gatewayHttpRouteName(listenPort: number): string {
  return `http.${listenPort}`;
}

/** Gateway routes of one TLS server: `https.443.portname.gateway.namespace`. */
export function gatewayHttpsRouteName(
  serverPort: number,
  portName: string,
  gateway: string,
  namespace: string,
): string {
  return `https.${serverPort}.${portName}.${gateway}.${namespace}`;
}

/** Virtual host of one host on one port: `host:80`. */
export function virtualHostName(hostname: string, port: number): string {
  return `${hostname}:${port}`;
}

/** The only virtual host of a gateway port without routes; it has none and so answers 404. */
export function blackholeVirtualHostName(port: number): string {
  return `blackhole:${port}`;
}

/** `inbound|http|8080`; 0 stands for the ports no service declares. */
export function inboundVirtualHostName(port: number): string {
  return `inbound|http|${port}`;
}

/** Statistics prefix of connection managers: `outbound_0.0.0.0_80;`, `inbound_0.0.0.0_8080;`. */
export function httpStatPrefix(direction: "outbound" | "inbound", listener: string): string {
  return `${direction}_${listener};`;
}

/** Certificates in the proxy's own files: `file-cert:CHAIN~KEY`, `file-root:PATH`. */
export function fileCertificateName(chain: string | undefined, key: string | undefined): string {
  return `file-cert:${chain ?? ""}~${key ?? ""}`;
}

export function fileRootName(path: string): string {
  return `file-root:${path}`;
}

const CREDENTIAL_PREFIX = "kubernetes://";
export const ROOTS_SUFFIX = "-cacert";

/** Gateway credentials: `kubernetes://name`, and `-cacert` for the roots of the clients. */
export function credentialSecretName(credential: string): string {
  return `${CREDENTIAL_PREFIX}${credential}`;
}

export function credentialRootSecretName(credential: string): string {
  return `${CREDENTIAL_PREFIX}${credential}${ROOTS_SUFFIX}`;
}

/** undefined: not the name of a credential. Without a namespace it is the asker's. */
export function parseCredentialName(
  name: string,
):
  | { readonly namespace: string | undefined; readonly secret: string; readonly roots: boolean }
  | undefined {
  if (!name.startsWith(CREDENTIAL_PREFIX)) return undefined;
  const path = name.slice(CREDENTIAL_PREFIX.length);
  const slash = path.indexOf("/");
  const full = path.slice(slash + 1);
  const roots = full.endsWith(ROOTS_SUFFIX);
  const secret = roots ? full.slice(0, -ROOTS_SUFFIX.length) : full;
  if (secret === "" || secret.includes("/")) return undefined;
  return { namespace: slash < 0 ? undefined : path.slice(0, slash), secret, roots };
}

/** Where a cluster or route came from, in `metadata.filter_metadata.istio.config`. */
export function configPath(source: ObjectRef): string {
  const kind = source.kind.replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();
  return `/apis/networking.istio.io/v1/namespaces/${source.namespace}/${kind}/${source.name}`;
}

/** Istio's peer description in endpoint metadata: `workload;namespace;canonical;revision;cluster`. */
export function workloadMetadata(
  workload: string,
  namespace: string,
  canonicalName: string,
  canonicalRevision: string,
  cluster: string,
): string {
  return [workload, namespace, canonicalName, canonicalRevision, cluster].join(";");
}
