/** `proxy-config endpoint`: features row 22, from Envoy's `/clusters?format=json`. */
import { compareText } from "../../base/compare.ts";
import { renderTable } from "../tabwriter.ts";
import type { Address } from "./config-dump.ts";

interface HostStatus {
  readonly address?: Address;
  readonly health_status?: {
    readonly eds_health_status?: string;
    readonly failed_outlier_check?: boolean;
  };
}

export interface ClusterStatus {
  readonly name?: string;
  readonly host_statuses?: readonly HostStatus[];
}

export interface EndpointFilter {
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly cluster: string | undefined;
  readonly status: string | undefined;
}

export function parseClusters(text: string): ClusterStatus[] {
  const dump = JSON.parse(text) as { cluster_statuses?: readonly ClusterStatus[] };
  return [...(dump.cluster_statuses ?? [])];
}

interface EndpointRow {
  readonly address: string;
  readonly port: number;
  readonly status: string;
  readonly outlierCheck: string;
  readonly cluster: string;
}

export function endpointTable(clusters: readonly ClusterStatus[], filter: EndpointFilter): string {
  const found = clusters
    .flatMap(cluster => (cluster.host_statuses ?? []).map(host => toRow(cluster, host)))
    .filter(row => matches(row, filter))
    .sort(byAddressPortCluster);
  const rows: string[][] = [["ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"]];
  for (const row of found) {
    const endpoint = row.port === 0 ? row.address : `${row.address}:${row.port}`;
    rows.push([endpoint, row.status, row.outlierCheck, row.cluster]);
  }
  return renderTable(rows, { padding: 5 });
}

/** Clusters with at least one endpoint that the filter lets through, for `-o json`. */
export function selectClusterStatuses(
  clusters: readonly ClusterStatus[],
  filter: EndpointFilter,
): ClusterStatus[] {
  return clusters.filter(cluster =>
    (cluster.host_statuses ?? []).some(host => matches(toRow(cluster, host), filter)),
  );
}

function toRow(cluster: ClusterStatus, host: HostStatus): EndpointRow {
  const socket = host.address?.socket_address;
  const fallback =
    host.address?.pipe?.path ?? host.address?.envoy_internal_address?.server_listener_name ?? "";
  return {
    address: socket?.address ?? fallback,
    port: socket?.port_value ?? 0,
    status: host.health_status?.eds_health_status ?? "UNKNOWN",
    outlierCheck: host.health_status?.failed_outlier_check === true ? "FAILED" : "OK",
    cluster: cluster.name ?? "",
  };
}

function matches(row: EndpointRow, filter: EndpointFilter): boolean {
  return (
    (filter.address === undefined || row.address.toLowerCase() === filter.address.toLowerCase()) &&
    (filter.port === undefined || row.port === filter.port) &&
    (filter.cluster === undefined || row.cluster.toLowerCase() === filter.cluster.toLowerCase()) &&
    (filter.status === undefined || row.status.toLowerCase() === filter.status.toLowerCase())
  );
}

function byAddressPortCluster(a: EndpointRow, b: EndpointRow): number {
  return compareText(a.address, b.address) || a.port - b.port || compareText(a.cluster, b.cluster);
}
