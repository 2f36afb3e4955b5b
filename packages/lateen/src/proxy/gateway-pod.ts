/** Whether a pod's proxy is a gateway: what the pod says, not what its proxy says of itself. */
import type { Pod } from "../api/pod/schema.ts";
import { templatesOf } from "./inject-pod.ts";

/** Istio's `inject.istio.io/templates: gateway`, or a proxy container that is started as a router. */
export function isGatewayPod(pod: Pod): boolean {
  if (templatesOf(pod.metadata.annotations).includes("gateway")) return true;
  return (pod.spec.containers ?? []).some(
    ({ name, args }) => name === "istio-proxy" && (args ?? []).includes("router"),
  );
}
