/** Messages that several kinds of networking.istio.io share. */
import { labelValue, qualifiedName } from "../names.ts";
import { labelValueRules } from "../policy/common.ts";
import {
  boolean,
  describe,
  duration,
  enumOf,
  integer,
  intOrString,
  list,
  map,
  notYet,
  number,
  object,
  optional,
  required,
  string,
  type TypeOf,
} from "../schema.ts";
import { istioLabel, visibility, WILDCARD_HOST } from "./hosts.ts";
import { protocolName } from "./protocol.ts";
import { MAX_REGEX, re2 } from "./re2.ts";

export const group = "networking.istio.io";
/** As Istio's CRDs: all served with one schema, v1 stored. */
export const versions = ["v1", "v1beta1", "v1alpha3"] as const;
export const categories = ["istio-io", "networking-istio-io"] as const;

/** Protos' uint32, where no narrower rule holds. */
export const uint32 = integer({ min: 0, max: 4_294_967_295 });
export const int32 = integer({ min: -2_147_483_648, max: 2_147_483_647 });
export const portNumber = integer({ min: 1, max: 65535 });
export const percent = object({ value: number({ min: 0, max: 100 }) });

const selectorLabels = map(string({ check: labelValue, maxLength: 63, rules: labelValueRules }), {
  keyCheck: qualifiedName,
  maxProperties: 256,
});
export const workloadSelector = object(
  { labels: selectorLabels },
  { description: "The workloads in the same namespace that this is for." },
);

export const exportTo = list(string({ check: visibility }), {
  description: 'Namespaces that see this: "*" for all (default), "." for its own, or names.',
});

const text = string({ minLength: 1 });
const regex = string({ minLength: 1, maxLength: MAX_REGEX, check: re2 });

export const stringMatch = object(
  { exact: string(), prefix: text, regex },
  { exclusive: [["exact", "prefix", "regex"]] },
);
export type StringMatch = TypeOf<typeof stringMatch>;

export const destination = object(
  {
    host: required(string({ ...WILDCARD_HOST, description: "A host of the service registry." })),
    subset: string({ check: istioLabel, description: "A subset that a DestinationRule defines." }),
    port: object(
      { number: required(portNumber) },
      { description: "Needed where the host has more than one port." },
    ),
  },
  { description: "Where requests go." },
);
export type Destination = TypeOf<typeof destination>;

/** A port of a Gateway's server; protocols in `notYetProtocols` are warned about. */
export function serverPort(notYetProtocols: readonly string[]) {
  return object({
    number: required(describe("The port that is opened.", portNumber)),
    protocol: required(
      string({
        check: protocolName,
        notYetValues: notYetProtocols,
        description: "HTTP, HTTP2, GRPC, HTTPS, TLS, TCP, ...",
      }),
    ),
    name: required(
      string({ minLength: 1, description: "Unique among the servers of the Gateway." }),
    ),
    targetPort: notYet(uint32),
  });
}

/** A port of a Sidecar's listener. */
export const sidecarPort = object({
  // 0 goes with a bind address unix:///path.
  number: integer({ min: 0, max: 65535 }),
  protocol: string({ check: protocolName }),
  name: string(),
  targetPort: notYet(uint32),
});

export const connectionPool = object({
  http: object({
    h2UpgradePolicy: enumOf(["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"]),
    http1MaxPendingRequests: int32,
    http2KeepAlive: object({ interval: duration(), timeout: duration() }),
    http2MaxRequests: int32,
    idleTimeout: duration(),
    maxConcurrentStreams: int32,
    maxRequestsPerConnection: int32,
    maxRetries: int32,
    useClientProtocol: boolean(),
  }),
  tcp: object({
    connectTimeout: duration(),
    idleTimeout: duration({ min: 0 }),
    maxConnectionDuration: duration(),
    maxConnections: int32,
    tcpKeepalive: object({ interval: duration(), probes: uint32, time: duration() }),
  }),
});

/** Server side TLS of Gateways and Sidecar ingress. */
const tlsVersions = enumOf(["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"]);
export const serverTls = object(
  {
    mode: enumOf(
      ["PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"],
      {
        notYetValues: ["PASSTHROUGH", "AUTO_PASSTHROUGH"],
        description: "ISTIO_MUTUAL: clients prove that they are of the mesh.",
      },
    ),
    httpsRedirect: boolean({ description: "Answer plaintext requests by a redirect to HTTPS." }),
    credentialName: string({
      description: "Secret with certificate and key, in the namespace of the gateway's pods.",
    }),
    credentialNames: notYet(optional(list(string(), { minItems: 1, maxItems: 2 }))),
    serverCertificate: string({ description: "File with the certificate chain." }),
    privateKey: string({ description: "File with the private key.", sensitive: true }),
    caCertificates: string({ description: "File with the authorities of clients (MUTUAL)." }),
    caCertCredentialName: notYet(string()),
    caCrl: notYet(string()),
    cipherSuites: list(string()),
    ecdhCurves: notYet(list(string())),
    insecureSkipVerify: notYet(boolean({ nullable: true })),
    maxProtocolVersion: tlsVersions,
    minProtocolVersion: tlsVersions,
    subjectAltNames: list(string(), { description: "The client's certificate must have one." }),
    tlsCertificates: notYet(
      optional(
        list(
          object({ caCertificates: string(), privateKey: string(), serverCertificate: string() }),
          { minItems: 1, maxItems: 2 },
        ),
      ),
    ),
    verifyCertificateHash: notYet(list(string())),
    verifyCertificateSpki: notYet(list(string())),
  },
  { exclusive: [["credentialName", "credentialNames", "tlsCertificates"]] },
);

/** What Istio's and our status writers put into objects. */
export const status = object(
  {
    conditions: list(
      object(
        {
          type: string(),
          status: string(),
          reason: string(),
          message: string(),
          lastProbeTime: string(),
          lastTransitionTime: string(),
          observedGeneration: intOrString(),
        },
        { open: true },
      ),
    ),
    observedGeneration: intOrString(),
    validationMessages: list(
      object(
        {
          type: object({ name: string(), code: string() }, { open: true }),
          level: enumOf(["UNKNOWN", "ERROR", "WARNING", "INFO"]),
          documentationUrl: string(),
        },
        { open: true },
      ),
    ),
  },
  { open: true, description: "Written by the control plane." },
);
