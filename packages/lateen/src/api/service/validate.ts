/** Kubernetes' rules for Services, as far as the mesh and the local runtime rest on them. */
import { isIP } from "node:net";
import { dnsSubdomain } from "../names.ts";
import { pathOf, type Report } from "../report.ts";
import type { Service } from "./schema.ts";

export function validateService(service: Service, report: Report): void {
  const { spec } = service;
  validateAddresses(service, report);
  validatePorts(service, report);
  if (spec.type !== "ExternalName") return;
  const wrong = dnsSubdomain((spec.externalName ?? "").replace(/\.$/, ""));
  if (wrong !== undefined)
    report.error("spec.externalName", "InvalidValue", `type ExternalName wants ${wrong}`);
}

function validateAddresses({ spec }: Service, report: Report): void {
  const given = spec.clusterIP ?? "";
  if (given !== "" && given !== "None" && isIP(given) === 0)
    report.error("spec.clusterIP", "InvalidValue", `found "${given}", want an IP address or None`);
  if (given === "None" && (spec.type === "NodePort" || spec.type === "LoadBalancer"))
    report.error(
      "spec.clusterIP",
      "InvalidValue",
      `found None, but type ${spec.type} needs an address`,
    );
  const first = spec.clusterIPs[0];
  if (first !== undefined && given !== "" && first !== given)
    report.error(
      "spec.clusterIPs[0]",
      "InvalidValue",
      `found "${first}", want clusterIP (${given})`,
    );
}

function validatePorts({ spec }: Service, report: Report): void {
  const headless = spec.clusterIP === "None";
  if (spec.ports.length === 0 && !headless && spec.type !== "ExternalName")
    report.error("spec.ports", "Required", "found no ports, want at least one");
  const names = new Set<string>();
  const numbers = new Set<string>();
  spec.ports.forEach((port, i) => {
    const path = pathOf("spec.ports", i);
    if (port.name === "" && spec.ports.length > 1)
      report.error(`${path}.name`, "Required", "is required when there are several ports");
    if (port.name !== "" && names.has(port.name))
      report.error(`${path}.name`, "Duplicate", `found "${port.name}" a second time`);
    const number = `${port.port}/${port.protocol}`;
    if (numbers.has(number))
      report.error(`${path}.port`, "Duplicate", `found ${number} a second time`);
    names.add(port.name);
    numbers.add(number);
    validateTargetPort(port.targetPort, `${path}.targetPort`, report);
  });
}

function validateTargetPort(
  target: number | string | undefined,
  path: string,
  report: Report,
): void {
  // 0 is what older clients send for "same as port".
  if (typeof target === "number" && (target < 0 || target > 65535))
    report.error(path, "InvalidValue", `found ${target}, want 1 to 65535 or a port's name`);
}
