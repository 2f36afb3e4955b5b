import { randomInt } from "node:crypto";
import { deploymentKind } from "../api/deployment/kind.ts";
import type { Deployment } from "../api/deployment/schema.ts";
import type { JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { jsonEqual, objectAt } from "../sources/json.ts";
import { HASH_LABEL, planDeployment, templateHash } from "./deployment-plan.ts";
import type { ObjectCache } from "./object-cache.ts";
import { isPodReady, isPodTerminating } from "./pod-facts.ts";
import { timeText } from "./pod-status.ts";
import { selects } from "./selector.ts";
import { expectOk } from "./store-result.ts";
import { WorkQueue } from "./work-queue.ts";

export interface DeploymentsOptions {
  readonly client: ApiClient;
  readonly deployments: ObjectCache<Deployment>;
  readonly pods: ObjectCache<Pod>;
  readonly clock: Clock;
  readonly log: Log;
}

const SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH = 5;

/** Makes and deletes pods so that every Deployment has those that it asks for. */
export class Deployments {
  readonly #options: DeploymentsOptions;
  readonly #queue: WorkQueue;

  constructor(options: DeploymentsOptions) {
    this.#options = options;
    const { clock, log, deployments, pods } = options;
    const work = (key: string): Promise<void> => this.#reconcile(key);
    this.#queue = new WorkQueue({ name: "deployments", clock, log, work });
    for (const { metadata } of deployments.all())
      this.#queue.add(`${metadata.namespace}/${metadata.name}`);
    deployments.onChange(changes => {
      for (const { key } of changes) this.#queue.add(key);
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
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return;
    const { namespace, uid } = deployment.metadata;
    const owned = pods
      .inNamespace(namespace)
      .filter(pod => pod.metadata.ownerReferences?.some(ref => ref.uid === uid))
      .filter(pod => selects(deployment.spec.selector, pod.metadata.labels));
    const json = deployments.jsonAt(key) ?? {};
    const template = objectAt(objectAt(json, "spec"), "template");
    const hash = templateHash(template);
    const plan = planDeployment(deployment, hash, owned);
    for (let i = 0; i < plan.create; i++) await this.#create(deployment, template, hash);
    for (const pod of plan.delete) await this.#delete(pod);
    await this.#writeStatus(deployment, hash, objectAt(json, "status"));
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

  async #writeStatus(deployment: Deployment, hash: string, before: JsonObject): Promise<void> {
    const { client, deployments, pods, clock } = this.#options;
    const { namespace, name, uid, generation } = deployment.metadata;
    const live = pods
      .inNamespace(namespace)
      .filter(pod => pod.metadata.ownerReferences?.some(ref => ref.uid === uid))
      .filter(pod => !isPodTerminating(pod));
    const status = deploymentStatus(deployment, live, hash, generation);
    const conditions = withTimes(status.conditions, before, timeText(clock.now()));
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

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

function deploymentStatus(
  deployment: Deployment,
  pods: readonly Pod[],
  hash: string,
  observedGeneration: number,
): JsonObject & { readonly conditions: readonly Condition[] & readonly JsonObject[] } {
  const { replicas } = deployment.spec;
  const { name } = deployment.metadata;
  const updated = pods.filter(pod => pod.metadata.labels[HASH_LABEL] === hash);
  const ready = pods.filter(isPodReady).length;
  const updatedReady = updated.filter(isPodReady).length;
  const complete = updatedReady >= replicas && pods.length === updated.length;
  const enough = ready >= replicas;
  return {
    observedGeneration,
    replicas: pods.length,
    updatedReplicas: updated.length,
    readyReplicas: ready,
    availableReplicas: ready,
    unavailableReplicas: Math.max(0, Math.max(replicas, pods.length) - ready),
    conditions: [
      {
        type: "Available",
        status: enough ? "True" : "False",
        reason: enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
        message: `Deployment ${enough ? "has" : "does not have"} minimum availability.`,
      },
      {
        type: "Progressing",
        status: "True",
        reason: complete ? "NewReplicaSetAvailable" : "ReplicaSetUpdated",
        message: `ReplicaSet "${name}-${hash}" ${complete ? "has successfully progressed" : "is progressing"}.`,
      },
    ],
  };
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
