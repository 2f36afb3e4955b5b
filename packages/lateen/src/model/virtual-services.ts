/** VirtualServices in the model's words: hosts and gateways resolved, conditions typed. */
import type { Destination, StringMatch } from "../api/networking/common.ts";
import type {
  HttpMatch,
  HttpRetry,
  HttpRoute,
  VirtualService,
} from "../api/virtual-service/schema.ts";
import type { Collection, Graph } from "../flow/types.ts";
import type { Alias } from "./aliases.ts";
import { resolveHost } from "./hosts.ts";
import { objectKey } from "./inputs.ts";
import { type MeshNames, meshNames } from "./mesh.ts";
import type { ObjectRef, Visibility } from "./types.ts";
import { visibilityOf } from "./visibility.ts";

/** The gateway of sidecars. */
export const MESH_GATEWAY = "mesh";

export type TextMatch =
  | { readonly exact: string }
  | { readonly prefix: string }
  /** Whole path elements: `/a` has `/a` and `/a/b` below it, not `/ab`. Of Ingresses, for paths only. */
  | { readonly pathPrefix: string }
  | { readonly regex: string };

/** What a request must be like; checked by Envoy. */
export interface RequestMatch {
  readonly uri: TextMatch | undefined;
  readonly ignoreUriCase: boolean;
  readonly method: TextMatch | undefined;
  readonly authority: TextMatch | undefined;
  readonly scheme: TextMatch | undefined;
  readonly headers: Readonly<Record<string, TextMatch | "present">>;
  readonly withoutHeaders: Readonly<Record<string, TextMatch | "present">>;
  readonly queryParams: Readonly<Record<string, TextMatch | "present">>;
}

/** For which proxies and ports a match is there at all; decided when configuration is made. */
export interface Guard {
  /** Empty: those of the VirtualService. `mesh` or `namespace/name`. */
  readonly gateways: readonly string[];
  /** Id of a source selector (`sourceSelectorId`); "" for all workloads. */
  readonly sourceLabels: string;
  readonly sourceNamespace: string;
  readonly port: number | undefined;
}

export interface RouteMatchRow {
  readonly name: string;
  readonly guard: Guard;
  /** undefined: every request. */
  readonly request: RequestMatch | undefined;
}

export interface DestinationRow {
  readonly hostname: string;
  /** undefined: the service's only port, else the port that was asked for. */
  readonly port: number | undefined;
  readonly subset: string;
  readonly weight: number;
}

export interface RetryRow {
  readonly attempts: number;
  readonly perTryTimeoutMs: number | undefined;
  readonly retryOn: string | undefined;
}

export interface RouteRow {
  readonly name: string;
  /** Empty: every request of every proxy. */
  readonly matches: readonly RouteMatchRow[];
  /** None where the route does something that is not carried out: it takes its requests anyway. */
  readonly destinations: readonly DestinationRow[];
  readonly timeoutMs: number | undefined;
  readonly retries: RetryRow | undefined;
}

export interface VirtualServiceRow {
  readonly key: string;
  readonly source: ObjectRef;
  readonly namespace: string;
  readonly name: string;
  readonly creationTimestamp: string;
  readonly hosts: readonly string[];
  readonly gateways: readonly string[];
  readonly exportTo: Visibility;
  readonly routes: readonly RouteRow[];
}

/** What decides which proxies get which hosts; a new weight changes none of it. */
export interface VirtualServiceShape extends Omit<VirtualServiceRow, "routes" | "source"> {
  /** The guards of all matches; a route without matches counts as a match without a guard. */
  readonly guards: readonly Guard[];
  /** Hosts that routes go to, sorted. */
  readonly destinations: readonly string[];
}

export interface VirtualServices {
  readonly rows: Collection<VirtualServiceRow>;
  readonly shapes: Collection<VirtualServiceShape>;
}

export function createVirtualServices(
  graph: Graph,
  objects: Collection<VirtualService>,
  sources: {
    readonly names: Collection<MeshNames>;
    readonly aliases: Collection<Alias>;
    readonly ofIngresses: Collection<VirtualServiceRow>;
  },
): VirtualServices {
  const { names, aliases, ofIngresses } = sources;
  const declared = graph.derive<VirtualService, VirtualServiceRow>(
    objects,
    { name: "virtual services", reads: [names, aliases] },
    (_key, object, read) =>
      virtualServiceRow(object, meshNames(read, names).domain, hostname =>
        read.get(aliases, hostname),
      ),
  );
  const rows = graph.union("all virtual services", [declared, ofIngresses]);
  const shapes = graph.derive(rows, { name: "virtual service shapes" }, (_key, row) =>
    shapeOf(row),
  );
  return { rows, shapes };
}

type FindAlias = (hostname: string) => Alias | undefined;

function virtualServiceRow(
  object: VirtualService,
  domain: string,
  findAlias: FindAlias,
): VirtualServiceRow {
  const { metadata, spec } = object;
  const { namespace, name } = metadata;
  return {
    key: objectKey(metadata),
    source: { kind: "VirtualService", namespace, name },
    namespace,
    name,
    creationTimestamp: metadata.creationTimestamp,
    hosts: [...new Set(spec.hosts.map(host => resolveHost(host, namespace, domain)))],
    gateways: gatewayNames(spec.gateways.length === 0 ? [MESH_GATEWAY] : spec.gateways, namespace),
    exportTo: visibilityOf(spec.exportTo, namespace),
    routes: spec.http.map(route => routeRow(route, namespace, domain, findAlias)),
  };
}

/** A name alone is in the VirtualService's own namespace. */
function gatewayNames(gateways: readonly string[], namespace: string): readonly string[] {
  return gateways.map(gateway =>
    gateway === MESH_GATEWAY || gateway.includes("/") ? gateway : `${namespace}/${gateway}`,
  );
}

function routeRow(
  route: HttpRoute,
  namespace: string,
  domain: string,
  findAlias: FindAlias,
): RouteRow {
  return {
    name: route.name ?? "",
    matches: route.match.map(match => ({
      name: match.name ?? "",
      guard: guardOf(match, namespace),
      request: requestMatch(match),
    })),
    destinations: route.route.map(({ destination, weight }) => ({
      ...destinationOf(destination, namespace, domain, findAlias),
      weight,
    })),
    timeoutMs: route.timeout,
    retries: route.retries && retryRow(route.retries),
  };
}

function destinationOf(
  { host, port, subset }: Destination,
  namespace: string,
  domain: string,
  findAlias: FindAlias,
): Omit<DestinationRow, "weight"> {
  const named = resolveHost(host, namespace, domain);
  return {
    hostname: findAlias(named)?.target ?? named,
    port: port?.number,
    subset: subset ?? "",
  };
}

function retryRow(retries: HttpRetry): RetryRow {
  const { attempts, perTryTimeout, retryOn } = retries;
  return {
    attempts: attempts ?? 0,
    perTryTimeoutMs: perTryTimeout,
    retryOn: retryOn === "" ? undefined : retryOn,
  };
}

function guardOf(match: HttpMatch, namespace: string): Guard {
  return {
    gateways: gatewayNames(match.gateways, namespace),
    sourceLabels: sourceSelectorId(match.sourceLabels),
    sourceNamespace: match.sourceNamespace ?? "",
    port: match.port,
  };
}

/** `app=sleep,version=v1`; "" when there are no labels to match. */
export function sourceSelectorId(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(",");
}

export function labelsOfSourceSelector(id: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = Object.create(null);
  for (const pair of id.split(",")) {
    const equals = pair.indexOf("=");
    labels[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return labels;
}

function requestMatch(match: HttpMatch): RequestMatch | undefined {
  const found: RequestMatch = {
    uri: textMatch(match.uri),
    ignoreUriCase: match.ignoreUriCase ?? false,
    method: textMatch(match.method),
    authority: textMatch(match.authority),
    scheme: textMatch(match.scheme),
    headers: namedMatches(match.headers),
    withoutHeaders: namedMatches(match.withoutHeaders),
    queryParams: namedMatches(match.queryParams),
  };
  return found.uri === undefined && countsPathOnly(found) ? undefined : found;
}

/** Whether nothing but the path of a request counts. */
export function countsPathOnly(match: RequestMatch): boolean {
  const { method, authority, scheme, headers, withoutHeaders, queryParams } = match;
  const texts = [method, authority, scheme].every(text => text === undefined);
  return texts && [headers, withoutHeaders, queryParams].every(isEmpty);
}

function isEmpty(conditions: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(conditions).length === 0;
}

function textMatch(match: StringMatch | undefined): TextMatch | undefined {
  if (match?.exact !== undefined) return { exact: match.exact };
  if (match?.prefix !== undefined) return { prefix: match.prefix };
  return match?.regex === undefined ? undefined : { regex: match.regex };
}

/** An empty match asks only that it is there. Sorted: their order means nothing. */
function namedMatches(
  conditions: Readonly<Record<string, StringMatch>>,
): Readonly<Record<string, TextMatch | "present">> {
  const matches: Record<string, TextMatch | "present"> = Object.create(null);
  for (const name of Object.keys(conditions).sort())
    matches[name] = textMatch(conditions[name]) ?? "present";
  return matches;
}

const NO_GUARD: Guard = { gateways: [], sourceLabels: "", sourceNamespace: "", port: undefined };

function shapeOf({ routes, source: _, ...row }: VirtualServiceRow): VirtualServiceShape {
  const guards = new Map<string, Guard>();
  const destinations = new Set<string>();
  for (const route of routes) {
    const own = route.matches.length === 0 ? [NO_GUARD] : route.matches.map(match => match.guard);
    for (const guard of own) guards.set(JSON.stringify(guard), guard);
    for (const { hostname } of route.destinations) destinations.add(hostname);
  }
  return { ...row, guards: [...guards.values()], destinations: [...destinations].sort() };
}

/** One row for each set of source labels that some match names: proxies are classed by these. */
export function createSourceSelectors(
  graph: Graph,
  shapes: Collection<VirtualServiceShape>,
): Collection<string> {
  return graph.deriveMany<VirtualServiceShape, string>(
    shapes,
    { name: "source labels" },
    (_key, shape) =>
      shape.guards.flatMap(({ sourceLabels }) =>
        sourceLabels === "" ? [] : [[sourceLabels, sourceLabels] as const],
      ),
  );
}

/** What a guard is asked about. */
export interface GuardView {
  /** `mesh`, or the gateway whose routes are made. */
  readonly gateway: string;
  readonly namespace: string;
  /** Ids of the source selectors that the proxy matches. */
  readonly sourceMatches: readonly string[];
  readonly port: number;
}

/** Istio: gateways of a match stand in place of its source conditions. */
export function guardHolds(guard: Guard, view: GuardView): boolean {
  if (guard.port !== undefined && guard.port !== view.port) return false;
  if (guard.gateways.length > 0) return guard.gateways.includes(view.gateway);
  if (guard.sourceLabels !== "" && !view.sourceMatches.includes(guard.sourceLabels)) return false;
  return guard.sourceNamespace === "" || guard.sourceNamespace === view.namespace;
}
