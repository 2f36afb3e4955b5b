/** `proxy-config route`: features rows 19 to 21. */
import { compareText } from "../../base/compare.ts";
import { renderTable } from "../tabwriter.ts";
import { managedBy, type Route, type RouteConfiguration, type VirtualHost } from "./config-dump.ts";

export interface RouteTableOptions {
  /** Istio 1.14 had no VHOST NAME column and no trailing-dot domain. */
  readonly compat: "1.12" | "1.14" | undefined;
  readonly verbose: boolean;
}

/** Routes of the listener on 15020; where older meshes had an agent, no table of Envoy's had them. */
const AGENT_ROUTES = "agent_status";

export function selectRoutes(
  all: readonly RouteConfiguration[],
  name: string | undefined,
): RouteConfiguration[] {
  return all.filter(route => name === undefined || route.name === name).sort(byNumberThenName);
}

/**
 * Numbers first and in numeric order, then other names as Envoy has them, then those without a name
 * by what they match: Envoy lists them in an order that changes from run to run.
 */
function byNumberThenName(a: RouteConfiguration, b: RouteConfiguration): number {
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0) return rank;
  switch (rankOf(a)) {
    case Rank.numbered:
      return Number(a.name) - Number(b.name);
    case Rank.unnamed:
      return compareText(firstMatch(a), firstMatch(b));
    default:
      return 0;
  }
}

const Rank = { numbered: 0, named: 1, unnamed: 2 } as const;

function rankOf({ name = "" }: RouteConfiguration): number {
  if (name === "") return Rank.unnamed;
  return /^\d+$/.test(name) ? Rank.numbered : Rank.named;
}

function firstMatch(config: RouteConfiguration): string {
  const route = config.virtual_hosts?.[0]?.routes?.[0];
  return route === undefined ? "" : describeMatch(route);
}

export function routeTable(
  routes: readonly RouteConfiguration[],
  options: RouteTableOptions,
): string {
  const rows: string[][] = [header(options)];
  for (const config of routes) {
    if (options.compat !== undefined && config.name === AGENT_ROUTES) continue;
    if (options.verbose) {
      for (const host of config.virtual_hosts ?? []) rows.push(...hostRows(config, host, options));
      if ((config.virtual_hosts ?? []).length === 0) rows.push(emptyRow(config, options));
    } else {
      rows.push([config.name ?? "", String((config.virtual_hosts ?? []).length)]);
    }
  }
  return renderTable(rows, { padding: 5 });
}

function header(options: RouteTableOptions): string[] {
  if (!options.verbose) return ["NAME", "VIRTUAL HOSTS"];
  const middle = options.compat === undefined ? ["VHOST NAME"] : [];
  return ["NAME", ...middle, "DOMAINS", "MATCH", "VIRTUAL SERVICE"];
}

function row(
  config: RouteConfiguration,
  host: VirtualHost,
  match: string,
  owner: string,
  options: RouteTableOptions,
): string[] {
  const middle = options.compat === undefined ? [host.name ?? ""] : [];
  return [config.name ?? "", ...middle, describeDomains(host.domains ?? [], options), match, owner];
}

function hostRows(
  config: RouteConfiguration,
  host: VirtualHost,
  options: RouteTableOptions,
): string[][] {
  const routes = host.routes ?? [];
  if (routes.length === 0) return [row(config, host, "/*", "404", options)];
  return routes
    .filter(route => route.route?.cluster !== "PassthroughCluster")
    .map(route => row(config, host, describeMatch(route), managedBy(route.metadata), options));
}

/** A route configuration without virtual hosts answers 404 to everything. */
function emptyRow(config: RouteConfiguration, options: RouteTableOptions): string[] {
  return row(config, { name: "", domains: ["*"] }, "/*", "404", options);
}

function describeMatch(route: Route): string {
  const match = route.match ?? {};
  const conditions: string[] = [];
  if (match.prefix) conditions.push(`${match.prefix}*`);
  if (match.path_separated_prefix) conditions.push(`PathPrefix:${match.path_separated_prefix}`);
  if (match.path) conditions.push(match.path);
  if (match.safe_regex !== undefined) conditions.push(`regex ${match.safe_regex.regex ?? ""}`);
  return conditions.join(" ");
}

const SHOWN_DOMAINS = 2;

function describeDomains(domains: readonly string[], options: RouteTableOptions): string {
  if (domains.length <= 1) return domains[0] ?? "";
  const withoutPort = domains.filter(domain => !/:\d+$/.test(domain) || domain.endsWith("]"));
  const wanted =
    options.compat === undefined
      ? withoutPort
      : withoutPort.filter(domain => !domain.endsWith("."));
  const short = withoutLongForms(wanted);
  const shown = short.slice(0, SHOWN_DOMAINS).join(", ");
  const more = short.length - SHOWN_DOMAINS;
  return more > 0 ? `${shown} + ${more} more...` : shown;
}

/** Leaves out `x.svc.cluster.local` and `x.svc` where plain `x` is listed as well. */
function withoutLongForms(domains: readonly string[]): string[] {
  const all = new Set(domains);
  return domains.filter(domain => {
    for (const suffix of [".svc.cluster.local", ".svc"]) {
      if (domain.endsWith(suffix) && all.has(domain.slice(0, -suffix.length))) return false;
    }
    return true;
  });
}
