import { podKind } from "../api/pod/kind.ts";
import { serviceKind } from "../api/service/kind.ts";
import { UserError } from "../cli/command.ts";
import type { ApiClient } from "../sources/client/api-client.ts";

const NAMESPACE = "istio-system";
const NAME = "istio-ingressgateway";
const TIMEOUT_MS = 60_000;
const POLL_MS = 50;

/**
 * `address:80` of the ingress gateway as the host reaches it, once a gateway pod is ready. Throws
 * when that takes too long, or when `interrupted` is aborted.
 */
export async function waitForGateway(client: ApiClient, interrupted: AbortSignal): Promise<string> {
  const end = Date.now() + TIMEOUT_MS;
  while (Date.now() < end) {
    interrupted.throwIfAborted();
    const address = await gatewayAddress(client);
    if (address !== undefined && (await gatewayReady(client))) return `${address}:80`;
    await new Promise(done => setTimeout(done, POLL_MS));
  }
  throw new UserError(
    "the ingress gateway is not ready in time",
    `look at it: lateen logs -n ${NAMESPACE} deploy/${NAME} -c istio-proxy`,
  );
}

async function gatewayAddress(client: ApiClient): Promise<string | undefined> {
  const answer = await client.get(serviceKind, NAMESPACE, NAME);
  if (!answer.ok) return undefined;
  const decoded = serviceKind.decode(answer.value);
  return decoded.ok ? decoded.value.status?.loadBalancer?.ingress?.[0]?.ip : undefined;
}

async function gatewayReady(client: ApiClient): Promise<boolean> {
  const labelSelector = `app=${NAME}`;
  const answer = await client.list(podKind, { namespace: NAMESPACE, labelSelector });
  if (!answer.ok) return false;
  return answer.value.items.some(item => {
    const pod = podKind.decode(item);
    if (!pod.ok) return false;
    const conditions = pod.value.status?.conditions ?? [];
    return conditions.some(each => each.type === "Ready" && each.status === "True");
  });
}
