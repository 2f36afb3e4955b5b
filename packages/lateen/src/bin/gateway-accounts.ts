/** Which proxies may have the credentials of a gateway: what their Pods say, also when they come late. */
import type { Pod } from "../api/pod/schema.ts";
import type { CellFamily, Graph } from "../flow/types.ts";
import type { ModelInputs } from "../model/inputs.ts";
import { isGatewayPod } from "../proxy/gateway-pod.ts";

/** Service account of a gateway's Pod, by `namespace/name`; undefined: no such Pod, or no gateway's. */
export type GatewayAccounts = CellFamily<string | undefined>;

export function createGatewayAccounts(graph: Graph, { pods }: ModelInputs): GatewayAccounts {
  const options = { name: "gateways among pods of connected proxies", reads: [pods] };
  return graph.cells<string | undefined>(options, (key, read) => {
    const pod = read.get(pods, key);
    return pod !== undefined && isGatewayPod(pod) ? accountOf(pod) : undefined;
  });
}

/** As the API server fills it in. */
export function accountOf({ spec: { serviceAccountName, serviceAccount } }: Pod): string {
  return serviceAccountName ?? serviceAccount ?? "default";
}
