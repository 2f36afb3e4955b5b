/** DestinationRule's trafficPolicy and its parts. */
import {
  boolean,
  duration,
  enumOf,
  integer,
  list,
  map,
  notYet,
  number,
  object,
  required,
  string,
  type TypeOf,
} from "../schema.ts";
import { connectionPool, int32, portNumber, uint32 } from "./common.ts";

const localityFailover = list(object({ from: string(), to: string() }));

const consistentHash = object(
  {
    httpHeaderName: string(),
    httpCookie: object({
      name: required(string()),
      path: string(),
      ttl: duration({ min: 0 }),
      attributes: list(object({ name: required(string()), value: string() })),
    }),
    useSourceIp: boolean(),
    httpQueryParameterName: string(),
    ringHash: object({ minimumRingSize: integer({ min: 0 }) }),
    maglev: object({ tableSize: integer({ min: 0 }) }),
    minimumRingSize: integer({ min: 0 }),
  },
  {
    exclusive: [
      ["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"],
      ["ringHash", "maglev"],
    ],
  },
);

const loadBalancer = object(
  {
    simple: enumOf(
      ["UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"],
      { description: "How an endpoint is chosen. LEAST_CONN is taken as LEAST_REQUEST." },
    ),
    consistentHash: notYet(consistentHash),
    backendUtilization: notYet(
      object({
        errorUtilizationPenaltyPercent: uint32,
        metricNamesForComputingUtilization: list(string()),
        weightExpirationPeriod: duration({ min: 0 }),
        weightStabilizationPeriod: duration({ min: 0 }),
        weightUpdatePeriod: duration({ min: 0 }),
      }),
    ),
    localityLbSetting: notYet(
      object({
        distribute: list(object({ from: string(), to: map(uint32) })),
        enabled: boolean({ nullable: true }),
        failover: localityFailover,
        failoverPriority: list(string()),
      }),
    ),
    zoneAwareLbSetting: notYet(
      object({
        enabled: boolean({ nullable: true }),
        failover: localityFailover,
        failoverPriority: list(string()),
        minClusterSize: integer({ min: 1, max: 4_294_967_295, nullable: true }),
      }),
    ),
    warmup: notYet(
      object({
        duration: required(duration()),
        minimumPercent: number({ min: 0, max: 100, nullable: true }),
        aggression: number({ min: 0, nullable: true }),
      }),
    ),
    warmupDurationSecs: notYet(duration()),
  },
  { exclusive: [["simple", "consistentHash", "backendUtilization"]] },
);

const clientTls = object(
  {
    mode: enumOf(["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"], {
      description: "Absent in `tls`: DISABLE. No `tls` at all: the mesh decides (auto-mTLS).",
    }),
    sni: string({ description: "Server name to send." }),
    subjectAltNames: list(string(), { description: "The server's certificate must have one." }),
    caCertificates: string({ description: "File with the authorities that are trusted." }),
    clientCertificate: string({ description: "File with the certificate chain (MUTUAL)." }),
    privateKey: string({ description: "File with the private key (MUTUAL).", sensitive: true }),
    insecureSkipVerify: boolean({ nullable: true }),
    credentialName: string({
      description: "At gateways: Secret with what the files hold, in the namespace of its pods.",
    }),
    caCrl: notYet(string()),
  },
  { description: "TLS from the client's proxy to the destination." },
);

const outlierErrors = integer({ min: 0, max: 4_294_967_295, nullable: true });
const outlierDetection = object({
  baseEjectionTime: duration(),
  consecutive5xxErrors: outlierErrors,
  consecutiveErrors: int32,
  consecutiveGatewayErrors: outlierErrors,
  consecutiveLocalOriginFailures: outlierErrors,
  interval: duration(),
  maxEjectionPercent: integer({ min: 0, max: 100 }),
  minHealthPercent: integer({ min: 0, max: 100 }),
  outlierDetectionHttpErrorCodes: list(integer({ min: 100, max: 599 })),
  splitExternalLocalOriginErrors: boolean(),
});

/** What may also be set for one port. */
const portPolicy = {
  loadBalancer,
  tls: clientTls,
  connectionPool: notYet(connectionPool),
  outlierDetection: notYet(outlierDetection),
};

export const trafficPolicy = object(
  {
    ...portPolicy,
    portLevelSettings: list(
      object({ port: object({ number: required(portNumber) }), ...portPolicy }),
      {
        maxItems: 4096,
        description: "Settings for single ports, in place of the ones above.",
      },
    ),
    tunnel: notYet(
      object({
        protocol: string(),
        targetHost: required(string()),
        targetPort: required(uint32),
      }),
    ),
    proxyProtocol: notYet(object({ version: enumOf(["V1", "V2"]) })),
    retryBudget: notYet(
      object({
        percent: number({ min: 0, max: 100, nullable: true }),
        minRetryConcurrency: uint32,
        budgetInterval: duration({ min: 0 }),
      }),
    ),
  },
  { description: "How clients talk to the destination." },
);

export type ApiTrafficPolicy = TypeOf<typeof trafficPolicy>;
export type ApiClientTls = TypeOf<typeof clientTls>;
export type ApiLoadBalancer = TypeOf<typeof loadBalancer>;
