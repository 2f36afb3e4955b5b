/** networking.istio.io VirtualService: its fields. */
import type { ObjectOfKind } from "../define.ts";
import { dnsLabel, labelValue, orEmpty, qualifiedName } from "../names.ts";
import {
  destination,
  exportTo,
  int32,
  percent,
  portNumber,
  status,
  stringMatch,
  uint32,
} from "../networking/common.ts";
import { gatewayReference, ipOrCidr, WILDCARD_HOST_OR_IP } from "../networking/hosts.ts";
import {
  boolean,
  describe,
  duration,
  enumOf,
  integer,
  list,
  map,
  notYet,
  object,
  orElse,
  required,
  string,
} from "../schema.ts";
import { headerName, retryConditions } from "./checks.ts";

const gateways = list(string({ check: gatewayReference }), {
  description: "Gateways (name or namespace/name) and `mesh` for sidecars. Default: mesh only.",
});
const sourceLabels = map(string({ check: labelValue }), {
  keyCheck: qualifiedName,
  description: "Labels of the workload that sends the request.",
});

const headerChange = object({ add: map(string()), set: map(string()), remove: list(string()) });
const headers = object({ request: headerChange, response: headerChange });

const weight = orElse(
  integer({ min: 0, max: 2_147_483_647, description: "Share of the requests." }),
  0,
);

const httpMatch = object(
  {
    name: string({ description: "For logs and messages." }),
    uri: describe("The path of the request.", stringMatch),
    headers: map(stringMatch, {
      keyCheck: headerName,
      description: "Headers by name. An empty match: the header must be there.",
    }),
    port: describe("The port that the client asked for.", portNumber),
    sourceLabels,
    sourceNamespace: string({
      check: orEmpty(dnsLabel),
      description: "Namespace of the workload that sends the request.",
    }),
    gateways,
    scheme: describe("`http` or `https`.", stringMatch),
    method: describe("GET, POST, ...", stringMatch),
    authority: describe("The host that the request names.", stringMatch),
    queryParams: map(stringMatch, {
      description: "Query parameters by name. An empty match: the parameter must be there.",
    }),
    withoutHeaders: map(stringMatch, {
      keyCheck: headerName,
      description: "Headers that must not be like this. An empty match: must not be there.",
    }),
    ignoreUriCase: boolean({ description: "Whether exact and prefix of uri match in any case." }),
    statPrefix: notYet(string()),
  },
  { description: "All conditions of one entry must hold." },
);

const retries = object({
  attempts: orElse(
    integer({ min: 0, max: 2_147_483_647, description: "0 switches retries off." }),
    0,
  ),
  perTryTimeout: duration({ description: "Of each attempt. Default: the route's timeout." }),
  retryOn: string({ check: retryConditions, description: "Conditions, separated by commas." }),
  backoff: notYet(duration()),
  retryRemoteLocalities: notYet(boolean({ nullable: true })),
  retryIgnorePreviousHosts: notYet(boolean({ nullable: true })),
});

const fault = object({
  delay: object(
    { fixedDelay: duration(), exponentialDelay: duration(), percent: int32, percentage: percent },
    { exclusive: [["fixedDelay", "exponentialDelay"]] },
  ),
  abort: object(
    { httpStatus: int32, grpcStatus: string(), http2Error: string(), percentage: percent },
    { exclusive: [["httpStatus", "grpcStatus", "http2Error"]] },
  ),
});

const cors = object({
  allowCredentials: boolean({ nullable: true }),
  allowHeaders: list(string()),
  allowMethods: list(string()),
  allowOrigin: list(string()),
  allowOrigins: list(stringMatch),
  exposeHeaders: list(string()),
  maxAge: duration(),
  unmatchedPreflights: enumOf(["UNSPECIFIED", "FORWARD", "IGNORE"]),
});

const redirect = object(
  {
    uri: string(),
    prefixRewrite: string(),
    authority: string(),
    port: uint32,
    derivePort: enumOf(["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"]),
    scheme: string(),
    redirectCode: uint32,
  },
  { exclusive: [["port", "derivePort"]] },
);

/** A route that only does such a thing must not leave its requests to the routes after it. */
const REFUSED = "requests that this rule matches get status 501";

const httpRoute = object({
  name: string({ description: "For logs and messages." }),
  match: list(httpMatch, { description: "One entry must match. Empty: everything does." }),
  route: list(object({ destination: required(destination), weight, headers: notYet(headers) }), {
    description: "Where requests go, shared out by weight.",
  }),
  timeout: duration({ description: "Of the whole request, with retries. Default: none." }),
  retries: describe("When and how often a request is sent again.", retries),
  redirect: notYet(redirect, REFUSED),
  directResponse: notYet(
    object({
      status: required(uint32),
      body: object(
        { string: string(), bytes: string({ format: "byte" }) },
        { exclusive: [["string", "bytes"]] },
      ),
    }),
    REFUSED,
  ),
  delegate: notYet(object({ name: string(), namespace: string() }), REFUSED),
  rewrite: notYet(
    object({
      uri: string(),
      authority: string(),
      uriRegexRewrite: object({ match: string(), rewrite: string() }),
    }),
  ),
  fault: notYet(fault),
  mirror: notYet(destination),
  mirrors: notYet(list(object({ destination: required(destination), percentage: percent }))),
  mirrorPercent: notYet(integer({ min: 0, max: 4_294_967_295, nullable: true })),
  mirror_percent: notYet(integer({ min: 0, max: 4_294_967_295, nullable: true })),
  mirrorPercentage: notYet(percent),
  corsPolicy: notYet(cors),
  headers: notYet(headers),
});

const streamMatch = {
  destinationSubnets: list(string({ check: ipOrCidr })),
  port: portNumber,
  sourceLabels,
  gateways,
  sourceNamespace: string(),
};
const streamRoute = list(object({ destination: required(destination), weight }));

export const virtualServiceFields = {
  spec: orElse(
    object({
      hosts: list(string(WILDCARD_HOST_OR_IP), {
        description: "Hosts that requests name; short names are in the object's namespace.",
      }),
      gateways,
      http: list(httpRoute, { description: "Rules for HTTP traffic; the first match wins." }),
      tls: notYet(
        list(
          object({
            match: required(list(object({ sniHosts: required(list(string())), ...streamMatch }))),
            route: streamRoute,
          }),
        ),
      ),
      tcp: notYet(
        list(
          object({
            match: list(object({ ...streamMatch, sourceSubnet: string({ check: ipOrCidr }) })),
            route: streamRoute,
          }),
        ),
      ),
      exportTo,
    }),
    {},
  ),
  status,
};

export type VirtualService = ObjectOfKind<typeof virtualServiceFields>;
export type VirtualServiceSpec = VirtualService["spec"];
export type HttpRoute = VirtualServiceSpec["http"][number];
export type HttpMatch = HttpRoute["match"][number];
export type HttpRouteDestination = HttpRoute["route"][number];
export type HttpRetry = NonNullable<HttpRoute["retries"]>;
