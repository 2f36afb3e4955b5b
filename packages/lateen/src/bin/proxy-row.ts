/** From what a proxy says of itself to the model's row. */
import type { ConnectedProxy } from "../model/types.ts";

/** The slice of a discovery Node that is read. */
export interface DescribedNode {
  /** `sidecar~10.0.0.1~pod.namespace~namespace.svc.cluster.local`. */
  readonly id: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly locality?: { readonly region: string; readonly zone: string; readonly subZone: string };
}

/**
 * Fields are Istio's node metadata (pkg/model/proxy.go NodeMetadata). Whoever is asked has checked
 * the form of the id and the claims in the metadata (authn/node-claims.ts).
 */
export function proxyRow(
  node: DescribedNode,
  as: Pick<ConnectedProxy, "flavour" | "vhds">,
): ConnectedProxy {
  const { id, metadata } = node;
  const [type, ip = "", fullName = ""] = id.split("~");
  const dot = fullName.lastIndexOf(".");
  const instanceIps = text(metadata["INSTANCE_IPS"]).split(",");
  const ipAddresses = [...new Set([ip, ...instanceIps])].filter(address => address !== "");
  return {
    id,
    type: type === "router" ? "router" : "sidecar",
    namespace: text(metadata["NAMESPACE"]) || fullName.slice(dot + 1),
    name: text(metadata["NAME"]) || fullName.slice(0, Math.max(dot, 0)),
    ipAddresses,
    labels: texts(metadata["LABELS"]),
    serviceAccount: text(metadata["SERVICE_ACCOUNT"]),
    cluster: text(metadata["CLUSTER_ID"]),
    network: text(metadata["NETWORK"]),
    locality: node.locality ?? { region: "", zone: "", subZone: "" },
    nodeName: text(metadata["NODE_NAME"]),
    workloadName: text(metadata["WORKLOAD_NAME"]),
    interceptionMode: interceptionMode(metadata["INTERCEPTION_MODE"]),
    ...as,
  };
}

function interceptionMode(value: unknown): ConnectedProxy["interceptionMode"] {
  return value === "TPROXY" || value === "NONE" ? value : "REDIRECT";
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function texts(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null) return {};
  const entries = Object.entries(value).flatMap(([key, each]): [string, string][] =>
    typeof each === "string" ? [[key, each]] : [],
  );
  return Object.fromEntries(entries);
}
