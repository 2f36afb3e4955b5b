/** Istio's rules for WorkloadEntries (pkg/config/validation: ValidateWorkloadEntry), in our words. */
import { fqdnOrIp } from "../networking/hosts.ts";
import type { Report } from "../report.ts";
import type { WorkloadEntrySpec } from "./schema.ts";

const UNIX = "unix://";

/** `path` is where the workload lies: `spec`, or an endpoint of a ServiceEntry. */
export function validateWorkload(entry: WorkloadEntrySpec, path: string, report: Report): void {
  const address = entry.address ?? "";
  if (address === "") {
    // Without an address the workload is reached through its network's gateway.
    if ((entry.network ?? "") === "")
      report.error(`${path}.address`, "Required", "is required; want an IP address or a host name");
    else
      report.warning(
        `${path}.address`,
        "NotCarriedOut",
        "found none: a workload behind its network's gateway, which is not carried out yet",
      );
    return;
  }
  if (address.startsWith(UNIX)) validateSocket(entry, address, path, report);
  else if (fqdnOrIp(address) !== undefined)
    report.error(
      `${path}.address`,
      "InvalidValue",
      `found "${address}", want an IP address, a host name or unix:///path`,
    );
}

function validateSocket(
  entry: WorkloadEntrySpec,
  address: string,
  path: string,
  report: Report,
): void {
  const socket = address.slice(UNIX.length);
  const absolute = socket.startsWith("/") || socket.startsWith("@");
  if (!absolute || socket.endsWith("/"))
    report.error(
      `${path}.address`,
      "InvalidValue",
      `found "${address}", want unix:// and an absolute path, or @ and an abstract name`,
    );
  else
    report.warning(
      `${path}.address`,
      "NotCarriedOut",
      "found a unix:// address, which is accepted but not carried out yet: it gets no requests",
    );
  if (Object.keys(entry.ports).length > 0)
    report.error(`${path}.ports`, "OneOf", "may not be set beside a unix:// address");
}
