/** Istio's rules for ServiceEntries (pkg/config/validation: ValidateServiceEntry), in our words. */
import { isIP } from "node:net";
import { validateExportTo } from "../networking/export-to.ts";
import { fqdn, fqdnOrIp, isPartialWildcard } from "../networking/hosts.ts";
import { isHttpProtocol, isTlsProtocol } from "../networking/protocol.ts";
import { pathOf, type Report } from "../report.ts";
import { validateWorkload } from "../workload-entry/validate.ts";
import type { ServiceEntry, ServiceEntrySpec } from "./schema.ts";

export function validateServiceEntry({ spec, metadata }: ServiceEntry, report: Report): void {
  spec.hosts.forEach((host, i) => {
    if (host === "*")
      report.error(pathOf("spec.hosts", i), "InvalidValue", 'found "*", want a host name');
  });
  validatePorts(spec, report);
  validateEndpoints(spec, report);
  validateResolution(spec, report);
  validateServerNames(spec, report);
  validateExportTo(spec.exportTo, metadata.namespace, report);
}

function validatePorts({ ports, resolution, addresses }: ServiceEntrySpec, report: Report): void {
  const names = new Set<string>();
  const numbers = new Set<number>();
  ports.forEach((port, i) => {
    const path = pathOf("spec.ports", i);
    if (names.has(port.name))
      report.error(`${path}.name`, "Duplicate", `found "${port.name}" a second time`);
    if (numbers.has(port.number))
      report.error(`${path}.number`, "Duplicate", `found ${port.number} a second time`);
    names.add(port.name);
    numbers.add(port.number);
    if (port.targetPort !== undefined && resolution === "NONE")
      report.warning(`${path}.targetPort`, "Ignored", "has no effect with resolution NONE");
    const stream = port.protocol === "" || port.protocol.toUpperCase() === "TCP";
    if (stream && addresses.length === 0 && resolution === "NONE")
      report.warning(
        `${path}.protocol`,
        "TooWide",
        `TCP without addresses takes all traffic to port ${port.number}; want addresses`,
      );
  });
  if (ports.length === 0)
    report.warning("spec.ports", "Required", "found no ports: there is nothing to send to");
}

function validateEndpoints(spec: ServiceEntrySpec, report: Report): void {
  const { endpoints, workloadSelector, resolution } = spec;
  if (endpoints === undefined) return;
  if (workloadSelector !== undefined)
    report.error("spec.endpoints", "OneOf", "may not be set beside workloadSelector");
  if (resolution === "NONE" && endpoints.length > 0)
    report.error(
      "spec.endpoints",
      "OneOf",
      "may not be set with resolution NONE; want STATIC or DNS",
    );
  if (resolution === "DNS_ROUND_ROBIN" && endpoints.length > 1)
    report.error(
      "spec.endpoints",
      "OutOfRange",
      `found ${endpoints.length}, want at most one with resolution DNS_ROUND_ROBIN`,
    );
  const names = new Set(spec.ports.map(port => port.name));
  endpoints.forEach((endpoint, i) => {
    const path = pathOf("spec.endpoints", i);
    validateWorkload(endpoint, path, report);
    validateEndpointAddress(endpoint.address ?? "", resolution, `${path}.address`, report);
    for (const name of Object.keys(endpoint.ports))
      if (!names.has(name))
        report.error(
          pathOf(path, "ports", name),
          "NotFound",
          `found "${name}", want the name of one of spec.ports`,
        );
  });
}

function validateEndpointAddress(
  address: string,
  resolution: ServiceEntrySpec["resolution"],
  path: string,
  report: Report,
): void {
  const socket = address.startsWith("unix://");
  if (address === "" || fqdnOrIp(address) !== undefined) {
    if (socket && resolution !== "STATIC" && resolution !== "NONE")
      report.error(path, "InvalidValue", "found a unix:// address, want resolution STATIC for it");
    return;
  }
  if (resolution === "STATIC" && isIP(address) === 0)
    report.error(
      path,
      "InvalidValue",
      `found "${address}", want an IP address with resolution STATIC (a host name needs DNS)`,
    );
}

function validateResolution(spec: ServiceEntrySpec, report: Report): void {
  const { resolution, endpoints = [], workloadSelector, addresses, hosts } = spec;
  const dns = resolution === "DNS" || resolution === "DNS_ROUND_ROBIN";
  if (dns && endpoints.length === 0)
    hosts.forEach((host, i) => {
      if (fqdn(host) === undefined) return;
      const message = `found "${host}", want a name without wildcard, or endpoints, with ${resolution}`;
      report.error(pathOf("spec.hosts", i), "InvalidValue", message);
    });
  if (workloadSelector !== undefined && resolution !== "STATIC")
    report.warning("spec.workloadSelector", "Ignored", "has an effect with resolution STATIC only");
  if (resolution === "STATIC" && endpoints.length === 0 && workloadSelector === undefined)
    report.warning(
      "spec.endpoints",
      "Required",
      "found neither endpoints nor workloadSelector: with resolution STATIC requests will fail",
    );
  if (resolution !== "NONE" && resolution !== "STATIC")
    addresses.forEach((address, i) => {
      if (!address.includes("/")) return;
      const message = `found "${address}"; a CIDR wants resolution NONE or STATIC`;
      report.error(pathOf("spec.addresses", i), "InvalidValue", message);
    });
  validateSeveralHosts(spec, report);
}

/** What no server name can be made of. */
function validateServerNames({ hosts, ports, addresses }: ServiceEntrySpec, report: Report): void {
  if (addresses.length > 0 || !ports.some(({ protocol }) => isTlsProtocol(protocol))) return;
  hosts.forEach((host, i) => {
    if (!isPartialWildcard(host)) return;
    const message = `found "${host}": TLS ports of it are not served, as server names know wildcards of whole labels only`;
    report.warning(pathOf("spec.hosts", i), "NoServerName", message);
  });
}

/** Only HTTP (by header) and TLS (by SNI) can tell hosts apart. */
function validateSeveralHosts(spec: ServiceEntrySpec, report: Report): void {
  if (spec.resolution === "NONE" || spec.hosts.length < 2) return;
  spec.ports.forEach(({ protocol }, i) => {
    if (isHttpProtocol(protocol) || isTlsProtocol(protocol)) return;
    report.error(
      pathOf("spec.ports", i, "protocol"),
      "InvalidValue",
      `found "${protocol}", but with several hosts want HTTP or TLS, which can tell them apart`,
    );
  });
}
