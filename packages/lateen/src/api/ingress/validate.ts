/** Kubernetes' rules for Ingresses (pkg/apis/networking/validation), for stores that have no others. */
import { pathOf, type Report } from "../report.ts";
import type { Ingress, IngressBackend, IngressPath } from "./schema.ts";

export function validateIngress({ spec }: Ingress, report: Report): void {
  if (spec.rules.length === 0 && spec.defaultBackend === undefined)
    report.error("spec", "Required", "found neither defaultBackend nor rules, want one of them");
  if (spec.defaultBackend !== undefined)
    validateBackend(spec.defaultBackend, "spec.defaultBackend", report);
  spec.rules.forEach(({ http }, i) => {
    http?.paths.forEach((each, j) => {
      const place = pathOf("spec", "rules", i, "http", "paths", j);
      validatePath(each, place, report);
      validateBackend(each.backend, `${place}.backend`, report);
    });
  });
}

function validatePath({ path, pathType }: IngressPath, place: string, report: Report): void {
  const mayBeEmpty = pathType === "ImplementationSpecific" && path === "";
  if (!mayBeEmpty && !path.startsWith("/"))
    report.error(
      `${place}.path`,
      "InvalidValue",
      `found "${path.slice(0, 80)}", want an absolute path`,
    );
  if (pathType === "ImplementationSpecific") return;
  const bad = ["//", "/./", "/../", "%2f", "%2F"].find(part => path.includes(part));
  if (bad !== undefined)
    report.error(`${place}.path`, "InvalidValue", `found ${bad} in it, want a path without that`);
}

function validateBackend(
  { service, resource }: IngressBackend,
  place: string,
  report: Report,
): void {
  if (service === undefined && resource === undefined)
    report.error(place, "Required", "found neither service nor resource, want one of them");
  if (service === undefined) return;
  if (resource !== undefined)
    report.error(place, "InvalidValue", "found service and resource, want one of them");
  const { name, number } = service.port;
  if ((name === "") === (number === undefined))
    report.error(`${place}.service.port`, "InvalidValue", "want either name or number");
}
