/** Where workloads run: region, zone and sub-zone from their node's labels. */
import type { Node } from "../api/node/kind.ts";
import type { Collection, Graph } from "../flow/types.ts";
import type { Locality } from "./types.ts";

export const NOWHERE: Locality = { region: "", zone: "", subZone: "" };

export const REGION = "topology.kubernetes.io/region";
export const ZONE = "topology.kubernetes.io/zone";
export const SUB_ZONE = "topology.istio.io/subzone";

export function createNodeLocalities(graph: Graph, nodes: Collection<Node>): Collection<Locality> {
  return graph.derive(nodes, { name: "node localities" }, (_key, node) =>
    localityOfLabels(node.metadata.labels),
  );
}

export function localityOfLabels(labels: Readonly<Record<string, string>>): Locality {
  return {
    region: labels[REGION] ?? "",
    zone: labels[ZONE] ?? "",
    subZone: labels[SUB_ZONE] ?? "",
  };
}

/** `region/zone/subzone`, as WorkloadEntry writes it; later parts may be missing. */
export function parseLocality(text: string): Locality {
  const [region = "", zone = "", subZone = ""] = text.split("/");
  return { region, zone, subZone };
}
