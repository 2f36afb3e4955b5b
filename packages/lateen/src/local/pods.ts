import type { JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { jsonEqual } from "../sources/json.ts";
import type { ObjectCache } from "./object-cache.ts";
import { RunningPod } from "./pod.ts";
import type { PodContext } from "./pod-context.ts";
import { isPodFinished } from "./pod-facts.ts";
import { expectOk } from "./store-result.ts";
import { WorkQueue } from "./work-queue.ts";

export interface PodsOptions {
  readonly client: ApiClient;
  readonly pods: ObjectCache<Pod>;
  readonly context: PodContext;
  /** The node that a pod is put on. */
  nodeFor(pod: Pod): string;
}

/** Runs every Pod object (scheduler and kubelet in one) and writes what becomes of it. */
export class Pods {
  readonly #options: PodsOptions;
  readonly #queue: WorkQueue;
  readonly #running = new Map<string, RunningPod>();
  readonly #written = new Map<string, JsonObject>();

  constructor(options: PodsOptions) {
    this.#options = options;
    const { clock, log } = options.context;
    const work = (key: string): Promise<void> => this.#reconcile(key);
    this.#queue = new WorkQueue({ name: "pods", clock, log, work });
  }

  /** To be called when `pods` is complete. What an earlier run has left is begun anew. */
  async start(): Promise<void> {
    for (const pod of this.#options.pods.all())
      if (isOwned(pod) || pod.metadata.deletionTimestamp !== undefined) await this.#remove(pod);
    this.#options.pods.onChange(changes => {
      for (const { key, before } of changes) {
        this.#queue.add(key);
        if (before !== undefined) this.#endIfReplaced(before);
      }
    });
    for (const { metadata } of this.#options.pods.all())
      this.#queue.add(`${metadata.namespace}/${metadata.name}`);
  }

  /** Ends all pods; their objects stay. */
  async stop(graceMs: number): Promise<void> {
    await this.#queue.stop();
    await Promise.all([...this.#running.values()].map(pod => pod.terminate(graceMs, false)));
  }

  get(namespace: string, name: string): RunningPod | undefined {
    const pod = this.#options.pods.get(namespace, name);
    return pod === undefined ? undefined : this.#running.get(pod.metadata.uid);
  }

  async #reconcile(key: string): Promise<void> {
    const pod = this.#options.pods.at(key);
    if (pod === undefined) return;
    const running = this.#running.get(pod.metadata.uid);
    running?.update(pod);
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (running === undefined) await this.#remove(pod);
      else this.#end(running, (pod.metadata.deletionGracePeriodSeconds ?? 30) * 1000);
      return;
    }
    if (running !== undefined) {
      await this.#writeStatus(running);
      return;
    }
    if (isPodFinished(pod)) return;
    if ((pod.spec.nodeName ?? "") === "") {
      await this.#schedule(pod);
      return;
    }
    this.#run(pod);
  }

  async #schedule(pod: Pod): Promise<void> {
    const { client, pods, nodeFor } = this.#options;
    const { namespace, name } = pod.metadata;
    const spec = { nodeName: nodeFor(pod) };
    pods.apply(expectOk(await client.patch(podKind, namespace, name, "merge", { spec })));
  }

  #run(pod: Pod): void {
    const { uid, namespace, name } = pod.metadata;
    const key = `${namespace}/${name}`;
    const running = new RunningPod(pod, this.#options.context, () => this.#queue.add(key));
    this.#running.set(uid, running);
    void running.start();
  }

  /** In the background: other pods need not wait for its grace period. */
  #end(running: RunningPod, graceMs: number): void {
    if (running.ending) return;
    const { log } = this.#options.context;
    const failed = (error: unknown): void => {
      const text = error instanceof Error ? error.message : String(error);
      log.error("a pod did not end in order", { pod: running.key, error: text });
    };
    void running
      .terminate(graceMs)
      .catch(failed)
      .then(() => {
        this.#running.delete(running.uid);
        this.#written.delete(running.uid);
        // Its object goes in its turn, again and again until the store has taken that.
        this.#queue.add(running.key);
      });
  }

  /** A pod whose object was removed at once, or replaced under its name. */
  #endIfReplaced(before: Pod): void {
    const { namespace, name, uid } = before.metadata;
    if (this.#options.pods.get(namespace, name)?.metadata.uid === uid) return;
    const running = this.#running.get(uid);
    if (running !== undefined) this.#end(running, 0);
  }

  async #remove(pod: Pod): Promise<void> {
    const { client, pods } = this.#options;
    const { namespace, name, uid } = pod.metadata;
    const result = await client.delete(podKind, namespace, name, { gracePeriodSeconds: 0, uid });
    if (result.ok || result.status.code === 404 || result.status.code === 409) {
      if (pods.get(namespace, name)?.metadata.uid === uid) pods.forget(namespace, name);
    } else expectOk(result);
  }

  async #writeStatus(running: RunningPod): Promise<void> {
    const status = running.status();
    const before = this.#written.get(running.uid);
    if (before !== undefined && jsonEqual(before, status)) return;
    const { client, pods } = this.#options;
    const { namespace, name } = running.pod.metadata;
    // A merge patch: what is no longer said has to be taken away.
    const patch = { status: { reason: null, message: null, ...status } };
    const sub = { subresource: "status" } as const;
    const result = await client.patch(podKind, namespace, name, "merge", patch, sub);
    if (!result.ok && result.status.code === 404) return;
    this.#written.set(running.uid, status);
    pods.apply(expectOk(result));
  }
}

/** A controller makes another one in its place. */
function isOwned(pod: Pod): boolean {
  return pod.metadata.ownerReferences?.some(ref => ref.controller === true) ?? false;
}
