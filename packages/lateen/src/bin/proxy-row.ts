/** From what a proxy says of itself to the model's row. */
import { COMPACT_METRICS, LIVE_TCP_BYTES } from "../base/compact-metrics.ts";
import type { ConnectedProxy, MetricsForm } from "../model/types.ts";
import {
  decodeNodeMetadata,
  isAddress,
  type NodeMetadata,
  unusableText,
} from "../proxy/node-metadata.ts";

/** The slice of a discovery Node that is read. */
export interface DescribedNode {
  /** `sidecar~10.0.0.1~pod.namespace~namespace.svc.cluster.local`. */
  readonly id: string;
  /** As the client sent it. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly locality?: { readonly region: string; readonly zone: string; readonly subZone: string };
}

export interface DescribedProxy {
  readonly row: ConnectedProxy;
  readonly metadata: NodeMetadata;
  /** What was wrong with the metadata, and counts as not said. */
  readonly findings: readonly string[];
}

/**
 * `refused`: says too much, or what nothing may be made of. Whoever asks has checked the form of the
 * id, and checks the claims (authn/node-claims.ts).
 */
export function describeProxy(
  node: DescribedNode,
  as: Pick<ConnectedProxy, "flavour" | "vhds">,
): DescribedProxy | { readonly refused: string } {
  const decoded = decodeNodeMetadata(node.metadata);
  if (!decoded.ok) return { refused: decoded.refused };
  const refused = unusableNode(node);
  if (refused !== undefined) return { refused };
  const { metadata, findings } = decoded;
  return { row: { ...proxyRow(node, metadata), ...as }, metadata, findings };
}

function unusableNode({ id, locality }: DescribedNode): string | undefined {
  const [, ip = "", fullName = "", domain = ""] = id.split("~");
  if (!isAddress(ip)) return `node id: expected an IP address as its second part`;
  return (
    unusableText("name in the node id", fullName) ??
    unusableText("domain in the node id", domain) ??
    unusableText("locality.region", locality?.region ?? "") ??
    unusableText("locality.zone", locality?.zone ?? "") ??
    unusableText("locality.sub_zone", locality?.subZone ?? "")
  );
}

function proxyRow(
  { id, locality }: DescribedNode,
  metadata: NodeMetadata,
): Omit<ConnectedProxy, "flavour" | "vhds"> {
  const [type, ip = "", fullName = ""] = id.split("~");
  const dot = fullName.lastIndexOf(".");
  const ipAddresses = [...new Set([ip, ...metadata.instanceIps])].filter(each => each !== "");
  const { interceptionMode: mode } = metadata;
  return {
    id,
    type: type === "router" ? "router" : "sidecar",
    namespace: metadata.namespace || fullName.slice(dot + 1),
    name: metadata.name || fullName.slice(0, Math.max(dot, 0)),
    ipAddresses,
    labels: metadata.labels,
    serviceAccount: metadata.serviceAccount ?? "",
    cluster: metadata.clusterId ?? "",
    network: metadata.network ?? "",
    locality: locality ?? { region: "", zone: "", subZone: "" },
    nodeName: metadata.nodeName ?? "",
    workloadName: metadata.workloadName ?? "",
    interceptionMode: mode === "TPROXY" || mode === "NONE" ? mode : "REDIRECT",
    metrics: metricsForm(metadata),
  };
}

/** A proxy whose bootstrap does not say that it can write labels out gets them whole. */
function metricsForm({ capabilities, tcpBytes }: NodeMetadata): MetricsForm {
  if (!capabilities.includes(COMPACT_METRICS)) return "full";
  return tcpBytes === LIVE_TCP_BYTES ? "live" : "compact";
}
