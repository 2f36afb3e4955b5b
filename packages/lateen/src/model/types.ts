/**
 * Rows of the model: what the mesh *is*, in Istio's words, before any Envoy message. The model
 * folder derives them; xds builders take them as plain arguments.
 */
import type { MeshConfig } from "../api/mesh-config/decode.ts";
import type { Brand } from "../base/brand.ts";
import type { Redacted } from "../base/redacted.ts";

/** `namespace/hostname`. */
export type ServiceKey = Brand<string, "ServiceKey">;
/** `namespace/name` of a Kubernetes object. */
export type ObjectKey = Brand<string, "ObjectKey">;

/** Names the object that a row came from, for metadata, status and messages. */
export interface ObjectRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Istio's protocols (pkg/config/protocol). `AUTO` is what Istio calls Unsupported: sniffed. */
export type Protocol =
  | "HTTP"
  | "HTTP2"
  | "GRPC"
  | "GRPC-WEB"
  | "HTTPS"
  | "TLS"
  | "TCP"
  | "MONGO"
  | "MYSQL"
  | "REDIS"
  | "UDP"
  /** Of Kubernetes Services; Istio has no name for it. */
  | "SCTP"
  | "AUTO";

export interface ServicePort {
  readonly name: string;
  readonly number: number;
  readonly protocol: Protocol;
  /** Kubernetes targetPort or ServiceEntry targetPort, unresolved. */
  readonly targetPort?: number | string;
}

/** How endpoints are found (Istio: Resolution). */
export type Resolution =
  | "ClientSideLB" // EDS
  | "DNSLB" // STRICT_DNS
  | "DNSRoundRobinLB" // LOGICAL_DNS
  | "Passthrough"; // ORIGINAL_DST: headless services, ServiceEntry NONE

export type Visibility =
  | { readonly kind: "public" }
  | { readonly kind: "none" }
  | { readonly kind: "namespaces"; readonly namespaces: readonly string[] };

export interface Service {
  readonly key: ServiceKey;
  readonly hostname: string;
  readonly namespace: string;
  /** The Kubernetes Service's name; for a ServiceEntry its hostname. Goes into cluster metadata. */
  readonly name: string;
  readonly registry: "Kubernetes" | "External";
  /** Virtual addresses; empty for headless services and ServiceEntries without addresses. */
  readonly addresses: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly resolution: Resolution;
  readonly headless: boolean;
  readonly meshExternal: boolean;
  readonly exportTo: Visibility;
  readonly labels: Readonly<Record<string, string>>;
  /** Label selector in the service's own namespace; undefined when it selects nothing. */
  readonly selector: Readonly<Record<string, string>> | undefined;
  readonly subjectAltNames: readonly string[];
  /** RFC 3339; decides who is first where two objects claim the same thing. */
  readonly creationTimestamp: string;
  readonly source: ObjectRef;
  /** Endpoints count although they are not ready. */
  readonly publishNotReadyAddresses?: boolean;
  /** Which endpoints a client takes depends on where it runs. */
  readonly placement?: Placement;
  /** Where several objects describe the service: what each adds, the oldest first. */
  readonly parts?: readonly ServicePart[];
}

/** What one of several objects says of a service: its addresses are for its own ports. */
export interface ServicePart {
  readonly addresses: readonly string[];
  readonly ports: readonly ServicePort[];
}

/**
 * `Local`: only endpoints on the client's own node (`internalTrafficPolicy`). The others prefer near
 * endpoints and fall back to farther ones (`trafficDistribution`; Istio: the order in which network,
 * region, zone and, for the node, sub-zone and node are given up).
 */
export type Placement = "Local" | "PreferSameZone" | "PreferSameNode";

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

export interface Endpoint {
  /** IP address, or a host name for DNS-resolved services. */
  readonly address: string;
  /** Of the same pod, in another IP family. */
  readonly otherAddresses?: readonly string[];
  readonly port: number;
  /** Name of the service port that this endpoint serves. */
  readonly servicePort: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly locality: Locality;
  readonly network: string;
  readonly cluster: string;
  readonly tlsMode: "istio" | "disabled";
  /** SPIFFE id, or "" when unknown. */
  readonly serviceAccount: string;
  readonly namespace: string;
  readonly workloadName: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  /** `UNKNOWN`: nobody reports on it (ServiceEntry, WorkloadEntry); Envoy sends traffic to it. */
  readonly health: "UNKNOWN" | "HEALTHY" | "UNHEALTHY" | "DRAINING";
  readonly weight: number;
  readonly nodeName: string;
  readonly hostName: string;
}

/** One row a service: endpoints grouped by service port name. Keyed by ServiceKey. */
export interface ServiceEndpoints {
  readonly key: ServiceKey;
  readonly byPort: Readonly<Record<string, readonly Endpoint[]>>;
}

/** DestinationRule traffic policy, already merged for one port (mesh default < rule < subset < port level). */
export interface TrafficPolicy {
  readonly loadBalancer: LoadBalancer;
  /** undefined: auto-mTLS decides. */
  readonly tls: ClientTls | undefined;
}

export interface LoadBalancer {
  readonly kind: "LEAST_REQUEST" | "ROUND_ROBIN" | "RANDOM" | "PASSTHROUGH";
  /** It says itself which localities are preferred: a service's `trafficDistribution` does not count. */
  readonly ownLocalities?: true;
}

export interface ClientTls {
  readonly mode: "DISABLE" | "SIMPLE" | "MUTUAL" | "ISTIO_MUTUAL";
  readonly sni: string | undefined;
  readonly subjectAltNames: readonly string[];
  readonly caCertificates: string | undefined;
  readonly clientCertificate: string | undefined;
  readonly privateKey: string | undefined;
  readonly credentialName: string | undefined;
  readonly insecureSkipVerify: boolean;
}

export interface Subset {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Key of a consolidated DestinationRule: `namespace/host/name of its oldest object`. */
export type RuleKey = Brand<string, "RuleKey">;

/** All DestinationRules of one namespace for one host with one `exportTo`, merged as Istio does. */
export interface DestinationRuleRow {
  readonly key: RuleKey;
  /** The oldest object, and its creation time. */
  readonly source: ObjectRef;
  readonly since: string;
  readonly namespace: string;
  /** Full name or wildcard. */
  readonly host: string;
  readonly exportTo: Visibility;
  readonly policy: PolicySettings;
  readonly subsets: readonly (Subset & { readonly policy: PolicySettings })[];
}

/** What one `trafficPolicy` says; undefined: nothing. */
export interface PolicySettings {
  readonly loadBalancer: LoadBalancer | undefined;
  readonly tls: ClientTls | undefined;
  /** By port number. Istio: a port level setting replaces the policy around it as a whole. */
  readonly ports: Readonly<Record<number, Omit<PolicySettings, "ports">>>;
}

/** Kind of proxy, from the first part of the node id. */
export type ProxyType = "sidecar" | "router";

/**
 * Which route configurations a proxy gets without their virtual hosts, which then come one at a time
 * (VHDS): none (it can not take them so), large ones, or all, as it rejected one as a whole.
 */
export type VhdsUse = "none" | "large" | "all";

/**
 * How a proxy's metrics are made: every label a tag of its own, as bootstraps of any age understand;
 * compact ones that its own listeners write out; or these, with bytes of TCP that count while a
 * connection lives.
 */
export type MetricsForm = "full" | "compact" | "live";

/** The mesh's settings as proxies of one class have them. */
export type MeshView = Mesh & { readonly metrics: MetricsForm };

/** A connected proxy as it described itself, cross-checked with its identity and its Pod. */
export interface ConnectedProxy {
  /** Node id: `sidecar~10.0.0.1~pod.namespace~namespace.svc.cluster.local`. */
  readonly id: string;
  readonly type: ProxyType;
  readonly namespace: string;
  readonly name: string;
  readonly ipAddresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly cluster: string;
  readonly network: string;
  readonly locality: Locality;
  readonly nodeName: string;
  readonly workloadName: string;
  readonly flavour: "upstream" | "istio-proxy";
  readonly interceptionMode: "REDIRECT" | "TPROXY" | "NONE";
  readonly vhds: VhdsUse;
  readonly metrics: MetricsForm;
}

/** One service port that a workload serves: what virtualInbound has a chain for. */
export interface InboundPort {
  readonly service: ServiceKey;
  readonly hostname: string;
  readonly servicePort: ServicePort;
  /** The port that the application listens on. */
  readonly targetPort: number;
}

export type MutualTlsMode = "DISABLE" | "PERMISSIVE" | "STRICT";

/** The part of MeshConfig that is carried out. */
export type Mesh = MeshConfig;

/**
 * A certificate that the CA made for one identity: an input row under the SPIFFE id, in memory
 * only. Rows with equal `version` are interchangeable to a proxy.
 */
export interface WorkloadCertificate {
  /** `spiffe://cluster.local/ns/default/sa/sleep`. */
  readonly identity: string;
  /** PEM: the certificate, then intermediates if any. */
  readonly certificateChain: string;
  /** PEM, PKCS#8. */
  readonly privateKey: Redacted<string>;
  /** The Secret's version: made from identity, issuer key and notAfter. */
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * A certificate of a user's own, from a Secret: an input row under the Secret's `namespace/name`.
 * What is missing in the Secret is "".
 */
export interface Credential {
  /** PEM: the certificate, then intermediates if any. */
  readonly certificateChain: string;
  /** PEM. */
  readonly privateKey: Redacted<string>;
  /** PEM: what the other side's certificates are checked against. */
  readonly roots: string;
  /** PEM: certificates that are revoked. */
  readonly revocations: string;
}

/** What peers are checked against: an input row under the trust domain. */
export interface TrustBundle {
  readonly trustDomain: string;
  /** PEM, one root each. */
  readonly roots: readonly string[];
}
