/** Istio's rules for the list exportTo (pkg/config/validation: validateExportTo). */
import { pathOf, type Report } from "../report.ts";

export function validateExportTo(
  exportTo: readonly string[],
  namespace: string,
  report: Report,
): void {
  const seen = new Set<string>();
  exportTo.forEach((entry, i) => {
    const meant = entry === "." && namespace !== "" ? namespace : entry;
    if (seen.has(meant))
      report.error(pathOf("spec.exportTo", i), "Duplicate", `found "${entry}" a second time`);
    seen.add(meant);
  });
  for (const alone of ["*", "~"])
    if (seen.has(alone) && seen.size > 1)
      report.error("spec.exportTo", "OneOf", `found "${alone}" beside others; want it alone`);
}
