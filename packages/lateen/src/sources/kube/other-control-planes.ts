/**
 * Whether Istio's control plane runs in the same cluster: Deployments with its label `app=istiod` that are
 * not Lateen's. What there is one of in a cluster is then Istio's to write.
 */
import type { JsonObject } from "../../api/kind.ts";
import { CONTROL_PLANE_LABEL } from "../../api/revision-label.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { ApiClient, Resource } from "../client/api-client.ts";
import { Informer, type ObjectChange } from "../client/informer.ts";
import { objectAt } from "../json.ts";

const DEPLOYMENTS: Resource = {
  group: "apps",
  versions: ["v1"],
  plural: "deployments",
  namespaced: true,
};
/** Of every control plane, Istio's and ours. */
export const CONTROL_PLANES = "app=istiod";

export interface OtherControlPlanesOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
  /** Told when `present` becomes something else. */
  readonly onChange: () => void;
}

export class OtherControlPlanes {
  readonly #log: Log;
  readonly #informer: Informer;
  readonly #onChange: () => void;
  readonly #found = new Set<string>();
  #present: boolean | undefined;

  constructor({ client, clock, random, log, onChange }: OtherControlPlanesOptions) {
    this.#log = log;
    this.#onChange = onChange;
    this.#informer = new Informer({
      client,
      resource: DEPLOYMENTS,
      labelSelector: CONTROL_PLANES,
      // Who may not look for them knows of none.
      optional: true,
      clock,
      random,
      log,
      onChanges: changes => this.#take(changes),
    });
  }

  start(): void {
    this.#informer.start();
  }

  stop(): void {
    this.#informer.stop();
  }

  /** undefined: not known yet. */
  get present(): boolean | undefined {
    return this.#present;
  }

  #take(changes: readonly ObjectChange[]): void {
    for (const { namespace, name, object } of changes) {
      const key = `${namespace}/${name}`;
      if (object !== undefined && isOther(object) && isWanted(object)) this.#found.add(key);
      else this.#found.delete(key);
    }
    if (!this.#informer.synced) return;
    const present = this.#found.size > 0;
    if (present === this.#present) return;
    if (present || this.#present === true)
      this.#log.info(present ? "beside another control plane" : "no other control plane any more", {
        deployments: [...this.#found].sort().join(", "),
      });
    this.#present = present;
    this.#onChange();
  }
}

/** Of Deployments with the label `app=istiod`. */
export function isOther(deployment: JsonObject): boolean {
  const labels = objectAt(objectAt(deployment, "metadata"), "labels");
  return labels[CONTROL_PLANE_LABEL] === undefined;
}

/** One that is scaled to nothing is switched off; one that does not come up will. */
function isWanted(deployment: JsonObject): boolean {
  return objectAt(deployment, "spec")["replicas"] !== 0;
}

/** Asked once; rejects where the API server does not say. */
export async function hasOtherControlPlane(client: Pick<ApiClient, "list">): Promise<boolean> {
  const list = await client.list(DEPLOYMENTS, { labelSelector: CONTROL_PLANES });
  if (!list.ok) throw new Error(`Deployments can not be listed: ${list.status.message}`);
  return list.value.items.some(item => isOther(item) && isWanted(item));
}
