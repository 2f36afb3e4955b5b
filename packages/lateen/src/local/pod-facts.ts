import type { Pod } from "../api/pod/schema.ts";

export function isPodReady(pod: Pod): boolean {
  return pod.status.conditions.some(c => c.type === "Ready" && c.status === "True");
}

/** It has been ready for so long that it counts (Kubernetes: minReadySeconds). */
export function isPodAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  const ready = pod.status.conditions.find(c => c.type === "Ready" && c.status === "True");
  if (ready === undefined || minReadySeconds === 0) return ready !== undefined;
  return Date.parse(ready.lastTransitionTime ?? "") + minReadySeconds * 1000 <= nowMs;
}

/** It has been asked to end. */
export function isPodTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

/** It has run to its end. */
export function isPodFinished(pod: Pod): boolean {
  return pod.status.phase === "Succeeded" || pod.status.phase === "Failed";
}
