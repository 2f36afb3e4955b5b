/** Istio's rules for VirtualServices (pkg/config/validation), in our words. */
import { isIP } from "node:net";
import { validateExportTo } from "../networking/export-to.ts";
import { covers } from "../networking/hosts.ts";
import { pathOf, type Report } from "../report.ts";
import type { HttpRetry, HttpRoute, HttpRouteDestination, VirtualService } from "./schema.ts";

export function validateVirtualService({ spec, metadata }: VirtualService, report: Report): void {
  validateHosts(spec, report);
  validateExportTo(spec.exportTo, metadata.namespace, report);
  warnUnreachable(spec.http, report);
  if (spec.http.length + spec.tls.length + spec.tcp.length === 0)
    report.error("spec", "Required", "found no rules, want at least one in http, tls or tcp");
  spec.http.forEach((route, i) => {
    validateHttp(route, pathOf("spec.http", i), report);
  });
  for (const protocol of ["tls", "tcp"] as const)
    spec[protocol].forEach(({ route }, i) => {
      const path = pathOf("spec", protocol, i, "route");
      if (route.length === 0) report.error(path, "Required", "found no destinations, want one");
      validateWeights(route, path, report);
    });
}

function validateHosts(spec: VirtualService["spec"], report: Report): void {
  const { hosts, gateways } = spec;
  if (hosts.length === 0) {
    if (gateways.length > 0)
      report.error(
        "spec.hosts",
        "Required",
        "found no hosts; only a delegate has none, without gateways",
      );
    else
      report.warning(
        "spec.hosts",
        "NotCarriedOut",
        "found no hosts: a delegate, which is accepted but not carried out yet",
      );
  }
  const inMesh = gateways.length === 0 || gateways.includes("mesh");
  hosts.forEach((host, i) => {
    if (host !== "*" || !inMesh) return;
    const path = pathOf("spec.hosts", i);
    report.error(path, "InvalidValue", 'found "*", which only gateways may have; want a host');
  });
  validateOverlap(hosts, report);
}

/** Beyond this many hosts, only equal ones are looked for: comparing all pairs is quadratic. */
const MAX_PAIRWISE = 256;

function validateOverlap(hosts: readonly string[], report: Report): void {
  const seen = new Set<string>();
  const wildcards = hosts.filter(host => host.startsWith("*")).slice(0, MAX_PAIRWISE);
  hosts.forEach((host, i) => {
    const path = (): string => pathOf("spec.hosts", i);
    if (seen.has(host)) report.error(path, "Duplicate", `found "${host}" a second time`);
    seen.add(host);
    if (isIP(host) !== 0 || hosts.length > MAX_PAIRWISE) return;
    const wider = wildcards.find(wildcard => wildcard !== host && covers(wildcard, host));
    if (wider !== undefined)
      report.error(path, "Duplicate", `found "${host}", which "${wider}" in the list covers`);
  });
}

function validateHttp(route: HttpRoute, path: string, report: Report): void {
  const { redirect, directResponse, delegate } = route;
  const elsewhere = redirect ?? directResponse ?? delegate;
  if (route.route.length === 0 && elsewhere === undefined)
    report.error(`${path}.route`, "Required", "found no destinations, want at least one");
  if (route.route.length > 0 && (redirect !== undefined || directResponse !== undefined))
    report.error(
      `${path}.route`,
      "OneOf",
      "found a route beside redirect or directResponse; want only one of them",
    );
  validateWeights(route.route, `${path}.route`, report);
  if (route.retries !== undefined) validateRetries(route.retries, `${path}.retries`, report);
  route.route.forEach(({ destination }, i) => {
    if (destination.host === "*")
      report.error(
        pathOf(path, "route", i, "destination", "host"),
        "InvalidValue",
        'found "*", want the host of a service',
      );
  });
}

function validateWeights(
  destinations: readonly Pick<HttpRouteDestination, "weight">[],
  path: string,
  report: Report,
): void {
  const total = destinations.reduce((sum, { weight }) => sum + weight, 0);
  if (destinations.length > 1 && total === 0)
    report.error(path, "InvalidValue", "found weights with sum 0; want at least one above 0");
  // Envoy holds the sum in 32 bits.
  if (total > 4_294_967_295)
    report.error(path, "InvalidValue", `found weights with sum ${total}; want at most 4294967295`);
}

function validateRetries(retries: HttpRetry, path: string, report: Report): void {
  if (retries.attempts !== 0) return;
  const { perTryTimeout, retryOn = "", retryRemoteLocalities } = retries;
  if (perTryTimeout === undefined && retryOn === "" && retryRemoteLocalities === undefined) return;
  report.error(
    `${path}.attempts`,
    "InvalidValue",
    "found none, which switches retries off, beside other settings; want at least 1",
  );
}

/** The first rule that matches wins: nothing gets past one without conditions. */
function warnUnreachable(routes: readonly HttpRoute[], report: Report): void {
  const catchAll = routes.findIndex(route => route.match.length === 0);
  if (catchAll < 0) return;
  for (let i = catchAll + 1; i < routes.length; i++)
    report.warning(
      pathOf("spec.http", i),
      "Unreachable",
      `never used, because rule ${catchAll} has no match and takes everything; want it last`,
    );
}
