/**
 * Labels that the control plane adds to what workloads say of themselves (Istio: AugmentLabels): where
 * they run. Subsets and selectors see them.
 */
import { REGION, SUB_ZONE, ZONE } from "./locality.ts";
import type { Locality } from "./types.ts";

type Labels = Readonly<Record<string, string>>;

/** What is "" is not known, and adds no label. */
export interface Whereabouts {
  readonly cluster: string;
  readonly network: string;
  readonly locality: Locality;
  readonly nodeName: string;
}

export const NETWORK = "topology.istio.io/network";
const CLUSTER = "topology.istio.io/cluster";
const HOST_NAME = "kubernetes.io/hostname";

/** What is known of a workload comes before what its labels say. */
export function augmentedLabels(labels: Labels, at: Whereabouts): Labels {
  const { region, zone, subZone } = at.locality;
  const known = [
    [REGION, region],
    [ZONE, zone],
    [SUB_ZONE, subZone],
    [CLUSTER, at.cluster],
    [HOST_NAME, at.nodeName],
    [NETWORK, at.network],
  ].filter(([, value]) => value !== "");
  return { ...labels, ...Object.fromEntries(known) };
}
