/** How the elements of lists are matched: by what, and whether their order means anything. */
import { isObject, type Json, stableText } from "./json.ts";

export interface ListRule {
  /** What an element is recognized by; elements with equal keys are matched in their order. */
  readonly key: (element: Json) => string;
  readonly ordered: boolean;
}

const whole = (element: Json): string => stableText(element);
const field =
  (name: string) =>
  (element: Json): string =>
    isObject(element) ? stableText(element[name]) : whole(element);
const fields =
  (...names: readonly string[]) =>
  (element: Json): string =>
    isObject(element) ? names.map(name => stableText(element[name])).join(" ") : whole(element);

/** Named things keep their order, and are told apart by name. */
const ORDERED: ListRule = { ordered: true, key: field("name") };
const SET: ListRule = { ordered: false, key: whole };

/**
 * Lists in which Envoy does not look at the order. All others are ordered: routes, filters,
 * ALPN, ...
 */
const UNORDERED: ReadonlyMap<string, ListRule> = new Map([
  // The most specific match wins, wherever it stands.
  ["envoy.config.listener.v3.Listener.filter_chains", chains()],
  ["envoy.config.listener.v3.FilterChainMatch.prefix_ranges", SET],
  ["envoy.config.listener.v3.FilterChainMatch.source_prefix_ranges", SET],
  ["envoy.config.listener.v3.FilterChainMatch.direct_source_prefix_ranges", SET],
  ["envoy.config.listener.v3.FilterChainMatch.server_names", SET],
  ["envoy.config.listener.v3.FilterChainMatch.application_protocols", SET],
  ["envoy.config.route.v3.RouteConfiguration.virtual_hosts", byName()],
  ["envoy.config.route.v3.VirtualHost.domains", SET],
  // All of them must match.
  ["envoy.config.route.v3.RouteMatch.headers", SET],
  ["envoy.config.route.v3.RouteMatch.query_parameters", SET],
  ["envoy.config.route.v3.WeightedCluster.clusters", byName()],
  [
    "envoy.config.endpoint.v3.ClusterLoadAssignment.endpoints",
    { ordered: false, key: fields("locality", "priority") },
  ],
  ["envoy.config.endpoint.v3.LocalityLbEndpoints.lb_endpoints", { ordered: false, key: address }],
  [
    "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.match_subject_alt_names",
    SET,
  ],
]);

export function listRule(fieldName: string | undefined): ListRule {
  return UNORDERED.get(fieldName ?? "") ?? ORDERED;
}

function byName(): ListRule {
  return { ordered: false, key: field("name") };
}

function chains(): ListRule {
  return { ordered: false, key: fields("name", "filterChainMatch") };
}

function address(element: Json): string {
  const endpoint = isObject(element) ? element["endpoint"] : undefined;
  return isObject(endpoint) ? stableText(endpoint["address"]) : whole(element);
}
