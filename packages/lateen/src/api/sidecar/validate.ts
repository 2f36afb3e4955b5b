/** Istio's rules for Sidecars (pkg/config/validation: ValidateSidecar), in our words. */
import { pathOf, type Report } from "../report.ts";
import type { Sidecar } from "./schema.ts";

export function validateSidecar({ spec }: Sidecar, report: Report): void {
  const { egress = [], ingress, outboundTrafficPolicy, inboundConnectionPool } = spec;
  const settings = outboundTrafficPolicy ?? inboundConnectionPool;
  if (egress.length === 0 && ingress.length === 0 && settings === undefined)
    report.error("spec", "Required", "found no settings, want egress or outboundTrafficPolicy");
  if (spec.workloadSelector !== undefined && Object.keys(spec.workloadSelector.labels).length === 0)
    report.warning(
      "spec.workloadSelector",
      "Required",
      "found no labels: this is for all workloads",
    );
  egress.forEach((listener, i) => {
    const path = pathOf("spec.egress", i);
    if (listener.hosts.length === 0)
      report.error(`${path}.hosts`, "Required", "found no hosts, want at least one");
    if (listener.port === undefined && i < egress.length - 1)
      report.error(
        `${path}.port`,
        "Required",
        "is required; only the last listener may be without port",
      );
    if (listener.port !== undefined && listener.port.number === undefined)
      report.error(`${path}.port.number`, "Required", "is required; want 1 to 65535");
  });
}
