/** Route configurations, virtual hosts and routes of sidecars and gateways. */
import type { RouteConfiguration } from "@lateen/envoy-api/envoy/config/route/v3/route.js";
import {
  type HeaderMatcher,
  type RetryPolicy,
  type Route,
  type RouteAction,
  type RouteMatch,
  type VirtualHost,
  VirtualHost_TlsRequirementType,
} from "@lateen/envoy-api/envoy/config/route/v3/route_components.js";
import { PreviousHostsPredicate } from "@lateen/envoy-api/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.js";
import type { StringMatcher } from "@lateen/envoy-api/envoy/type/matcher/v3/string.js";
import type { Duration } from "@lateen/envoy-api/google/protobuf/duration.js";
import { assert } from "../base/assert.ts";
import type { ObjectRef } from "../model/types.ts";
import { ADS, extension, filterMetadata, milliseconds } from "./message.ts";
import {
  ALLOW_ANY,
  BLOCK_ALL,
  blackholeVirtualHostName,
  configPath,
  DEFAULT_ROUTE,
  outboundClusterName,
  PASSTHROUGH_CLUSTER,
  virtualHostName,
} from "./names.ts";

/** VirtualService's StringMatch. */
export type Match =
  | { readonly exact: string }
  | { readonly prefix: string }
  /** Whole path elements; for paths only. */
  | { readonly pathPrefix: string }
  | { readonly regex: string };

/** VirtualService's HTTPMatchRequest: all of it must hold. */
export interface HttpMatch {
  readonly uri: Match | undefined;
  readonly ignoreUriCase: boolean;
  readonly method: Match | undefined;
  readonly authority: Match | undefined;
  readonly scheme: Match | undefined;
  /** By header name; "present": the header must be there, with any value. */
  readonly headers: Readonly<Record<string, Match | "present">>;
  /** Headers that must not match. */
  readonly withoutHeaders: Readonly<Record<string, Match | "present">>;
  /** By the name of a query parameter. */
  readonly queryParams: Readonly<Record<string, Match | "present">>;
}

/** A destination, resolved: full host name, the port of the service, the subset or "". */
export interface Destination {
  readonly hostname: string;
  readonly port: number;
  readonly subset: string;
  /** Shares of the route's weights; not read where there is one destination. */
  readonly weight: number;
}

export interface Retries {
  /** 0: no retries at all. */
  readonly attempts: number;
  readonly perTryTimeoutMs: number | undefined;
  /** Envoy's conditions and HTTP status codes, comma-separated; undefined: the default ones. */
  readonly retryOn: string | undefined;
}

/** One match of one route of a VirtualService: a route with several matches is several of these. */
export interface HttpRoute {
  /** The VirtualService it is from. */
  readonly source: ObjectRef;
  /** The route's name, with `.` and the match's name if both are there; or "". */
  readonly name: string;
  /** undefined: every request. */
  readonly match: HttpMatch | undefined;
  /** In the order of the VirtualService. None: its requests are refused, no later route gets them. */
  readonly destinations: readonly Destination[];
  /** 0 or undefined: no timeout. */
  readonly timeoutMs: number | undefined;
  /** undefined: Istio's default retries. */
  readonly retries: Retries | undefined;
}

export interface VirtualHostInput {
  /** First half of the virtual host's name. */
  readonly hostname: string;
  /** Port of the service, or of the Gateway's server (not the port it listens on). */
  readonly port: number;
  readonly domains: readonly string[];
  /** undefined: everything goes to the service `hostname` on `port`. */
  readonly routes: readonly HttpRoute[] | undefined;
  /** Gateways with `httpsRedirect`: plaintext requests are redirected. */
  readonly requireTls: boolean;
}

export interface RoutesInput {
  /** `80`, `host:5000`, `http.8080`, `https.443....`. */
  readonly name: string;
  /** Service port, or port of the Gateway's server. */
  readonly port: number;
  /** In any order; sorted by name here. */
  readonly virtualHosts: readonly VirtualHostInput[];
  /** What an unknown host gets. NONE: 404, for gateways and for routes of one service. */
  readonly fallback: "ALLOW_ANY" | "REGISTRY_ONLY" | "NONE";
  /** Virtual hosts are sent by themselves, and only the fallback stays in here. */
  readonly vhds: boolean;
}

export function routeConfiguration(input: RoutesInput): RouteConfiguration {
  const hosts = input.vhds ? [] : input.virtualHosts.map(virtualHost).sort(compareNames);
  return {
    name: input.name,
    virtualHosts: [...hosts, ...fallback(input)],
    vhds: input.vhds ? { configSource: ADS } : undefined,
    validateClusters: false,
    maxDirectResponseBodySizeBytes: 1024 * 1024,
    ignorePortInHostMatching: true,
  };
}

function compareNames(a: VirtualHost, b: VirtualHost): number {
  return (a.name ?? "") < (b.name ?? "") ? -1 : 1;
}

function fallback(input: RoutesInput): readonly VirtualHost[] {
  switch (input.fallback) {
    case "ALLOW_ANY":
      return [ALLOW_ANY_HOST];
    case "REGISTRY_ONLY":
      return [BLOCK_ALL_HOST];
    case "NONE":
      if (input.virtualHosts.length > 0) return [];
      return [{ name: blackholeVirtualHostName(input.port), domains: ["*"] }];
  }
}

const EVERYTHING: RouteMatch = { prefix: "/" };
const NO_TIMEOUT = milliseconds(0);

/** A gRPC client's own deadline (`grpc-timeout`) holds, within the route's timeout. */
function deadline(timeout: Duration): Pick<RouteAction, "maxStreamDuration"> {
  return { maxStreamDuration: { grpcTimeoutHeaderMax: timeout } };
}

const ALLOW_ANY_HOST: VirtualHost = {
  name: ALLOW_ANY,
  domains: ["*"],
  routes: [
    {
      name: ALLOW_ANY,
      match: EVERYTHING,
      route: { cluster: PASSTHROUGH_CLUSTER, timeout: NO_TIMEOUT, ...deadline(NO_TIMEOUT) },
    },
  ],
  includeRequestAttemptCount: true,
};

const BLOCK_ALL_HOST: VirtualHost = {
  name: BLOCK_ALL,
  domains: ["*"],
  routes: [{ name: BLOCK_ALL, match: EVERYTHING, directResponse: { status: 502 } }],
  includeRequestAttemptCount: true,
};

export function virtualHost(input: VirtualHostInput): VirtualHost {
  const { hostname, port } = input;
  return {
    name: virtualHostName(hostname, port),
    domains: [...input.domains],
    routes: input.routes?.map(each => route(each, port)) ?? [serviceRoute(hostname, port)],
    requireTls: input.requireTls ? VirtualHost_TlsRequirementType.ALL : undefined,
    includeRequestAttemptCount: true,
  };
}

/** What a service without a VirtualService gets. */
function serviceRoute(hostname: string, port: number): Route {
  return {
    name: DEFAULT_ROUTE,
    match: EVERYTHING,
    route: {
      cluster: outboundClusterName(port, "", hostname),
      timeout: NO_TIMEOUT,
      ...deadline(NO_TIMEOUT),
      retryPolicy: DEFAULT_RETRIES,
    },
    decorator: { operation: `${hostname}:${port}/*` },
  };
}

function route(input: HttpRoute, port: number): Route {
  return {
    name: input.name,
    match: routeMatch(input.match),
    ...(input.destinations.length === 0 ? REFUSAL : { route: routeAction(input) }),
    metadata: filterMetadata({ istio: { config: configPath(input.source) } }),
    decorator: { operation: operation(input, port) },
  };
}

const REFUSAL: Pick<Route, "directResponse"> = { directResponse: { status: 501 } };

function routeAction(input: HttpRoute): RouteAction {
  const timeout = milliseconds(input.timeoutMs ?? 0);
  return {
    ...clusters(input.destinations),
    timeout,
    ...deadline(timeout),
    retryPolicy: retryPolicy(input.retries),
  };
}

function clusters(destinations: readonly Destination[]): RouteAction {
  const [first] = destinations;
  assert(first !== undefined, "a route has no destination");
  if (destinations.length === 1) return { cluster: clusterOf(first) };
  const weights = destinations.map(each => ({ name: clusterOf(each), weight: each.weight }));
  return { weightedClusters: { clusters: weights } };
}

function clusterOf(destination: Destination): string {
  return outboundClusterName(destination.port, destination.subset, destination.hostname);
}

/** Names the span of a request: the destination if there is one only, else the VirtualService. */
function operation(input: HttpRoute, port: number): string {
  const path = pathOf(input.match?.uri);
  const [first] = input.destinations;
  if (first !== undefined && input.destinations.length === 1)
    return `${first.hostname}:${first.port}${path}`;
  return `${input.source.name}:${port}${path}`;
}

function pathOf(uri: Match | undefined): string {
  if (uri === undefined) return "/*";
  if ("exact" in uri) return uri.exact;
  // Istio names these so, whatever the path.
  if ("pathPrefix" in uri) return "/*";
  return "prefix" in uri ? `${uri.prefix}*` : uri.regex;
}

function routeMatch(match: HttpMatch | undefined): RouteMatch {
  if (match === undefined) return EVERYTHING;
  const headers = [
    ...headerMatches(match.headers, false),
    ...headerMatches(match.withoutHeaders, true),
  ];
  if (match.method !== undefined) headers.push(named(":method", match.method));
  if (match.authority !== undefined) headers.push(named(":authority", match.authority));
  if (match.scheme !== undefined) headers.push(named(":scheme", match.scheme));
  const queryParameters = byName(match.queryParams).map(([name, each]) => named(name, each));
  return {
    ...pathMatch(match.uri),
    caseSensitive: !match.ignoreUriCase,
    headers,
    queryParameters,
  };
}

function pathMatch(uri: Match | undefined): RouteMatch {
  if (uri === undefined) return EVERYTHING;
  if ("exact" in uri) return { path: uri.exact };
  if ("prefix" in uri) return { prefix: uri.prefix };
  if ("pathPrefix" in uri) return { pathSeparatedPrefix: uri.pathPrefix };
  return { safeRegex: { regex: uri.regex } };
}

function byName<T>(conditions: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(conditions).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** A header that is not there has no value that `withoutHeaders` speaks of: it passes. */
function headerMatches(
  headers: Readonly<Record<string, Match | "present">>,
  invertMatch: boolean,
): HeaderMatcher[] {
  return byName(headers).map(([name, match]) => ({
    ...named(name, match),
    invertMatch,
    treatMissingHeaderAsEmpty: invertMatch && match !== "present",
  }));
}

interface NamedMatch {
  readonly name: string;
  readonly presentMatch?: boolean;
  readonly stringMatch?: StringMatcher;
}

function named(name: string, match: Match | "present"): NamedMatch {
  if (match === "present") return { name, presentMatch: true };
  return { name, stringMatch: stringMatch(match) };
}

function stringMatch(match: Match): StringMatcher {
  if ("exact" in match) return { exact: match.exact };
  if ("prefix" in match) return { prefix: match.prefix };
  assert("regex" in match, "a prefix of path elements is for paths");
  return { safeRegex: { regex: match.regex } };
}

const RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
const RETRIABLE_STATUS_CODES = "retriable-status-codes";

/** A retry goes to a host that has not failed this request yet, if one can be found. */
const DEFAULT_RETRIES: RetryPolicy = {
  retryOn: RETRY_ON,
  numRetries: 2,
  retryHostPredicate: [
    extension("envoy.retry_host_predicates.previous_hosts", PreviousHostsPredicate, {}),
  ],
  hostSelectionRetryMaxAttempts: 5,
};

function retryPolicy(retries: Retries | undefined): RetryPolicy | undefined {
  if (retries === undefined) return DEFAULT_RETRIES;
  if (retries.attempts === 0) return undefined;
  const { attempts: numRetries, perTryTimeoutMs } = retries;
  return {
    ...DEFAULT_RETRIES,
    ...(retries.retryOn === undefined ? {} : retryConditions(retries.retryOn)),
    numRetries,
    perTryTimeout: perTryTimeoutMs === undefined ? undefined : milliseconds(perTryTimeoutMs),
  };
}

/** Istio lets status codes stand among Envoy's conditions: `503,gateway-error`. */
function retryConditions(retryOn: string): RetryPolicy {
  const parts = retryOn.split(",").map(part => part.trim());
  const retriableStatusCodes = parts.filter(isStatusCode).map(Number);
  const conditions = parts.filter(part => part !== "" && !isStatusCode(part));
  if (retriableStatusCodes.length > 0 && !conditions.includes(RETRIABLE_STATUS_CODES))
    conditions.push(RETRIABLE_STATUS_CODES);
  return { retryOn: conditions.join(","), retriableStatusCodes };
}

function isStatusCode(part: string): boolean {
  return /^[1-5][0-9][0-9]$/.test(part);
}
