import { randomInt } from "node:crypto";
import { deploymentKind } from "../api/deployment/kind.ts";
import type { Deployment } from "../api/deployment/schema.ts";
import type { JsonObject } from "../api/kind.ts";
import { selects } from "../api/label-selector.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { jsonEqual, objectAt } from "../sources/json.ts";
import { HASH_LABEL, planDeployment, templateHash } from "./deployment-plan.ts";
import type { ObjectCache } from "./object-cache.ts";
import type { EventSource, PodEvents } from "./pod-events.ts";
import { isPodAvailable, isPodReady, isPodTerminating } from "./pod-facts.ts";
import { timeText } from "./pod-status.ts";
import { expectOk, StoreRefusal } from "./store-result.ts";
import { WorkQueue } from "./work-queue.ts";

export interface DeploymentsOptions {
  readonly client: ApiClient;
  readonly deployments: ObjectCache<Deployment>;
  readonly pods: ObjectCache<Pod>;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Pick<PodEvents, "record" | "forget">;
}

/** There are no ReplicaSets here, whose Events these are on Kubernetes. */
const EVENT_SOURCE: EventSource = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  component: "deployment-controller",
};

const SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH = 5;

/** Makes and deletes pods so that every Deployment has those that it asks for. */
export class Deployments {
  readonly #options: DeploymentsOptions;
  readonly #queue: WorkQueue;
  readonly #progress = new Map<string, Progress>();

  constructor(options: DeploymentsOptions) {
    this.#options = options;
    const { clock, log, deployments, pods } = options;
    const work = (key: string): Promise<void> => this.#reconcile(key);
    this.#queue = new WorkQueue({ name: "deployments", clock, log, work });
    for (const { metadata } of deployments.all())
      this.#queue.add(`${metadata.namespace}/${metadata.name}`);
    deployments.onChange(changes => {
      for (const { key, before, after } of changes) {
        if (before !== undefined && after === undefined) options.events.forget(before.metadata.uid);
        this.#queue.add(key);
      }
    });
    pods.onChange(changes => {
      for (const { before, after } of changes)
        for (const pod of [before, after]) if (pod !== undefined) this.#ownerChanged(pod);
    });
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  #ownerChanged(pod: Pod): void {
    const owner = pod.metadata.ownerReferences?.find(reference => reference.controller === true);
    if (owner?.kind === "Deployment") this.#queue.add(`${pod.metadata.namespace}/${owner.name}`);
  }

  async #reconcile(key: string): Promise<void> {
    const { deployments, pods } = this.#options;
    const deployment = deployments.at(key);
    if (deployment === undefined) this.#progress.delete(key);
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return;
    const { namespace, uid } = deployment.metadata;
    const owned = pods
      .inNamespace(namespace)
      .filter(pod => pod.metadata.ownerReferences?.some(ref => ref.uid === uid))
      .filter(pod => selects(deployment.spec.selector, pod.metadata.labels));
    const json = deployments.jsonAt(key) ?? {};
    const template = objectAt(objectAt(json, "spec"), "template");
    const hash = templateHash(template);
    const now = this.#options.clock.now();
    const plan = planDeployment(deployment, hash, owned, now);
    const refused = await this.#createPods(plan.create, deployment, template, hash);
    if (refused !== undefined) this.#recordRefusal(deployment, refused);
    for (const pod of plan.delete) await this.#delete(pod);
    await this.#writeStatus({ key, deployment, hash, refused }, objectAt(json, "status"));
    if (refused !== undefined) throw refused;
  }

  /** What the store had against a pod: it goes into the status, and is tried again later. */
  async #createPods(
    count: number,
    deployment: Deployment,
    template: JsonObject,
    hash: string,
  ): Promise<StoreRefusal | undefined> {
    try {
      for (let i = 0; i < count; i++) await this.#create(deployment, template, hash);
    } catch (error) {
      // Without the random part of the name: a message that changes each time would be written each time.
      const generated = `${deployment.metadata.name}-${hash}-`;
      const pattern = new RegExp(`${generated}[${SUFFIX_ALPHABET}]{${SUFFIX_LENGTH}}`, "g");
      if (error instanceof StoreRefusal)
        return new StoreRefusal(error.code, error.message.replace(pattern, generated));
      throw error;
    }
    return undefined;
  }

  #recordRefusal(deployment: Deployment, refused: StoreRefusal): void {
    const { namespace, name, uid } = deployment.metadata;
    const message = `Error creating: ${refused.message}`;
    const event = { type: "Warning", reason: "FailedCreate", message } as const;
    this.#options.events.record({ namespace, name, uid }, event, EVENT_SOURCE);
  }

  /** True when nothing has moved for progressDeadlineSeconds; looks again when that may change. */
  #isLate(key: string, deployment: Deployment, counts: Counts): boolean {
    const now = this.#options.clock.monotonic();
    const { minReadySeconds, progressDeadlineSeconds } = deployment.spec;
    if (counts.available < counts.ready) this.#queue.addLater(key, minReadySeconds * 1000);
    const state = JSON.stringify([deployment.metadata.generation, counts]);
    const known = this.#progress.get(key);
    if (known?.state !== state) this.#progress.set(key, { state, since: now });
    if (counts.complete) return false;
    const deadline = (known?.state === state ? known.since : now) + progressDeadlineSeconds * 1000;
    if (now < deadline) this.#queue.addLater(key, deadline - now);
    return now >= deadline;
  }

  async #create(deployment: Deployment, template: JsonObject, hash: string): Promise<void> {
    const { client, pods } = this.#options;
    const { name, namespace, uid } = deployment.metadata;
    const metadata = objectAt(template, "metadata");
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: `${name}-${hash}-${suffix()}`,
        generateName: `${name}-${hash}-`,
        namespace,
        labels: { ...objectAt(metadata, "labels"), [HASH_LABEL]: hash },
        annotations: objectAt(metadata, "annotations"),
        ownerReferences: [
          {
            apiVersion: "apps/v1",
            kind: "Deployment",
            name,
            uid,
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: objectAt(template, "spec"),
    };
    pods.apply(expectOk(await client.create(podKind, namespace, pod)));
  }

  async #delete(pod: Pod): Promise<void> {
    const { client, pods } = this.#options;
    const { namespace, name, uid } = pod.metadata;
    const result = await client.delete(podKind, namespace, name, { uid });
    if (!result.ok && result.status.code === 404) return;
    const left = expectOk(result);
    if (left["kind"] === "Pod") pods.apply(left);
    else pods.forget(namespace, name);
  }

  async #writeStatus(
    { key, deployment, hash, refused }: Reconciled,
    before: JsonObject,
  ): Promise<void> {
    const { client, deployments, pods, clock } = this.#options;
    const { namespace, name, uid, generation } = deployment.metadata;
    const live = pods
      .inNamespace(namespace)
      .filter(pod => pod.metadata.ownerReferences?.some(ref => ref.uid === uid))
      .filter(pod => !isPodTerminating(pod));
    const now = clock.now();
    const counts = countPods(deployment, live, hash, now);
    const late = this.#isLate(key, deployment, counts);
    const status = deploymentStatus(deployment, counts, hash, generation, late);
    const failure = refused === undefined ? [] : [replicaFailure(refused)];
    const found = [...status.conditions, ...failure];
    const conditions = withTimes(found, before, timeText(now));
    const wanted: JsonObject = { ...status, conditions };
    if (jsonEqual(before, wanted)) return;
    const result = await client.patch(
      deploymentKind,
      namespace,
      name,
      "merge",
      { status: wanted },
      { subresource: "status" },
    );
    if (!result.ok && result.status.code === 404) return;
    deployments.apply(expectOk(result));
  }
}

/** What a Deployment's last step forward was, and when. */
interface Progress {
  readonly state: string;
  readonly since: number;
}

interface Reconciled {
  readonly key: string;
  readonly deployment: Deployment;
  readonly hash: string;
  readonly refused: StoreRefusal | undefined;
}

interface Counts {
  readonly replicas: number;
  readonly updated: number;
  readonly ready: number;
  readonly available: number;
  readonly complete: boolean;
}

function countPods(
  deployment: Deployment,
  pods: readonly Pod[],
  hash: string,
  nowMs: number,
): Counts {
  const { replicas, minReadySeconds } = deployment.spec;
  const available = (pod: Pod): boolean => isPodAvailable(pod, minReadySeconds, nowMs);
  const updated = pods.filter(pod => pod.metadata.labels[HASH_LABEL] === hash);
  return {
    replicas: pods.length,
    updated: updated.length,
    ready: pods.filter(isPodReady).length,
    available: pods.filter(available).length,
    complete: updated.filter(available).length >= replicas && pods.length === updated.length,
  };
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

function deploymentStatus(
  deployment: Deployment,
  counts: Counts,
  hash: string,
  observedGeneration: number,
  late: boolean,
): JsonObject & { readonly conditions: readonly Condition[] & readonly JsonObject[] } {
  const { replicas } = deployment.spec;
  const set = `ReplicaSet "${deployment.metadata.name}-${hash}"`;
  const { available, complete } = counts;
  const enough = available >= replicas;
  const progress = late
    ? { reason: "ProgressDeadlineExceeded", message: `${set} has timed out progressing.` }
    : complete
      ? { reason: "NewReplicaSetAvailable", message: `${set} has successfully progressed.` }
      : { reason: "ReplicaSetUpdated", message: `${set} is progressing.` };
  return {
    observedGeneration,
    replicas: counts.replicas,
    updatedReplicas: counts.updated,
    readyReplicas: counts.ready,
    availableReplicas: available,
    unavailableReplicas: Math.max(0, Math.max(replicas, counts.replicas) - available),
    conditions: [
      {
        type: "Available",
        status: enough ? "True" : "False",
        reason: enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
        message: `Deployment ${enough ? "has" : "does not have"} minimum availability.`,
      },
      { type: "Progressing", status: late ? "False" : "True", ...progress },
    ],
  };
}

function replicaFailure(refused: StoreRefusal): JsonObject {
  const { message } = refused;
  return { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message };
}

function withTimes(
  conditions: readonly JsonObject[],
  before: JsonObject,
  now: string,
): JsonObject[] {
  const known = before["conditions"];
  const old: readonly JsonObject[] = Array.isArray(known) ? known : [];
  return conditions.map(condition => {
    const same = old.find(
      other => other["type"] === condition["type"] && other["status"] === condition["status"],
    );
    const lastTransitionTime = same?.["lastTransitionTime"] ?? now;
    const unchanged = same?.["reason"] === condition["reason"];
    const lastUpdateTime = unchanged ? (same?.["lastUpdateTime"] ?? now) : now;
    return { ...condition, lastUpdateTime, lastTransitionTime };
  });
}

function suffix(): string {
  return Array.from(
    { length: SUFFIX_LENGTH },
    () => SUFFIX_ALPHABET[randomInt(SUFFIX_ALPHABET.length)],
  ).join("");
}
