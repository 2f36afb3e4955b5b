/** How endpoints are found. */
import type { Resolution } from "./types.ts";

/** By Envoy itself: endpoints are names, and a part of the cluster. */
export function isByDns(resolution: Resolution): boolean {
  return resolution === "DNSLB" || resolution === "DNSRoundRobinLB";
}
