/**
 * Tags that lead to a control-plane revision: labels `istio.io/tag` of webhook configurations with its
 * `istio.io/rev`, and of Services beside it, which newer Istio makes for tags (istio.io, "Canary
 * Upgrades", stable revision labels).
 */
import { REVISION_LABEL, TAG_LABEL } from "../../api/revision-label.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { ApiClient, Resource } from "../client/api-client.ts";
import { Informer, type ObjectChange } from "../client/informer.ts";
import { objectAt, stringAt } from "../json.ts";

export interface RevisionTagsOptions {
  readonly client: ApiClient;
  readonly revision: string;
  /** Of the control plane. */
  readonly namespace: string;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
}

const WEBHOOKS: Resource = {
  group: "admissionregistration.k8s.io",
  versions: ["v1"],
  plural: "mutatingwebhookconfigurations",
  namespaced: false,
};
const SERVICES: Resource = { group: "", versions: ["v1"], plural: "services", namespaced: true };

export class RevisionTags {
  readonly #options: RevisionTagsOptions;
  readonly #informers: readonly Informer[];
  /** Tag by the object that says so. */
  readonly #tags = new Map<string, string>();
  #told: string | undefined;
  #onTags: (tags: ReadonlySet<string>) => void = () => {};

  constructor(options: RevisionTagsOptions) {
    this.#options = options;
    this.#informers = [this.#informer(WEBHOOKS), this.#informer(SERVICES, options.namespace)];
  }

  /** `onTags` gets the first tags, also where there are none, and then whenever they are others. */
  start(onTags: (tags: ReadonlySet<string>) => void): void {
    this.#onTags = onTags;
    for (const informer of this.#informers) informer.start();
  }

  stop(): void {
    for (const informer of this.#informers) informer.stop();
  }

  #informer(resource: Resource, namespace?: string): Informer {
    const { client, revision, clock, random, log } = this.#options;
    return new Informer({
      client,
      resource,
      ...(namespace === undefined ? {} : { namespace }),
      labelSelector: `${TAG_LABEL},${REVISION_LABEL}=${revision}`,
      form: "metadata",
      // Who may not look for tags has none.
      optional: true,
      clock,
      random,
      log,
      onChanges: changes => this.#take(resource, changes),
    });
  }

  #take(resource: Resource, changes: readonly ObjectChange[]): void {
    for (const { name, object } of changes) {
      const key = `${resource.plural}/${name}`;
      if (object === undefined) this.#tags.delete(key);
      else
        this.#tags.set(key, stringAt(objectAt(objectAt(object, "metadata"), "labels"), TAG_LABEL));
    }
    if (!this.#informers.every(informer => informer.synced)) return;
    const tags = new Set([...this.#tags.values()].sort());
    const text = [...tags].join(", ");
    if (text === this.#told) return;
    if (this.#told !== undefined || text !== "")
      this.#options.log.info("revision tags", { revision: this.#options.revision, tags: text });
    this.#told = text;
    this.#onTags(tags);
  }
}
