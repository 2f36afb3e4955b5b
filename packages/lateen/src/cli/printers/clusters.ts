/** `proxy-config cluster`: features row 16. */
import { compareText } from "../../base/compare.ts";
import { renderTable } from "../tabwriter.ts";
import { type Cluster, managedBy } from "./config-dump.ts";

export interface ClusterFilter {
  readonly fqdn: string | undefined;
  readonly port: number | undefined;
  readonly subset: string | undefined;
  readonly direction: string | undefined;
}

interface ClusterName {
  readonly direction: string;
  readonly port: string;
  readonly subset: string;
  readonly host: string;
}

/** `outbound|80|v1|host`; other names (BlackHoleCluster) are a host alone. */
function parseClusterName(name: string): ClusterName {
  const pieces = name.split("|");
  if (pieces.length < 4) return { direction: "", port: "", subset: "", host: name };
  const [direction = "", port = "", subset = "", ...host] = pieces;
  return { direction, port, subset, host: host.join("|") };
}

export function selectClusters(all: readonly Cluster[], filter: ClusterFilter): Cluster[] {
  return all.filter(cluster => {
    const name = cluster.name ?? "";
    return (
      (filter.fqdn === undefined || name.includes(filter.fqdn)) &&
      (filter.direction === undefined || name.includes(filter.direction)) &&
      (filter.subset === undefined || name.includes(filter.subset)) &&
      (filter.port === undefined || name.includes(`|${filter.port}|`))
    );
  });
}

export function clusterTable(clusters: readonly Cluster[]): string {
  const rows: string[][] = [
    ["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE"],
  ];
  for (const cluster of [...clusters].sort(byHostSubsetPort)) {
    const name = parseClusterName(cluster.name ?? "");
    const type = cluster.type ?? cluster.cluster_type?.name ?? "STATIC";
    rows.push([
      name.host,
      name.port || "-",
      name.subset || "-",
      name.direction || "-",
      type,
      managedBy(cluster.metadata),
    ]);
  }
  return renderTable(rows, { padding: 5 });
}

function byHostSubsetPort(left: Cluster, right: Cluster): number {
  const a = parseClusterName(left.name ?? "");
  const b = parseClusterName(right.name ?? "");
  return (
    compareText(a.host, b.host) ||
    compareText(a.subset, b.subset) ||
    Number(a.port) - Number(b.port) ||
    compareText(a.direction, b.direction)
  );
}
