import { eventKind } from "../api/event/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import { serviceKind } from "../api/service/kind.ts";
import type { Clock } from "../base/clock.ts";
import { UserError } from "../cli/command.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";

const NAMESPACE = "istio-system";
const NAME = "istio-ingressgateway";
const TIMEOUT_MS = 60_000;
const POLL_MS = 50;
/** A person who waits for so long wants to know what for. */
const SAY_AFTER_MS = 5_000;

type Reader = Pick<ApiClient, "get" | "list">;

export interface GatewayWait {
  readonly client: Reader;
  readonly interrupted: AbortSignal;
  readonly clock: Clock;
  /** Told what is missing, when it takes long; once for each reason. */
  readonly progress: (line: string) => void;
}

/**
 * `address:80` of the ingress gateway as the host reaches it, once a gateway pod is ready. Throws
 * when that takes too long, with why, or when `interrupted` is aborted.
 */
export async function waitForGateway({
  client,
  interrupted,
  clock,
  progress,
}: GatewayWait): Promise<string> {
  const start = clock.monotonic();
  let said = "";
  while (clock.monotonic() < start + TIMEOUT_MS) {
    interrupted.throwIfAborted();
    const address = await gatewayAddress(client);
    const pods = await gatewayPods(client);
    if (address !== undefined && pods.some(isReady)) return `${address}:80`;
    if (clock.monotonic() > start + SAY_AFTER_MS) {
      const why = await whyNotReady(client, address, pods);
      if (why !== said) progress(`waiting for the ingress gateway: ${why}`);
      said = why;
    }
    await new Promise<void>(done => clock.after(POLL_MS, done));
  }
  throw new UserError(`the ingress gateway is not ready in time: ${said}`);
}

async function gatewayAddress(client: Reader): Promise<string | undefined> {
  const answer = await client.get(serviceKind, NAMESPACE, NAME);
  if (!answer.ok) return undefined;
  const decoded = serviceKind.decode(answer.value);
  return decoded.ok ? decoded.value.status?.loadBalancer?.ingress?.[0]?.ip : undefined;
}

async function gatewayPods(client: Reader): Promise<readonly JsonObject[]> {
  const answer = await client.list(podKind, {
    namespace: NAMESPACE,
    labelSelector: `app=${NAME}`,
  });
  return answer.ok ? answer.value.items : [];
}

function isReady(item: JsonObject): boolean {
  const conditions = arrayAt(objectAt(item, "status"), "conditions").filter(isObject);
  return conditions.some(each => each["type"] === "Ready" && each["status"] === "True");
}

async function whyNotReady(
  client: Reader,
  address: string | undefined,
  pods: readonly JsonObject[],
): Promise<string> {
  const pod = pods.at(-1);
  if (pod === undefined) return "it has no pod yet";
  if (address === undefined) return "its Service has no address yet";
  const name = stringAt(objectAt(pod, "metadata"), "name");
  return `pod ${name}: ${statedReason(pod) ?? (await lastWarning(client, name)) ?? "not ready yet"}`;
}

/** In its status: of the pod, or of a container that waits or has ended. */
function statedReason(pod: JsonObject): string | undefined {
  const status = objectAt(pod, "status");
  const states = arrayAt(status, "containerStatuses")
    .filter(isObject)
    .flatMap(each => [objectAt(each, "state"), objectAt(each, "lastState")])
    .flatMap(state => [objectAt(state, "waiting"), objectAt(state, "terminated")]);
  const found = [status, ...states].find(each => stringAt(each, "message") !== "");
  return found && `${stringAt(found, "reason")}: ${stringAt(found, "message")}`;
}

async function lastWarning(client: Reader, pod: string): Promise<string | undefined> {
  const answer = await client.list(eventKind, { namespace: NAMESPACE });
  const events = answer.ok ? answer.value.items : [];
  const ofPod = events.filter(
    event =>
      stringAt(event, "type") === "Warning" &&
      stringAt(objectAt(event, "involvedObject"), "name") === pod,
  );
  const time = (event: JsonObject): string => stringAt(event, "lastTimestamp");
  const last = ofPod.toSorted((a, b) => (time(a) < time(b) ? -1 : 1)).at(-1);
  return last && `${stringAt(last, "reason")}: ${stringAt(last, "message")}`;
}
