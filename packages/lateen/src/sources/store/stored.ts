/** What the store holds, and how resources and objects are named in it. */
import type { JsonObject, Kind } from "../../api/kind.ts";

/** An object as stored; never changed in place, so it may be handed out freely. */
export interface StoredObject {
  readonly kind: Kind;
  /** "" for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The store's revision at which it was written last. */
  readonly resourceVersion: number;
  /** With the storage version as apiVersion and every server-set metadata field. */
  readonly json: JsonObject;
}

/** One write, as watches see it. */
export interface StoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly resourceVersion: number;
  /** For DELETED the last state, with the resourceVersion of the deletion. */
  readonly object: StoredObject;
  readonly previous: StoredObject | undefined;
}

/** `apps/deployments`, `/services`: what tables and histories are keyed by. */
export function resourceId(kind: Pick<Kind, "group" | "plural">): string {
  return `${kind.group}/${kind.plural}`;
}

export function groupVersion(group: string, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}

/** The object as a client that asked for `version` shall see it (one schema over all versions). */
export function asVersion(json: JsonObject, kind: Kind, version: string): JsonObject {
  const apiVersion = groupVersion(kind.group, version);
  return json["apiVersion"] === apiVersion ? json : { ...json, apiVersion };
}
