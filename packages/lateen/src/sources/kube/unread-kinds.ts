/**
 * Objects of the mesh's API groups that we have no schema for: they are not read, but counted, so
 * that nobody has to wonder whether they have an effect.
 */

import type { JsonObject } from "../../api/kind.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { ApiClient, Resource } from "../client/api-client.ts";
import { Informer } from "../client/informer.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../json.ts";

export interface UnreadKindsOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
}

export const crdResource: Resource = {
  group: "apiextensions.k8s.io",
  versions: ["v1"],
  plural: "customresourcedefinitions",
  namespaced: false,
};

const RETRY_MS = 5_000;
const RETRY_MAX_MS = 5 * 60_000;
/** The API server's groups grow with what anybody installs. */
const KINDS_MAX = 100;

export class UnreadKinds {
  readonly #options: UnreadKindsOptions;
  /** By `plural.group`; undefined while its version is being asked for. */
  readonly #informers = new Map<string, Informer | undefined>();
  #stopped = false;

  constructor(options: UnreadKindsOptions) {
    this.#options = options;
  }

  /** Objects by `plural.group`. */
  counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const [name, informer] of this.#informers) counts.set(name, informer?.size ?? 0);
    return counts;
  }

  /** A CRD came or changed: `plural.group`. */
  add(name: string): void {
    const known = this.#informers.get(name);
    if (known !== undefined) known.wake();
    if (this.#informers.has(name) || this.#informers.size >= KINDS_MAX) return;
    this.#informers.set(name, undefined);
    void this.#begin(name);
  }

  remove(name: string): void {
    this.#informers.get(name)?.stop();
    this.#informers.delete(name);
  }

  stop(): void {
    this.#stopped = true;
    for (const informer of this.#informers.values()) informer?.stop();
  }

  async #begin(name: string, failures = 0): Promise<void> {
    const { client, clock } = this.#options;
    const dot = name.indexOf(".");
    const [plural, group] = [name.slice(0, dot), name.slice(dot + 1)];
    const answer = await client.get(crdResource, "", name);
    if (this.#stopped || !this.#informers.has(name)) return;
    const version = answer.ok ? servedVersion(answer.value) : "";
    if (version === "") {
      clock.after(Math.min(RETRY_MS * 2 ** failures, RETRY_MAX_MS), () => {
        if (!this.#stopped && this.#informers.get(name) === undefined)
          void this.#begin(name, Math.min(failures + 1, 16));
      });
      return;
    }
    if (this.#informers.get(name) !== undefined) return;
    const informer = new Informer({
      ...this.#options,
      resource: { group, versions: [version], plural, namespaced: true },
      form: "metadata",
      pagewise: true,
      onChanges: () => {},
    });
    this.#informers.set(name, informer);
    informer.start();
  }
}

/** Any version will do: only names are counted. */
function servedVersion(crd: JsonObject): string {
  const versions = arrayAt(objectAt(crd, "spec"), "versions").filter(isObject);
  return stringAt(versions.find(each => each["served"] === true) ?? {}, "name");
}
