/** Istio's rules for DestinationRules (pkg/config/validation), in our words. */
import { validateExportTo } from "../networking/export-to.ts";
import type { ApiClientTls, ApiTrafficPolicy } from "../networking/traffic-policy.ts";
import { pathOf, type Report } from "../report.ts";
import type { DestinationRule } from "./schema.ts";

export function validateDestinationRule({ spec, metadata }: DestinationRule, report: Report): void {
  validateExportTo(spec.exportTo, metadata.namespace, report);
  if (spec.trafficPolicy !== undefined)
    validatePolicy(spec.trafficPolicy, "spec.trafficPolicy", report);
  const names = new Set<string>();
  spec.subsets.forEach((subset, i) => {
    const path = pathOf("spec.subsets", i);
    if (names.has(subset.name))
      report.error(`${path}.name`, "Duplicate", `found "${subset.name}" a second time`);
    names.add(subset.name);
    if (subset.trafficPolicy !== undefined)
      validatePolicy(subset.trafficPolicy, `${path}.trafficPolicy`, report);
  });
}

function validatePolicy(policy: ApiTrafficPolicy, path: string, report: Report): void {
  const { portLevelSettings, ...others } = policy;
  if (portLevelSettings.length === 0 && Object.keys(others).length === 0)
    report.error(path, "Required", "found no settings, want at least one");
  if (policy.tls !== undefined) validateTls(policy.tls, `${path}.tls`, report);
  const ports = new Set<number>();
  portLevelSettings.forEach(({ port, ...settings }, i) => {
    const at = pathOf(path, "portLevelSettings", i);
    const number = port?.number;
    if (number === undefined)
      report.error(`${at}.port`, "Required", "is required; want the number of a port");
    else if (ports.has(number))
      report.warning(`${at}.port.number`, "Duplicate", `found ${number} again; the first one wins`);
    else ports.add(number);
    if (Object.keys(settings).length === 0)
      report.error(at, "Required", "found no settings, want loadBalancer or tls");
    if (settings.tls !== undefined) validateTls(settings.tls, `${at}.tls`, report);
  });
}

function validateTls(tls: ApiClientTls, path: string, report: Report): void {
  const files = ["clientCertificate", "privateKey", "caCertificates", "caCrl"] as const;
  const given = files.filter(file => (tls[file] ?? "") !== "");
  const simpleOrMutual = tls.mode === "SIMPLE" || tls.mode === "MUTUAL";
  if (simpleOrMutual && (tls.credentialName ?? "") !== "") {
    if (tls.insecureSkipVerify === true && tls.mode === "SIMPLE")
      report.error(`${path}.credentialName`, "OneOf", "may not be set beside insecureSkipVerify");
    for (const file of given)
      report.error(`${path}.${file}`, "OneOf", "may not be set beside credentialName");
    return;
  }
  if (tls.mode === "MUTUAL")
    for (const file of ["clientCertificate", "privateKey"] as const)
      if (!given.includes(file))
        report.error(`${path}.${file}`, "Required", "is required for mode MUTUAL");
  if (tls.mode === "ISTIO_MUTUAL")
    for (const file of given)
      report.warning(
        `${path}.${file}`,
        "Ignored",
        "has no effect: ISTIO_MUTUAL has the mesh's own",
      );
  if (tls.insecureSkipVerify === true && simpleOrMutual) validateUnverified(tls, path, report);
}

/** What says whom to trust makes no sense when nobody is checked. */
function validateUnverified(tls: ApiClientTls, path: string, report: Report): void {
  const message = "may not be set beside insecureSkipVerify";
  if ((tls.caCertificates ?? "") !== "") report.error(`${path}.caCertificates`, "OneOf", message);
  if (tls.subjectAltNames.length > 0) report.error(`${path}.subjectAltNames`, "OneOf", message);
}
