/** Istio's MeshConfig and ProxyConfig (istio.io/api mesh/v1alpha1), every known field. */
import { dnsLabel, dnsSubdomain } from "../names.ts";
import {
  any,
  boolean,
  duration,
  enumOf,
  integer,
  list,
  map,
  notYet,
  object,
  optional,
  orElse,
  type StringCheck,
  string,
  type TypeOf,
} from "../schema.ts";
import { discoveryAddressCheck } from "./discovery-address.ts";
import { discoverySelectors } from "./discovery-selectors.ts";

const later = notYet(any());
const statTag: StringCheck = text =>
  /^\w[\w.-]{0,62}$/.test(text) ? undefined : "a tag name: letters, digits, '_', '.' and '-'";

/** What the injector carries out of it is in the bootstrap and the container of a proxy. */
export const proxyConfigSchema = object({
  meshId: orElse(string({ description: "Names the mesh in metadata. Default: trustDomain." }), ""),
  discoveryAddress: string({
    check: discoveryAddressCheck,
    description: "host:port of the control plane.",
  }),
  proxyMetadata: map(string()),
  binaryPath: later,
  caCertificatesPem: notYet(list(string())),
  concurrency: integer({ min: 0, max: 1024, nullable: true, description: "0: one a core." }),
  configPath: later,
  controlPlaneAuthPolicy: later,
  customConfigFile: later,
  drainDuration: duration({ description: "How long a replaced listener drains." }),
  envoyAccessLogService: later,
  envoyMetricsService: later,
  extraStatTags: list(string({ check: statTag }), { maxItems: 64 }),
  fileFlushInterval: duration({ description: "How long Envoy holds back lines of access logs." }),
  fileFlushMinSizeKb: later,
  gatewayTopology: later,
  holdApplicationUntilProxyStarts: boolean({ nullable: true }),
  image: object({ imageType: notYet(string(), "there is one image of the proxy, without types") }),
  interceptionMode: enumOf(["REDIRECT", "TPROXY", "NONE"]),
  privateKeyProvider: later,
  proxyAdminPort: notYet(integer({ min: 0, max: 65535 })),
  proxyBootstrapTemplatePath: later,
  proxyHeaders: later,
  proxyStatsMatcher: object({
    inclusionPrefixes: list(string(), { maxItems: 128 }),
    inclusionSuffixes: list(string(), { maxItems: 128 }),
    inclusionRegexps: list(string(), { maxItems: 128 }),
  }),
  readinessProbe: later,
  runtimeValues: map(string({ maxLength: 1024 }), { maxProperties: 256 }),
  serviceCluster: later,
  statNameLength: later,
  statsdUdpAddress: later,
  statusPort: integer({ min: 0, max: 65535 }),
  terminationDrainDuration: duration({ min: 0 }),
  tracing: later,
  tracingServiceName: later,
});

const extensionProvider = object({
  name: string(),
  prometheus: object({}),
  datadog: later,
  envoyExtAuthzGrpc: later,
  envoyExtAuthzHttp: later,
  envoyFileAccessLog: later,
  envoyHttpAls: later,
  envoyOtelAls: later,
  envoyTcpAls: later,
  lightstep: later,
  opencensus: later,
  opentelemetry: later,
  sds: later,
  skywalking: later,
  stackdriver: later,
  zipkin: later,
});

export const meshConfigSchema = object({
  trustDomain: orElse(
    string({ check: dnsSubdomain, description: "First part of every workload's SPIFFE id." }),
    "cluster.local",
  ),
  rootNamespace: orElse(
    string({ check: dnsLabel, description: "Objects here hold for the whole mesh." }),
    "istio-system",
  ),
  accessLogFile: orElse(string({ description: "Path, such as /dev/stdout. Empty: no log." }), ""),
  accessLogFormat: orElse(string({ description: "Empty: Istio's default text format." }), ""),
  outboundTrafficPolicy: orElse(
    object({ mode: orElse(enumOf(["ALLOW_ANY", "REGISTRY_ONLY"]), "ALLOW_ANY") }),
    {},
  ),
  enableAutoMtls: orElse(boolean({ nullable: true }), true),
  defaultConfig: orElse(proxyConfigSchema, {}),
  defaultProviders: object({
    metrics: list(string()),
    accessLogging: notYet(list(string())),
    tracing: notYet(list(string())),
  }),
  extensionProviders: list(extensionProvider),
  accessLogEncoding: enumOf(["TEXT", "JSON"], { notYetValues: ["JSON"] }),
  ca: later,
  caCertificates: notYet(optional(list(any()))),
  certificates: notYet(optional(list(any()))),
  configSources: notYet(optional(list(any()))),
  connectTimeout: notYet(duration()),
  defaultDestinationRuleExportTo: notYet(list(string())),
  defaultHttpRetryPolicy: later,
  defaultServiceExportTo: notYet(list(string())),
  defaultVirtualServiceExportTo: notYet(list(string())),
  disableEnvoyListenerLog: notYet(boolean()),
  discoverySelectors,
  dnsRefreshRate: notYet(duration()),
  enableEnvoyAccessLogService: notYet(boolean()),
  enablePrometheusMerge: boolean({ nullable: true }),
  enableTracing: notYet(boolean()),
  h2UpgradePolicy: notYet(enumOf(["DO_NOT_UPGRADE", "UPGRADE"])),
  hboneIdleTimeout: notYet(duration()),
  inboundClusterStatName: later,
  inboundTrafficPolicy: later,
  ingressClass: orElse(
    string({
      description: "Value of the annotation kubernetes.io/ingress.class that is the mesh's.",
    }),
    "istio",
  ),
  ingressControllerMode: orElse(
    enumOf(["UNSPECIFIED", "OFF", "DEFAULT", "STRICT"], {
      description:
        "Which Ingresses are carried out: none, also those without class, those of a class.",
    }),
    "STRICT",
  ),
  ingressSelector: orElse(string({ description: "Label istio of the gateway for Ingresses." }), ""),
  ingressService: orElse(
    string({ description: "Service whose address Ingresses have." }),
    "istio-ingressgateway",
  ),
  localityLbSetting: later,
  meshMTLS: later,
  outboundClusterStatName: later,
  pathNormalization: later,
  protocolDetectionTimeout: duration({
    min: 0,
    description: "How long a guess of a protocol waits for a client's first bytes. 0s: for ever.",
  }),
  proxyHttpPort: notYet(integer({ min: 0, max: 65535 })),
  proxyInboundListenPort: notYet(integer({ min: 0, max: 65535 })),
  proxyListenPort: notYet(integer({ min: 0, max: 65535 })),
  serviceScopeConfigs: notYet(optional(list(any()))),
  serviceSettings: notYet(optional(list(any()))),
  tcpKeepalive: later,
  tlsDefaults: later,
  trustDomainAliases: notYet(list(string())),
  verifyCertificateAtClient: notYet(boolean({ nullable: true })),
});

export type ProxyConfig = TypeOf<typeof proxyConfigSchema>;
