/** When what was applied works: Deployments with all their pods, CRDs that are served. */
import type { JsonObject } from "../api/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { nameOf, type ObjectName, resourceOf } from "./objects.ts";

const POLL_MS = 500;
const PODS = { group: "", versions: ["v1"], plural: "pods", namespaced: true };

export interface WaitOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** What is not ready yet, each time it is looked at. */
  readonly onWaiting: (names: readonly ObjectName[]) => void;
}

/** Objects that never became ready, with the reasons that their pods give. */
export interface NotReady extends Problem {
  readonly name: ObjectName;
}

export interface Problem {
  readonly why: string;
  /** It does not become ready until somebody does something about it. */
  readonly isForGood: boolean;
}

/** Whether nothing is to run of a Deployment: as it is planned, or as it is in the cluster. */
export function hasNoReplicas(deployment: JsonObject): boolean {
  return objectAt(deployment, "spec")["replicas"] === 0;
}

export async function waitUntilReady(
  objects: readonly JsonObject[],
  options: WaitOptions,
): Promise<readonly NotReady[]> {
  const { client, clock, timeoutMs, onWaiting } = options;
  const end = clock.monotonic() + timeoutMs;
  // Nothing comes of 0 replicas, and somebody wants it so.
  const expected = objects.filter(object => !hasNoReplicas(object));
  let waiting = expected.map(nameOf).filter(({ kind }) => kind in CHECKS);
  for (;;) {
    const left: NotReady[] = [];
    for (const name of waiting) {
      const problem = await problemOf(client, name);
      if (problem !== undefined) left.push({ name, ...problem });
    }
    waiting = left.map(each => each.name);
    if (left.length === 0 || left.some(each => each.isForGood)) return left;
    if (clock.monotonic() >= end) return withReasons(client, left);
    onWaiting(waiting);
    await new Promise<void>(done => clock.after(POLL_MS, done));
  }
}

const CHECKS: Readonly<Record<string, (object: JsonObject) => string | undefined>> = {
  Deployment: deploymentProblem,
  CustomResourceDefinition: crdProblem,
};

/** undefined: it is ready, or has no notion of that. */
export async function problemOf(
  client: ApiClient,
  { kind, namespace, name }: ObjectName,
): Promise<Problem | undefined> {
  const live = await client.get(resourceOf(kind), namespace, name);
  if (!live.ok)
    return { why: live.status.message ?? `status ${live.status.code}`, isForGood: false };
  if (kind === "Deployment" && hasNoReplicas(live.value) && isControlPlane(live.value))
    return { why: "it has 0 replicas: no control plane runs", isForGood: true };
  const why = CHECKS[kind]?.(live.value);
  return why === undefined ? undefined : { why, isForGood: false };
}

function deploymentProblem(object: JsonObject): string | undefined {
  const status = objectAt(object, "status");
  const wanted = objectAt(object, "spec")["replicas"] ?? 1;
  const count = (key: string): number => Number(status[key] ?? 0);
  const generation = Number(objectAt(object, "metadata")["generation"] ?? 0);
  if (count("observedGeneration") < generation) return "not observed yet";
  if (count("updatedReplicas") < Number(wanted))
    return `${count("updatedReplicas")} of ${wanted} pods are of this version`;
  if (count("replicas") > count("updatedReplicas")) return "older pods are still there";
  if (count("availableReplicas") < Number(wanted))
    return `${count("availableReplicas")} of ${wanted} pods are ready`;
  return undefined;
}

/** Gateways may rest; without a control plane no pod that asks for injection is created. */
function isControlPlane(deployment: JsonObject): boolean {
  return objectAt(objectAt(deployment, "metadata"), "labels")["app"] === "istiod";
}

function crdProblem(object: JsonObject): string | undefined {
  const conditions = arrayAt(objectAt(object, "status"), "conditions").filter(isObject);
  const established = conditions.find(each => each["type"] === "Established");
  return established?.["status"] === "True" ? undefined : "not served yet";
}

async function withReasons(client: ApiClient, left: readonly NotReady[]): Promise<NotReady[]> {
  const found: NotReady[] = [];
  for (const each of left) {
    const reasons = each.name.kind === "Deployment" ? await podReasons(client, each.name) : [];
    found.push({ ...each, why: [each.why, ...reasons].join("; ") });
  }
  return found;
}

const MAX_REASONS = 5;
/** Of what a container that ended said last. */
const MAX_LINES = 3;

async function podReasons(client: ApiClient, { namespace, name }: ObjectName): Promise<string[]> {
  const list = await client.list(PODS, { namespace, limit: 500 });
  if (!list.ok) return [];
  const pods = list.value.items.filter(pod =>
    stringAt(objectAt(pod, "metadata"), "name").startsWith(`${name}-`),
  );
  return [...new Set(pods.flatMap(reasonsOf))].slice(0, MAX_REASONS);
}

function reasonsOf(pod: JsonObject): string[] {
  const name = stringAt(objectAt(pod, "metadata"), "name");
  const status = objectAt(pod, "status");
  const conditions = arrayAt(status, "conditions").filter(isObject);
  const unscheduled = conditions
    .filter(each => each["type"] === "PodScheduled" && each["status"] === "False")
    .map(each => `pod ${name}: ${stringAt(each, "message")}`);
  const containers = [
    ...arrayAt(status, "initContainerStatuses"),
    ...arrayAt(status, "containerStatuses"),
  ];
  const waiting = containers.filter(isObject).flatMap(container => {
    const state = objectAt(objectAt(container, "state"), "waiting");
    const reason = stringAt(state, "reason");
    if (reason === "" || reason === "PodInitializing" || reason === "ContainerCreating") return [];
    const ended = objectAt(objectAt(container, "lastState"), "terminated");
    const said = stringAt(ended, "message").trim().split("\n").slice(-MAX_LINES).join(" ");
    const why = [reason, said || stringAt(state, "message")].filter(text => text !== "").join(": ");
    return [`pod ${name}, container ${stringAt(container, "name")}: ${why}`];
  });
  return [...unscheduled, ...waiting];
}
