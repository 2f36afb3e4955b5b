/**
 * How objects go away: grace, finalizers, owners and namespaces, with Kubernetes' meaning. It all
 * happens in the transaction of the request that caused it, so a crash leaves nothing half deleted.
 */
import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt, withKey, withoutKey } from "../json.ts";
import { ownerUids } from "./object-tables.ts";
import { groupVersion, resourceId, type StoredObject } from "./stored.ts";
import type { Transaction } from "./transaction.ts";

export type PropagationPolicy = "Background" | "Foreground" | "Orphan";

export interface DeleteManner {
  /** undefined: the object's own, e.g. a pod's terminationGracePeriodSeconds. */
  readonly gracePeriodSeconds: number | undefined;
  readonly propagationPolicy: PropagationPolicy;
}

export const FOREGROUND_FINALIZER = "foregroundDeletion";
const DEFAULT_POD_GRACE_SECONDS = 30;
const background: DeleteManner = {
  gracePeriodSeconds: undefined,
  propagationPolicy: "Background",
};

/** Kinds that the life of namespaces depends on. */
export interface NamespaceKinds {
  readonly namespace: Kind;
  readonly serviceAccount: Kind | undefined;
}

export class Lifecycle {
  readonly #txn: Transaction;
  readonly #kinds: NamespaceKinds;
  /** A queue and not a recursion: chains of owners are as long as users make them. */
  readonly #work: (() => void)[] = [];

  constructor(txn: Transaction, kinds: NamespaceKinds) {
    this.#txn = txn;
    this.#kinds = kinds;
  }

  /** After an object was created: what else then exists. */
  created(object: StoredObject): void {
    if (object.kind === this.#kinds.namespace) this.#ensureDefaultServiceAccount(object.name);
    this.#collect(object);
    this.#drain();
  }

  /** After an object was updated: the last finalizer of a deleted object may be gone. */
  updated(object: StoredObject): void {
    this.#removeIfDone(object);
    this.#drain();
  }

  delete(object: StoredObject, manner: DeleteManner): void {
    this.#delete(object, manner);
    this.#drain();
  }

  #drain(): void {
    // Grows while it is worked off; to take from its front would move all that is behind.
    for (let next = 0; next < this.#work.length; next++) this.#work[next]?.();
    this.#work.length = 0;
  }

  #delete(object: StoredObject, manner: DeleteManner): void {
    const grace = graceOf(object, manner.gracePeriodSeconds);
    if (manner.propagationPolicy === "Orphan") this.#orphanDependents(object);
    const foreground =
      manner.propagationPolicy === "Foreground" &&
      this.#txn.tables.dependentsOf(object.uid).some(dependent => dependent.uid !== object.uid);
    const json = this.#marked(object, grace, manner.propagationPolicy, foreground);
    const isNamespace = object.kind === this.#kinds.namespace;
    if (!mustStay(json) && !isNamespace) {
      this.#remove(object);
      return;
    }
    const current = json === object.json ? object : this.#txn.put(object.kind, json);
    if (foreground) this.#deleteDependents(current.uid, manner.propagationPolicy);
    if (isNamespace)
      for (const content of this.#txn.tables.inNamespace(current.name))
        this.#later(content, present => this.#delete(present, background));
    this.#later(current, present => this.#removeIfDone(present));
  }

  /** Runs on the object as it then is, if it still is there. */
  #later(object: StoredObject, task: (current: StoredObject) => void): void {
    this.#work.push(() => {
      const current = this.#txn.tables.byUid(object.uid);
      if (current !== undefined) task(current);
    });
  }

  /** The object's JSON with the marks of a deletion, or as it is where it has them. */
  #marked(
    object: StoredObject,
    grace: number,
    policy: PropagationPolicy,
    foreground: boolean,
  ): JsonObject {
    const metadata = objectAt(object.json, "metadata");
    const before = arrayAt(metadata, "finalizers");
    const finalizers = policy === "Orphan" ? before.filter(isNotForeground) : before;
    const orphaned = finalizers.length < before.length;
    const waits = foreground && !finalizers.includes(FOREGROUND_FINALIZER);
    const deleting = isTerminating(object);
    const shorter = grace < Number(metadata["deletionGracePeriodSeconds"] ?? 0);
    if (deleting && !shorter && !waits && !orphaned) return object.json;
    const changed: Record<string, Json> = { ...metadata };
    const generation = Number(metadata["generation"] ?? 0);
    if (!deleting && generation > 0) changed["generation"] = generation + 1;
    if (!deleting || shorter) {
      changed["deletionTimestamp"] = this.#txn.timestamp(grace);
      changed["deletionGracePeriodSeconds"] = grace;
    }
    if (waits) changed["finalizers"] = [...finalizers, FOREGROUND_FINALIZER];
    // Whoever orphans the dependents of a foreground deletion waits for none of them any more.
    if (orphaned) changed["finalizers"] = finalizers;
    return this.#asTerminating(object.kind, withKey(object.json, "metadata", changed));
  }

  #asTerminating(kind: Kind, json: JsonObject): JsonObject {
    if (kind !== this.#kinds.namespace) return json;
    return withKey(json, "status", { ...objectAt(json, "status"), phase: "Terminating" });
  }

  #removeIfDone(object: StoredObject): void {
    if (!isTerminating(object) || mustStay(object.json)) return;
    const isNamespace = object.kind === this.#kinds.namespace;
    if (isNamespace && !this.#txn.tables.isNamespaceEmpty(object.name)) return;
    this.#remove(object);
  }

  #remove(object: StoredObject): void {
    this.#txn.remove(object);
    for (const dependent of this.#txn.tables.dependentsOf(object.uid))
      this.#later(dependent, current => this.#collect(current));
    for (const uid of ownerUids(object.json)) {
      const owner = this.#txn.tables.byUid(uid);
      if (owner !== undefined) this.#later(owner, current => this.#finishForeground(current));
    }
    if (object.namespace !== "") this.#leftNamespace(object);
  }

  #leftNamespace(object: StoredObject): void {
    const id = resourceId(this.#kinds.namespace);
    const namespace = this.#txn.tables.get(id, "", object.namespace);
    if (namespace === undefined) return;
    if (isTerminating(namespace)) {
      this.#later(namespace, current => this.#removeIfDone(current));
      return;
    }
    if (object.kind === this.#kinds.serviceAccount && object.name === "default")
      this.#ensureDefaultServiceAccount(object.namespace);
  }

  /** Deletes an object whose owners are all gone, or forgets those that are. */
  #collect(object: StoredObject): void {
    const metadata = objectAt(object.json, "metadata");
    const owners = arrayAt(metadata, "ownerReferences").filter(isObject);
    if (owners.length === 0) return;
    const live = owners.filter(
      owner => this.#txn.tables.byUid(stringAt(owner, "uid")) !== undefined,
    );
    if (live.length === owners.length) return;
    if (live.length === 0) {
      this.#delete(object, background);
      return;
    }
    const json = withKey(object.json, "metadata", { ...metadata, ownerReferences: live });
    this.#txn.put(object.kind, json);
  }

  #deleteDependents(uid: string, propagationPolicy: PropagationPolicy): void {
    for (const dependent of this.#txn.tables.dependentsOf(uid)) {
      if (dependent.uid === uid) continue;
      this.#later(dependent, current => {
        if (!isTerminating(current))
          this.#delete(current, { gracePeriodSeconds: undefined, propagationPolicy });
      });
    }
  }

  #finishForeground(owner: StoredObject): void {
    const metadata = objectAt(owner.json, "metadata");
    const finalizers = arrayAt(metadata, "finalizers");
    if (!isTerminating(owner) || !finalizers.includes(FOREGROUND_FINALIZER)) return;
    if (this.#txn.tables.dependentsOf(owner.uid).length > 0) return;
    const left = finalizers.filter(isNotForeground);
    const { finalizers: _all, ...rest } = metadata;
    const changed = left.length > 0 ? { ...rest, finalizers: left } : rest;
    const json = withKey(owner.json, "metadata", changed);
    this.#removeIfDone(this.#txn.put(owner.kind, json));
  }

  #orphanDependents(object: StoredObject): void {
    for (const dependent of this.#txn.tables.dependentsOf(object.uid)) {
      const metadata = objectAt(dependent.json, "metadata");
      const owners = arrayAt(metadata, "ownerReferences").filter(isObject);
      const others = owners.filter(owner => stringAt(owner, "uid") !== object.uid);
      const changed =
        others.length > 0
          ? { ...metadata, ownerReferences: others }
          : withoutKey(metadata, "ownerReferences");
      this.#txn.put(dependent.kind, withKey(dependent.json, "metadata", changed));
    }
  }

  /** Every namespace has one; pods that name none run as it. */
  #ensureDefaultServiceAccount(namespace: string): void {
    const kind = this.#kinds.serviceAccount;
    if (kind === undefined) return;
    if (this.#txn.tables.get(resourceId(kind), namespace, "default") !== undefined) return;
    this.#txn.put(kind, {
      apiVersion: groupVersion(kind.group, kind.storageVersion),
      kind: kind.kind,
      metadata: {
        name: "default",
        namespace,
        uid: this.#txn.newUid(),
        creationTimestamp: this.#txn.timestamp(),
      },
    });
  }
}

function isNotForeground(finalizer: Json): boolean {
  return finalizer !== FOREGROUND_FINALIZER;
}

export function isTerminating(object: StoredObject): boolean {
  return stringAt(objectAt(object.json, "metadata"), "deletionTimestamp") !== "";
}

/** A finalizer, or a pod's grace that its node has not ended yet, holds the object. */
function mustStay(json: JsonObject): boolean {
  const metadata = objectAt(json, "metadata");
  if (arrayAt(metadata, "finalizers").length > 0) return true;
  return Number(metadata["deletionGracePeriodSeconds"] ?? 0) > 0;
}

/** Seconds that a pod gets: only one that runs somewhere has anything to end. */
function graceOf(object: StoredObject, asked: number | undefined): number {
  if (resourceId(object.kind) !== "/pods") return 0;
  const spec = objectAt(object.json, "spec");
  const phase = stringAt(objectAt(object.json, "status"), "phase");
  if (stringAt(spec, "nodeName") === "" || phase === "Succeeded" || phase === "Failed") return 0;
  if (asked !== undefined) return Math.max(0, asked);
  const metadata = objectAt(object.json, "metadata");
  const own = metadata["deletionGracePeriodSeconds"] ?? spec["terminationGracePeriodSeconds"];
  return typeof own === "number" ? Math.max(0, own) : DEFAULT_POD_GRACE_SECONDS;
}
